"""The DAG in Airflow's own Python: as it is read, what our exit codes become, and whole nights by real spark-submit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from nights import FILES, ROOT

AIRFLOW = ROOT / ".local" / "airflow" / "venv" / "bin" / "python"
SECONDS = 900

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not AIRFLOW.exists(), reason="no Airflow on this machine: `make airflow-setup` brings it"),
]


WORSE = ("engine.scripted.fault_rate=0.9", "engine.mask=false")


@pytest.fixture(scope="module")
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh Airflow with an empty database."""
    home = tmp_path_factory.mktemp("airflow")
    subprocess.run(
        [str(AIRFLOW), "-m", "airflow", "db", "migrate"],
        env=environment(home), check=True, capture_output=True, timeout=SECONDS,
    )  # fmt: skip
    return home


def environment(home: Path, **more: str) -> dict[str, str]:
    """Airflow's settings; nothing of the user's own Airflow, should there be one."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("AIRFLOW", "REASONGEN_"))}
    return {
        **kept,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "infra" / "airflow" / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW_CONN_REASONGEN_SPARK": json.dumps({"conn_type": "spark", "host": "local[2,4]"}),
        "REASONGEN_DRIVER_MEMORY": "2g",
        "REASONGEN_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
        "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        **more,
    }


def airflow(env: dict[str, str], *words: str) -> tuple[dict[str, Any], str]:
    """What tests/airflow_run.py tells, and all that was said on the way."""
    done = subprocess.run(
        [str(AIRFLOW), str(ROOT / "tests" / "airflow_run.py"), *words],
        env=env, text=True, capture_output=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return json.loads(done.stdout.splitlines()[-1]), done.stdout + done.stderr


def night(env: dict[str, str], world: Path, root: Path, *sets: str, wait_seconds: float | None = None) -> Any:
    """One run of the DAG over the world into the lake at `root`, by the scripted engine."""
    settings = [f"inputs.{name}.path={world / file}" for name, file in FILES.items()]
    settings += [f"root={root}", "engine.backend=scripted", "show=0", *sets]
    conf = {"config": str(ROOT / "conf" / "local.yaml"), "settings": settings}
    return airflow(env, "run", json.dumps({"conf": conf, "wait_seconds": wait_seconds}))


def states(told: dict[str, Any]) -> dict[str, str]:
    """The state of each task."""
    return {name: state for name, (state, _) in told["tasks"].items()}


def test_the_dag_is_read_and_says_what_it_should(airflow_home: Path) -> None:
    told, _ = airflow(environment(airflow_home), "parse")
    assert told["errors"] == {}
    assert (told["catchup"], told["runs"]) == (False, 1)
    # Counted from the queue, Airflow 3.3 cannot clear a task: its people could not run a mended night again.
    assert told["deadlines"] == ["DagRunLogicalDateDeadline"]
    assert told["params"] == ["config", "limit", "night", "settings"]
    tasks = told["tasks"]
    assert {name: one["after"] for name, one in tasks.items()} == {
        "wait": [],
        "contract": ["wait"],
        "generate": ["contract"],
        "report": ["generate"],
        "maintain": ["generate", "report"],
    }
    for one in tasks.values():
        assert (one["retries"], one["backoff"], one["alerts"], one["at_once"]) == (3, 2.0, 1, 1)
    assert tasks["wait"]["mode"] == "reschedule"
    assert tasks["generate"]["outlets"] == ["reasongen_reasons"]


OUTCOMES = {  # exit codes of generate, the last one again and again: its state and tries, the run's state, maintain's
    "0": ("success", 1, "success", "success"),
    "1": ("failed", 4, "failed", "upstream_failed"),
    "1 0": ("success", 2, "success", "success"),
    "-9 0": ("success", 2, "success", "success"),
    "2": ("failed", 1, "failed", "upstream_failed"),
    "3": ("failed", 1, "failed", "upstream_failed"),
    "4": ("failed", 4, "failed", "upstream_failed"),
    "4 newer": ("skipped", 1, "success", "skipped"),
}
IN_EVERY_CHANGE = {"1 0", "3"}
CASES = [pytest.param(codes, marks=[] if codes in IN_EVERY_CHANGE else pytest.mark.long) for codes in OUTCOMES]

SUBMIT = """#!{python}
import os, sys
from pathlib import Path

if not any(word.endswith("jobs/generate.py") for word in sys.argv) or "--dry-run" in sys.argv:
    sys.exit(0)
calls = Path({calls!r})
calls.write_text((calls.read_text() if calls.exists() else "") + "x")
*codes, newer = {codes!r}
code = int(codes[min(len(calls.read_text()), len(codes)) - 1])
if code < 0:
    os.kill(os.getpid(), -code)
if newer:
    print("LeaseError: wanted to publish the night 2026-03-02; found 2026-03-03 already published. Nothing was done.")
sys.exit(code)
"""


@pytest.mark.parametrize("codes", CASES)
def test_an_exit_code_decides_whether_a_retry_helps(
    codes: str, airflow_home: Path, small_world: Path, tmp_path: Path
) -> None:
    """With a spark-submit that does nothing but end."""
    given = [code for code in codes.split() if code != "newer"]
    submit = tmp_path / "spark-submit"
    submit.write_text(
        SUBMIT.format(python=sys.executable, calls=str(tmp_path / "calls"), codes=[*given, "newer" in codes])
    )
    submit.chmod(0o755)
    told, said = night(environment(airflow_home, REASONGEN_SPARK_SUBMIT=str(submit)), small_world, tmp_path / "lake")
    state, tries, run, maintain = OUTCOMES[codes]
    assert told["tasks"]["generate"] == [state, tries]
    assert (told["state"], states(told)["maintain"]) == (run, maintain)
    assert states(told)["report"] == ("skipped" if state == "skipped" else "success")
    assert ("alert: reasongen_nightly: generate failed" in said) == (state == "failed")
    assert ("the old night stands" in said) == (codes == "3")


def reasons(lake: Path) -> pl.DataFrame:
    """The published table."""
    return pl.read_delta(str(lake / "reasons"))


@pytest.mark.long
def test_a_whole_night_publishes_and_again_it_changes_nothing(
    airflow_home: Path, small_world: Path, tmp_path: Path
) -> None:
    env, lake = environment(airflow_home), tmp_path / "lake"
    told, said = night(env, small_world, lake)
    assert told["state"] == "success", said[-4000:]
    assert set(map(tuple, told["tasks"].values())) == {("success", 1)}
    first = reasons(lake)
    assert first.height > 500
    assert first["night"].cast(str).unique().to_list() == ["2026-03-02"]
    assert (lake / "report" / "index.html").exists()
    assert "u0000" not in said
    told, said = night(env, small_world, lake)
    assert told["state"] == "success", said[-4000:]
    assert reasons(lake).sort("user_id", "item_id").equals(first.sort("user_id", "item_id"))
    assert pl.read_delta(str(lake / "runs"))["status"].to_list().count("unchanged") == 1


@pytest.mark.long
def test_a_refused_night_fails_at_once_and_its_page_is_written(
    airflow_home: Path, small_world: Path, tmp_path: Path
) -> None:
    told, said = night(environment(airflow_home), small_world, tmp_path / "lake", *WORSE)
    assert told["tasks"]["generate"] == ["failed", 1]
    assert states(told) == {
        "wait": "success",
        "contract": "success",
        "generate": "failed",
        "report": "success",
        "maintain": "upstream_failed",
    }
    assert told["state"] == "failed"
    assert "exit 3: the gate refused; the old night stands" in said
    assert reasons(tmp_path / "lake").height == 0
    assert (tmp_path / "lake" / "report" / "index.html").exists()


@pytest.mark.long
def test_a_table_that_the_contract_misses_stops_the_run_before_a_token(
    airflow_home: Path, small_world: Path, tmp_path: Path
) -> None:
    """A table by its name: `wait` cannot see it, the contract says that it is not there."""
    missing = ["inputs.items.path=null", "inputs.items.table=nowhere", "inputs.items.format=delta"]
    told, said = night(environment(airflow_home), small_world, tmp_path / "lake", *missing)
    assert told["tasks"]["contract"] == ["failed", 1]
    assert states(told)["generate"] == states(told)["maintain"] == "upstream_failed"
    assert states(told)["report"] == "skipped"
    assert told["state"] == "failed"
    assert "exit 2: a fault in arguments, settings or tables" in said
    assert not (tmp_path / "lake" / "reasons").exists()


def test_a_path_where_nothing_comes_is_waited_for_and_then_given_up(
    airflow_home: Path, small_world: Path, tmp_path: Path
) -> None:
    missing = f"inputs.items.path={tmp_path / 'later.jsonl'}"
    told, said = night(environment(airflow_home), small_world, tmp_path / "lake", missing, wait_seconds=3)
    assert states(told)["wait"] == "failed"
    assert set(states(told).values()) == {"failed", "upstream_failed", "skipped"}
    assert said.count("items: nothing at") > 1
    assert not (tmp_path / "lake").exists()
