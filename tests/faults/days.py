"""Two nights over a tiny world and what people do to the lake after them: what every fault here is thrown at.

The second night's tables differ in each way that makes it work: new acts, other titles, a candidate less, a consent
withdrawn. Each step can be done again, and then does only what is left of it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from nights import night_over, write_small_world
from pyspark.sql import SparkSession

from reasongen.config import NightConfig
from reasongen.pipeline import forget_users, generate_night, maintain_tables, withdraw

TINY = ("users=36", "visits=500", "heavy_user_events=60", "items_per_category=4")
FIRST, SECOND = "2026-03-02", "2026-03-03"
FEED = "feed"
"""Another scenario, which the second day knows."""
SHOWN = ["user_id", "item_id", "scenario", "reason", "source", "prompt_hash", "night"]
"""What a reader acts on, and the night that wrote it: equal in two runs over the same tables."""
os.environ.setdefault("REASONGEN_FORGET_KEY", "a key for the tests alone")


@dataclass(frozen=True)
class Step:
    """One thing done to the lake; it sets torn commits aside by itself. `night`: it is a night, and a second one must
    find nothing to do."""

    name: str
    do: Callable[[SparkSession, Path, Path], Any]
    night: bool = False


def first_night(world: Path, root: Path, *sets: str) -> NightConfig:
    """Settings of the first night."""
    given = (f"night='{FIRST}'", "engine.slice_prompts=60", "forget.inputs=false", *sets)
    return night_over(world / "first", root, *given)


def second_night(world: Path, root: Path, *sets: str) -> NightConfig:
    """Settings of the second."""
    given = (f"night='{SECOND}'", "engine.slice_prompts=60", "forget.inputs=false", *sets)
    return night_over(world / "second", root, *given)


def write_days(world: Path) -> Path:
    """The tables of both days below `world`."""
    first = write_small_world(world / "first", TINY)
    second = Path(shutil.copytree(first, world / "second"))
    wanted = pl.read_parquet(first / "candidates.parquet").filter(~pl.col("item_id").is_in(["i00003", "i00030"]))
    feed = wanted.filter(pl.col("scenario") == "recommendation").with_columns(scenario=pl.lit(FEED))
    pl.concat([wanted, feed.filter(pl.col("rank") <= 2)]).write_parquet(second / "candidates.parquet")
    items = (second / "items.jsonl").read_bytes()
    (second / "items.jsonl").write_bytes(items.replace(b'"title": "Night Reader', b'"title": "Evening Reader'))
    users = (second / "users.csv").read_text(encoding="utf-8").splitlines()
    person = next(line for line in users if line.endswith(",true,no") and line.startswith("u"))
    users[users.index(person)] = person.replace(",true,", ",false,")
    (second / "users.csv").write_text("\n".join(users) + "\n", encoding="utf-8")
    events = pl.read_delta(str(second / "events"))
    when = datetime(2026, 3, 2, 20, tzinfo=UTC)
    acts = (
        events.filter(pl.col("event") == "purchase")
        .head(12)
        .with_columns(pl.lit(when).cast(events.schema["ts"]).alias("ts"))
    )
    acts.write_delta(str(second / "events"), mode="append")
    return world


def write_eve(world: Path) -> Path:
    """The tables of the day before the first one, at `eve/first`: other candidates."""
    eve = world / "eve" / "first"
    shutil.copytree(world / "first", eve, dirs_exist_ok=True)
    pairs = pl.read_parquet(eve / "candidates.parquet")
    pairs.filter(~pl.col("item_id").is_in(["i00007", "i00040"])).write_parquet(eve / "candidates.parquet")
    return eve.parent


def whom(world: Path) -> str:
    """The user who asks to be forgotten: the one with the most candidates."""
    counted = pl.read_parquet(world / "second" / "candidates.parquet").group_by("user_id").len()
    return str(counted.drop_nulls().sort("len", "user_id")["user_id"][-1])


STEPS = (
    Step("first", lambda spark, world, root: generate_night(spark, first_night(world, root)), night=True),
    Step("second", lambda spark, world, root: generate_night(spark, second_night(world, root)), night=True),
    Step("withdraw", lambda spark, world, root: withdraw(spark, second_night(world, root), "item", "i00060")),
    Step("maintain", lambda spark, _, root: maintain_tables(spark, str(root), keep_hours=24)),
    Step("forget", lambda spark, world, root: forget_users(spark, second_night(world, root), [whom(world)])),
)


def readable(root: Path) -> pl.DataFrame:
    """`reasons` as delta-rs shows it, in a fixed order; no row where no table stands."""
    from deltalake import DeltaTable

    path = str(root / "reasons")
    if not DeltaTable.is_deltatable(path):
        return pl.DataFrame(schema=dict.fromkeys(SHOWN[:-1], pl.String) | {"night": pl.Date})
    return pl.read_delta(path).select(SHOWN).sort("user_id", "item_id")


def samples(root: Path) -> pl.DataFrame:
    """`generations` as delta-rs shows it: prompt_hash, sample, run_id."""
    from deltalake import DeltaTable

    path = str(root / "generations")
    if not DeltaTable.is_deltatable(path):
        return pl.DataFrame(schema={"prompt_hash": pl.String, "sample": pl.Int32, "run_id": pl.String})
    return pl.read_delta(path).select("prompt_hash", "sample", "run_id")
