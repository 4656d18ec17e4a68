"""Night after night over tables of which one row in a hundred changes by the day; each file of the lake ages a day
between two nights, so that retention, vacuum and the cleaning of logs work as in so many days:

python benchmarks/night.py --only days
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import DeltaTable, write_deltalake
from worlds import BENCH, USERS_OF, night_config, rest, session, world

from reasongen.config import NightConfig
from reasongen.pipeline import generate_night, maintain_tables
from reasongen.pipeline.progress import say
from reasongen.schema import OUTPUTS

CHANGED, DAY = 0.01, 86_400
KEEP_HOURS = 168.0


def days(nights: int) -> dict[str, Any]:
    """Seconds and samples of a changed night beside the first one, and what the lake weighs in the end."""
    folder = BENCH / "days-inputs"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(world("days"), folder)
    plain = night_config("days", *[f"inputs.{name}.path={folder / file}" for name, file in FILES.items()])
    shutil.rmtree(plain.root, ignore_errors=True)
    rng, told = random.Random(0), list[tuple[float, int, int]]()
    with session(plain) as spark:
        for number in range(nights):
            night = date(2026, 3, 2) + timedelta(days=number)
            if number:
                _next_day(folder, night, rng)
            config = plain.model_copy(update={"night": night})
            before = _prompts(config)
            began = time.monotonic()
            run = generate_night(spark, config)
            told.append((rest(run, time.monotonic() - began), run.samples, len(_prompts(config) - before)))
            say(f"bench: night {number + 1} {told[-1][0]:.1f} s, {run.samples:,} samples, {told[-1][2]:,} new prompts")
            if number % 7 == 6 or number == nights - 1:
                maintain_tables(spark, str(config.root), keep_hours=KEEP_HOURS, retention=config.retention)
            _age(Path(config.root))
        for _ in range(8):  # a week and a day later: the last nights' old files go
            _age(Path(plain.root))
        maintain_tables(spark, str(plain.root), keep_hours=KEEP_HOURS, retention=plain.retention)
        sizes = {name: _weigh(spark, Path(plain.root, name)) for name in OUTPUTS}
    later = told[1:]
    whole, fresh = (sum(size[at] for size in sizes.values()) for at in (0, 1))
    return {
        "nights": nights,
        "pairs": 5 * USERS_OF["days"],
        "first night without the engine, seconds": round(told[0][0], 1),
        "a changed night, median": round(statistics.median(seconds for seconds, *_ in later), 1),
        "samples / new prompts (at most 1.1)": sum(made for _, made, _ in later) / sum(new for *_, new in later),
        "samples a changed night / first night": sum(made for _, made, _ in later) / len(later) / told[0][1],
        "lake / one fresh copy of its tables (at most 1.5)": whole / fresh,
        "kB and of a fresh copy": {
            name: f"{size // 1024:,} / {copy // 1024:,}" for name, (size, copy) in sizes.items()
        },
    }


FILES = {name: name if name == "events" else f"{name}.parquet" for name in ("events", "items", "candidates", "users")}


def _next_day(folder: Path, night: date, rng: random.Random) -> None:
    """Events of one user in a hundred; other titles and candidates of one in a hundred."""
    pairs, items = (pl.read_parquet(folder / FILES[name]) for name in ("candidates", "items"))
    users = pairs["user_id"].unique().sort()
    some = rng.sample(users.to_list(), max(1, int(CHANGED * len(users))))
    ids = items["item_id"].to_list()
    ts = datetime(night.year, night.month, night.day, tzinfo=UTC) - timedelta(hours=rng.randint(1, 20))
    acts = pl.DataFrame({"user_id": some, "item_id": [rng.choice(ids) for _ in some], "event": "click", "ts": ts})
    schema = DeltaTable(folder / "events").schema()
    names = [one.name for one in schema.fields]
    added = acts.with_columns(pl.lit(None, pl.String).alias(name) for name in names if name not in acts.columns)
    write_deltalake(folder / "events", added.select(names).to_arrow(), mode="append", schema_mode="merge")
    titled = rng.sample(ids, max(1, int(CHANGED * len(ids) / 10)))
    new = (
        pl.when(pl.col("item_id").is_in(titled)).then(pl.concat_str("title", pl.lit(" II"))).otherwise(pl.col("title"))
    )
    items.with_columns(new.alias("title")).write_parquet(folder / FILES["items"])
    leave = pairs.sample(int(CHANGED * pairs.height), seed=rng.randrange(1 << 30)).select(
        "user_id", "item_id", "scenario"
    )
    other = pl.Series([rng.choice(ids) for _ in range(leave.height)])
    moved = pairs.join(leave, ["user_id", "item_id", "scenario"], "semi").with_columns(item_id=other)
    stay = pairs.join(leave, ["user_id", "item_id", "scenario"], "anti")
    key = ["user_id", "item_id", "scenario"]
    pl.concat([stay, moved]).unique(key, keep="first", maintain_order=True).write_parquet(folder / FILES["candidates"])


def _prompts(config: NightConfig) -> set[str]:
    """Of the reasons that stand."""
    path = f"{config.root}/reasons"
    if not DeltaTable.is_deltatable(path):
        return set()
    return set(pl.read_delta(path, columns=["prompt_hash"])["prompt_hash"].drop_nulls())


def _age(lake: Path) -> None:
    for file in lake.rglob("*"):
        if file.is_file():
            stat = file.stat()
            os.utime(file, (stat.st_atime - DAY, stat.st_mtime - DAY))


def _weigh(spark: Any, table: Path) -> tuple[int, int]:
    """Bytes of all that stands there, and of one copy of its rows."""
    copy = BENCH / "days-copy" / table.name
    rows = spark.read.format("delta").load(str(table))
    rows.coalesce(1).write.format("delta").mode("overwrite").save(str(copy))
    size = sum(file.stat().st_size for file in table.rglob("*") if file.is_file())
    data = sum(file.stat().st_size for file in copy.glob("*.parquet"))
    shutil.rmtree(copy)
    return size, data
