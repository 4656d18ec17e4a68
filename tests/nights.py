"""A small sample world and nights over it by the scripted engine, for the tests that need whole nights."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from reasongen.config import NightConfig, load_config
from reasongen.sample import load_world_settings, write_world

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parent.parent
FILES = {"events": "events", "items": "items.jsonl", "candidates": "candidates.parquet", "users": "users.csv"}
ENVIRONMENT = {
    "PYSPARK_PYTHON": sys.executable,
    "SPARK_LOCAL_IP": "127.0.0.1",
    "HF_HUB_OFFLINE": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "TQDM_DISABLE": "1",
}
"""What every process with a session needs."""
SMALL = ("users=150", "visits=3000", "heavy_user_events=200")


def local_session(warehouse: Path) -> SparkSession:
    """A local[2,4] session with Delta; four tries, so that a killed worker is retried as on a cluster."""
    from pyspark.sql import SparkSession

    jars = sorted((ROOT / ".local" / "jars").glob("*.jar"))
    if not jars:
        pytest.fail("no Delta jars under .local/jars: run `make setup`")
    return (
        SparkSession.builder.master("local[2,4]")
        .appName("tests")
        .config("spark.jars", ",".join(map(str, jars)))
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.databricks.delta.snapshotPartitions", "2")
        .config("spark.sql.shuffle.partitions", "2")
        # Code for a thousand rows takes longer to make and compile than the rows; what spark-submit runs does it.
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.warehouse.dir", str(warehouse))
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.sources.parallelPartitionDiscovery.parallelism", "4")
        .config("spark.driver.memory", "2g")
        .config(
            "spark.driver.extraJavaOptions",
            # Without room for code the JVM stops compiling after some hundred Spark stages, and every test crawls.
            "-XX:+UseSerialGC -XX:ReservedCodeCacheSize=256m "
            f"-Dlog4j2.configurationFile=file:{ROOT}/conf/log4j2.properties",
        )
        .getOrCreate()
    )


def write_small_world(out: Path, small: Sequence[str] = SMALL) -> Path:
    """A small sample world with all its dirt."""
    write_world(load_world_settings(ROOT / "conf" / "world.yaml", list(small)), out)
    return out


def night_over(world: Path, root: Path, *sets: str) -> NightConfig:
    """Settings of a night over `world` into the lake at `root`; `sets` go last."""
    places = [f"inputs.{name}.path={world / file}" for name, file in FILES.items()]
    given = [
        *places,
        f"root={root}",
        f"locale_files={ROOT}/conf/locales",
        "engine.backend=scripted",
        "engine.retries=0",
        "engine.mask=false",  # faults that a test orders are to happen
        "show=0",
    ]
    return load_config(ROOT / "conf" / "local.yaml", [*given, f"template={ROOT}/conf/prompts/reference.yaml", *sets])


def reasons(config: NightConfig) -> pl.DataFrame:
    """The published table, as polars reads it."""
    return pl.read_delta(f"{config.root}/reasons")
