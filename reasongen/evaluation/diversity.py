"""How varied the texts of one model are among themselves, and how often one repeats itself.

distinct-n   distinct n-grams over all n-grams of all texts (Li et al. 2016, "A Diversity-Promoting Objective
             Function for Neural Conversation Models")
self-BLEU    mean BLEU of a text with all others as its references (Zhu et al. 2018, "Texygen"); low is varied
entropy      of the openings (skeletons.opening), in bits; 0 where all begin alike
repetition   share of a text's 3-grams that stood in it before
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sacrebleu.metrics.bleu import BLEU

from reasongen.evaluation.skeletons import opening, skeleton
from reasongen.evaluation.tokens import ngrams, tokens

SAMPLE = 500
"""Texts of self-BLEU at most: more texts always hold more of any one of them, so sizes must not differ much."""
_ORDERS = (1, 2, 3, 4)
Gram = tuple[str, ...]


@dataclass(frozen=True)
class Diversity:
    """Of one model's texts. `openings`: entropy in bits."""

    distinct1: float
    distinct2: float
    self_bleu: float
    openings: float


def diversity(rows: Sequence[tuple[str, str]], seed: int, sample: int = SAMPLE) -> Diversity:
    """Of (locale, text) rows; self-BLEU on a seeded sample within each locale, the mean over all sampled texts."""
    texts = [text for _, text in rows]
    return Diversity(
        distinct(texts, 1), distinct(texts, 2), _self_bleu(rows, seed, sample),
        entropy([opening(skeleton(text), locale) for locale, text in rows]),
    )  # fmt: skip


def distinct(texts: Sequence[str], size: int) -> float:
    """Distinct n-grams over all n-grams; 0 where there is none."""
    found = [gram for text in texts for gram in ngrams(tokens(text), size)]
    return len(set(found)) / len(found) if found else 0.0


def entropy(values: Sequence[str]) -> float:
    """Shannon's entropy of how often each value stands there, in bits."""
    counts = Counter(values)
    return sum(count / len(values) * math.log2(len(values) / count) for count in counts.values())


def repetition(text: str) -> float:
    """Share of the text's 3-grams that it has said already; 0 for a text of fewer than 3 tokens."""
    grams = ngrams(tokens(text), 3)
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def self_bleu(texts: Sequence[str]) -> list[float]:
    """The BLEU of each text with all others as references, 0 to 1; none for a single text.

    What sacreBLEU's sentence_score gives with effective_order, in a hundredth of its time: of how often an n-gram
    stands in any other text, only the two largest numbers are needed.
    """
    if len(texts) < 2:
        return []
    said = [tokens(text) for text in texts]
    counts = [Counter(gram for size in _ORDERS for gram in ngrams(one, size)) for one in said]
    most: dict[Gram, list[int]] = {}
    for own in counts:
        for gram, count in own.items():
            most[gram] = sorted([*most.get(gram, ()), count], reverse=True)[:2]
    lengths = sorted(len(one) for one in said)
    return [_bleu(len(one), own, most, lengths) for one, own in zip(said, counts, strict=True)]


def _bleu(
    length: int, own: Counter[tuple[str, ...]], most: Mapping[tuple[str, ...], list[int]], lengths: list[int]
) -> float:
    correct, total = [0] * len(_ORDERS), [0] * len(_ORDERS)
    for gram, count in own.items():
        first, *second = most[gram]
        others = first if count < first else (second or [0])[0]  # its own count is among the two
        correct[len(gram) - 1] += min(count, others)
        total[len(gram) - 1] += count
    rest = list(lengths)
    rest.remove(length)
    nearest = min(rest, key=lambda other: (abs(other - length), other))
    score = BLEU.compute_bleu(correct, total, length, nearest, smooth_method="exp", effective_order=True)
    return score.score / 100


def _self_bleu(rows: Sequence[tuple[str, str]], seed: int, sample: int) -> float:
    drawn = random.Random(f"self-BLEU {seed}").sample(list(rows), min(sample, len(rows)))
    scores = [
        score
        for locale in sorted({locale for locale, _ in drawn})
        for score in self_bleu([text for own, text in drawn if own == locale])
    ]
    return sum(scores) / len(scores) if scores else 0.0
