"""Is one writer better than another on the same pairs? Models among themselves, and each beside the baselines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import combinations, product
from typing import Any

from reasongen.evaluation.resampling import difference
from reasongen.evaluation.scoring import COMPARED, Bench, Score


def comparisons(
    bench: Bench, scores: Mapping[str, Score], models: tuple[str, ...], baselines: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    """For each two models (later less earlier) and each model beside each baseline: the difference in each figure that
    is compared, its interval, and the p of a paired test alone: of twenty, one is below 0.05 by chance."""
    pairs = [(later, earlier) for earlier, later in combinations(models, 2)] + list(product(models, baselines))
    for (first, second), name in product(pairs, COMPARED):
        found = difference(
            scores[first].figures[name].parts,
            scores[second].figures[name].parts,
            bench.clusters,
            draws=bench.draws.draws,
            seed=bench.draws.seed,
        )
        if found is not None:
            yield {"first": first, "second": second, "figure": name, **asdict(found)}
