"""What each user did with each item before the night. Knows neither candidates nor facets."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from reasongen.schema import ACTIONS


def history(events: DataFrame, catalogue: DataFrame, *, before: datetime, keep: int) -> DataFrame:
    """The `keep` items that each user touched last before `before`; key (user_id, other).

    In: events: user_id, item_id, event, ts (duplicates do no harm, since only maxima are taken); catalogue: item_id,
    ordinal, small enough to broadcast. An act on an item that is not in it is left out; one before 1970 counts as
    one of 1970.
    Out: user_id, other (the item's ordinal), strength (index into ACTIONS of the strongest act, int), minute (of the
    last act of that strength, since 1970, long). Partitioned by user_id, so whoever joins by user moves nothing.

    Users with more than `keep` events are broadcast: some millions of them fit a driver, tens of millions do not.
    """
    strength = F.array_position(F.array(*map(F.lit, ACTIONS)), F.col("event")) - 1
    minute = F.greatest(F.floor(F.unix_timestamp("ts") / 60), F.lit(0))  # a sign would reach the strength
    items = catalogue.select("item_id", F.col("ordinal").alias("other"))
    past = events.where(F.col("ts") < F.lit(before))
    acts = past.select(
        "user_id",
        "item_id",
        minute.alias("touch"),
        F.shiftleft(strength.cast("long"), 32).bitwiseOR(minute).alias("act"),
    )
    acts = acts.join(F.broadcast(items), "item_id", how="inner").select("user_id", "other", "act", "touch")
    # Only who has many events can have many items: to look for them first costs far less than to sort everybody's.
    many = F.broadcast(past.groupBy("user_id").count().where(F.col("count") > keep).select("user_id"))
    long_ones = acts.join(many, "user_id", how="left_semi").groupBy("user_id", "other")
    touched = long_ones.agg(F.max("act").alias("act"), F.max("touch").alias("touch"))
    newest_first = Window.partitionBy("user_id").orderBy(F.desc("touch"), "other")
    cut = touched.withColumn("place", F.row_number().over(newest_first)).where(F.col("place") <= keep)
    columns = ["user_id", "other", "act"]
    kept = acts.join(many, "user_id", how="left_anti").select(columns).unionByName(cut.select(columns))
    return (
        kept.repartition("user_id")
        .groupBy("user_id", "other")
        .agg(F.max("act").alias("act"))
        .select(
            "user_id",
            "other",
            F.shiftright("act", 32).cast("int").alias("strength"),
            F.col("act").bitwiseAND(F.lit(0xFFFFFFFF)).alias("minute"),
        )
    )
