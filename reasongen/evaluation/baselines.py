"""What needs no model, to stand beside every model: who does not beat these has learnt nothing of the pair.

constant   the training target seen most often, one for each language
template   a sentence over catalogue facts, as the night's fallback writes it
nearest    the training target whose frame is most like this one
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from zlib import crc32

import numpy as np
from scipy.sparse import csr_matrix, diags

from reasongen.evaluation.labelled import LabelledPair
from reasongen.prompts import Renderer
from reasongen.prompts.frame import Frame

_CELLS = 8_000_000  # of the table of pairs against training pairs that is held at a time


def constant(pairs: Sequence[LabelledPair], training: Sequence[LabelledPair]) -> list[str]:
    """For every pair the commonest target of its language; of equally common ones the first in the alphabet."""
    common = {}
    for locale in {pair.locale for pair in pairs}:
        counts = Counter(pair.target for pair in training if pair.locale == locale and pair.target)
        common[locale] = min(counts, key=lambda text: (-counts[text], text), default="")
    return [common[pair.locale] for pair in pairs]


def template(pairs: Sequence[LabelledPair], renderer: Renderer) -> list[str]:
    """The fallback's sentence; user and item pick it, as in the night."""
    numbers = [crc32(f"{pair.user_id}/{pair.item_id}".encode()) for pair in pairs]
    return [
        renderer.fallback(pair.frame, pair.literals, number, titled=bool(pair.literals.title))
        for pair, number in zip(pairs, numbers, strict=True)
    ]


def nearest(pairs: Sequence[LabelledPair], training: Sequence[LabelledPair]) -> list[str]:
    """The target of the training pair of its language whose frame has the largest cosine of TF-IDF; the first of
    equals.

    Terms are the parts of a frame. Weights are those of scikit-learn's TfidfVectorizer: idf = ln((1 + n) / (1 + df))
    + 1, rows of length 1.
    """
    found = [""] * len(pairs)
    for locale in {pair.locale for pair in pairs}:
        known = [pair for pair in training if pair.locale == locale and pair.target]
        mine = [number for number, pair in enumerate(pairs) if pair.locale == locale]
        if not known:
            continue
        terms = {term: at for at, term in enumerate(dict.fromkeys(t for pair in known for t in terms_of(pair.frame)))}
        counts = _counted(known, terms)
        weights = np.log((1 + len(known)) / (1 + np.bincount(counts.indices, minlength=len(terms)))) + 1
        index = _unit(counts @ diags(weights)).T.tocsc()
        rows = max(1, _CELLS // len(known))
        for cut in (mine[at : at + rows] for at in range(0, len(mine), rows)):
            likeness = (_unit(_counted([pairs[number] for number in cut], terms) @ diags(weights)) @ index).toarray()
            for number, best in zip(cut, np.round(likeness, 9).argmax(axis=1), strict=True):
                found[number] = known[best].target or ""
    return found


def terms_of(frame: Frame) -> Iterator[str]:
    """The parts of a frame that two frames may share."""
    yield from (
        f"noun {frame.noun}",
        f"class {frame.noun_class}",
        f"brand {frame.brand}",
        f"rows {len(frame.evidence)}",
    )
    yield from (f"word {word}" for word in frame.words)
    if frame.attribute:
        yield f"attribute {frame.attribute}"
    for number, row in enumerate(frame.evidence, start=1):
        yield from (f"{row.facet} {row.act}", f"e{number} {row.facet} {row.act} {row.size}")
        if row.word:
            yield f"{row.facet} {row.word}"


def _counted(pairs: Sequence[LabelledPair], terms: Mapping[str, int]) -> csr_matrix:
    rows = [sorted({terms[term] for term in terms_of(pair.frame) if term in terms}) for pair in pairs]
    ends = np.cumsum([0, *(len(row) for row in rows)])
    columns = [column for row in rows for column in row]
    return csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(rows), len(terms)))


def _unit(rows: csr_matrix) -> csr_matrix:
    """Each row at length 1; an empty one stays so."""
    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return diags(np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)) @ rows
