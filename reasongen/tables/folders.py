"""Folders below the lake's root, on whatever file system the session knows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pyspark.sql import SparkSession


def children(spark: SparkSession, path: str) -> list[str]:
    """Names of what stands in a folder, sorted; none where there is no such folder."""
    place, system = _at(spark, path)
    return sorted(str(entry.getPath().getName()) for entry in system.listStatus(place)) if system.exists(place) else []


def missing_files(spark: SparkSession, paths: Iterable[str]) -> int:
    """How many of these files are not there."""
    places = (_at(spark, path) for path in paths)
    return sum(1 for place, system in places if not system.exists(place))


def delete_folder(spark: SparkSession, path: str) -> None:
    """Removes a folder with all that is in it; one that is gone already is no fault."""
    place, system = _at(spark, path)
    system.delete(place, True)


def _at(spark: SparkSession, path: str) -> tuple[Any, Any]:
    jvm: Any = spark.sparkContext._jvm
    place = jvm.org.apache.hadoop.fs.Path(path)
    return place, place.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())
