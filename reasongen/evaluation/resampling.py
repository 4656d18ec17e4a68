"""How sure is a figure, and is one model's better than another's? Bootstrap intervals and paired tests over pairs.

Pairs that share a prompt share a text, so they are drawn together (a cluster bootstrap: Davison & Hinkley 1997).
Intervals are percentiles (Efron 1979); the test exchanges two models' scores within each cluster (Fisher's permutation
test for paired samples, as scipy computes it). Seeded: the same pairs give the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import permutation_test

Column = NDArray[np.float64]
_SAME = 1e-12  # what rounding alone makes of equal draws
_BLOCK = 100  # draws held at a time: a table of all of them would not fit for many pairs


@dataclass(frozen=True)
class Figure:
    """A share or mean as what it is made of: the sum of `parts` over the sum of `wholes`, less `less`.

    A mean has wholes of 1; a pair that says nothing of it has nan in `parts` and counts nowhere.
    """

    parts: Column
    wholes: Column
    less: float = 0.0

    @staticmethod
    def mean(values: Sequence[float] | Column) -> Figure:
        """The mean of the values, of those that are numbers."""
        column = np.asarray(values, dtype=float)
        return Figure(column, np.ones(len(column)))

    @property
    def value(self) -> float | None:
        """The figure itself; None where nothing is left to count."""
        parts, wholes = self._counted
        return _ratio(parts.sum(), wholes.sum(), self.less)

    def among(self, chosen: NDArray[np.bool_]) -> Figure:
        """The same figure of some pairs alone."""
        return Figure(self.parts[chosen], self.wholes[chosen], self.less)

    @property
    def _counted(self) -> tuple[Column, Column]:
        there = np.isfinite(self.parts)
        return np.where(there, self.parts, 0.0), np.where(there, self.wholes, 0.0)

    def by_cluster(self, clusters: NDArray[np.int64]) -> tuple[Column, Column]:
        """Sums of parts and wholes of each cluster."""
        parts, wholes = self._counted
        return np.bincount(clusters, parts).astype(float), np.bincount(clusters, wholes).astype(float)


def clusters_of(keys: Sequence[str]) -> NDArray[np.int64]:
    """A number for each key, equal where keys are."""
    return np.unique(np.array(keys, dtype=object).astype(str), return_inverse=True)[1].astype(np.int64)


def intervals(
    figures: Sequence[Figure], clusters: NDArray[np.int64], *, draws: int, seed: int, level: float = 0.95
) -> list[tuple[float, float] | None]:
    """Percentile intervals of several figures of the same pairs; None where a figure has no value, and where every draw
    gives the same: that all of few pairs pass does not make it sure that all pairs would."""
    sums = np.column_stack([column for figure in figures for column in figure.by_cluster(clusters)])
    found = np.concatenate([_drawn(sums, size, seed, at) for at, size in enumerate(_blocks(draws))])
    tails = [100 * (1 - level) / 2, 100 * (1 + level) / 2]
    made: list[tuple[float, float] | None] = []
    for number, figure in enumerate(figures):
        parts, wholes = found[:, 2 * number], found[:, 2 * number + 1]
        counted = wholes > 0
        if figure.value is None or not counted.any():
            made.append(None)
            continue
        low, high = np.percentile(parts[counted] / wholes[counted] - figure.less, tails)
        made.append((float(low), float(high)) if high - low > _SAME else None)
    return made


@dataclass(frozen=True)
class Difference:
    """First less second, its interval, and the share of exchanges that give one as large (two-sided)."""

    difference: float
    low: float
    high: float
    p: float


def difference(
    first: Column, second: Column, clusters: NDArray[np.int64], *, draws: int, seed: int
) -> Difference | None:
    """Of the mean scores of two models on the same pairs; None where no pair has both scores."""
    gaps = Figure.mean(first - second)
    bounds = intervals([gaps], clusters, draws=draws, seed=seed)[0]
    if gaps.value is None:
        return None
    low, high = bounds or (gaps.value, gaps.value)
    both = np.isfinite(first) & np.isfinite(second)
    sums = [Figure.mean(np.where(both, one, np.nan)).by_cluster(clusters)[0] for one in (first, second)]
    test = permutation_test(
        sums,
        lambda one, other, axis: np.mean(one - other, axis=axis),
        permutation_type="samples",
        n_resamples=draws,
        batch=_BLOCK,
        vectorized=True,
        rng=np.random.default_rng(seed),
    )
    return Difference(gaps.value, low, high, float(test.pvalue))


def _blocks(draws: int) -> list[int]:
    return [min(_BLOCK, draws - at) for at in range(0, draws, _BLOCK)]


def _drawn(sums: Column, size: int, seed: int, block: int) -> Column:
    """The sums of `size` draws of as many clusters as there are, with replacement."""
    rng = np.random.default_rng((seed, block))
    count = len(sums)
    return rng.multinomial(count, np.full(count, 1 / count), size=size) @ sums


def _ratio(parts: float, wholes: float, less: float) -> float | None:
    return float(parts / wholes - less) if wholes > 0 else None
