"""What is usual for a number, by what it was before: a middle and a spread that one odd night does not move."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

_MAD = 1.4826  # makes the median deviation of a normal distribution its standard deviation


def usual(past: Sequence[float]) -> tuple[float, float]:
    """Median, and robust standard deviation (1.4826 times the median distance from it), of at least one number."""
    middle = median(past)
    return middle, _MAD * median([abs(value - middle) for value in past])
