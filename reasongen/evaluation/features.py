"""Do texts name the features of their own pairs? FMR, FCR, DIV and USR.

After Li, Zhang, Chen 2021, "Personalized Transformer for Explainable Recommendation" (PETER, ACL), as its authors' code
counts them:
    FMR  share of pairs whose text holds the pair's feature                           (1/N) Σ δ(f ∈ text)
    FCR  share of all features that some text holds                                   |found in any text| / |F|
    DIV  features that two texts have in common, the mean over all pairs of texts     2/(N(N-1)) Σ |found ∩ found'|
    USR  share of distinct texts                                                      |distinct texts| / N
There each pair has one feature, a word of its review. Here a pair has several: the words that its prompt shows or
hides. FMR is then the mean over pairs of the share of their features, which is the same number where each has one.
DIV is low where texts differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from ahocorasick import Automaton
from numpy.typing import NDArray

from reasongen.evaluation.tokens import tokens
from reasongen.prompts.frame import Frame, Literals
from reasongen.prompts.neutral import neutral


@dataclass(frozen=True)
class Features:
    """`matched`: each pair's share of its own features (nan where it has none); the rest over all texts."""

    matched: NDArray[np.float64]
    fcr: float
    div: float
    usr: float


def features_of(frame: Frame, literals: Literals) -> frozenset[str]:
    """Noun, tags, attribute names, their values and the brand of a pair, as tokens with spaces between."""
    hidden = [literals.brand if frame.brand else "", literals.attr if frame.attribute else ""]
    hidden += [row.value for row in literals.evidence[: len(frame.evidence)]]
    shown = [frame.noun, *frame.words, frame.attribute, *(row.word for row in frame.evidence)]
    return frozenset(filter(None, (_spaced(neutral(word)) for word in (*shown, *hidden))))


def feature_figures(texts: Sequence[str], features: Sequence[frozenset[str]]) -> Features:
    """Of rendered texts and their pairs' features, in one order."""
    everything = frozenset[str]().union(*features)
    found = _found(texts, everything)
    matched = [len(own & said) / len(own) if own else np.nan for own, said in zip(features, found, strict=True)]
    seen = frozenset[str]().union(*found)
    return Features(
        np.array(matched), len(seen) / len(everything) if everything else 0.0, _shared(found), unique_share(texts)
    )


def unique_share(texts: Sequence[str]) -> float:
    """USR. Texts are equal where their tokens are."""
    return len({tokens(text) for text in texts}) / len(texts) if texts else 0.0


def _shared(found: Sequence[frozenset[str]]) -> float:
    """DIV, counted by feature: one that c texts hold is shared by c(c-1)/2 pairs of texts."""
    pairs = len(found) * (len(found) - 1) / 2
    counts: dict[str, int] = {}
    for said in found:
        for feature in said:
            counts[feature] = counts.get(feature, 0) + 1
    return sum(count * (count - 1) / 2 for count in counts.values()) / pairs if pairs else 0.0


def _found(texts: Sequence[str], features: Iterable[str]) -> list[frozenset[str]]:
    """The features that stand in each text as whole tokens."""
    automaton = Automaton()
    for feature in features:
        automaton.add_word(f" {feature} ", feature)
    automaton.make_automaton()
    if not len(automaton):
        return [frozenset() for _ in texts]
    return [frozenset(feature for _, feature in automaton.iter(f" {' '.join(tokens(text))} ")) for text in texts]


def _spaced(word: str) -> str:
    return " ".join(tokens(word))
