"""What a run may conclude from the runs before it, rollbacks among them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from reasongen.errors import HistoryError, LeaseError
from reasongen.pipeline import Run
from reasongen.pipeline.standing import PastRuns

FIRST, SECOND, THIRD = date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4)


def past(*runs: tuple[date, str, int | None]) -> PastRuns:
    """Runs in the order of their tokens: night, status, version of `reasons` after it."""
    same = {"inputs": {}, "config_digest": "", "code_version": "", "model_version": "", "scenario": "s"}
    rows: list[dict[str, Any]] = [
        {"run_id": f"r{token}", "night": night, "token": token, "status": status, "delta_version": version, **same}
        for token, (night, status, version) in enumerate(runs, start=1)
    ]
    return PastRuns(tuple(reversed(rows)), len(rows))


def run_of(night: date) -> Run:
    return Run("new", night, "s", 9)


def test_a_night_is_done_only_where_reasons_are_as_it_left_them() -> None:
    two = past((FIRST, "published", 5), (SECOND, "published", 7))
    assert two.finished(run_of(SECOND), 7) is not None
    assert two.finished(run_of(SECOND), 8) is None
    rolled = past((FIRST, "published", 5), (SECOND, "published", 7), (FIRST, "rolled_back", 8))
    assert rolled.finished(run_of(SECOND), 8) is None
    assert rolled.finished(run_of(FIRST), 8) is None


def test_what_was_rolled_back_is_no_newer_night() -> None:
    two = past((FIRST, "published", 5), (SECOND, "published", 7))
    with pytest.raises(LeaseError, match="found 2026-03-03 already published"):
        two.refuse_older(FIRST)
    rolled = past((FIRST, "published", 5), (SECOND, "published", 7), (FIRST, "rolled_back", 8))
    for night in (FIRST, SECOND, THIRD):
        rolled.refuse_older(night)
    again = past((FIRST, "published", 5), (SECOND, "published", 7), (FIRST, "rolled_back", 8), (SECOND, "published", 9))
    with pytest.raises(LeaseError):
        again.refuse_older(FIRST)
    with pytest.raises(LeaseError):  # a rollback that died, or was refused, changed nothing of what stands
        past((SECOND, "published", 7), (FIRST, "started", None), (FIRST, "refused", 7)).refuse_older(FIRST)


def test_a_rollback_takes_the_last_finished_run_of_a_night() -> None:
    runs = past(
        (FIRST, "published", 5), (FIRST, "published", 6), (SECOND, "refused", None), (FIRST, "rolled_back", 9),
        (FIRST, "started", None),
    )  # fmt: skip
    assert runs.that_left(FIRST)["run_id"] == "r2"
    with pytest.raises(HistoryError, match=r"2026-03-03 left .* found no finished run of it, but of 2026-03-02"):
        runs.that_left(SECOND)
