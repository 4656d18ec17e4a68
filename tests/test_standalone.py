"""A night on a real cluster of Spark's own, a master and two workers on loopback, with what it needs shipped to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from nights import FILES, ROOT, night_over
from pyspark.sql import SparkSession

from reasongen.pipeline import generate_night

sys.path.append(str(ROOT / "infra" / "cluster"))
from standalone import shipped, standalone

pytestmark = pytest.mark.long

SECONDS = 900
LIMIT = 200
SETS = (
    f"limit={LIMIT}",
    "engine.backend=torch",
    "engine.retries=0",
    "engine.mask=true",
    "engine.threads=1",
    "gate.max_fallback_share=1",
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The master's address, and the folder in which the workers work."""
    logs = tmp_path_factory.mktemp("cluster")
    with standalone(logs) as master:
        yield master, logs


def submit(master: str, job: list[str], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """spark-submit as `make cluster` does it."""
    jars = ",".join(map(str, sorted((ROOT / ".local" / "jars").glob("*.jar"))))
    java = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=256m"
    words = [str(ROOT / ".venv" / "bin" / "spark-submit"), "--master", master, "--archives", shipped(), "--jars", jars]
    words += ["--driver-memory", "2g", "--driver-java-options", java, *job]
    env = {
        **os.environ,
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    return subprocess.run(words, env=env, cwd=cwd, text=True, capture_output=True, timeout=SECONDS, check=False)


def night(master: str, world: Path, folder: Path) -> dict[str, Any]:
    """One night; its summary."""
    sets = [f"inputs.{name}.path={world / file}" for name, file in FILES.items()]
    sets += [f"root={folder / 'lake'}", "show=0", *SETS]
    told = folder / "run.json"
    job = [str(ROOT / "jobs" / "generate.py"), "--config", str(ROOT / "conf" / "standalone.yaml"), "--json", str(told)]
    done = submit(master, [*job, *(word for one in sets for word in ("--set", one))])
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return dict(json.loads(told.read_text()))


def words(lake: Path) -> pl.DataFrame:
    """What a reader sees, in one order."""
    shown = pl.read_delta(str(lake / "reasons")).select("user_id", "item_id", "reason", "source", "prompt_hash")
    return shown.sort("user_id", "item_id")


def test_a_night_loads_one_model_for_each_executor_and_writes_what_one_machine_writes(
    cluster: tuple[str, Path], spark: SparkSession, small_world: Path, tmp_path: Path
) -> None:
    master, _ = cluster
    told = night(master, small_world, tmp_path)
    assert (told["status"], told["model_loads"]) == ("published", 2)
    again = night(master, small_world, tmp_path)
    assert (again["status"], again["model_loads"], again["samples"]) == ("unchanged", 0, 0)
    alone = night_over(small_world, tmp_path / "alone", *SETS, f"engine.model={ROOT}/models/default")
    generate_night(spark, alone)
    assert words(tmp_path / "lake").height > LIMIT / 2
    assert words(tmp_path / "lake").equals(words(tmp_path / "alone"))


def test_executors_take_package_and_weights_from_what_was_shipped(cluster: tuple[str, Path], tmp_path: Path) -> None:
    master, work = cluster
    script = tmp_path / "where.py"
    script.write_text(
        "from pyspark.sql import SparkSession\n"
        "def where(_):\n"
        "    import os, reasongen\n"
        "    return os.path.realpath(reasongen.__file__), os.path.realpath('models/default/model.safetensors')\n"
        "spark = SparkSession.builder.getOrCreate()\n"
        "for pair in set(spark.sparkContext.parallelize(range(8), 8).map(where).collect()):\n"
        "    print('FOUND', *pair)\n"
    )
    set_up = ["--conf", "spark.executorEnv.PYTHONPATH=package", "--conf", "spark.executor.cores=1"]
    done = submit(master, [*set_up, "--conf", "spark.executor.memory=1g", str(script)], tmp_path)
    found = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("FOUND")]
    assert len(found) == 2, done.stdout[-4000:] + done.stderr[-4000:]
    assert all(Path(path).is_file() and Path(path).is_relative_to(work) for pair in found for path in pair)


def test_what_was_started_is_ended(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="on purpose"), standalone(tmp_path, workers=1) as master:
        raise RuntimeError("on purpose")
    alive = subprocess.run(["ps", "-eo", "args"], text=True, capture_output=True, check=True).stdout
    assert master not in alive
    assert str(tmp_path) not in alive
