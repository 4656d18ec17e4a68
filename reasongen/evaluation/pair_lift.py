"""Does a text fit its own pair better than another's?

    pair lift = (score on the true pairs - score on shuffled pairs) / score on shuffled pairs

The score is ROUGE-1 against the labelled text; shuffled means that each text is held against the label of another pair
of its language. 0: the texts fit any pair as well, whatever ROUGE alone says. Measured on skeletons too, since names
that a renderer fills in lift every text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reasongen.evaluation.overlap import rouge
from reasongen.evaluation.resampling import Figure


def pair_lift(texts: Sequence[str], references: Sequence[str], partners: Sequence[NDArray[np.int64]]) -> Figure:
    """Of texts with their pairs' references; `partners` from `shuffles`. No value where no other text is like any."""
    lone = partners[0] < 0
    true = rouge(texts, references, ("rouge1",))["rouge1"]
    held = [rouge(texts, [references[at] for at in one], ("rouge1",))["rouge1"] for one in partners]
    return Figure(np.where(lone, np.nan, true), np.mean(held, axis=0), less=1.0)


def shuffles(groups: Sequence[str], times: int, seed: int) -> list[NDArray[np.int64]]:
    """`times` drawn orders in which every pair stands in the place of another of its group: one round trip through the
    group, so that none stands in its own. -1 where a group has one pair alone."""
    names = np.array(groups, dtype=object).astype(str)
    drawn = []
    for number in range(times):
        rng = np.random.default_rng((seed, number))
        partner = np.full(len(names), -1, dtype=np.int64)
        for name in np.unique(names):
            trip = rng.permutation(np.flatnonzero(names == name))
            if len(trip) > 1:
                partner[trip] = np.roll(trip, 1)
        drawn.append(partner)
    return drawn
