"""Gives labelled reasons their codes and their split: rejected rows stay in the frame, with the reason why."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from reasongen.schema import SPLITS
from reasongen.tables.sources import MALFORMED
from reasongen.tables.text import clean, usable_id

ANYBODY = "\u0001anybody"
"""The user of a label that names none; no id holds a control character that anybody would type."""
MAX_CHARS = 2_000
_HELD = {"test": 8, "validation": 8}
"""Of 100 items, and of 100 users, those whose pairs are held out for each split."""


def clean_references(references: DataFrame) -> DataFrame:
    """Labels with their texts cleaned and their splits filled in.

    In: `schema.REFERENCES`, malformed. Out: user_id (ANYBODY where none was given), item_id, reason, ts, split,
    reject (malformed, null_item_id, no_reason, unknown_split, or null). Where no split is given, one is drawn by item
    and user: a pair is held out where either is, so training meets neither the items nor the users of the other two.
    """
    named = F.trim("user_id")
    user = F.when(F.coalesce(named, F.lit("")) == "", F.lit(ANYBODY)).otherwise(F.col("user_id"))
    given = F.nullif(F.lower(F.trim("split")), F.lit(""))
    rows = references.select(
        user.alias("user_id"), "item_id", clean(F.col("reason"), MAX_CHARS).alias("reason"), "ts", given.alias("given"),
        MALFORMED,
    )  # fmt: skip
    reject = (
        F.when(F.col(MALFORMED), F.lit("malformed"))
        .when(~usable_id(F.col("item_id")), F.lit("null_item_id"))
        .when(F.coalesce("reason", F.lit("")) == "", F.lit("no_reason"))
        .when(~F.coalesce(F.col("given").isin(*SPLITS), F.lit(True)), F.lit("unknown_split"))
    )
    split = F.coalesce("given", _drawn())
    return rows.select("user_id", "item_id", "reason", "ts", split.alias("split"), reject.alias("reject"))


def _drawn() -> Column:
    item = F.pmod(F.xxhash64(F.lit("split"), "item_id"), F.lit(100))
    user = F.when(F.col("user_id") == ANYBODY, F.lit(99)).otherwise(
        F.pmod(F.xxhash64(F.lit("split"), "user_id"), F.lit(100))
    )
    drawn, at = F.lit("train"), 0
    for name, share in reversed(_HELD.items()):
        held = item.between(at, at + share - 1) | user.between(at, at + share - 1)
        drawn, at = F.when(held, F.lit(name)).otherwise(drawn), at + share
    return drawn
