"""Whose a sample is: where fewer than `forget.shared_by` users share its prompt, it carries their keyed hashes.

The unit is the prompt: a row of evidence may be everybody's and two of them together one person's. A prompt that shows
no behaviour is nobody's. No prompt changes because of a count. An owner is hashes in their order with a blank between;
an empty one stands for users whom no key could name. Knows neither what is erased nor when.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import ForgetSettings
from reasongen.schema import GENERATIONS
from reasongen.secret import UserKey, key_if_any
from reasongen.tables import read_version
from reasongen.tables.delta import change_column
from reasongen.tables.suppression import Suppressed, with_suppressed, with_user_hash

NOTE = "owners"
RECOUNT = "owners counted anew"
COUNT_EVERY = timedelta(days=7)
"""A count goes up and down with every night; what rests on it is written anew at most so often."""


def sharers(pairs: DataFrame, *, key: UserKey | None, shared_by: int) -> DataFrame:
    """For each prompt that shows behaviour: users, and owner (null: `shared_by` users or more); key prompt_hash.

    In: user_id, prompt_hash, evidence. One aggregate; only who shares a prompt with few is hashed.
    """
    told = pairs.where((F.size("evidence") > 0) & F.col("prompt_hash").isNotNull())
    mine = told.select("prompt_hash", "user_id").distinct()
    counted = mine.groupBy("prompt_hash").agg(F.count(F.lit(1)).alias("users"))
    few = mine.join(counted.where(F.col("users") < shared_by), "prompt_hash", "left_semi")
    named = few.withColumn("user_hash", F.lit("")) if key is None else with_user_hash(few, key)
    owners = named.groupBy("prompt_hash").agg(
        F.array_join(F.array_sort(F.collect_set("user_hash")), " ").alias("owner")
    )
    return counted.join(owners, "prompt_hash", "left").select("prompt_hash", "users", "owner")


def sharers_tonight(
    pairs: DataFrame, to_make: DataFrame, settings: ForgetSettings, listed: Suppressed | None
) -> DataFrame:
    """As `sharers`, of the prompts of `to_make` (prompt_hash), counted over all of tonight's `pairs` but those of
    whoever came onto the list of the forgotten after these were written."""
    asked = to_make.select("prompt_hash").distinct()
    mine = pairs.join(asked, "prompt_hash", "left_semi").select("prompt_hash", "user_id", "evidence")
    return sharers(
        with_suppressed(mine, listed).where(~F.col("suppressed")),
        key=key_if_any(settings),
        shared_by=settings.shared_by,
    )


def add_sharers(path: str, tonight: DataFrame, shared_by: int) -> int:
    """Owned samples at `path` whose prompt others share by now get these as owners too, or none once they are enough;
    returns how many samples changed. In: `tonight` (`sharers`, written). Nothing is committed where nothing changes."""
    samples = tonight.sparkSession.read.format("delta").load(path).where(F.col("owner").isNotNull())
    both = samples.join(tonight.select("prompt_hash", F.col("owner").alias("now")), "prompt_hash", "inner")
    everybody = F.array_sort(F.array_distinct(F.concat(F.split("owner", " "), F.split("now", " "))))
    few = F.col("now").isNotNull() & (F.size(everybody) < shared_by)
    return _change(both.withColumn("then", F.when(few, F.array_join(everybody, " "))), path, NOTE)


def count_anew(spark: SparkSession, root: str, settings: ForgetSettings) -> int:
    """Counts who shares a prompt by the reasons that stand, and puts right what has moved far enough; returns the
    samples that changed. A sample that is owned becomes free where `shared_by` users share it, a free one owned where
    fewer than half as many do. Nothing for COUNT_EVERY after the last time that it changed something."""
    path = f"{root}/{GENERATIONS.name}"
    if read_version(path) is None or read_version(f"{root}/reasons") is None or not _due(path):
        return 0
    reasons = spark.read.format("delta").load(f"{root}/reasons")
    stand = sharers(reasons, key=key_if_any(settings), shared_by=settings.shared_by)
    both = spark.read.format("delta").load(path).join(stand.withColumnRenamed("owner", "now"), "prompt_hash", "inner")
    free = F.col("owner").isNull()
    lost = free & (F.col("users") * 2 < settings.shared_by)
    won = ~free & (F.col("users") >= settings.shared_by)
    then = F.when(lost, F.col("now")).when(~won, F.col("owner"))
    return _change(both.withColumn("then", then), path, RECOUNT)


def _change(seen: DataFrame, path: str, note: str) -> int:
    """In: the table's rows with `then`, what their owner is to be."""
    moved = seen.where(~F.col("owner").eqNullSafe(F.col("then")))
    changes = moved.select(*GENERATIONS.key, F.col("then").alias("owner"))
    count: int = changes.count()
    if count:
        change_column(changes, path, GENERATIONS, "owner", metadata=note)
    return count


def _due(path: str) -> bool:
    said = (commit for commit in DeltaTable(path).history() if commit.get("userMetadata") == RECOUNT)
    last = next(said, None)
    return last is None or datetime.fromtimestamp(last["timestamp"] / 1000, UTC) + COUNT_EVERY <= datetime.now(UTC)
