"""The fixed slots in which an item's facets stand, and how one 64-bit key packs an act.

A slot is a column: `key_category_0`, `key_brand_0`, `key_tag_0` …, `key_attribute_0` …. Comparing columns of longs
keeps the widest step of the night (candidates × history) free of arrays, strings and structs.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F

from reasongen.config import EvidenceSettings
from reasongen.schema import ACTIONS

ORDINAL_BITS = 33  # 8.6 billion items
MINUTE_BITS = 26  # minutes since 1970 up to the year 2097
COUNT_BITS = 10  # items per act: history is cut at 1,000 per user, so no counter runs over into the next

NO_FACET_HERE = -1
NO_FACET_THERE = -2


@dataclass(frozen=True)
class Slot:
    """One facet of an item. `ordinal` is its place among tags or attributes."""

    facet: str
    ordinal: int = 0

    @property
    def name(self) -> str:
        """The column's name."""
        return f"key_{self.facet}_{self.ordinal}"


def slots(settings: EvidenceSettings) -> list[Slot]:
    """All slots in the order that breaks ties of the score."""
    tags = [Slot("tag", i) for i in range(settings.item_tags)]
    attributes = [Slot("attribute", i) for i in range(settings.item_attributes)]
    return [Slot("category"), Slot("brand"), *tags, *attributes]


def pack_act(strength: Column, minute: Column, ordinal: Column) -> Column:
    """One long whose maximum is the strongest act, then the newest, then (for a full order) the highest ordinal."""
    return (
        F.shiftleft(strength.cast("long"), MINUTE_BITS + ORDINAL_BITS)
        .bitwiseOR(F.shiftleft(minute.cast("long"), ORDINAL_BITS))
        .bitwiseOR(ordinal)
    )


def strength_of(packed: Column) -> Column:
    """0-based index into ACTIONS."""
    return F.shiftright(packed, MINUTE_BITS + ORDINAL_BITS).cast("int")


def minute_of(packed: Column) -> Column:
    """Minutes since 1970."""
    return F.shiftright(packed, ORDINAL_BITS).bitwiseAND(F.lit((1 << MINUTE_BITS) - 1))


def ordinal_of(packed: Column) -> Column:
    """The example item's ordinal in the catalogue."""
    return packed.bitwiseAND(F.lit((1 << ORDINAL_BITS) - 1))


def one_of(strength: Column) -> Column:
    """A packed count of one act: ten bits for each of the six acts."""
    counts = [F.lit(1 << (COUNT_BITS * i)) for i in range(len(ACTIONS))]
    chosen = counts[-1]
    for i in range(len(ACTIONS) - 2, -1, -1):
        chosen = F.when(strength == i, counts[i]).otherwise(chosen)
    return chosen


def count_of(packed_counts: Column, strength: Column) -> Column:
    """How many items a packed sum holds for one act."""
    mask = F.lit((1 << COUNT_BITS) - 1)
    found = F.lit(0).cast("long")
    for i in range(len(ACTIONS)):
        found = F.when(strength == i, F.shiftright(packed_counts, COUNT_BITS * i).bitwiseAND(mask)).otherwise(found)
    return found.cast("int")
