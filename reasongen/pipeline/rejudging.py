"""May a reason that was published before still be shown? Asks everything that is known today: lists, users, catalogue,
and today's whole verdict on the words, claims and evidence as they are stored.

Two things of a reason are not stored: its skeleton (its claims tell the marks, its hash is kept) and why the model
stopped (by itself, or it would never have been published), so nothing of the verdict is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import NightConfig
from reasongen.evidence.frames import FEW_FROM, MANY_FROM
from reasongen.pipeline.disliking import read_dislikes
from reasongen.pipeline.judging import Judge
from reasongen.pipeline.present import item_facts, items_now, newest, people
from reasongen.pipeline.publishing import KEY
from reasongen.pipeline.reviewing import with_people
from reasongen.pipeline.tools import judge_of
from reasongen.pipeline.withdrawing import Withdrawals, read_withdrawals
from reasongen.prompts import Claim, EvidenceRow, Frame, Locale, Rendered
from reasongen.schema import DISLIKES, REASONS, USERS
from reasongen.tables import Suppressed, read_suppressed, read_version, with_suppressed
from reasongen.tables.suppression import LIST

_FACTS = ("noun", "words", "attribute", "brand")
"""What of an item a frame shows."""
_JUDGED = ("reason", "claims", "evidence", "skeleton_hash", "locale", "scenario", *_FACTS)
_OUT = f"{REASONS.ddl}, known boolean, refused_by string"


@dataclass(frozen=True)
class Today:
    """What is known now. `facts`: usable items (item_id, noun, words, attribute, brand). `people`: user_id, may, minor;
    None where there is no users table, and then `assumed` says whether behaviour may be evidence. `states`: of the
    tables that were read."""

    judge: Judge
    item_words: int
    facts: DataFrame = field(repr=False)
    people: DataFrame | None = field(repr=False)
    assumed: bool
    suppressed: Suppressed | None = field(repr=False)
    withdrawals: Withdrawals = field(repr=False)
    dislikes: DataFrame | None = field(repr=False)
    states: Mapping[str, str]

    @property
    def lists(self) -> tuple[int | None, int | None]:
        """The versions of the suppression list and of the withdrawals that were read."""
        return (None if self.suppressed is None else self.suppressed.version, self.withdrawals.version)


def read_today(spark: SparkSession, config: NightConfig) -> Today:
    """Lists first, then users and items, at their newest versions whichever the settings pin.

    Raises ContractError where users or items cannot be read, ConfigError as a night does.
    """
    suppressed = read_suppressed(spark, config.root, config.forget)
    withdrawals = read_withdrawals(spark, config.root)
    items = items_now(spark, config)
    users = None if config.inputs.users is None else newest(spark, config.inputs.users, USERS)
    return Today(
        with_people(judge_of(config), config.root, withdrawals),
        config.evidence.item_words,
        item_facts(items, config),
        None if users is None else people(users),
        config.inputs.consent == "assumed",
        suppressed,
        withdrawals,
        read_dislikes(spark, config.root),
        {source.table.name: source.state for source in (items, users) if source is not None},
    )


def lists_now(root: str) -> tuple[int | None, int | None]:
    """As `Today.lists`, this moment."""
    return read_version(f"{root}/{LIST}"), read_version(f"{root}/withdrawals")


def with_left_out(reasons: DataFrame, today: Today) -> DataFrame:
    """Rows of schema.REASONS with `left_out`: null for what may be shown, else why not, the first that holds of
    minor, consent, private, item_gone, expired, withdrawn, disliked, or the first rule that refuses the words.

    In: nobody who is suppressed. A reason with evidence rests on its user's behaviour: it needs consent.
    """
    joined = reasons.join(today.facts.withColumn("known", F.lit(True)), "item_id", "left")
    judged = joined.select(*REASONS.names, "known", *_FACTS).mapInArrow(_judging(today), _OUT)
    if today.people is None:
        judged = judged.withColumns({"may": F.lit(today.assumed), "minor": F.lit(False)})
    else:
        judged = judged.join(today.people, "user_id", "left")
    judged = judged.join(_private(reasons, today.facts), KEY, "left")
    said_no = F.lit(False)
    if today.dislikes is not None:
        no = today.dislikes.select(*DISLIKES.key, F.lit(True).alias("disliked"))
        judged, said_no = judged.join(no, list(DISLIKES.key), "left"), F.coalesce("disliked", F.lit(False))
    code = (
        F.when(F.col("minor"), "minor")
        .when((F.size("evidence") > 0) & ~F.coalesce("may", F.lit(False)), "consent")
        .when(F.col("private"), "private")
        .when(~F.col("known"), "item_gone")
        .when(F.col("valid_until") < F.lit(today.judge.night), "expired")
        .when(F.col("item_id").isin(*today.withdrawals.items), "withdrawn")
        .when(said_no, "disliked")
        .otherwise(F.col("refused_by"))
    )
    return judged.select(*REASONS.names, code.alias("left_out"))


def _private(reasons: DataFrame, facts: DataFrame) -> DataFrame:
    """Keys of reasons that rest on behaviour, of which one side is a private item now. Out: the key, private (true)."""
    personal = reasons.where(F.size("evidence") > 0)
    sides = F.array_union(F.array("item_id"), F.col("evidence.item_id"))
    private = facts.where("private").select(F.col("item_id").alias("side"))
    found = personal.select(*KEY, F.explode(sides).alias("side")).join(private, "side", "left_semi")
    return found.select(KEY).distinct().withColumn("private", F.lit(True))


def without_suppressed(reasons: DataFrame, today: Today) -> DataFrame:
    """Rows of users whom one may know."""
    return with_suppressed(reasons, today.suppressed).where(~F.col("suppressed")).select(*reasons.columns)


def _judging(today: Today) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    judge, item_words = today.judge, today.item_words

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            told = zip(*(batch.column(name).to_pylist() for name in _JUDGED), strict=True)
            rules = [_first_rule(judge, dict(zip(_JUDGED, row, strict=True)), item_words) for row in told]
            columns = {name: batch.column(name) for name in REASONS.names}
            columns["known"] = batch.column("known").is_valid()
            yield pa.RecordBatch.from_pydict({**columns, "refused_by": pa.array(rules, pa.string())})

    return run


def _first_rule(judge: Judge, row: dict[str, Any], item_words: int) -> str | None:
    """The first rule that refuses the row, unknown_locale for one of a language that the settings lack; null too where
    its item is not known."""
    if row["noun"] is None:
        return None
    if row["locale"] not in judge.renderer.locales:
        return "unknown_locale"
    claims = (Claim(one["start"], one["end"], one["evidence"], one["mark"]) for one in row["claims"])
    frame = _frame(row, judge.renderer.locales[row["locale"]], item_words)
    verdict = judge.again(Rendered(row["reason"], tuple(claims)), row["skeleton_hash"], frame)
    return None if verdict.passed else verdict.failures[0].rule


def _frame(row: dict[str, Any], locale: Locale, item_words: int) -> Frame:
    """What a prompt of today would show of this item, and of the evidence as it was."""
    rows = tuple(
        EvidenceRow(one["facet"], one["word"] or "", one["action"], _size(one["items"])) for one in row["evidence"]
    )
    used = {one.word for one in rows if one.facet == "tag"}
    words = tuple(word for word in row["words"] if word not in used)[:item_words]
    shown = {"words": words, "attribute": row["attribute"] or "", "brand": row["brand"], "evidence": rows}
    noun_class = locale.class_of.get(row["noun"], "thing")
    return Frame(row["locale"], row["scenario"], row["noun"], noun_class, **shown)


def _size(items: int) -> str:
    return "many" if items >= MANY_FROM else "few" if items >= FEW_FROM else "one"
