"""Writes down what a pair's prompt shows (the frame) and what it hides (the literals), both as canonical JSON.

The frame's keys and their order are those of `reasongen.prompts.frame.Frame`; a test holds the two together. Numbers
are shown as a class (one, few, many), since the class changes the words and the number does not.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from reasongen.config import EvidenceSettings
from reasongen.evidence.ranking import places, ranked

FEW_FROM, MANY_FROM = 2, 5


def frames(
    support: DataFrame,
    catalogue: DataFrame,
    *,
    settings: EvidenceSettings,
    night: date,
    template_key: str,
    literal: bool,
) -> DataFrame:
    """What the prompt of each pair shows and hides; key (user_id, item_id, scenario).

    In: `support`, `catalogue`. `template_key`: id and version of the prompt template, part of the hash. `literal`: the
    template shows literals, so they enter the frame and the hash.
    Out: user_id, item_id, scenario, personal, prompt_hash, frame, literals, evidence, fact_hash.
    """
    told = ranked(support, catalogue, settings=settings, night=night)
    texts = told.select(
        "user_id",
        "item_id",
        "scenario",
        "personal",
        _frame(settings, literal=literal).alias("frame"),
        F.to_json(_literals(settings)).alias("literals"),
        _each(settings, _evidence).alias("evidence"),
    )
    return texts.select(
        "*",
        F.sha2(F.concat_ws("\n", F.lit(template_key), "frame"), 256).alias("prompt_hash"),
        F.xxhash64("frame", "literals").alias("fact_hash"),
    )


def _frame(settings: EvidenceSettings, *, literal: bool) -> Column:
    used = _each(settings, lambda row: F.when(row["facet"] == "tag", row["word"]))
    words = F.slice(F.array_except("words", used), 1, settings.item_words) if settings.item_words else F.array()
    parts = [
        F.col("locale").alias("l"),
        F.col("scenario").alias("s"),
        F.col("noun").alias("c"),
        F.col("noun_class").alias("k"),
        F.when(F.size(words) > 0, words).alias("w"),
        F.get(F.col("names"), 0).alias("a"),
        F.when(F.col("brand").isNotNull(), F.lit(True)).alias("b"),
        _each(settings, _shown).alias("e"),
    ]
    if literal:
        parts.append(_literals(settings, visible=True).alias("v"))
    return F.to_json(F.struct(*parts))


def _each(settings: EvidenceSettings, told: Callable[[Column], Column]) -> Column:
    """What is told of each filled row, in order. Spark interprets lambdas over structs; this it compiles."""
    return F.slice(F.array(*[told(F.col(f"row_{place}")) for place in places(settings)]), 1, F.col("filled"))


def _shown(row: Column) -> Column:
    size = F.when(row["items"] >= MANY_FROM, "many").when(row["items"] >= FEW_FROM, "few").otherwise("one")
    return F.struct(row["facet"].alias("f"), row["word"].alias("w"), row["action"].alias("a"), size.alias("n"))


def _literals(settings: EvidenceSettings, *, visible: bool = False) -> Column:
    """What fills the marks. A template that shows literals gets them without the calendar's part, and without nouns,
    which only measure words need: both stay out of every prompt."""
    hidden = () if visible else ("noun", "recent")

    def row_literals(row: Column) -> Column:
        shown = [row["items"].alias("count"), row["title"].alias("title"), row["value"].alias("value")]
        return F.struct(*shown, *[row[name].alias(name) for name in hidden])

    attribute = F.get(F.col("values"), 0).alias("attr")
    return F.struct("title", "brand", attribute, _each(settings, row_literals).alias("e"))


def _evidence(row: Column) -> Column:
    names = ("id", "facet", "word", "action", "items", "item_id", "title", "value", "last_ts")
    return F.struct(*[row[name].alias(name) for name in names])
