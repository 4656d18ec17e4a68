"""A search finds settings that another run can use, goes on where it was cut off, and keeps to its own study."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import labelled
import optuna
import pytest

from jobs import tune as job
from reasongen.config import load_settings
from reasongen.errors import ConfigError
from reasongen.training.settings import load_training
from reasongen.training.tune import TuneSettings, tune

ROOT = Path(__file__).resolve().parent.parent
SPACE = "space={train.learning_rate: {low: 0.0001, high: 0.01, log: true}, method.rank: {choices: [2, 4]}}"


def sets_of(folder: Path, *more: str) -> list[str]:
    """A search of seconds: few pairs, few steps."""
    pairs = folder / "examples.parquet"
    if not pairs.exists():
        labelled.write(pairs, labelled.rows(12, 6))
    fixed = [f"examples={pairs}", f"model={ROOT}/models/default", "train.max_steps=4", "train.eval_steps=2"]
    fixed += ["train.save_steps=2", "train.warmup=1", "train.batch=8"]
    told = f"sets=[{', '.join(fixed)}]"
    base = f"base={ROOT}/conf/finetune/lora.yaml"
    space = [] if any(one.startswith("space=") for one in more) else [SPACE]
    return [base, told, *space, f"study={folder}/study.db", f"out={folder}/best.yaml", "trials=3", *more]


def settings_of(folder: Path, *more: str) -> TuneSettings:
    bare = folder / "tune.yaml"
    bare.write_text("{}\n", encoding="utf-8")
    return load_settings(TuneSettings, bare, sets_of(folder, *more))


def test_the_best_of_all_trials_stands_as_settings_and_more_trials_go_on(tmp_path: Path) -> None:
    first = tune(settings_of(tmp_path))
    assert sum(first["trials"].values()) == 3
    assert set(first["values"]) == {"train.learning_rate", "method.rank"}
    found = load_training(tmp_path / "best.yaml")
    assert found.method.rank == first["values"]["method.rank"]  # type: ignore[union-attr]
    assert found.train.learning_rate == pytest.approx(first["values"]["train.learning_rate"])  # type: ignore[union-attr]
    assert found.train.max_steps == 4
    study = optuna.load_study(study_name="reasongen", storage=f"sqlite:///{tmp_path}/study.db")
    assert first["validation_loss"] == min(trial.value for trial in study.trials if trial.value is not None)
    assert len({trial.params["train.learning_rate"] for trial in study.trials}) == 3
    assert not list(tmp_path.glob("study/*")), "a trial leaves no weights"

    assert tune(settings_of(tmp_path)) == first, "nothing is left to try"
    more = tune(settings_of(tmp_path, "trials=4"))
    assert sum(more["trials"].values()) == 4
    assert more["validation_loss"] <= first["validation_loss"]
    with pytest.raises(ConfigError, match=r"wanted the study of this base and space; found another's"):
        tune(settings_of(tmp_path, "space={method.rank: {choices: [2, 4]}}"))


@pytest.mark.slow
def test_a_rate_that_loses_the_numbers_is_given_up_and_the_search_goes_on(tmp_path: Path) -> None:
    wild = "space={train.learning_rate: {choices: [1e30, 0.001]}}"
    done = tune(settings_of(tmp_path, wild, "trials=6"))
    assert done["values"]["train.learning_rate"] == 0.001
    assert sum(done["trials"].values()) == 6


def test_a_trial_draws_by_its_number_whichever_process_tries_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reasongen.training.tune.finetune", lambda told, look: SimpleNamespace(validation_loss=1.0))

    def drawn(name: str, *stops: int) -> list[dict[str, object]]:
        for trials in stops:
            tune(settings_of(tmp_path, f"trials={trials}", f"study={tmp_path}/{name}.db"))
        study = optuna.load_study(study_name="reasongen", storage=f"sqlite:///{tmp_path}/{name}.db")
        return [trial.params for trial in study.trials]

    assert drawn("at_once", 4) == drawn("in_parts", 2, 4)


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ("{train.learning_rat: {low: 0.1, high: 1}}", "did you mean `learning_rate`"),
        ("{train.learning_rate: {low: 0.1}}", "give either choices, or low and high"),
        ("{train.learning_rate: {low: 0, high: 1, log: true}}", "above 0 where log is true"),
        ("{train.batch: {low: 0, high: 4, whole: true}}", "train.batch"),
        ("{train.weight_decay: {low: 0.5, high: -0.5}}", "wanted low at most high"),
        ("{method.rank: {choices: [4, 0]}}", "method.*rank"),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused_before_any_trial(tmp_path: Path, space: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        tune(settings_of(tmp_path, f"space={space}"))
    assert not (tmp_path / "study.db").exists()


def test_the_job_prints_the_best_and_how_to_use_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = tmp_path / "tune.yaml"
    bare.write_text("{}\n", encoding="utf-8")
    sets = [part for one in sets_of(tmp_path, "trials=1") for part in ("--set", one)]
    assert job.main(["--config", str(bare), *sets, "--json", str(tmp_path / "best.json")]) == 0
    assert f"use them: python jobs/train.py --config {tmp_path}/best.yaml" in capsys.readouterr().out
    assert job.main(["--config", str(tmp_path / "none.yaml")]) == 2


@pytest.mark.slow
def test_a_killed_search_goes_on(tmp_path: Path) -> None:
    bare = tmp_path / "tune.yaml"
    bare.write_text("{}\n", encoding="utf-8")
    sets = [part for one in sets_of(tmp_path) for part in ("--set", one)]
    told = [sys.executable, str(ROOT / "jobs" / "tune.py"), "--config", str(bare), *sets]
    process = subprocess.Popen(told, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while time.monotonic() < until and not list(tmp_path.glob("study/trial-1.work")):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = tune(settings_of(tmp_path))
    assert done["trials"]["complete"] + done["trials"].get("pruned", 0) == 3
