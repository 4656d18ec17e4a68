"""The job fine-tunes as one command: from a Parquet file to what the engine loads, and on after a kill."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from engines import real, rows_of, written
from lessons import BRIEF, ROOT, brief, files_of, lessons, make_base, write

from reasongen.training.finetune import finetune


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("places")
    return make_base(root / "llama", "llama"), write(root / "pairs.parquet", lessons(train=24, validation=8))


def job(places: tuple[Path, Path], out: Path, *sets: str, hashes: str = "0") -> subprocess.Popen[str]:
    """The LoRA run as a process of its own, with its own order of Python's sets."""
    base, pairs = places
    given = [*BRIEF, f"model={base}", f"examples={pairs}", f"out={out}", *sets]
    command = [sys.executable, "jobs/train.py", "--config", "conf/finetune/lora.yaml", "--json", f"{out}.json"]
    command += [part for one in given for part in ("--set", one)]
    env = os.environ | {
        "PYTHONHASHSEED": hashes,
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONFAULTHANDLER": "1",
    }
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(running: subprocess.Popen[str]) -> tuple[str, str]:
    """What it printed; one that does not end says where it stands."""
    try:
        return running.communicate(timeout=150)
    except subprocess.TimeoutExpired:
        running.send_signal(signal.SIGABRT)
        pytest.fail(f"it did not end: {running.communicate(timeout=30)[1][-4000:]}")


def test_the_job_ends_at_the_bytes_of_the_call_and_prints_its_figures(
    places: tuple[Path, Path], tmp_path: Path
) -> None:
    running = job(places, tmp_path / "job", hashes="77")
    said, told = ended(running)
    assert running.returncode == 0, told
    figures: dict[str, Any] = json.loads(said)
    assert figures == json.loads((tmp_path / "job.json").read_text())
    assert figures["out"] == str(tmp_path / "job")
    assert figures["validation_loss"] < figures["validation_loss_before"]
    assert "step 2 of 2" in told
    finetune(brief(*places, tmp_path / "call", "lora"))
    assert files_of(tmp_path / "job") == files_of(tmp_path / "call")
    assert written(real(places[0], adapter=str(tmp_path / "job")), rows_of(2))


def test_a_fault_of_the_base_exits_with_2(
    places: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    main = runpy.run_path("jobs/train.py")["main"]
    given = ["--set", f"examples={places[1]}", "--set", f"model={tmp_path / 'none'}", "--set", "tracking=none"]
    assert main(["--config", "conf/finetune/full.yaml", *given]) == 2
    said, told = capsys.readouterr()
    assert "wanted the folder of a base model; found none" in told
    assert said == ""


@pytest.mark.slow
def test_a_job_killed_from_outside_goes_on_where_it_was(places: tuple[Path, Path], tmp_path: Path) -> None:
    sets = ("train.max_steps=60", "train.save_steps=5", "train.eval_steps=5", "train.dropout=0.1", "train.patience=0")
    running = job(places, tmp_path / "killed", *sets)
    sealed = tmp_path / "killed.work" / "checkpoint-20" / "whole.json"
    deadline = time.monotonic() + 100
    while not sealed.exists() and time.monotonic() < deadline:
        time.sleep(0.002)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert not (tmp_path / "killed").exists()
    again = job(places, tmp_path / "killed", *sets)
    _, told = ended(again)
    assert again.returncode == 0, told
    assert "going on after step" in told
    undisturbed = job(places, tmp_path / "undisturbed", *sets)
    ended(undisturbed)
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "undisturbed")
