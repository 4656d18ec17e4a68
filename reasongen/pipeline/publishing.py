"""What changes in `reasons` tonight, in one Delta commit, read back by another reader.

A row is written only where it differs from what stands there, so an unchanged night makes no commit. Whoever lost
consent since the night began is left out here, and an earlier reason about him goes in the same commit.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import UTC, date, datetime

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import SourceSettings
from reasongen.errors import LeaseError
from reasongen.pipeline.ledger import Run
from reasongen.schema import REASONS, USERS
from reasongen.tables import (
    Suppressed,
    Txn,
    clean_users,
    count_by_independent_reader,
    merge_changes,
    read_source,
    with_suppressed,
)

KEY = ["user_id", "item_id", "scenario"]
WRITTEN = ["published", "fallback", "re_rendered"]
SUPPRESSED = "skipped.suppressed"
WORDS = ["skeleton_hash", "prompt_hash", "model_version", "source"]
"""Where these are as before, a changed row was only filled in anew."""
CONTENT = [column.name for column in REASONS.columns[3:-6]] + ["valid_until"]
"""What a reader may act on; the columns that name the run are no change by themselves."""


def still_good(
    pairs: DataFrame, reasons: DataFrame, *, night: date, versions: dict[str, str], renew: date
) -> DataFrame:
    """Keys of pairs whose published reason stands as it is: same facts, same versions, not about to expire.

    `night`: tonight; `versions`: column of `reasons` → tonight's value; `renew`: the first day on which it must still
    be valid.
    """
    why = with_why(pairs, reasons, night=night, versions=versions, renew=renew)
    return why.where(F.col("why").isNull()).select(KEY)


def with_why(pairs: DataFrame, reasons: DataFrame, *, night: date, versions: dict[str, str], renew: date) -> DataFrame:
    """Pairs with `why` no published reason stands for them as it is, the first that holds: new (there is none), prompt
    (its evidence is another), facts (only what the marks stand for is), a version's name (it is another), expiring.
    Null: it stands.

    A reason that a stream wrote for a later night knows more than tonight, so that its evidence is another is no fault
    of it, as long as its user lets behaviour speak.
    """
    there = ("prompt_hash", "fact_hash", *versions, "valid_until", "night", (F.size("evidence") > 0).alias("tells"))
    old = reasons.select(*KEY, F.struct(*there).alias("old"))
    newer = (F.col("old.night") > F.lit(night)) & (~F.col("old.tells") | F.col("personal"))
    told = {name: F.lit(value) for name, value in versions.items()}
    now = {"prompt": ("prompt_hash", F.col("prompt_hash")), "facts": ("fact_hash", F.col("fact_hash"))}
    why = F.when(F.col("old").isNull(), "new")
    for code, (name, value) in now.items():
        why = why.when(~newer & ~F.col(f"old.{name}").eqNullSafe(value), code)
    for name, value in told.items():
        why = why.when(~F.col(f"old.{name}").eqNullSafe(value), name)
    why = why.when(~F.coalesce(F.col("old.valid_until") >= F.lit(renew), F.lit(False)), "expiring")
    return pairs.join(old, KEY, "left").withColumn("why", why).drop("old")


def with_class(
    staged: DataFrame,
    reasons: DataFrame,
    stopped_users: DataFrame | None,
    suppressed: Suppressed | None = None,
    withdrawn_items: Collection[str] = (),
) -> DataFrame:
    """Adds `class`: how each staged pair ends (published, fallback, re_rendered, kept, quarantined, skipped.suppressed,
    skipped.withdrawn, skipped.consent). What was taken down after the evidence was made is known only here."""
    words = F.struct(*WORDS)
    content = F.struct(*CONTENT)
    old = reasons.select(*KEY, words.alias("old_words"), content.alias("old_content"))
    joined = with_suppressed(staged, suppressed).join(old, KEY, "left")
    stopped = F.lit(False)
    if stopped_users is not None:
        joined = joined.join(stopped_users.select("user_id", F.lit(True).alias("withdrawn")), "user_id", "left")
        stopped = F.coalesce("withdrawn", F.lit(False))
    ended = (
        F.when(F.col("suppressed"), SUPPRESSED)
        .when(F.col("item_id").isin(*withdrawn_items), "skipped.withdrawn")
        .when(stopped & F.col("personal"), "skipped.consent")
        .when(~F.col("passed"), "quarantined")
        .when(content == F.col("old_content"), "kept")
        .when(words == F.col("old_words"), "re_rendered")
        .when(F.col("source") == "fallback", "fallback")
        .otherwise("published")
    )
    return joined.withColumn("class", ended)


def withdrawn(spark: SparkSession, users: SourceSettings | None, pairs: DataFrame) -> DataFrame | None:
    """Users (user_id) with personal pairs tonight whom the users table, read again now, no longer allows them.
    `pairs`: user_id, personal."""
    if users is None:
        return None
    now = read_source(spark, users.model_copy(update={"version": None}), USERS).frame
    allowed = clean_users(now).where(F.col("reject").isNull() & F.col("personalise") & (F.col("minor") != "yes"))
    return pairs.where("personal").select("user_id").distinct().join(allowed, "user_id", "left_anti")


def removals(reasons: DataFrame, standing: DataFrame) -> DataFrame:
    """Keys that leave `reasons`: no reason of tonight and none kept. `standing`: keys with a reason after tonight."""
    return reasons.join(standing.select(KEY), KEY, "left_anti").select(KEY)


def leaving(gone: DataFrame) -> DataFrame:
    """Keys as rows of schema.REASONS with `gone`: what `merge_changes` takes out."""
    told = [F.col(c.name) if c.name in KEY else F.lit(None).cast(c.type).alias(c.name) for c in REASONS.columns]
    return gone.select(*told, F.lit(True).alias("gone"))


def publish_app(scenario: str) -> str:
    """Under which name the tokens of a scenario stand in `reasons`."""
    return f"reasongen/{scenario}"


def publish(classed: DataFrame, gone: DataFrame, path: str, run: Run, *, label: str) -> int:
    """One MERGE of the rows that change; returns the new version. In: `with_class`, `removals`.

    Raises LeaseError where Delta skipped the write, because a higher token had published before.
    """
    now = datetime.now(UTC)
    shown = classed.where(F.col("class").isin(WRITTEN))
    stamps = {
        "run_id": F.lit(run.run_id),
        "night": F.lit(run.night),
        "generated_at": F.lit(run.started_at),
        "published_at": F.lit(now),
        "ai_label": F.lit(label),
    }
    rows = shown.withColumns(stamps).select(*REASONS.names, F.lit(False).alias("gone"))
    changes = rows.unionByName(leaving(gone))
    facts = {
        "run_id": run.run_id,
        "config": run.config_digest,
        "code": run.code_version,
        "model": run.model_version,
        "inputs": run.inputs,
        "pairs": run.pairs,
    }
    version = merge_changes(
        changes,
        path,
        REASONS,
        txn=Txn(publish_app(run.scenario), run.token),
        metadata=json.dumps(facts, sort_keys=True),
        remove_when="new.gone",
    )
    wanted = sum(run.pairs.get(name, 0) for name in WRITTEN)
    found = count_by_independent_reader(path, run.run_id, version)  # a withdrawal may have taken some out since
    if found != wanted:
        raise LeaseError(
            f"LeaseError: wanted {wanted} rows of run {run.run_id} in reasons version {version}; another reader found"
            f" {found}. A later run holds this night, or the commit is torn; run the night again."
        )
    return version
