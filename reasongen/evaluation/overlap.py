"""How much of a labelled text's wording a written one shares: BLEU, chrF and ROUGE, by the libraries that define them.

    BLEU     Papineni et al. 2002, as sacreBLEU computes it (Post 2018); its tokenizer `zh` parts Chinese characters and
             leaves other text to the rules of `13a`
    chrF     Popović 2015, character n-grams up to 6, beta 2, as sacreBLEU computes it
    ROUGE    Lin 2004, F of 1-grams, 2-grams and the longest common subsequence, as rouge-score computes it, over our
             own tokens (tokens.py): its own tokenizer drops Chinese
All are shares from 0 to 1. BLEU and chrF are of the whole corpus, ROUGE is the mean of its pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from reasongen.evaluation.tokens import Words

ROUGE = ("rouge1", "rouge2", "rougeL")
Column = NDArray[np.float64]


@dataclass(frozen=True)
class Overlap:
    """BLEU and chrF of the corpus; `rouge`: name → F of each pair, in the order of the pairs."""

    bleu: float
    chrf: float
    rouge: dict[str, Column]


def overlap(texts: Sequence[str], references: Sequence[str]) -> Overlap:
    """Of each text with its own reference; as many of each."""
    # `force`: texts that end in " ." are ours, nobody tokenised them beforehand.
    bleu = BLEU(tokenize="zh", force=True).corpus_score(list(texts), [list(references)])
    chrf = CHRF().corpus_score(list(texts), [list(references)])
    return Overlap(bleu.score / 100, chrf.score / 100, rouge(texts, references))


def rouge(texts: Sequence[str], references: Sequence[str], kinds: Sequence[str] = ROUGE) -> dict[str, Column]:
    """The F of each pair, by kind."""
    scorer = RougeScorer(list(kinds), tokenizer=Words())
    scores = [scorer.score(reference, text) for text, reference in zip(texts, references, strict=True)]
    return {kind: np.array([score[kind].fmeasure for score in scores]) for kind in kinds}
