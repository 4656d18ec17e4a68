"""Candidates × history: for each facet of a candidate item, what the same user did with *other* items that share it."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from reasongen.config import EvidenceSettings
from reasongen.evidence.slots import NO_FACET_HERE, NO_FACET_THERE, Slot, one_of, pack_act, slots


def support(
    candidates: DataFrame, history: DataFrame, catalogue: DataFrame, *, settings: EvidenceSettings
) -> DataFrame:
    """One row per candidate; key (user_id, ordinal, scenario).

    In: candidates (user_id, item_id, scenario, personal), `history`, `catalogue`.
    Out: user_id, scenario, personal, ordinal (of the item), and per slot `act_<slot>` (packed strongest act; null
    without support) and `count_<slot>` (packed number of items per act).

    The item itself is never its own evidence, so a pair's own later outcome cannot leak in. Only rows that match enter
    the aggregate, whose buffers are longs. Candidates meet the catalogue before the shuffle, by broadcast where it
    fits, so a hot item stays spread; where it does not fit, adaptive execution splits the skewed side of the join.
    """
    wanted = slots(settings)
    here = candidates.join(
        catalogue.select("item_id", "ordinal", *[F.col(s.name).alias(f"here_{s.name}") for s in wanted]),
        "item_id",
        how="inner",
    ).drop("item_id")
    there = history.join(
        catalogue.select(F.col("ordinal").alias("other"), *[_there(s) for s in wanted]), "other", how="inner"
    ).select(
        F.col("user_id").alias("actor"),
        "other",
        "strength",
        pack_act(F.col("strength"), F.col("minute"), F.col("other")).alias("act"),
        one_of(F.col("strength")).alias("one"),
        *[f"there_{s.name}" for s in wanted],
    )
    matches = {slot: _matches(slot, wanted) for slot in wanted}
    meets = (
        (F.col("user_id") == F.col("actor"))
        & F.col("personal")
        & (F.col("ordinal") != F.col("other"))
        & reduce(Column.__or__, matches.values())
    )
    pairs = here.hint("shuffle_hash").join(there, meets, how="left")
    sums: list[Column] = []
    for slot, matched in matches.items():
        sums.append(F.max(F.when(matched, F.col("act"))).alias(f"act_{slot.name}"))
        sums.append(F.sum(F.when(matched, F.col("one"))).alias(f"count_{slot.name}"))
    return pairs.groupBy("user_id", "scenario", "ordinal").agg(F.max("personal").alias("personal"), *sums)


def _there(slot: Slot) -> Column:
    column = F.col(slot.name)
    return F.when(column == NO_FACET_HERE, F.lit(NO_FACET_THERE)).otherwise(column).alias(f"there_{slot.name}")


def _matches(slot: Slot, wanted: list[Slot]) -> Column:
    """A tag or an attribute may stand at another place in the other item."""
    others = [F.col(f"there_{s.name}") for s in wanted if s.facet == slot.facet]
    return reduce(Column.__or__, [F.col(f"here_{slot.name}") == other for other in others])
