"""The job as its user starts it: real spark-submit, exit codes, a driver killed in the middle of a night."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from nights import FILES, ROOT

pytestmark = pytest.mark.slow

SECONDS = 900


@pytest.fixture(scope="module")
def world(small_world: Path) -> Path:
    """A small sample world."""
    return small_world


def command(world: Path, lake: Path, *options: str) -> list[str]:
    """spark-submit of the job over the world, scripted engine."""
    jars = ",".join(map(str, sorted((ROOT / ".local" / "jars").glob("*.jar"))))
    sets = [f"inputs.{name}.path={world / file}" for name, file in FILES.items()]
    sets += [f"root={lake}", "engine.backend=scripted", "engine.mask=false", "show=0"]
    submit = [str(ROOT / ".venv" / "bin" / "spark-submit"), "--master", "local[2,4]", "--driver-memory", "2g"]
    java = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=256m"
    submit += ["--jars", jars, "--driver-java-options", java]
    job = [str(ROOT / "jobs" / "generate.py"), "--config", str(ROOT / "conf" / "local.yaml")]
    return [*submit, *job, *(part for one in sets for part in ("--set", one)), *options]


def environment() -> dict[str, str]:
    """What the Makefile sets."""
    return {
        **os.environ,
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }


def run(world: Path, lake: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """One run to its end. spark-submit sends what Python writes on either stream to its standard output."""
    return subprocess.run(
        command(world, lake, *options),
        env=environment(),
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )


def test_a_night_by_spark_submit_publishes_and_its_summary_is_data(world: Path, tmp_path: Path) -> None:
    heard = {"log": "json", "prometheus": tmp_path / "night.prom", "openlineage": tmp_path / "events.jsonl"}
    sets = [word for name, value in heard.items() for word in ("--set", f"signals.{name}={value}")]
    done = run(world, tmp_path / "lake", "--json", str(tmp_path / "run.json"), *sets)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    told = json.loads((tmp_path / "run.json").read_text())
    assert told["status"] == "published"
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert {"evidence", "judge", "publish"} <= {line.get("stage") for line in lines}
    assert lines[-1]["run_id"] == told["run_id"]
    assert 'reasongen_last_run_exit_code{scenario="recommendation"} 0.0' in (tmp_path / "night.prom").read_text()
    assert len((tmp_path / "events.jsonl").read_text().splitlines()) == 2
    assert told["model_loads"] == 1
    assert (
        pl.read_delta(str(tmp_path / "lake" / "reasons")).height
        == told["pairs"]["published"] + told["pairs"]["fallback"]
    )
    assert "u0000" not in done.stdout + done.stderr


def test_a_plan_and_a_preview_tell_and_leave_nothing(world: Path, tmp_path: Path) -> None:
    plan = run(world, tmp_path / "lake", "--dry-run", "--json", str(tmp_path / "plan.json"))
    assert plan.returncode == 0, plan.stdout[-4000:] + plan.stderr[-2000:]
    told = json.loads((tmp_path / "plan.json").read_text())
    assert (told["status"], told["estimate"], len(told["prompts_shown"])) == ("planned", None, 5)
    assert told["changes"] == {"new": told["pairs"]["pairs"]}
    assert "estimate   no earlier night" in plan.stdout
    shown = run(world, tmp_path / "lake", "--preview", "2")
    assert shown.returncode == 0, shown.stdout[-4000:] + shown.stderr[-2000:]
    assert shown.stdout.count("5 would stand: ") == 2
    assert not (tmp_path / "lake" / "reasons").exists()
    assert run(world, tmp_path / "lake", "--preview", "0").returncode == 2


def test_a_contract_fault_is_exit_2_and_lists_every_fault(world: Path, tmp_path: Path) -> None:
    done = run(world, tmp_path / "lake", "--night", "2031-05-04", "--set", "inputs.items.path=nowhere.jsonl")
    assert done.returncode == 2, done.stderr[-2000:]
    assert "2 faults" in done.stdout
    assert not (tmp_path / "lake").exists()


def test_an_unknown_setting_is_exit_2_and_names_the_nearest(world: Path, tmp_path: Path) -> None:
    done = run(world, tmp_path / "lake", "--set", "engine.tempreature=1")
    assert done.returncode == 2
    assert "did you mean `temperature`" in done.stdout


@pytest.mark.long
def test_a_refused_gate_is_exit_3_and_publishes_nothing(world: Path, tmp_path: Path) -> None:
    done = run(world, tmp_path / "lake", "--set", "engine.scripted.fault_rate=0.9")
    assert done.returncode == 3, done.stderr[-2000:]
    assert "fallback_share" in done.stdout
    assert pl.read_delta(str(tmp_path / "lake" / "reasons")).height == 0


def test_a_killed_night_is_completed_and_pays_for_no_committed_prompt_twice(world: Path, tmp_path: Path) -> None:
    lake, slow = (
        tmp_path / "lake",
        ["--set", "engine.scripted.seconds_per_prompt=0.02", "--set", "engine.slice_prompts=150"],
    )
    with subprocess.Popen(
        command(world, lake, *slow), env=environment(), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as driver:  # fmt: skip
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and _generated(lake) == 0 and driver.poll() is None:
            time.sleep(0.5)
        os.killpg(driver.pid, signal.SIGKILL)
    kept = _generated(lake)
    assert kept > 0
    done = run(world, lake, *slow, "--json", str(tmp_path / "run.json"))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    told = json.loads((tmp_path / "run.json").read_text())
    made = pl.read_delta(str(lake / "generations"))
    assert told["prompts"]["reused"] == kept
    assert "evidence: that of 2026-03-02-recommendation-000001 is used" in done.stdout
    wanted = told["prompts"]["distinct"] + told["prompts"].get("retried", 0)
    assert made.height == made.select("prompt_hash", "sample").unique().height == wanted
    reasons = pl.read_delta(str(lake / "reasons"))
    assert reasons.height == reasons.select("user_id", "item_id").unique().height
    assert reasons.height == told["pairs"]["published"] + told["pairs"]["fallback"]


def _generated(lake: Path) -> int:
    try:
        return int(pl.read_delta(str(lake / "generations")).height)
    except Exception:  # not there yet
        return 0
