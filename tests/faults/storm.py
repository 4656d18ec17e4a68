"""A storm: nights of two scenarios, people and upkeep write one lake at once while eight readers read it all the time.

Writers are threads with sessions of their own. Six readers are processes (delta-rs, DuckDB, Polars, two each), two are
threads (Spark). Each read is a digest of all its rows; afterwards every read must be some version of `reasons`, no
reader may have gone back in time, and every version must be what its commit may leave.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from days import FEED, SHOWN, first_night, second_night, write_days, write_eve
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from reasongen.config import NightConfig
from reasongen.errors import LeaseError
from reasongen.pipeline import forget_users, generate_night, maintain_tables, roll_back, withdraw
from reasongen.pipeline.publishing import WRITTEN

KEY = ["user_id", "item_id", "scenario"]
READ = [*SHOWN, "run_id"]
READS_A_SECOND, LONGEST = 17, 1_500.0
"""The storm ends after its seconds and as many reads as they ask for (5,000 in 300), at the latest after so long."""
PAUSE = 0.1
"""Between two reads, in seconds: the writers need the machine too."""
BEGIN = date(2026, 3, 3)
TAKES = ("forget", "withdraw")
"""What a commit says of itself that takes rows out for people."""


def digest(rows: pl.DataFrame) -> str:
    """Of a read: equal for equal rows, whichever library read them."""
    return hashlib.sha256(rows.select(READ).sort(KEY).write_csv().encode()).hexdigest()[:16]


def by_delta_rs(path: str) -> pl.DataFrame:
    """One read."""
    return pl.DataFrame(DeltaTable(path).to_pyarrow_dataset().to_table(columns=READ))


def by_polars(path: str) -> pl.DataFrame:
    """One read."""
    return pl.scan_delta(path).select(READ).collect()


def by_duckdb(path: str) -> pl.DataFrame:
    """One read: DuckDB reads the files that delta-rs names."""
    files = DeltaTable(path).file_uris()
    with duckdb.connect() as connection:
        rows = connection.execute(f"select {', '.join(READ)} from read_parquet(?)", [files]).fetchall()
    return pl.DataFrame(rows, dict.fromkeys(READ, pl.String) | {"night": pl.Date}, orient="row")


PROCESSES = {"delta-rs": by_delta_rs, "polars": by_polars, "duckdb": by_duckdb}


def read_on(read: Callable[[str], pl.DataFrame], path: str, out: Path, stop: Path) -> None:
    """Reads until `stop` is there; a line for each read, and one for what went wrong."""
    with out.open("w") as lines:
        while not stop.exists():
            try:
                lines.write(f"{digest(read(path))}\n")
            except Exception as error:
                lines.write(f"RED {type(error).__name__} {' '.join(str(error).split())[:200]}\n")
            lines.flush()
            time.sleep(PAUSE)


@dataclass
class Storm:
    """`gone`: user or item → the version of `reasons` when the one who took it down was told that it is done."""

    spark: SparkSession
    world: Path
    lake: Path
    until: float
    gone: dict[str, int] = field(default_factory=dict)
    did: Counter[str] = field(default_factory=Counter)
    red: list[str] = field(default_factory=list)

    @property
    def reasons(self) -> str:
        """The table that is read."""
        return str(self.lake / "reasons")

    def nights(self, scenario: str, spark: SparkSession) -> None:
        """Night after night; the tables of three days take turns, so that each has something to change."""
        for number in itertools.count():
            config = self.night_of(number, scenario)
            run = self.tries(f"night of {scenario}", lambda config=config: generate_night(spark, config))
            if run is not None and run.status not in ("published", "unchanged"):
                self.red.append(f"night {number} of {scenario}: {run.status}")
            if time.monotonic() > self.until:
                return

    def night_of(self, number: int, scenario: str) -> NightConfig:
        """Settings of the night number `number`."""
        night = f"night='{BEGIN + timedelta(days=number // 3)}'"
        if scenario == FEED:
            return second_night(self.world, self.lake, night, f"scenario={FEED}", f"engine.seed={number % 3}")
        eve = partial(first_night, self.world / "eve")
        make = (partial(second_night, self.world), partial(first_night, self.world), eve)[number % 3]
        return make(self.lake, night)

    def people(self, spark: SparkSession) -> None:
        """One after another: a user is forgotten, an item withdrawn, a night rolled back."""
        pairs = pl.read_parquet(self.world / "second" / "candidates.parquet").drop_nulls()
        users = iter(pairs.group_by("user_id").len().sort("len", "user_id", descending=True)["user_id"].to_list())
        items = iter(pairs.group_by("item_id").len().sort("len", "item_id")["item_id"].to_list())
        # Declared readers: else a forgetting purges the versions that are looked at afterwards.
        config = second_night(self.world, self.lake, "forget.reader_hours=24")
        while time.monotonic() < self.until:
            user, item = next(users), next(items)
            if self.tries("forget", lambda user=user: forget_users(spark, config, [user])) is not None:
                self.gone[user] = DeltaTable(self.reasons).version()
            if self.tries("withdraw", lambda item=item: withdraw(spark, config, "item", item)) is not None:
                self.gone[item] = DeltaTable(self.reasons).version()
            self.tries("rollback", lambda: roll_back(spark, config, BEGIN - timedelta(days=1)))

    def upkeep(self, spark: SparkSession) -> None:
        """Maintenance, again and again; it keeps a day of files, so that each version can be looked at afterwards."""
        while time.monotonic() < self.until:
            self.tries("maintain", lambda: maintain_tables(spark, str(self.lake), keep_hours=24))
            time.sleep(5)

    def tries(self, what: str, do: Callable[[], Any]) -> Any:
        """Another run under the same lease is no fault: who comes second leaves."""
        try:
            done = do()
        except LeaseError:
            self.did[f"{what}, left"] += 1
            return None
        except Exception as error:
            self.red.append(f"{what}: {type(error).__name__} {' '.join(str(error).split())[:300]}")
            return None
        self.did[what] += 1
        return done

    def by_spark(self, spark: SparkSession, out: Path, stop: Path) -> None:
        """A reader in a thread."""
        read_on(lambda path: pl.DataFrame(spark.read.format("delta").load(path).select(READ).toArrow()),
                self.reasons, out, stop)  # fmt: skip


def storm(spark: SparkSession, out: Path, seconds: float) -> str:
    """One storm over a lake made below `out`. Raises AssertionError with what was red first."""
    shutil.rmtree(out, ignore_errors=True)
    world, lake, reads = out / "world", out / "lake", out / "reads"
    reads.mkdir(parents=True)
    write_days(world)
    write_eve(world)
    generate_night(spark, first_night(world, lake))
    generate_night(spark, second_night(world, lake, f"scenario={FEED}", f"night='{BEGIN - timedelta(days=1)}'"))
    one = Storm(spark, world, lake, time.monotonic() + seconds)
    stop = out / "stop"
    with ThreadPoolExecutor(6) as threads, _reading(one.reasons, reads, stop):
        at_work = [threads.submit(one.by_spark, spark.newSession(), reads / f"spark-{n}", stop) for n in range(2)]
        writers = [threads.submit(one.nights, name, spark.newSession()) for name in ("recommendation", FEED)]
        writers += [threads.submit(do, spark.newSession()) for do in (one.people, one.upkeep)]
        try:
            most = time.monotonic() + LONGEST
            while time.monotonic() < min(most, one.until):
                if _count(reads) < READS_A_SECOND * seconds:
                    one.until = max(one.until, time.monotonic() + 5)
                time.sleep(2)
        finally:
            one.until = 0.0
            for writer in writers:
                writer.result()
            stop.touch()
            for reader in at_work:
                reader.result()
    told = judge(one, reads)
    assert not one.red, f"{len(one.red)} faults, the first: {one.red[:3]}"
    return told


@contextmanager
def _reading(path: str, reads: Path, stop: Path) -> Iterator[None]:
    """The readers that are processes, while they read."""
    spawn = multiprocessing.get_context("spawn")
    told = [(read, path, reads / f"{name}-{n}", stop) for name, read in PROCESSES.items() for n in range(2)]
    started = [spawn.Process(target=read_on, args=args) for args in told]
    for process in started:
        process.start()
    try:
        yield
    finally:
        stop.touch()
        for process in started:
            process.join(30)
            process.kill()


def _count(reads: Path) -> int:
    return sum(file.read_bytes().count(b"\n") for file in reads.iterdir())


def judge(one: Storm, reads: Path) -> str:
    """Looks at every version and at every read; what is wrong goes to `one.red`."""
    runs = {row["run_id"]: row for row in pl.read_delta(str(one.lake / "runs")).iter_rows(named=True)}
    passed = {name for name, run in runs.items() if run["status"] in ("published", "unchanged", "rolled_back")}
    versions: dict[str, list[int]] = {}
    before = pl.DataFrame()
    kinds: Counter[str] = Counter()
    taken = 0  # when people last took something down
    for version, rows, commit in _versions(one.reasons):
        versions.setdefault(digest(rows), []).append(version)
        told = f"version {version} ({commit.get('operation')}, {commit.get('userMetadata')})"[:200]
        kinds[_kind(commit)] += 1
        if not rows.select(KEY).is_unique().all():
            one.red.append(f"{told}: a key twice")
        if unknown := set(rows["run_id"]) - passed:
            one.red.append(f"{told}: rows of {sorted(unknown)[:3]}, which passed no gate")
        for name, since in one.gone.items():
            if (
                version >= since
                and not rows.filter((pl.col("user_id") == name) | (pl.col("item_id") == name)).is_empty()
            ):
                one.red.append(f"{told}: {name} is there again, gone since {since}")
        if fault := _fault(before, rows, commit, runs, taken):
            one.red.append(f"{told}: {fault}")
        before, taken = rows, commit["timestamp"] if _kind(commit) in TAKES else taken
    number = 0
    for file in sorted(reads.iterdir()):
        at = 0
        for line in file.read_text().splitlines():
            number += 1
            later = [version for version in versions.get(line, []) if version >= at]
            if not later:
                one.red.append(f"{file.name}: read {line}, {'older than before' if line in versions else 'no version'}")
                continue
            at = later[0]
    did = ", ".join(f"{count} {what}" for what, count in sorted(one.did.items()))
    return f"{number:,} reads of {sum(kinds.values())} versions ({dict(kinds)}); {did}"


def _versions(path: str) -> Iterator[tuple[int, pl.DataFrame, dict[str, Any]]]:
    """Every version with its rows and what its commit says of itself."""
    table = DeltaTable(path)
    for commit in sorted(table.history(), key=lambda commit: commit["version"]):
        then = DeltaTable(path, version=commit["version"])
        yield commit["version"], pl.DataFrame(then.to_pyarrow_dataset().to_table(columns=READ)), commit


def _kind(commit: dict[str, Any]) -> str:
    said = commit.get("userMetadata") or ""
    if said.startswith("{"):
        return "rollback" if "rollback" in json.loads(said) else "publish"
    return said or str(commit.get("operation"))


def _fault(
    before: pl.DataFrame, rows: pl.DataFrame, commit: dict[str, Any], runs: dict[str, dict[str, Any]], taken: int
) -> str | None:
    """A publish leaves one whole night of its scenario and touches no other; whoever takes out adds nothing; upkeep
    changes nothing."""
    if before.is_empty():
        return None
    kind = _kind(commit)
    added = rows.join(before, READ, "anti", nulls_equal=True)
    lost = before.join(rows, READ, "anti", nulls_equal=True)
    if kind in ("publish", "rollback"):
        said = json.loads(commit["userMetadata"])
        scenario = said["run_id"][11:].rsplit("-", 1)[0]
        stands = rows.filter(pl.col("scenario") == scenario).height
        wanted = sum(said["pairs"].get(name, 0) for name in (*WRITTEN, "kept", "put_back"))
        alone = taken < runs[said["run_id"]]["started_at"].timestamp() * 1000
        if stands > wanted or (stands < wanted and alone):
            return f"{stands} rows of {scenario}, the run counted {wanted}"
        others = set(added["scenario"]) | set(lost["scenario"])
        return f"it changed {sorted(others)}" if others - {scenario} else None
    if not added.is_empty():
        return f"{added.height} rows came by it"
    return None if kind in TAKES or lost.is_empty() else f"{lost.height} rows went by it"
