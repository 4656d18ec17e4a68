"""Chooses, for each pair, the rows of support that its reason may rest on.

The score of one row, in logarithms, is

    ln facet weight + ln act weight + ln(1 + ln items) + (minute of the act) · ln 2 / half-life

so an act loses half of its weight in one half-life. Since every act ages alike, no night changes an order that the
night before had: the calendar ranks, and never enters a prompt.
"""

from __future__ import annotations

import math
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from reasongen.config import EvidenceSettings
from reasongen.evidence.slots import Slot, count_of, minute_of, ordinal_of, slots, strength_of
from reasongen.schema import ACTIONS

_SCALE = 1_000_000
_SLOT_BITS = 5
_LAST_SLOT = (1 << _SLOT_BITS) - 1
_PAIR = ("user_id", "scenario", "personal", "ordinal")


def ranked(support: DataFrame, catalogue: DataFrame, *, settings: EvidenceSettings, night: date) -> DataFrame:
    """The best `budget` rows of each pair, beside what the catalogue says; key (user_id, item_id, scenario).

    In: `support`, `catalogue`. Out: the pair, personal, locale, title, brand, noun, noun_class, words, names, values,
    row_1 … (see `places`), best first: struct(id, facet, word, value, action, items, item_id, title, noun, last_ts,
    recent), and `filled`: how many of them there are (the others hold nothing).
    """
    chosen = _chosen(support, settings)
    for place in places(settings):
        other = catalogue.select(
            F.col("ordinal").alias(f"other_{place}"), F.struct("item_id", "title", "noun").alias(f"example_{place}")
        )
        keyed = chosen.withColumn(f"other_{place}", ordinal_of(F.col(f"act_{place}")))
        chosen = keyed.join(other, f"other_{place}", how="left").drop(f"other_{place}")
    spoken = catalogue.select(
        "ordinal", "item_id", "locale", "title", "brand", "noun", "noun_class", "words", "names", "values"
    )
    rows = [_row(place, settings, night).alias(f"row_{place}") for place in places(settings)]
    whole = chosen.join(spoken, "ordinal", how="inner")
    said = [name for name in spoken.columns if name != "ordinal"]
    filled = sum((F.col(f"slot_{place}").isNotNull().cast("int") for place in places(settings)), F.lit(0))
    least = F.least(filled, F.lit(settings.budget)).alias("filled")
    return whole.select("user_id", "scenario", "personal", *said, *rows, least)


def places(settings: EvidenceSettings) -> range:
    """The places of rows, from 1; one even where the budget is 0, which then stays empty."""
    return range(1, max(settings.budget, 1) + 1)


def _chosen(support: DataFrame, settings: EvidenceSettings) -> DataFrame:
    """Per place: `slot_` (index among the slots, null without), `act_` (packed), `packed_` (packed counts).

    No two scores are equal, so the next best is the greatest below the best: longs alone, where a sort would box them.
    """
    wanted = slots(settings)
    scores = [_score(i, slot, settings).alias(f"score_{i}") for i, slot in enumerate(wanted)]
    acts, counts = ([F.col(f"{name}_{slot.name}") for slot in wanted] for name in ("act", "count"))
    chosen = support.select(*_PAIR, *acts, *counts, *scores)
    below = [F.col(f"score_{i}") for i in range(len(wanted))]
    for place in places(settings):
        chosen = chosen.withColumn(f"best_{place}", F.greatest(*below))
        below = [F.when(F.col(f"score_{i}") < F.col(f"best_{place}"), F.col(f"score_{i}")) for i in range(len(wanted))]
    found = {p: F.lit(_LAST_SLOT) - F.col(f"best_{p}").bitwiseAND(F.lit(_LAST_SLOT)) for p in places(settings)}
    placed = chosen.select(*_PAIR, *acts, *counts, *[slot.cast("int").alias(f"slot_{p}") for p, slot in found.items()])
    return placed.select(
        *_PAIR,
        *[F.col(f"slot_{p}") for p in places(settings)],
        *[F.get(F.array(*acts), F.col(f"slot_{p}")).alias(f"act_{p}") for p in places(settings)],
        *[F.get(F.array(*counts), F.col(f"slot_{p}")).alias(f"packed_{p}") for p in places(settings)],
    )


def _score(index: int, slot: Slot, settings: EvidenceSettings) -> Column:
    """Score in millionths and, below it, the slot's place: one long, a full order. Null without support."""
    act, count = F.col(f"act_{slot.name}"), F.col(f"count_{slot.name}")
    strength = strength_of(act)
    weight = F.element_at(F.array(*[F.lit(math.log(settings.act_weights[name])) for name in ACTIONS]), strength + 1)
    items = F.log(F.lit(1.0) + F.log(count_of(count, strength).cast("double")))
    age = minute_of(act) * F.lit(math.log(2) / (settings.half_life_days * 1440))
    score = F.lit(math.log(settings.facet_weights[slot.facet]) + 100.0) + weight + items + age
    millionths = F.round(score * _SCALE).cast("long")
    return F.shiftleft(millionths, _SLOT_BITS).bitwiseOR(F.lit(_LAST_SLOT - index))


def _row(place: int, settings: EvidenceSettings, night: date) -> Column:
    """One row of evidence; `facet` is null where this place is empty."""
    slot, act, example = F.col(f"slot_{place}"), F.col(f"act_{place}"), F.col(f"example_{place}")
    strength = strength_of(act)
    first_tag, first_attribute = 2, 2 + settings.item_tags
    names = F.array(*[F.lit(one.facet) for one in slots(settings)])
    is_tag = (slot >= first_tag) & (slot < first_attribute)
    is_attribute = slot >= first_attribute
    last = F.timestamp_seconds(minute_of(act) * 60)
    word = F.when(is_tag, F.get(F.col("words"), slot - first_tag)).when(
        is_attribute, F.get(F.col("names"), slot - first_attribute)
    )
    return F.struct(
        F.lit(f"e{place}").alias("id"),
        F.get(names, slot).alias("facet"),
        word.alias("word"),
        F.when(is_attribute, F.get(F.col("values"), slot - first_attribute)).alias("value"),
        F.element_at(F.array(*map(F.lit, ACTIONS)), strength + 1).alias("action"),
        count_of(F.col(f"packed_{place}"), strength).alias("items"),
        example["item_id"].alias("item_id"),
        example["title"].alias("title"),
        example["noun"].alias("noun"),
        last.alias("last_ts"),
        (last >= F.date_sub(F.lit(night), settings.recent_days).cast("timestamp")).alias("recent"),
    )
