"""One Spark session for the whole run; each test gets its own folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from nights import write_small_world

os.environ.update(
    PYSPARK_PYTHON=sys.executable,
    SPARK_LOCAL_IP="127.0.0.1",
    HF_HUB_OFFLINE="1",
    GX_ANALYTICS_ENABLED="false",
    TQDM_DISABLE="1",
)

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A local[2,4] session with Delta; four tries, so that a killed worker is retried as on a cluster."""
    from pyspark.sql import SparkSession

    jars = sorted((ROOT / ".local" / "jars").glob("*.jar"))
    if not jars:
        pytest.fail("no Delta jars under .local/jars: run `make setup`")
    session = (
        SparkSession.builder.master("local[2,4]")
        .appName("tests")
        .config("spark.jars", ",".join(map(str, jars)))
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.databricks.delta.snapshotPartitions", "2")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "2g")
        .config(
            "spark.driver.extraJavaOptions",
            # Without room for code the JVM stops compiling after some hundred Spark stages, and every test crawls.
            "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=256m "
            f"-Dlog4j2.configurationFile=file:{ROOT}/conf/log4j2.properties",
        )
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sample world; who changes it copies it first."""
    return write_small_world(tmp_path_factory.mktemp("small") / "world")
