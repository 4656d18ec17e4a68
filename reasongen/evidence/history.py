"""What each user did with each item before the night. Knows neither candidates nor facets."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from reasongen.schema import ACTIONS


def history(events: DataFrame, *, before: datetime, keep: int) -> DataFrame:
    """The `keep` items that each user touched last before `before`; key (user_id, item_id).

    In: user_id, item_id, event, ts (valid rows; duplicates do no harm, since only maxima are taken). An act before
    1970 counts as one of 1970.
    Out: user_id, item_id, strength (index into ACTIONS of the strongest act, int), minute (of the last act of that
    strength, since 1970, long).

    A user with a million events is one row per item already before the shuffle, and at most `keep` rows after it.
    """
    strength = F.array_position(F.array(*map(F.lit, ACTIONS)), F.col("event")) - 1
    minute = F.greatest(F.floor(F.unix_timestamp("ts") / 60), F.lit(0))  # a sign would reach the strength
    acts = events.where(F.col("ts") < F.lit(before)).select(
        "user_id",
        "item_id",
        minute.alias("touch"),
        F.shiftleft(strength.cast("long"), 32).bitwiseOR(minute).alias("act"),
    )
    touched = acts.groupBy("user_id", "item_id").agg(F.max("act").alias("act"), F.max("touch").alias("touch"))
    newest_first = Window.partitionBy("user_id").orderBy(F.desc("touch"), "item_id")
    kept = touched.withColumn("place", F.row_number().over(newest_first)).where(F.col("place") <= keep)
    return kept.select(
        "user_id",
        "item_id",
        F.shiftright("act", 32).cast("int").alias("strength"),
        F.col("act").bitwiseAND(F.lit(0xFFFFFFFF)).alias("minute"),
    )
