"""Conservation: a run whose classes do not add up publishes nothing."""

from __future__ import annotations

from datetime import date

import pytest

from reasongen.errors import ConservationError
from reasongen.pipeline import Run

WHOLE = {
    "candidates": 10,
    "published": 3,
    "fallback": 1,
    "re_rendered": 1,
    "kept": 1,
    "quarantined": 1,
    "skipped.minor": 2,
    "rejected.unknown_item": 1,
    "removed": 7,
}


def run_of(pairs: dict[str, int]) -> Run:
    """A run with these counts."""
    return Run("2026-03-02-recommendation-000001", date(2026, 3, 2), "recommendation", 1, pairs=pairs)


def test_classes_that_add_up_pass_and_removed_rows_are_no_candidates() -> None:
    run_of(WHOLE).check_conservation()


@pytest.mark.parametrize("lost", [name for name in WHOLE if name not in ("candidates", "removed")])
def test_a_pair_lost_from_any_class_stops_the_run(lost: str) -> None:
    with pytest.raises(ConservationError, match="Nothing was published"):
        run_of({**WHOLE, lost: WHOLE[lost] - 1}).check_conservation()
