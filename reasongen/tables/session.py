"""Opens the Spark session with Delta; what spark-submit was told goes before what the settings say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession

from reasongen.config import SparkSettings
from reasongen.errors import ConfigError

DELTA_EXTENSION = "io.delta.sql.DeltaSparkSessionExtension"
DELTA_CATALOG = "org.apache.spark.sql.delta.catalog.DeltaCatalog"
UNTOLD_MASTER = "local[*]"

DEFAULTS = {
    "spark.sql.extensions": DELTA_EXTENSION,
    "spark.sql.catalog.spark_catalog": DELTA_CATALOG,
    "spark.sql.session.timeZone": "UTC",
    # A feed that names an attribute twice is a bad row; by default Spark makes it a failed job.
    "spark.sql.mapKeyDedupPolicy": "LAST_WIN",
    "spark.log.level": "WARN",
    # Spark's own pattern, and the command line, which the event log would keep with the ids that it may hold.
    "spark.redaction.regex": "(?i)secret|password|token|access[.]?key|sun[.]java[.]command",
    "spark.ui.showConsoleProgress": "false",
}


@contextmanager
def open_spark(settings: SparkSettings) -> Iterator[SparkSession]:
    """A session with Delta and the UTC time zone, stopped at the end.

    Taken in this order: spark-submit's `--master`, `--jars` and `--conf`; `settings`; `DEFAULTS`. A session
    that is already there is used as it is and left open. Raises ConfigError where Delta is not on the class path.
    """
    if (active := SparkSession.getActiveSession()) is not None:
        yield active
        return
    told = _told_by_submit()
    builder = SparkSession.builder.appName(told.get("spark.app.name", settings.app))
    for key, value in _chosen(settings, told).items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    try:
        _must_have_delta(session)
        yield session
    finally:
        session.stop()


def _told_by_submit() -> dict[str, str]:
    """What spark-submit was told; empty where Python was started by itself."""
    if "PYSPARK_GATEWAY_PORT" not in os.environ:
        return {}
    SparkContext._ensure_initialized()
    told = dict(SparkConf().getAll())
    # spark-submit fills in a master of its own, in MASTER too: only its command line tells whether it was asked for.
    jvm = SparkContext._jvm
    command = str(jvm.java.lang.System.getProperty("sun.java.command")) if jvm is not None else ""
    asked = "--master" in command or "spark.master=" in command
    if told.get("spark.master") == UNTOLD_MASTER and not asked:
        told.pop("spark.master")
    told.pop("spark.app.name", None)
    return told


def _chosen(settings: SparkSettings, told: dict[str, str]) -> dict[str, str]:
    """What is left to set in the builder, where the last word would be the builder's."""
    wanted = {**DEFAULTS, **settings.conf}
    if settings.master is not None:
        wanted["spark.master"] = settings.master
    if settings.jars is not None and "PYSPARK_GATEWAY_PORT" not in os.environ:
        wanted["spark.jars"] = ",".join(_jar_files(settings.jars))
    chosen = {key: value for key, value in wanted.items() if key not in told}
    others = [name for name in told.get("spark.sql.extensions", "").split(",") if name]
    if others and DELTA_EXTENSION not in others:
        chosen["spark.sql.extensions"] = ",".join([*others, DELTA_EXTENSION])
    return chosen


def _jar_files(jars: str) -> list[str]:
    """The files of a comma-separated list; a folder stands for the jars in it."""
    files: list[str] = []
    for part in (Path(text.strip()) for text in jars.split(",") if text.strip()):
        files += sorted(map(str, part.glob("*.jar"))) if part.is_dir() else [str(part)]
    if missing := [file for file in files if not Path(file).is_file()]:
        raise ConfigError(f"spark.jars: wanted jar files; found nothing at {', '.join(missing)}. Run `make setup`.")
    if not files:
        raise ConfigError(f"spark.jars: wanted jar files; found none in {jars}. Run `make setup`.")
    return files


def _must_have_delta(session: SparkSession) -> None:
    from py4j.protocol import Py4JError  # type: ignore[import-untyped]

    try:
        session._jvm.java.lang.Thread.currentThread().getContextClassLoader().loadClass(DELTA_CATALOG)
    except Py4JError as error:
        raise ConfigError(
            "Delta: wanted its jars on the class path; found none. Give `spark-submit --jars`, or set spark.jars."
        ) from error
