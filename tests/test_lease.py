"""The lease: one of many gets it, a dead holder loses it, a sleeper that wakes writes nothing."""

from __future__ import annotations

import multiprocessing
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from deltalake import DeltaTable
from small_tables import delta

from reasongen.errors import LeaseError
from reasongen.tables import Txn, append, count_by_independent_reader, fence, has_ended, take_lease

LONG = 600.0
RACERS, TURNS = 4, 20


def row(path: Path) -> dict[str, Any]:
    """The lease as another reader sees it."""
    return dict(DeltaTable(str(path)).to_pyarrow_dataset().to_table().to_pylist()[0])


def forge(path: Path, **values: Any) -> None:
    """Puts the lease into another's hands."""
    DeltaTable(str(path)).update(new_values={"state": "held", "renewed_at": datetime.now(UTC), **values})


def test_a_lease_is_held_released_and_taken_again_under_a_higher_token(tmp_path: Path) -> None:
    path = tmp_path / "leases" / "recommendation"
    with take_lease(str(path), seconds=LONG, above=4) as first:
        assert (first.token, first.taken_over, row(path)["state"]) == (5, False, "held")
        with pytest.raises(LeaseError, match=f"held by process {psutil.Process().pid} on {platform.node()}"):
            take_lease(str(path), seconds=LONG)
        first.check()
    assert row(path)["state"] == "free"
    with take_lease(str(path), seconds=LONG) as second:
        assert (second.token, second.taken_over) == (6, False)
    with take_lease(str(path), seconds=LONG, above=90) as third:
        assert third.token == 91


def test_an_error_inside_releases_it(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), take_lease(str(tmp_path / "lease"), seconds=LONG):
        raise ZeroDivisionError
    assert row(tmp_path / "lease")["state"] == "free"


def test_a_holder_that_died_here_is_seen_at_once(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with take_lease(str(path), seconds=LONG):
        pass
    with subprocess.Popen([sys.executable, "-c", "pass"]) as gone:
        gone.wait()
    forge(path, pid=gone.pid, process_began=time.time())
    with take_lease(str(path), seconds=LONG) as taken:
        assert (taken.token, taken.taken_over) == (2, True)


def test_another_process_with_the_number_of_the_dead_one_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with take_lease(str(path), seconds=LONG):
        pass
    forge(path, process_began=row(path)["process_began"] - 3600)
    assert take_lease(str(path), seconds=LONG).taken_over


def test_a_run_has_ended_that_released_lost_or_died_with_its_lease(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    assert not has_ended(str(path), 1)  # nobody can know
    with take_lease(str(path), seconds=LONG) as held:
        assert not has_ended(str(path), held.token)
        assert has_ended(str(path), held.token - 1)
        assert not has_ended(str(path), held.token + 1)
    assert has_ended(str(path), held.token)
    with subprocess.Popen([sys.executable, "-c", "pass"]) as gone:
        gone.wait()
    forge(path, pid=gone.pid, process_began=time.time())
    assert has_ended(str(path), held.token)
    forge(path, host="elsewhere", renewed_at=datetime.now(UTC) - timedelta(hours=1))
    assert not has_ended(str(path), held.token)  # silent for an hour, it may be asleep and wake


@pytest.mark.parametrize("silent", [timedelta(hours=1), -timedelta(days=1)])
def test_a_silent_holder_elsewhere_loses_it_and_a_clock_put_back_holds_nothing(
    tmp_path: Path, silent: timedelta
) -> None:
    path = tmp_path / "lease"
    with take_lease(str(path), seconds=LONG):
        pass
    forge(path, host="elsewhere", renewed_at=datetime.now(UTC) - timedelta(minutes=9))
    with pytest.raises(LeaseError, match="on elsewhere"):
        take_lease(str(path), seconds=LONG)
    forge(path, host="elsewhere", renewed_at=datetime.now(UTC) - silent)
    assert take_lease(str(path), seconds=LONG).taken_over


def test_it_is_renewed_while_it_is_held(tmp_path: Path) -> None:
    with take_lease(str(tmp_path / "lease"), seconds=0.4):
        before = row(tmp_path / "lease")["renewed_at"]
        time.sleep(1)
        assert row(tmp_path / "lease")["renewed_at"] > before


def test_a_lost_lease_says_so_and_is_not_released_by_its_old_holder(tmp_path: Path) -> None:
    path = tmp_path / "lease"
    with take_lease(str(path), seconds=LONG) as asleep:
        forge(path, host="elsewhere", token=asleep.token + 1)
        with pytest.raises(LeaseError, match="under token 1; found 2"):
            asleep.check()
    assert (row(path)["state"], row(path)["host"]) == ("held", "elsewhere")


def _race(paths: list[str], together: Any, told: Any) -> None:
    """Each turn: all try at once, the winner holds it until all have tried."""
    for path in paths:
        together.wait(60)
        try:
            lease = take_lease(path, seconds=LONG)
        except LeaseError:
            told.put(0)
            together.wait(60)
        else:
            with lease:
                told.put(lease.token)
                together.wait(60)
        together.wait(60)


@pytest.mark.parametrize("tables", [1, TURNS])
def test_of_several_processes_at_once_one_gets_it(tmp_path: Path, tables: int) -> None:
    """One table for all turns, whose row is updated; and a table for each turn, which all try to make."""
    paths = [str(tmp_path / f"lease{turn % tables}") for turn in range(TURNS)]
    context = multiprocessing.get_context("spawn")  # delta-rs cannot be forked
    together, told = context.Barrier(RACERS), context.Queue()
    racers = [context.Process(target=_race, args=(paths, together, told), daemon=True) for _ in range(RACERS)]
    for racer in racers:
        racer.start()
    tokens = [told.get(timeout=60) for _ in range(RACERS * TURNS)]
    for racer in racers:
        racer.join(timeout=60)
        racer.kill()
    assert sorted(tokens) == [*[0] * (RACERS - 1) * TURNS, *[turn // tables + 1 for turn in range(TURNS)]]


def test_behind_the_fence_no_write_of_an_older_token_arrives(spark: Any, tmp_path: Path) -> None:
    source = delta(spark, tmp_path / "shelf", [("u1",)], "user_id string")
    path = str(source.path)
    append(spark.createDataFrame([("u2",)], "user_id string"), path, Txn("app", 5))
    fence(path, "app", 7)
    rows = spark.createDataFrame([("u3",)], "user_id string")
    append(rows, path, Txn("app", 6))
    append(rows, path, Txn("app", 7))
    assert count_by_independent_reader(path) == 2
    append(rows, path, Txn("app", 8))
    append(rows, path, Txn("other", 1))
    assert count_by_independent_reader(path) == 4
