"""Where the night meets its reviewers: what they decided, which pairs that opens again, and what they are asked next.

Nothing that is queued is about one person. A frame is shown where it holds no behaviour, or where SHARED_BY users have
it; what a user's own acts would fill into the text stands as its mark. So forgetting a user need not look there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from reasongen.pipeline.judging import Judge
from reasongen.pipeline.ledger import Run
from reasongen.pipeline.publishing import KEY, WRITTEN
from reasongen.pipeline.withdrawing import Withdrawals
from reasongen.review import Waiting, add_waiting, read_decisions, read_waiting, standing
from reasongen.schema import REVIEW_DECISIONS, REVIEWS, SHARED_BY
from reasongen.tables import create_if_missing, rows_version
from reasongen.validation import Reviewed
from reasongen.validation.reviewed import OF_CLAIMS

FRAMES = 20
"""Frames that stand beside a skeleton: as many as somebody will look at. A doubt about evidence is lifted for no other,
so pairs with further frames are not counted for it."""
_ENDED = (*WRITTEN, "kept", "quarantined")
_PLACE = ["locale", "skeleton_hash"]
_GROUP = [*_PLACE, "key"]


def with_people(judge: Judge, root: str, withdrawals: Withdrawals, until: datetime | None = None) -> Judge:
    """The judge with what people took down, and have decided by now or `until` (UTC): an accept holds against no later
    withdrawal."""
    reviewed, _ = read_reviewed(root, judge.policy_version, withdrawals, until)
    return replace(judge, withdrawn=withdrawals.words, reviewed=reviewed)


def read_reviewed(
    root: str, policy_version: str, withdrawals: Withdrawals, until: datetime | None = None
) -> tuple[Reviewed, str | None]:
    """What holds under these rules, and the version of the decisions for `runs.inputs`; None where nobody has decided
    anything. What is decided between the two looks is in the first alone: the next night finds another version."""
    path = f"{root}/{REVIEW_DECISIONS.name}"
    state = rows_version(path)
    decisions = [one for one in read_decisions(root) if until is None or one.decided_at <= until]
    return standing(decisions, policy_version, withdrawals.rules), f"{state}" if decisions else None


def reopened(
    reasons: DataFrame, generations: DataFrame, reviewed: Reviewed, *, model: str, decode: str
) -> DataFrame | None:
    """Keys of standing reasons that a decision may change: the model's with a skeleton that was ever judged, and
    fallbacks for whose prompt an accepted skeleton was sampled. None where nobody has judged any."""
    if not reviewed.known:
        return None
    known = _places(reasons, reviewed.known)
    touched = reasons.where(F.col("source") == "model").join(F.broadcast(known), _PLACE, "left_semi").select(KEY)
    if not reviewed.accepted:
        return touched
    mine = generations.where((F.col("model_version") == model) & (F.col("decode_hash") == decode))
    accepted = _places(reasons, reviewed.accepted).select("skeleton_hash").distinct()
    prompts = (
        mine.select("prompt_hash", F.sha2("text", 256).alias("skeleton_hash"))
        .join(F.broadcast(accepted), "skeleton_hash", "left_semi")
        .select("prompt_hash")
        .distinct()
    )
    waiting = reasons.where(F.col("source") == "fallback").join(prompts, "prompt_hash", "left_semi")
    return touched.unionByName(waiting.select(KEY))


def queue_doubted(classed: DataFrame, root: str, reviewed: Reviewed, *, per_night: int, run: Run) -> int:
    """Adds to the queue what waits for a person after this run; returns how many skeletons.

    In: `with_class` of the staged rows. Those for most pairs first, `per_night` at most with what the same night has
    queued already; none that stands in the queue under these rules, or that a person refused.
    """
    before = read_waiting(root)
    room = per_night - sum(one.night == run.night for one in before)
    if room <= 0:
        return 0
    found = waiting_of(classed)
    if before:
        there = [(one.locale, one.skeleton_hash, one.policy_version) for one in before]
        told = ", ".join(f"{name} string" for name in (*_PLACE, "policy_version"))
        queued = classed.sparkSession.createDataFrame(there, told)
        found = found.join(queued, queued.columns, "left_anti")
    if reviewed.refused:
        found = found.join(_places(found, reviewed.refused), _PLACE, "left_anti")
    if not (rows := found.orderBy(F.desc("pairs"), *_PLACE).limit(room).collect()):
        return 0
    for name, table in REVIEWS.items():
        create_if_missing(classed.sparkSession, f"{root}/{name}", table)
    about = {"run_id": run.run_id, "night": run.night, "scenario": run.scenario, "queued_at": datetime.now(UTC)}
    add_waiting(root, [_waiting(row.asDict(recursive=True), about) for row in rows])
    return len(rows)


def waiting_of(classed: DataFrame) -> DataFrame:
    """One row for each skeleton that a person may pass; key locale, skeleton_hash.

    In: user_id, item_id, locale, policy_version, source, class, doubted. Out: locale, skeleton_hash, policy_version,
    skeleton, text, frames, doubts, pairs. Where a skeleton is doubted for different reasons, those of most pairs.
    """
    lacking = classed.where(F.col("class").isin(*_ENDED) & ~F.col("source").eqNullSafe("model"))
    each = lacking.select("user_id", "item_id", "locale", "policy_version", F.explode("doubted").alias("one")).select(
        "user_id", "item_id", "locale", "policy_version", "one.*", F.sha2("one.skeleton", 256).alias("skeleton_hash")
    )
    by_frame = each.groupBy(*_GROUP, "policy_version", "skeleton", "frame").agg(
        F.count_distinct("user_id").alias("users"),
        F.count_distinct("user_id", "item_id").alias("pairs"),
        F.min(F.struct("text", "doubts")).alias("example"),
    )
    alone = F.get_json_object("frame", "$.e") == "[]"
    whole = by_frame.withColumn("all_pairs", F.sum("pairs").over(Window.partitionBy(*_GROUP)))
    shown = whole.where(alone | (F.col("users") >= SHARED_BY))
    most_first = Window.partitionBy(*_GROUP).orderBy(F.desc("pairs"), "frame")
    ranked = shown.withColumn("rank", F.row_number().over(most_first)).where(F.col("rank") <= FRAMES)
    told = ranked.groupBy(*_GROUP, "policy_version", "skeleton").agg(
        F.sort_array(F.collect_list(F.struct("rank", "frame", "example"))).alias("ranked"),
        F.sum("pairs").alias("shown_pairs"),
        F.first("all_pairs").alias("all_pairs"),
    )
    first = F.col("ranked")[0]["example"]
    of_claims = F.exists(first["doubts"], lambda doubt: doubt["rule"].startswith(OF_CLAIMS))
    counted = told.select(
        *_GROUP, "policy_version", "skeleton", first["text"].alias("text"), F.col("ranked.frame").alias("frames"),
        first["doubts"].alias("doubts"),
        F.when(of_claims, F.col("shown_pairs")).otherwise(F.col("all_pairs")).alias("pairs"),
    )  # fmt: skip
    best = Window.partitionBy(*_PLACE).orderBy(F.desc("pairs"), "key")
    chosen = counted.withColumn("rank", F.row_number().over(best)).where(F.col("rank") == 1)
    return chosen.select(*_PLACE, "policy_version", "skeleton", "text", "frames", "doubts", "pairs")


def _places(like: DataFrame, places: Iterable[tuple[str, str]]) -> DataFrame:
    """Pairs of (locale, skeleton_hash) as a frame."""
    return like.sparkSession.createDataFrame(sorted(places), "locale string, skeleton_hash string")


def _waiting(row: dict[str, Any], told: Mapping[str, Any]) -> Waiting:
    return Waiting(**{**row, **told, "frames": tuple(row["frames"]), "doubts": tuple(row["doubts"])})
