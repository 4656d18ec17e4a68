"""What the figures are measured on: big worlds below .local/bench, their nights, and the bare job beside them."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from reasongen.config import NightConfig, load_config
from reasongen.pipeline import Run, generate_night
from reasongen.sample import big_world
from reasongen.tables import open_spark, read_sources

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / ".local" / "bench"
ITEMS = 20_000
USERS_OF = {"days": 1_000, "small": 20_000, "big": 200_000, "hot-item": 200_000, "heavy-user": 200_000}
"""Each user has 5 pairs and 50 events. hot-item: item 0 in 10 % of all pairs. heavy-user: 1 M of the events are his."""


def world(name: str) -> Path:
    """The folder of a world, made on first use."""
    out = BENCH / name
    if not out.exists():
        users = USERS_OF[name]
        heavy = 1_000_000 if name == "heavy-user" else 0
        share = 0.1 if name == "hot-item" else 0.0
        making = BENCH / f"{name}.making"
        shutil.rmtree(making, ignore_errors=True)
        big_world(making, 5 * users, 50 * users - heavy, users, ITEMS, 1, heavy_user_events=heavy, hot_item_share=share)
        making.rename(out)
    return out


def night_config(name: str, *sets: str, lake: str | None = None) -> NightConfig:
    """Settings of a scripted night over a world; budgets and the like by `sets`."""
    files = {"events": "delta", "items": "parquet", "candidates": "parquet", "users": "parquet"}
    folder = world(name)
    inputs = [f"inputs.{table}.format={kind}" for table, kind in files.items()]
    inputs += [f"inputs.{table}.path={folder / (table + ('' if kind == 'delta' else '.parquet'))}"
               for table, kind in files.items()]  # fmt: skip
    where = [f"root={BENCH / (lake or 'lake-' + name)}", "engine.backend=scripted", "show=0"]
    config = load_config(ROOT / "conf" / "local.yaml", [*inputs, *where, "engine.slice_prompts=200000", *sets])
    conf = {**config.spark.conf, "spark.sql.shuffle.partitions": "16", **_java()}
    return config.model_copy(update={"spark": config.spark.model_copy(update={"conf": conf})})


def fresh_night(spark: SparkSession, config: NightConfig) -> tuple[Run, float]:
    """A first night in an empty lake, and its wall seconds."""
    shutil.rmtree(config.root, ignore_errors=True)
    began = time.monotonic()
    run = generate_night(spark, config)
    return run, time.monotonic() - began


def bare_job(spark: SparkSession, config: NightConfig) -> float:
    """Wall seconds of what any job must do: read, count events per user and category, join all, write Delta.

    The tables are read by the same reader; their rows are not looked at for faults.
    """
    began = time.monotonic()
    tables = {name: source.frame for name, source in read_sources(spark, config.inputs).items()}
    items = tables["items"].drop("malformed")
    kinds = F.broadcast(items.select("item_id", "category"))
    counted = tables["events"].join(kinds, "item_id").groupBy("user_id", "category").agg(F.count("*").alias("events"))
    users = tables["users"].select("user_id", "personalise", "minor")
    joined = (
        tables["candidates"]
        .select("user_id", "item_id", "scenario", "rank", "score")
        .join(F.broadcast(items), "item_id", "left")
        .join(users, "user_id", "left")
        .join(counted, ["user_id", "category"], "left")
    )
    joined.write.format("delta").mode("overwrite").save(str(BENCH / "bare"))
    return time.monotonic() - began


@contextmanager
def session(config: NightConfig) -> Iterator[SparkSession]:
    """The session of a figure; one per process."""
    with open_spark(config.spark) as spark:
        yield spark


def cpu_seconds() -> float:
    """CPU of this process and of all below it: on a machine that others use too, it says more than the clock."""
    tick = os.sysconf("SC_CLK_TCK")
    spent = 0.0
    for pid in (os.getpid(), *descendants(os.getpid())):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        spent += sum(map(int, fields[11:15])) / tick
    return spent


def descendants(root: int) -> list[int]:
    """Every process below `root`."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError, IndexError):
            continue
    found: list[int] = []
    for pid in parents:
        at = pid
        while at in parents and at != root:
            at = parents[at]
        if at == root and pid != root:
            found.append(pid)
    return found


def rest(run: Run, wall: float) -> float:
    """Everything but the engine's stage."""
    return wall - run.seconds.get("generate", 0.0)


def quick_to_start(config: NightConfig) -> NightConfig:
    """For figures that count and do not time: the JVM compiles less."""
    conf = {**config.spark.conf, **_java("-XX:TieredStopAtLevel=1 ")}
    return config.model_copy(update={"spark": config.spark.model_copy(update={"conf": conf})})


def _java(more: str = "") -> dict[str, str]:
    log = ROOT / "conf" / "log4j2.properties"
    return {
        "spark.driver.memory": "4g",
        "spark.driver.extraJavaOptions": f"{more}-Dlog4j2.configurationFile=file:{log}",
    }
