"""The job as its user starts it: nothing that it prints names anybody, not even a fault of its own command line."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from forgotten import KEY, config_of, people, plant_world, traces_below

from reasongen.pipeline import read_users

ROOT = Path(__file__).resolve().parent.parent
PLANTED = people(3)
USERS = [person.user for person in PLANTED]
SECONDS = 900


@pytest.fixture(scope="module")
def job() -> ModuleType:
    """jobs/forget.py as a module."""
    spec = importlib.util.spec_from_file_location("forget_job", ROOT / "jobs" / "forget.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "words",
    [
        ["--user", USERS[0], "--users", "-"],
        ["--user", USERS[0], f"--usr={USERS[1]}"],
        ["--usr", USERS[0]],
        [],
    ],
)
def test_a_wrong_command_line_is_exit_2_and_names_nobody(
    job: ModuleType, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        job.main(["--config", str(ROOT / "conf" / "local.yaml"), *words])
    assert caught.value.code == 2
    told = capsys.readouterr()
    assert not any(user in told.out + told.err for user in USERS)


def test_a_line_ends_at_a_newline_and_nowhere_else(tmp_path: Path) -> None:
    """What else Python takes for the end of a line may stand in an id; cut there, two others would be forgotten."""
    (tmp_path / "ids").write_bytes("\ufeffa\u2028b\r\nc\x85d\n\ne\x0bf".encode())
    assert [user for user in read_users(str(tmp_path / "ids")) if user] == ["a\u2028b", "c\x85d", "e\x0bf"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"\n \n"])
def test_a_file_without_ids_is_exit_2(
    job: ModuleType, content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str], spark: object
) -> None:
    file = tmp_path / "ids"
    if content is not None:
        file.write_bytes(content)
    told = job.main(["--config", str(ROOT / "conf" / "local.yaml"), "--set", f"root={tmp_path}", "--users", str(file)])
    assert told == 2
    assert "users: wanted" in capsys.readouterr().err


def command(name: str, lake: Path, *options: str) -> list[str]:
    """spark-submit of a job over the planted world, with an event log."""
    jars = ",".join(map(str, sorted((ROOT / ".local" / "jars").glob("*.jar"))))
    config = config_of(lake)
    sets = [f"inputs.{n}.path={getattr(config.inputs, n).path}" for n in ("events", "items", "candidates", "users")]
    sets += ["inputs.candidates.format=delta", "inputs.users.format=delta"]
    sets += [f"root={lake}", "engine.backend=scripted", "show=0"]
    submit = [str(ROOT / ".venv" / "bin" / "spark-submit"), "--master", "local[2,4]", "--driver-memory", "2g"]
    java = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=256m"
    submit += ["--jars", jars, "--driver-java-options", java]
    submit += ["--conf", "spark.eventLog.enabled=true", "--conf", f"spark.eventLog.dir={lake}/spark-events"]
    submit += ["--conf", "spark.eventLog.compress=false"]
    job = [str(ROOT / "jobs" / f"{name}.py"), "--config", str(ROOT / "conf" / "local.yaml")]
    return [*submit, *job, *(part for one in sets for part in ("--set", one)), *options]


def submitted(words: list[str], told: str = "") -> subprocess.CompletedProcess[str]:
    own = {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    environment = {**os.environ, **own, "REASONGEN_FORGET_KEY": KEY}
    return subprocess.run(
        words, input=told, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=SECONDS, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize("how", [pytest.param("command line", marks=pytest.mark.long), "standard input"])
def test_under_spark_submit_no_byte_is_left_in_logs_and_event_log_either(tmp_path: Path, how: str) -> None:
    lake = tmp_path / "lake"
    plant_world(lake, PLANTED)
    (lake / "spark-events").mkdir()
    made = submitted(command("generate", lake))
    assert made.returncode == 0, made.stdout[-4000:] + made.stderr[-2000:]
    assert traces_below(lake / "reasons", PLANTED)
    who = ["--user", *USERS] if how == "command line" else ["--users", "-"]
    told = "" if how == "command line" else "\n".join(USERS)
    done = submitted([*command("forget", lake, "--json", str(lake / "receipt.json")), *who], told)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    receipt = json.loads((lake / "receipt.json").read_text())
    assert (receipt["state"], receipt["users"]) == ("purged", 3)
    assert len(list((lake / "spark-events").iterdir())) == 2
    assert traces_below(lake, PLANTED) == {}
    assert not any(p.user in done.stdout + done.stderr or p.phone in done.stdout + done.stderr for p in PLANTED)
    events = "".join(file.read_text() for file in (lake / "spark-events").rglob("*") if file.is_file())
    assert KEY not in events
