"""Chooses from which doubt on each head of the second opinion asks for a person, so that few true texts are moved.

Knows no text and no feature: doubts and labels in, thresholds out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Doubts = NDArray[np.float64]
STEPS = (0, 1, 2, 4, 8, 16, 32)  # how many true texts further down a head is tried
_FREE = 1e-3  # what a head costs that moves no true text, so that gains can be compared


def thresholds_of(doubts: Doubts, true: NDArray[np.bool_], spared: Doubts, most_moved: float) -> Doubts:
    """A threshold for each head, (heads,); infinite where a head may never speak.

    `doubts`: log odds, (texts, heads); `true`: (texts,); `spared`: doubts of further true texts, (any, heads). Of both
    groups of true texts at most the share `most_moved` stands above some threshold. Greedy: the head is lowered next
    that stops most planted texts for the true ones that it moves; a threshold is at least 0, where a fault is as
    likely as not.
    """
    heads = range(doubts.shape[1])
    chosen = np.full(len(heads), np.inf)
    ladders = [_ladder(doubts[true, head], spared[:, head]) for head in heads]
    rungs = [0] * len(heads)
    while True:
        now, best = _count(doubts, true, spared, chosen), None
        for head in heads:
            for rung in (rungs[head] + step for step in STEPS):
                if rung >= len(ladders[head]):
                    break
                tried = chosen.copy()
                tried[head] = ladders[head][rung]
                then = _count(doubts, true, spared, tried)
                if max(then[1:]) > most_moved:
                    break
                gain = (then[0] - now[0]) / (then[1] + then[2] - now[1] - now[2] + _FREE)
                if then[0] > now[0] and (best is None or gain > best[0]):
                    best = (gain, head, rung)
        if best is None:
            return chosen
        _, head, rung = best
        chosen[head], rungs[head] = ladders[head][rung], rung + 1


def _ladder(*groups: Doubts) -> Doubts:
    """The doubts of true texts that a threshold may be, from the highest down to 0."""
    found = np.unique(np.concatenate([*groups, [0.0]]))[::-1]
    return np.asarray(found[found >= 0])


def _count(doubts: Doubts, true: NDArray[np.bool_], spared: Doubts, chosen: Doubts) -> tuple[float, float, float]:
    """Planted texts stopped, shares of true ones and of spared ones moved."""
    above = np.any(doubts > chosen, axis=1)
    moved = np.any(spared > chosen, axis=1)
    return float(above[~true].sum()), float(above[true].mean()), float(moved.mean()) if len(moved) else 0.0
