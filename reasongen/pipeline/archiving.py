"""The archive: what was shown for which item, under which rules and by which model, with no user in it.

One row for each text that a run published for an item, with the number of its pairs. What the text says of the user's
own behaviour stands as the mark that was filled (`[e1.title]`), never as the words that filled it;
an article before it is "a", since "an" would tell how those words begin.
"""

from __future__ import annotations

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.schema import ARCHIVE
from reasongen.tables import Txn, append

BY = ["run_id", "night", "scenario", "item_id", "locale", "text", "source", "skeleton_hash"]
BY += ["model_version", "policy_version", "renderer_version"]


def archive(spark: SparkSession, root: str, scenario: str, token: int) -> int:
    """Adds what runs published that are not in the archive yet: tonight's, and those that died before they got here.

    Returns how many runs; looks first, so that where nothing is missing nothing is committed.
    """
    runs = [_runs(f"{root}/{name}", scenario) for name in ("reasons", ARCHIVE.name)]
    missing = sorted(runs[0] - runs[1])
    if not missing:
        return 0
    reasons = spark.read.format("delta").load(f"{root}/reasons")
    mine = reasons.where((F.col("scenario") == scenario) & F.col("run_id").isin(*missing))
    append(archived(mine), f"{root}/{ARCHIVE.name}", Txn(f"reasongen/{ARCHIVE.name}/{scenario}", token))
    return len(missing)


def archived(reasons: DataFrame) -> DataFrame:
    """Rows of schema.REASONS as rows of schema.ARCHIVE."""
    told = reasons.withColumn("text", text_without_user())
    return told.groupBy(*BY).agg(F.count(F.lit(1)).alias("pairs")).select(*ARCHIVE.names)


def text_without_user() -> Column:
    """The reason with every span that behaviour filled put back to its mark; null where that cannot be known to be
    enough: the model wrote the text without a mark, so it may have copied what a template showed it of the user."""
    start = F.struct(F.lit("").alias("said"), F.lit(0).alias("at"))

    def masked(so_far: Column, claim: Column) -> Column:
        before = F.substring(F.col("reason"), so_far["at"] + 1, claim["start"] - so_far["at"])
        plain = F.regexp_replace(before, r"\b([Aa])n $", "$1 ")
        whole = F.struct(F.concat(so_far["said"], plain, claim["mark"]).alias("said"), claim["end"].alias("at"))
        return F.when(claim["evidence"].startswith("e"), whole).otherwise(so_far)

    def rest(so_far: Column) -> Column:
        return F.concat(so_far["said"], F.substring(F.col("reason"), so_far["at"] + 1, F.length("reason")))

    unmarked = (F.size("evidence") > 0) & (F.sha2("reason", 256) == F.col("skeleton_hash"))
    return F.when(~unmarked, F.aggregate("claims", start, masked, rest))


def _runs(path: str, scenario: str) -> set[str]:
    """The runs of a scenario that have rows here, by a reader that is not Spark: one column costs milliseconds."""
    quoted = scenario.replace("'", "''")
    asked = f"SELECT DISTINCT run_id FROM here WHERE scenario = '{quoted}'"
    found = QueryBuilder().register("here", DeltaTable(path)).execute(asked).read_all()
    return set(pa.table(found).column("run_id").to_pylist())
