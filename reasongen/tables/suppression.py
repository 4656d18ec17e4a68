"""Who must not come back: users as keyed hashes in a Delta table that holds no id.

Without the key nobody can try ids against the list, and the list alone names nobody. Knows neither what is erased nor
when.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import ForgetSettings
from reasongen.secret import UserKey, key_of_list
from reasongen.tables.delta import read_version

LIST = "suppressions"
"""The table's folder below the root."""


@dataclass(frozen=True)
class Suppressed:
    """Some of the list: `hashes` (user_hash, unique), the key that made them, and the list's version."""

    hashes: DataFrame
    key: UserKey
    version: int = -1


def read_suppressed(spark: SparkSession, root: str, settings: ForgetSettings) -> Suppressed | None:
    """Everybody on the list, at its newest version; None where nobody is.

    Raises ConfigError where there are hashes and no key, or not the key that made them: to go on would bring them back.
    """
    path = f"{root}/{LIST}"
    if (version := read_version(path)) is None:
        return None
    listed = spark.read.format("delta").option("versionAsOf", version).load(path)
    keys = {row["key_id"] for row in listed.select("key_id").distinct().collect()}
    if not keys:
        return None
    key = key_of_list(settings, keys, path)
    return Suppressed(listed.select("user_hash"), key, version)


def with_user_hash(frame: DataFrame, key: UserKey) -> DataFrame:
    """Adds `user_hash`, what `UserKey.hash_of` makes of `user_id`; null for null. In column expressions alone.

    The key travels as a row that is joined, never as a literal: plans stand in the UI and in the event log.
    """
    pads = frame.sparkSession.createDataFrame([key.pads], "inner_pad binary, outer_pad binary")
    inner = F.unhex(F.sha2(F.concat("inner_pad", F.col("user_id").cast("binary")), 256))
    joined = frame.join(F.broadcast(pads), how="cross")
    return joined.select(*frame.columns, F.sha2(F.concat("outer_pad", inner), 256).alias("user_hash"))


def with_suppressed(frame: DataFrame, listed: Suppressed | None) -> DataFrame:
    """Adds `suppressed` (never null): whether the row's `user_id` is on the list. Without a list nothing is hashed."""
    if listed is None:
        return frame.withColumn("suppressed", F.lit(False))
    known = listed.hashes.select("user_hash", F.lit(True).alias("known"))
    joined = with_user_hash(frame, listed.key).join(known, "user_hash", how="left")
    return joined.select(*frame.columns, F.coalesce("known", F.lit(False)).alias("suppressed"))
