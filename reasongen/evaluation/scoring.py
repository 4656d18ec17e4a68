"""The figures of one writer's texts on labelled pairs, in all and by segment. Knows nothing of who wrote them.

Two references, both always stated: `label`, the words that people wrote, and `target`, what of these the facts bear and
a model is taught (marks filled in). Text figures are of what a reader sees; diversity and one of the pair lifts are of
skeletons, since names that a renderer fills in flatter them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasongen.evaluation.diversity import diversity, repetition
from reasongen.evaluation.features import feature_figures, features_of
from reasongen.evaluation.labelled import LabelledPair
from reasongen.evaluation.overlap import overlap
from reasongen.evaluation.pair_lift import pair_lift, shuffles
from reasongen.evaluation.resampling import Figure, clusters_of, intervals
from reasongen.evaluation.skeletons import variety
from reasongen.evaluation.tokens import tokens
from reasongen.evaluation.truth import Told

MAIN = ("rouge1_label", "rouge1_target", "lift_skeleton", "fmr", "borne", "passed")
"""What segments show."""
COMPARED = ("rouge1_label", "rouge1_target", "gain_skeleton", "fmr", "borne", "passed")
"""What two writers are compared by: means of pairs. A lift is none; the score gained on the true pair is."""
SEGMENTS: dict[str, Callable[[LabelledPair], str]] = {
    "locale": lambda pair: pair.locale,
    "noun_class": lambda pair: pair.frame.noun_class,
    "evidence_rows": lambda pair: str(len(pair.frame.evidence)),
}


@dataclass(frozen=True)
class Draws:
    """How often chance is asked: orders of a pair lift, draws of an interval, texts of self-BLEU; and its seed."""

    seed: int
    shuffles: int = 5
    draws: int = 1000
    self_bleu: int = 500


@dataclass(frozen=True)
class Bench:
    """The pairs that every writer is measured on. `targets`: as a reader would see them; `known`: the skeletons that
    training shows."""

    pairs: Sequence[LabelledPair]
    targets: Sequence[Told]
    known: frozenset[str]
    draws: Draws

    @cached_property
    def labels(self) -> list[str]:
        """The words that people wrote."""
        return [pair.reason for pair in self.pairs]

    @cached_property
    def clusters(self) -> NDArray[np.int64]:
        """Pairs of one frame share a prompt, so a text."""
        return clusters_of([pair.frame.to_json() for pair in self.pairs])

    @cached_property
    def partners(self) -> list[NDArray[np.int64]]:
        """Whose label a text is held against instead of its own."""
        return shuffles([pair.locale for pair in self.pairs], self.draws.shuffles, self.draws.seed)

    @cached_property
    def features(self) -> list[frozenset[str]]:
        """What each pair's text could name."""
        return [features_of(pair.frame, pair.literals) for pair in self.pairs]


@dataclass(frozen=True)
class Score:
    """`figures` are made of pairs, so they have intervals and segments; `corpus` are of all texts together."""

    figures: Mapping[str, Figure]
    corpus: Mapping[str, float]
    refused: Mapping[str, int]


def score(bench: Bench, told: Sequence[Told]) -> Score:
    """Every figure of these texts, one for each pair of the bench."""
    texts = [one.text for one in told]
    lift = pair_lift([one.skeleton for one in told], [one.skeleton for one in bench.targets], bench.partners)
    figures = {
        "lift_filled": pair_lift(texts, bench.labels, bench.partners),
        "lift_skeleton": lift,
        "gain_skeleton": Figure.mean(lift.parts - lift.wholes),
    }
    corpus: dict[str, float] = {}
    for name, references in (("label", bench.labels), ("target", [one.text for one in bench.targets])):
        found = overlap(texts, references)
        figures |= {f"{kind}_{name}": Figure.mean(column) for kind, column in found.rouge.items()}
        corpus |= {f"bleu_{name}": found.bleu, f"chrf_{name}": found.chrf}
    named = feature_figures(texts, bench.features)
    figures |= {
        "fmr": Figure.mean(named.matched),
        "borne": Figure.mean(_column(told, lambda one: one.borne / one.claims if one.claims else np.nan)),
        "passed": Figure.mean(_column(told, lambda one: not one.failures)),
        "length": Figure.mean([len(tokens(text)) for text in texts]),
        "repetition": Figure.mean([repetition(text) for text in texts]),
    }
    corpus |= {"fcr": named.fcr, "div": named.div, "usr": named.usr, **_variety(bench, told)}
    return Score(figures, corpus, Counter(rule for one in told for rule in one.failures))


def figures_of(bench: Bench, scored: Score) -> dict[str, Any]:
    """A score as plain data: values, intervals and segments."""
    names = sorted(scored.figures)
    bounds = intervals(
        [scored.figures[name] for name in names], bench.clusters, draws=bench.draws.draws, seed=bench.draws.seed
    )
    return {
        "figures": {name: scored.figures[name].value for name in names} | dict(sorted(scored.corpus.items())),
        "intervals": {name: bound for name, bound in zip(names, bounds, strict=True) if bound is not None},
        "segments": {name: _segments(bench, scored, of) for name, of in SEGMENTS.items()},
        "refused": dict(sorted(scored.refused.items())),
    }


def _segments(bench: Bench, scored: Score, of: Callable[[LabelledPair], str]) -> dict[str, dict[str, float | None]]:
    names = np.array([of(pair) for pair in bench.pairs])
    return {
        str(name): {"pairs": int((names == name).sum())}
        | {key: scored.figures[key].among(names == name).value for key in MAIN}
        for name in np.unique(names)
    }


def _variety(bench: Bench, told: Sequence[Told]) -> dict[str, float]:
    rows = [(pair.locale, one.skeleton) for pair, one in zip(bench.pairs, told, strict=True)]
    counts = variety(rows, bench.known)
    found = asdict(diversity(rows, bench.draws.seed, bench.draws.self_bleu))
    return {**found, "skeletons": counts.skeletons, "verbatim": counts.verbatim}


def _column(told: Sequence[Told], of: Callable[[Told], float]) -> NDArray[np.float64]:
    return np.array([of(one) for one in told], dtype=float)
