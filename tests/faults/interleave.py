"""Two verbs on one lake, the second one done whole while the first one stands still: before its commit to `reasons`,
between its reading and its commit, or right after it.

The first runs in a thread of its own, with a session of its own, and waits at its place for files to appear; what a
reader sees then, and after each of them, is compared with what may be seen.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from days import FEED, SHOWN, first_night, second_night, whom, write_days, write_eve
from deltalake import DeltaTable
from pyspark.cloudpickle import register_pickle_by_value
from pyspark.sql import SparkSession
from pyspark.sql.classic.dataframe import DataFrame  # the one that is made: its parent's methods are never called

from reasongen.errors import LeaseError
from reasongen.pipeline import (
    attempt,
    forget_users,
    forgetting,
    generate_night,
    maintain_tables,
    maintaining,
    publishing,
    roll_back,
    rolling_back,
    withdraw,
    withdrawing,
)
from reasongen.pipeline.ledger import code_version
from reasongen.tables import remove_unreachable

register_pickle_by_value(sys.modules[__name__])  # the workers cannot import it
ITEM = "i00060"
EVE = date(2026, 3, 1)
LEFT = "the second one left"
SECONDS = 600.0
PHASES = ("before", "within", "after")
KEY = ["user_id", "item_id", "scenario"]


@dataclass(frozen=True)
class Verb:
    """`do(session, world, lake)`, and the function in it, as (module, name), that commits to `reasons`."""

    do: Callable[[SparkSession, Path, Path], Any]
    commits: tuple[Any, str]


def _vacuum(_: SparkSession, __: Path, lake: Path) -> Any:
    return remove_unreachable(str(lake / "reasons"), 24)


VERBS = {
    "publish": Verb(lambda s, w, r: generate_night(s, second_night(w, r)), (publishing, "merge_changes")),
    "feed": Verb(
        lambda s, w, r: generate_night(s, second_night(w, r, f"scenario={FEED}")), (publishing, "merge_changes")
    ),
    "compact": Verb(lambda s, _, r: maintain_tables(s, str(r), keep_hours=24), (maintaining, "rewrite_sorted")),
    "vacuum": Verb(_vacuum, (DeltaTable, "vacuum")),
    "erase": Verb(lambda s, w, r: forget_users(s, second_night(w, r), [whom(w)]), (forgetting, "erase_rows")),
    "withdraw": Verb(lambda s, w, r: withdraw(s, second_night(w, r), "item", ITEM), (withdrawing, "erase_rows")),
    "rollback": Verb(lambda s, w, r: roll_back(s, second_night(w, r), EVE), (rolling_back, "merge_changes")),
}
LEASED = {"publish": "recommendation", "rollback": "recommendation", "feed": FEED, "erase": "forget"}
"""Verb → the lease that it holds: of two with one, the second leaves."""


@dataclass(frozen=True)
class Case:
    """`second` is done while `first` stands at `phase`."""

    first: str
    second: str
    phase: str

    @property
    def name(self) -> str:
        """As it is given to `--only`."""
        return f"{self.first}-{self.second}-{self.phase}"


def cases_of(seed: int) -> list[Case]:
    """All 147, in an order drawn by the seed."""
    cases = [Case(*one) for one in itertools.product(VERBS, VERBS, PHASES)]
    random.Random(seed).shuffle(cases)
    return cases


@dataclass(frozen=True)
class Base:
    """`lake`: the first night stands on that of its eve, the second died before its publish, in both scenarios. `eve`,
    `old`, `new`: the rows of these nights; those of the eve as a rollback brings them back."""

    world: Path
    lake: Path
    eve: pl.DataFrame
    old: pl.DataFrame
    new: pl.DataFrame


def make_base(spark: SparkSession, folder: Path) -> Base:
    """Made once below `folder`, and anew where other code made it: that code's nights are no others' nights."""
    base, made_by = Base(folder / "world", folder / "base", *[pl.DataFrame()] * 3), folder / "code"
    if not made_by.exists() or made_by.read_text() != code_version():
        shutil.rmtree(folder, ignore_errors=True)
        write_days(base.world)
        generate_night(spark, first_night(write_eve(base.world), base.lake, f"night='{EVE}'"))
        generate_night(spark, first_night(base.world, base.lake))
        _rows(base.lake).write_parquet(folder / "old.parquet")
        for name in ("publish", "feed"):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(attempt, "publish", _dies)
                with pytest.raises(InterruptedError):
                    VERBS[name].do(spark, base.world, base.lake)
        _leave_an_orphan(base.lake)
        for name, verbs in (("eve", ["rollback"]), ("new", ["publish", "feed"])):
            quiet = folder / f"quiet-{name}"
            shutil.copytree(base.lake, quiet)
            for verb in verbs:
                VERBS[verb].do(spark, base.world, quiet)
            _rows(quiet).write_parquet(folder / f"{name}.parquet")
        made_by.write_text(code_version())
    nights = [pl.read_parquet(folder / f"{name}.parquet") for name in ("eve", "old", "new")]
    assert not any(one.equals(other) for one, other in itertools.combinations(nights, 2)), "two nights alike"
    return Base(base.world, base.lake, *nights)


def _dies(*_: Any, **__: Any) -> None:
    raise InterruptedError


def _leave_an_orphan(lake: Path) -> None:
    """A file that a dead writer left days ago: something for vacuum to remove."""
    orphan = lake / "reasons" / "part-00000-left-c000.snappy.parquet"
    shutil.copy(next((lake / "reasons").glob("*.parquet")), orphan)
    os.utime(orphan, (time.time() - 1e6,) * 2)


def interleave(spark: SparkSession, base: Base, case: Case, lake: Path) -> str:
    """Does both and looks at what can be read. Raises AssertionError, or what a verb raised."""
    shutil.rmtree(lake, ignore_errors=True)
    shutil.copytree(base.lake, lake)
    place = Place(lake.parent / f"{lake.name}.at")
    first, second = VERBS[case.first], VERBS[case.second]
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as thread:
        place.hook(patch, first, case.phase)
        running = thread.submit(first.do, spark.newSession(), base.world, lake)
        reached = place.wait(running)
        try:
            look(lake, base)
            busy = reached and LEASED.get(case.first, case.first) == LEASED.get(case.second, case.second)
            told = _second(spark, second, base, lake, busy=busy)
            look(lake, base)
        finally:
            place.go()
        running.result(SECONDS)
    look(lake, base)
    rows = _rows(lake)
    done = {case.first} if told == LEFT else {case.first, case.second}
    assert rows.equals(_expected(base, done)), "other rows than both verbs leave one after another"
    for read in readers(spark):
        assert read(lake).equals(rows), "readers differ"
    shutil.rmtree(lake)
    place.clear()
    return f"{'stood still' if reached else 'had nothing to wait at'}, {told}, {rows.height} rows"


def _second(spark: SparkSession, verb: Verb, base: Base, lake: Path, *, busy: bool) -> str:
    """Two under one lease: the second one leaves. Everything else is done."""
    try:
        verb.do(spark.newSession(), base.world, lake)
    except LeaseError:
        assert busy, "the lease was held by nobody"
        return LEFT
    return "both done"


class Place:
    """Where the first verb stands still, once: it makes one file and waits for another. Whoever comes later passes."""

    def __init__(self, path: Path) -> None:
        self.reached, self.told = path.with_suffix(".reached"), path.with_suffix(".go")
        self.clear()

    def clear(self) -> None:
        """As at the beginning."""
        self.reached.unlink(missing_ok=True)
        self.told.unlink(missing_ok=True)

    def go(self) -> None:
        """Lets it go on."""
        self.told.touch()

    def wait(self, running: Future[Any]) -> bool:
        """Whether it came there, once it did or has ended."""
        while not self.reached.exists() and not running.done():
            time.sleep(0.05)
        return self.reached.exists()

    def stand(self) -> None:
        """Stands still here."""
        stand_at(str(self.reached), str(self.told))

    def hook(self, patch: pytest.MonkeyPatch, verb: Verb, phase: str) -> None:
        """Puts the place into the verb's thread."""
        owner, name = verb.commits
        real, mine = getattr(owner, name), list[int]()

        def hooked(*args: Any, **named: Any) -> Any:
            if mine and threading.get_ident() != mine[0]:
                return real(*args, **named)
            mine.append(threading.get_ident())
            if phase == "before":
                self.stand()
            if phase == "within" and name == "vacuum":
                self.stand()  # the table is opened, and its files are not looked at yet
            elif phase == "within" and name != "rewrite_sorted":
                args = (self.slow(args[0]), *args[1:])
            done = real(*args, **named)
            if phase == "after":
                self.stand()
            return done

        patch.setattr(owner, name, hooked)
        if phase == "within" and name == "rewrite_sorted":
            sort = DataFrame.sortWithinPartitions
            patch.setattr(DataFrame, "sortWithinPartitions", lambda frame, *by: self.slow(sort(frame, *by)))

    def slow(self, frame: DataFrame) -> DataFrame:
        """The frame, which stands still when it is read by the one who writes."""
        reached, told = str(self.reached), str(self.told)

        def rows(batches: Iterator[Any]) -> Iterator[Any]:
            stand_at(reached, told)
            yield from batches

        return frame.coalesce(1).mapInArrow(rows, frame.schema)


def stand_at(reached: str, told: str) -> None:
    """Says that it is here and waits, unless somebody was here before."""
    try:
        os.close(os.open(reached, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    until = time.monotonic() + SECONDS
    while not os.path.exists(told) and time.monotonic() < until:
        time.sleep(0.05)


def look(lake: Path, base: Base) -> None:
    """What may be seen at any moment: keys unique, and of each scenario one whole night, but for whom was erased and
    what was withdrawn. So every row is of a night that its gate passed."""
    seen = _rows(lake)
    assert seen.select(KEY).is_unique().all(), "a key twice"
    for scenario in ("recommendation", FEED):
        mine = seen.filter(pl.col("scenario") == scenario)
        nights = [rows.filter(pl.col("scenario") == scenario) for rows in (base.eve, base.old, base.new)]
        takes = itertools.product(nights, (False, True), (False, True))
        assert any(mine.equals(_without(base, *take)) for take in takes), f"{scenario}: rows of no night"


def _expected(base: Base, verbs: set[str]) -> pl.DataFrame:
    """What both leave, in whatever order."""
    parts = []
    for name, scenario in (("publish", "recommendation"), ("feed", FEED)):
        night = base.new if name in verbs else base.old
        if name == "publish" and "rollback" in verbs:
            night = base.eve
        parts.append(night.filter(pl.col("scenario") == scenario))
    return _without(base, pl.concat(parts), "erase" in verbs, "withdraw" in verbs).sort(KEY)


def _without(base: Base, rows: pl.DataFrame, erased: bool, withdrawn: bool) -> pl.DataFrame:
    kept = rows.filter(pl.col("user_id") != whom(base.world)) if erased else rows
    return kept.filter(pl.col("item_id") != ITEM) if withdrawn else kept


def readers(spark: SparkSession) -> Iterator[Callable[[Path], pl.DataFrame]]:
    """Four libraries that read `reasons`."""
    yield _rows
    yield lambda lake: pl.scan_delta(str(lake / "reasons")).select(SHOWN).collect().sort(KEY)

    def by_duckdb(lake: Path) -> pl.DataFrame:
        rows = DeltaTable(lake / "reasons").to_pyarrow_dataset()
        with duckdb.connect() as connection:
            connection.register("rows", rows)
            found = connection.execute(f"select {', '.join(SHOWN)} from rows").fetchall()
            return pl.DataFrame(found, schema=_rows(lake).schema, orient="row").sort(KEY)

    def by_spark(lake: Path) -> pl.DataFrame:
        rows = spark.read.format("delta").load(str(lake / "reasons")).select(SHOWN)
        return pl.DataFrame(rows.toArrow()).sort(KEY)

    yield by_duckdb
    yield by_spark


def _rows(lake: Path) -> pl.DataFrame:
    table = DeltaTable(lake / "reasons").to_pyarrow_dataset().to_table(columns=SHOWN)
    return pl.DataFrame(table).sort(KEY)
