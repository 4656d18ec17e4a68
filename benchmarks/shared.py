"""By which unit users are counted who share evidence: what share of prompts and pairs fewer than k users share.

    python benchmarks/shared.py .local/lake

Reads `reasons` of a lake, of pairs with behaviour alone. row: the rarest of a prompt's rows of evidence (facet, word,
act); rows together: all of them; prompt: these and the item's part. Needs no Spark.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

ROOT = Path(__file__).resolve().parent.parent
UNITS = ("row", "rows together", "prompt")


def counted(lake: str) -> pl.DataFrame:
    """A row for each pair with behaviour: prompt_hash, and the users of each unit."""
    shown = pl.read_delta(f"{lake}/reasons").filter(pl.col("evidence").list.len() > 0).with_row_index("pair")
    facts = shown.select("pair", "user_id", "evidence").explode("evidence").unnest("evidence")
    rows = facts.with_columns(row=pl.concat_str("facet", "word", "action", separator="|", ignore_nulls=True))
    rarest = (
        rows.with_columns(users=pl.col("user_id").n_unique().over("row")).group_by("pair").agg(pl.col("users").min())
    )
    together = rows.group_by("pair").agg(pl.col("row").sort().str.join("&"))
    return (
        shown.join(rarest.rename({"users": "row"}), on="pair")
        .join(together.rename({"row": "combination"}), on="pair")
        .with_columns(pl.col("user_id").n_unique().over("combination").alias("rows together"))
        .with_columns(pl.col("user_id").n_unique().over("prompt_hash").alias("prompt"))
        .select("prompt_hash", *UNITS)
    )


def main() -> int:
    """Prints a row for each k and unit."""
    pairs = counted(sys.argv[1] if len(sys.argv) > 1 else str(ROOT / ".local" / "lake"))
    prompts = pairs.group_by("prompt_hash").agg(pl.col(*UNITS).min())
    print(f"{pairs.height:,} pairs, {prompts.height:,} prompts\n{'k':>3}  {'unit':15}{'prompts':>9}{'pairs':>9}")
    for k in (3, 5, 20):
        for unit in UNITS:
            few = [(frame[unit] < k).sum() / frame.height for frame in (prompts, pairs)]
            print(f"{k:>3}  {unit:15}{few[0]:>9.1%}{few[1]:>9.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
