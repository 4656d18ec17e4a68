"""The commit protocol alone, without Spark: a process that takes the lease, sets the fence and keeps the ledger is
killed at a random moment, again and again; what it had been told is done must be there, once.

Processes are forked from one that has imported everything and touched no table: delta-rs cannot be forked once it runs.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, QueryBuilder, Transaction, write_deltalake

from reasongen.pipeline.ledger import Run, record_run
from reasongen.schema import RUNS
from reasongen.tables import fence, take_lease

KILLS_A_FOLDER = 50
APP = "reasongen/recommendation"
_TYPES = {
    "string": pa.string(),
    "date": pa.date32(),
    "bigint": pa.int64(),
    "timestamp": pa.timestamp("us", "UTC"),
    "map<string,string>": pa.map_(pa.string(), pa.string()),
    "map<string,bigint>": pa.map_(pa.string(), pa.int64()),
    "map<string,double>": pa.map_(pa.string(), pa.float64()),
}
_REASONS = pa.schema([("pair", pa.int64()), ("run_id", pa.string())])


def kill_once(folder: Path, seed: int, number: int) -> str:
    """One kill and the look after it. Raises AssertionError where something was lost, doubled or torn."""
    place = folder / f"{seed}-{number // KILLS_A_FOLDER}"
    draw = random.Random(seed * 1_000_003 + number)
    if not place.exists():
        _in_a_process(lambda: _make(place))
    told, commits = (place / "told").read_bytes().count(b"\n"), draw.randrange(10)
    worker = _forked(lambda: _work(place))
    while (place / "told").read_bytes().count(b"\n") < told + commits:
        time.sleep(0.001)
    time.sleep(draw.uniform(0, 0.05))  # a commit takes about so long
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)
    _in_a_process(lambda: _look(place))
    return f"{sum(1 for _ in (place / 'told').open())} commits were acknowledged so far"


def _make(place: Path) -> None:
    """The tables, and the list of what the worker was told is done."""
    place.mkdir(parents=True)
    ledger = pa.schema([pa.field(column.name, _TYPES[column.type]) for column in RUNS.columns])
    write_deltalake(place / "runs", ledger.empty_table())
    write_deltalake(place / "reasons", _REASONS.empty_table())
    (place / "told").touch()


def _work(place: Path) -> None:
    """Nights without a night in them, until it is killed: each publishes ten rows under its token, once."""
    told = (place / "told").open("a")

    def is_done(what: str, token: int) -> None:
        told.write(f"{what} {token}\n")
        told.flush()

    while True:
        with take_lease(str(place / "lease"), seconds=0.2) as lease:
            token = lease.token
            is_done("lease", token)
            if lease.taken_over:
                fence(str(place / "reasons"), APP, token - 1)
            run = Run(f"run-{token:06d}", date(2026, 3, 2), "recommendation", token)
            record_run(str(place / "runs"), run)
            is_done("started", token)
            lease.check()
            rows = pa.table({"pair": range(10), "run_id": [run.run_id] * 10}, schema=_REASONS)
            once = CommitProperties(app_transactions=[Transaction(APP, token)])
            write_deltalake(place / "reasons", rows, mode="append", commit_properties=once)
            is_done("published", token)
            run.status, run.ended_at = "published", datetime.now(UTC)
            record_run(str(place / "runs"), run)
            is_done("recorded", token)


def _look(place: Path) -> None:
    """Every acknowledged commit is there, once; every entry of every log is whole."""
    told = [line.split() for line in (place / "told").read_text().splitlines()]
    done = {
        what: {int(token) for one, token in told if one == what}
        for what in ("lease", "started", "published", "recorded")
    }
    assert len(told) == len(set(map(tuple, told))), "a token was given twice"
    runs = _read(place / "runs", "SELECT token, status FROM t")
    tokens = [row["token"] for row in runs]
    assert len(tokens) == len(set(tokens)), "a run is in the ledger twice"
    assert done["started"] <= set(tokens), "a run is lost from the ledger"
    assert done["recorded"] <= {row["token"] for row in runs if row["status"] == "published"}, "an end is lost"
    rows = _read(
        place / "reasons", "SELECT run_id, count(*) AS rows, count(DISTINCT pair) AS pairs FROM t GROUP BY run_id"
    )
    assert all((row["rows"], row["pairs"]) == (10, 10) for row in rows), "a publish is torn or doubled"
    assert done["published"] <= {int(row["run_id"][4:]) for row in rows}, "a publish is lost"
    if done["lease"]:
        (lease,) = _read(place / "lease", "SELECT token FROM t")
        assert lease["token"] >= max(done["lease"]), "a token was given back"
    for log in place.glob("*/_delta_log/*.json"):
        assert [json.loads(line) for line in log.read_text().splitlines()], f"{log.name} is torn"


def _read(path: Path, query: str) -> list[dict[str, object]]:
    found = QueryBuilder().register("t", DeltaTable(path)).execute(query).read_all()
    return list(pa.table(found).to_pylist())


def _in_a_process(work: Callable[[], None]) -> None:
    _, status = os.waitpid(_forked(work), 0)
    assert status == 0, "the look after a kill failed: its reason stands above"


def _forked(work: Callable[[], None]) -> int:
    """A child that does it and ends without a word to anybody."""
    sys.stdout.flush()
    if child := os.fork():
        return child
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
