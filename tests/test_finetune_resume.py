"""Fine-tuning goes on where it was: killed anywhere, it ends at the bytes of an undisturbed run."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lessons import brief, files_of, lessons, make_base, write

from reasongen.errors import ConfigError
from reasongen.training import directory, finetune, loop
from reasongen.training.checkpoints import newest_whole, seal, work_folder

LOOP = (  # 19 rows in batches of 4: an epoch has 5 steps
    "train.max_steps=7",
    "train.dropout=0.1",
    "train.patience=0",
    "train.eval_steps=2",
    "train.save_steps=1",
    "train.accumulation=1",
)
EARLY = (
    "train.learning_rate=0.3",
    "train.max_steps=30",
    "train.eval_steps=1",
    "train.save_steps=1",
    "train.patience=2",
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("places")
    return make_base(root / "gpt2", "gpt2"), write(root / "pairs.parquet", lessons(train=24, validation=8))


Undisturbed = Callable[[str, tuple[str, ...]], dict[str, bytes]]


@pytest.fixture(scope="module")
def undisturbed(places: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The files of a run that nothing disturbs; made once for each method and loop."""
    made: dict[tuple[str, tuple[str, ...]], dict[str, bytes]] = {}

    def of(method: str, sets: tuple[str, ...]) -> dict[str, bytes]:
        if (method, sets) not in made:
            out = tmp_path_factory.mktemp("undisturbed") / "out"
            finetune.finetune(brief(*places, out, method, *sets))
            made[method, sets] = files_of(out)
        return made[method, sets]

    return of


def die_in(run: Callable[[], Any], spoil: Callable[[], None]) -> None:
    """Runs it in a copy of this process that kills itself where `spoil` says."""
    child = os.fork()
    if child == 0:
        try:
            spoil()
            run()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "wanted a process that was killed"
    assert os.WTERMSIG(status) == signal.SIGKILL


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def call(step: int) -> Callable[[], None]:
    """Dies when it is called for the `step`th time."""
    calls = iter(range(1, step + 1))

    def counted() -> None:
        if next(calls) == step:
            die()

    return counted


def before(owner: Any, name: str, number: int) -> None:
    """Dies when owner.name is called for the `number`th time."""
    was, dying = getattr(owner, name), call(number)
    setattr(owner, name, lambda *args, **named: (dying(), was(*args, **named))[1])


def after(owner: Any, name: str) -> None:
    """Dies when owner.name has done its work."""
    was = getattr(owner, name)
    setattr(owner, name, lambda *args, **named: (was(*args, **named), die()))


def half_a_file(number: int) -> None:
    """Dies in the middle of the `number`th file that torch writes (optimiser, schedule, generators, arguments)."""
    was, calls = torch.save, iter(range(1, number + 1))

    def torn(content: Any, path: str, *rest: Any) -> None:
        was(content, path, *rest)
        if next(calls) == number:
            os.truncate(path, os.path.getsize(path) // 2)
            die()

    torch.save = torn


DEATHS: dict[str, Callable[[], None]] = {
    "before the first checkpoint": lambda: before(loop.ReasonTrainer, "_save_checkpoint", 1),
    "in the first checkpoint": lambda: half_a_file(2),
    "in the third checkpoint": lambda: half_a_file(11),
    "before a checkpoint is sealed": lambda: before(loop, "seal", 4),
    "at the end of an epoch": lambda: before(loop.ReasonTrainer, "_save_checkpoint", 6),
    "in the second epoch": lambda: before(loop.ReasonTrainer, "_save_checkpoint", 7),
    "while old checkpoints are cleared away": lambda: before(shutil, "rmtree", 3),
    "after the last step": lambda: before(finetune, "save_finetuned", 1),
    "while the outcome is written": lambda: before(directory, "stages_of", 1),
    "before the work is cleared away": lambda: after(finetune, "save_finetuned"),
}


@pytest.mark.parametrize("death", DEATHS)
def test_a_killed_run_ends_at_the_same_bytes(
    death: str, places: tuple[Path, Path], undisturbed: Undisturbed, tmp_path: Path
) -> None:
    settings = brief(*places, tmp_path / "out", "full", *LOOP)
    die_in(lambda: finetune.finetune(settings), DEATHS[death])
    assert work_folder(settings.out).is_dir()
    tuned = finetune.finetune(settings)
    assert tuned.steps == 7
    assert files_of(tmp_path / "out") == undisturbed("full", LOOP)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


@pytest.mark.parametrize("method", ["top", "lora", "prompt", "prefix"])
def test_so_does_every_method(method: str, places: tuple[Path, Path], undisturbed: Undisturbed, tmp_path: Path) -> None:
    settings = brief(*places, tmp_path / "out", method, *LOOP)
    die_in(lambda: finetune.finetune(settings), DEATHS["in the second epoch"])
    finetune.finetune(settings)
    assert files_of(tmp_path / "out") == undisturbed(method, LOOP)


@pytest.mark.parametrize("number", [4, 5, 6])
def test_early_stopping_remembers_what_it_saw(
    number: int, places: tuple[Path, Path], undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """Killed before, while and after the look that ends the run."""
    settings = brief(*places, tmp_path / "out", "full", *EARLY)
    steps = finetune.finetune(settings).steps
    assert 3 <= steps < 30
    shutil.rmtree(tmp_path / "out")
    spot = min(number, steps)
    last = spot == steps
    die_in(
        lambda: finetune.finetune(settings),
        lambda: before(finetune, "restore", 1) if last else before(loop, "seal", spot),
    )
    assert finetune.finetune(settings).steps == steps
    assert files_of(tmp_path / "out") == undisturbed("full", EARLY)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    places: tuple[Path, Path], undisturbed: Undisturbed, tmp_path: Path
) -> None:
    for method in ("full", "lora"):
        finetune.finetune(brief(*places, tmp_path / method, method, *LOOP))
        assert files_of(tmp_path / method) == undisturbed(method, LOOP)
    finetune.finetune(brief(*places, tmp_path / "other", "full", *LOOP, "seed=8"))
    assert files_of(tmp_path / "other") != undisturbed("full", LOOP)


def test_other_settings_do_not_go_on_with_these_checkpoints(places: tuple[Path, Path], tmp_path: Path) -> None:
    settings = brief(*places, tmp_path / "out", "full", *LOOP)
    die_in(lambda: finetune.finetune(settings), DEATHS["in the second epoch"])
    with pytest.raises(ConfigError, match=r"delete .*out\.work to start anew, or set out"):
        finetune.finetune(brief(*places, tmp_path / "out", "full", *LOOP, "train.learning_rate=0.1"))
    assert newest_whole(tmp_path / "out.work") == tmp_path / "out.work" / "checkpoint-6"
    finetune.finetune(settings)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    for step in (2, 10, 9):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(bytes(range(200)))
        seal(folder, 1.5)
    return tmp_path


def shorter(folder: Path) -> None:
    os.truncate(folder / "model.safetensors", 100)


def flipped(folder: Path) -> None:
    raw = bytearray((folder / "model.safetensors").read_bytes())
    raw[50] ^= 1
    (folder / "model.safetensors").write_bytes(raw)


def gone(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def unsealed(folder: Path) -> None:
    (folder / "whole.json").unlink()


def half_sealed(folder: Path) -> None:
    os.truncate(folder / "whole.json", 20)


@pytest.mark.parametrize("spoil", [shorter, flipped, gone, unsealed, half_sealed])
def test_the_newest_whole_checkpoint_is_taken_and_a_torn_one_deleted(spoil: Callable[[Path], None], work: Path) -> None:
    assert newest_whole(work) == work / "checkpoint-10"
    spoil(work / "checkpoint-10")
    assert newest_whole(work) == work / "checkpoint-9"
    assert not (work / "checkpoint-10").exists()
