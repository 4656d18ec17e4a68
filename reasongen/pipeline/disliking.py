"""What users said of their reasons, at once: who disliked or reported a sentence never gets it again for that item, and
one that several users reported is taken down for everybody.

The list is a table of its own, so it outlives the feedback; it names users, and forgetting finds it as it finds every
other. Clicks and purchases are for experiments, and change nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import NightConfig
from reasongen.errors import ConfigError, ContractError
from reasongen.pipeline.forgetting import erase_suppressed_since
from reasongen.pipeline.mending import mend
from reasongen.pipeline.withdrawing import read_withdrawals, withdraw
from reasongen.schema import ARCHIVE, DISLIKES, FEEDBACK, FEEDBACK_KINDS
from reasongen.tables import (
    Suppressed,
    Txn,
    create_if_missing,
    merge_changes,
    read_source,
    read_suppressed,
    read_version,
    with_suppressed,
)
from reasongen.tables.delta import erase_rows

NOTE = "feedback"
HEEDED = ("dislike", "report")
_SENTENCE = "sha2(to_json(array(user_id, item_id, scenario, skeleton_hash)), 256)"
"""SQL over `reasons` and DISLIKES, a text: one sentence of one pair."""


@dataclass(frozen=True)
class Answered:
    """What the feedback led to. `rows`: of the feedback, by code; they add up. `sentences`: of dislikes and reports,
    one for each user, item and sentence, by code. `reasons`: taken out of the table; `withdrawn`: sentences that nobody
    gets any more."""

    rows: Mapping[str, int] = field(default_factory=dict)
    sentences: Mapping[str, int] = field(default_factory=dict)
    reasons: int = 0
    withdrawn: int = 0
    delta_version: int | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)

    def text(self) -> str:
        """Three lines."""
        codes = (f"{name} {count:,}" for name, count in sorted({**self.rows}.items()))
        said = (f"{name} {count:,}" for name, count in sorted({**self.sentences}.items()))
        where = "" if self.delta_version is None else f"; reasons at version {self.delta_version}"
        return (
            f"feedback rows: {', '.join(codes) or 'none'}\nsentences: {', '.join(said) or 'none'}\n"
            f"taken out: {self.reasons:,} reasons, {self.withdrawn:,} sentences for everybody{where}"
        )


def take_feedback(spark: SparkSession, config: NightConfig, *, dry_run: bool = False) -> Answered:
    """Reads `inputs.feedback` whole and does what is new in it; a second time does nothing.

    Codes of rows: heeded, else malformed, no_event, no_user, no_item, no_time, unknown_kind, or other (an impression, a
    click, a purchase). Codes of sentences: new, known, suppressed (the user was forgotten), unknown_reason (neither the
    pair's reason, older than the feedback, nor a sentence that the archive has for the item).

    Raises ConfigError without `inputs.feedback`, ContractError where it cannot be read.
    """
    if config.inputs.feedback is None:
        raise ConfigError("inputs.feedback: wanted the table with dislikes and reports; found none. Add its path.")
    read = read_source(spark, config.inputs.feedback, FEEDBACK)
    if read.faults:
        raise ContractError(list(read.faults))
    if read_version(f"{config.root}/reasons") is None:
        return Answered()
    if not dry_run:
        mend(config.root)
    listed = read_suppressed(spark, config.root, config.forget)
    coded = read.frame.withColumn("code", _code()).cache()
    said = _said(spark, config, coded.where(F.col("code") == "heeded"), listed).cache()
    try:
        rows = {row["code"]: row["count"] for row in coded.groupBy("code").count().collect()}
        sentences = {row["code"]: row["count"] for row in said.groupBy("code").count().collect()}
        if sentences.get("new") and not dry_run:
            _add(spark, config.root, said.where(F.col("code") == "new"))
            # Who was forgotten since the list was read was not found here, and must not stand here now.
            seen = None if listed is None else listed.version
            erase_suppressed_since(spark, config, seen, (DISLIKES.name,))
    finally:
        said.unpersist()
        coded.unpersist()
    if dry_run:
        return Answered(rows, sentences)
    gone = erase_disliked(spark, config)
    withdrawn = 0
    for sentence in reported_by_many(spark, config):
        done = withdraw(spark, config, "reason", sentence)
        gone, withdrawn = gone + done.reasons, withdrawn + 1
    return Answered(rows, sentences, gone, withdrawn, read_version(f"{config.root}/reasons"))


def read_dislikes(spark: SparkSession, root: str) -> DataFrame | None:
    """schema.DISLIKES; None where nobody ever said anything."""
    path = f"{root}/{DISLIKES.name}"
    return None if read_version(path) is None else spark.read.format("delta").load(path)


def erase_disliked(spark: SparkSession, config: NightConfig, seen: int | None = None) -> int:
    """Takes the reasons out that their users said no to; returns how many. Where there is none, nothing is committed.

    `seen`: the list's version that nothing has to be done for any more.
    """
    path, listed = f"{config.root}/reasons", read_dislikes(spark, config.root)
    if listed is None or dislikes_version(config.root) == seen:
        return 0
    here = spark.read.format("delta").load(path).select(*DISLIKES.key)
    found = here.join(listed.select(*DISLIKES.key), list(DISLIKES.key), "left_semi")
    gone = found.select(F.expr(_SENTENCE).alias("gone")).cache()
    try:
        count = int(gone.count())
        if count:
            erase_rows(gone, path, _SENTENCE, metadata=NOTE)
        return count
    finally:
        gone.unpersist()


def dislikes_version(root: str) -> int | None:
    """Of the list; None: there is none."""
    return read_version(f"{root}/{DISLIKES.name}")


def reported_by_many(spark: SparkSession, config: NightConfig) -> list[str]:
    """Sentences (skeleton hashes) that `feedback.report_users` users reported and that are not withdrawn yet. Of who
    reports more than `feedback.most_reports` sentences, none counts: one angry client shall not silence a shop."""
    listed, least = read_dislikes(spark, config.root), config.feedback.report_users
    if listed is None or not least:
        return []
    reports = listed.where(F.col("kind") == "report")
    busy = reports.groupBy("user_id").count().where(F.col("count") > config.feedback.most_reports)
    counted = reports.join(busy, "user_id", "left_anti").groupBy("skeleton_hash")
    many = counted.agg(F.count_distinct("user_id").alias("users")).where(F.col("users") >= least)
    found = {row["skeleton_hash"] for row in many.select("skeleton_hash").collect()}
    return sorted(found - read_withdrawals(spark, config.root).words.skeletons)


def _code() -> Column:
    """What becomes of a row of the feedback."""
    wrong = {"malformed": F.col("malformed")}
    wrong |= {code: F.col(name).isNull() for code, name in _WANTED.items()}
    wrong |= {"unknown_kind": ~F.col("kind").isin(*FEEDBACK_KINDS) | F.col("kind").isNull()}
    wrong |= {"other": ~F.col("kind").isin(*HEEDED)}
    code = F.lit("heeded")
    for name, holds in reversed(wrong.items()):
        code = F.when(holds, name).otherwise(code)
    return code


_WANTED = {"no_event": "event_id", "no_user": "user_id", "no_item": "item_id", "no_time": "at"}


def _said(spark: SparkSession, config: NightConfig, heeded: DataFrame, suppressed: Suppressed | None) -> DataFrame:
    """Rows of schema.DISLIKES with `code`; one for each user, item and sentence. `suppressed`: who was forgotten."""
    pairs = spark.read.format("delta").load(f"{config.root}/reasons").where(F.col("scenario") == config.scenario)
    now = pairs.select("user_id", "item_id", F.col("skeleton_hash").alias("stands"), "published_at")
    archive = f"{config.root}/{ARCHIVE.name}"
    if read_version(archive) is None:  # a lake of before the archive: what stands is all that is known
        shown = pairs
    else:
        shown = spark.read.format("delta").load(archive).where(F.col("scenario") == config.scenario)
    known = shown.select("item_id", F.col("skeleton_hash").alias("reason_id"), F.lit(True).alias("archived")).distinct()
    joined = heeded.join(now, ["user_id", "item_id"], "left").join(known, ["item_id", "reason_id"], "left")
    named = F.when((F.col("reason_id") == F.col("stands")) | F.col("archived"), F.col("reason_id"))
    standing = F.when(F.col("published_at") <= F.col("at"), F.col("stands"))
    meant = joined.withColumn("skeleton_hash", F.when(F.col("reason_id").isNull(), standing).otherwise(named))
    said = meant.groupBy("user_id", "item_id", "skeleton_hash").agg(
        F.max("kind").alias("kind"), F.min("at").alias("at")
    )
    said = said.withColumn("scenario", F.lit(config.scenario))
    listed = read_dislikes(spark, config.root)
    if listed is None:
        before = said.withColumns({"before": F.lit(None).cast("string"), "heard": F.lit(False)})
    else:
        keyed = listed.select(*DISLIKES.key, F.col("kind").alias("before"))
        pairs = listed.select("user_id", "item_id", "scenario", F.lit(True).alias("once")).distinct()
        before = said.join(keyed, list(DISLIKES.key), "left").join(pairs, ["user_id", "item_id", "scenario"], "left")
        # What named no sentence was heeded while it stood.
        before = before.withColumn("heard", F.coalesce("once", F.lit(False)) & F.col("skeleton_hash").isNull())
    told = with_suppressed(before, suppressed)
    same = F.col("before").isNotNull() & ~((F.col("before") == "dislike") & (F.col("kind") == "report"))
    code = F.when(F.col("suppressed"), "suppressed").when(F.col("heard") | same, "known")
    code = code.when(F.col("skeleton_hash").isNull(), "unknown_reason")
    return told.withColumn("code", code.otherwise("new")).select(*DISLIKES.names, "code")


def _add(spark: SparkSession, root: str, new: DataFrame) -> None:
    path = f"{root}/{DISLIKES.name}"
    create_if_missing(spark, path, DISLIKES)
    txn = Txn(f"reasongen/{NOTE}/{datetime.now(UTC).isoformat()}", 0)
    merge_changes(new.select(*DISLIKES.names), path, DISLIKES, txn=txn, metadata=NOTE)
