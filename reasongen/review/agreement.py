"""How far reviewers agree beyond chance: Krippendorff's alpha for nominal values, with missing ones.

K. Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section C: coincidences of values within units.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reasongen.review.decisions import Decision, latest


@dataclass(frozen=True)
class Agreement:
    """`alpha`: 1 is full agreement, 0 that of chance; None where nobody judged what another did, or all judged all
    alike with one word, where chance agrees too. `skeletons`: judged by two or more; `same`: of these, in one word."""

    alpha: float | None
    skeletons: int
    same: int


def agreement(decisions: Iterable[Decision]) -> Agreement:
    """Over skeletons that two reviewers or more judged, each by her latest word."""
    units = [[one.decision for one in mine.values()] for mine in latest(decisions).values() if len(mine) > 1]
    return Agreement(alpha(units), len(units), sum(len(set(unit)) == 1 for unit in units))


def alpha(units: Iterable[Sequence[str]]) -> float | None:
    """Krippendorff's alpha of values by unit; a unit with fewer than two says nothing. None where it has no value."""
    coincidences: dict[tuple[str, str], float] = {}
    for unit in units:
        counts = Counter(unit)
        if (size := counts.total()) < 2:
            continue
        for first, n in counts.items():
            for second, m in counts.items():
                if together := n * (m - (first == second)):
                    coincidences[first, second] = coincidences.get((first, second), 0.0) + together / (size - 1)
    by_value: dict[str, float] = {}
    for (first, _), weight in coincidences.items():
        by_value[first] = by_value.get(first, 0.0) + weight
    total = sum(by_value.values())
    expected = sum(n * m for a, n in by_value.items() for b, m in by_value.items() if a != b)
    if not expected:
        return None
    observed = sum(weight for (first, second), weight in coincidences.items() if first != second)
    return 1 - (total - 1) * observed / expected
