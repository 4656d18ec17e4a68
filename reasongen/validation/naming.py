"""Names and signs that no evidence writes."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from reasongen.validation.gate import Finding
from reasongen.validation.lexicon import NAME, Lexicon
from reasongen.validation.licensing import Kind
from reasongen.validation.reading import Case, finding

_OF_UNITS = "°℃℉"


def signs(case: Case) -> Iterator[Finding]:
    """Pictures and symbols say what words would have to prove."""
    for at, written in enumerate(case.text.plain):
        shown = ord(written) > 0xA0 and unicodedata.category(written) in ("So", "Sk") and written not in _OF_UNITS
        if shown and not any(written in text for text in case.grounds.own.texts):
            yield finding("sign", "human", at, at + 1, "wanted evidence, found none")


def names(case: Case, lexicon: Lexicon) -> Iterator[Finding]:
    """Names that no evidence writes: capitalised English words inside a sentence or with 's, known names."""
    plain, written = case.text.plain, case.text.written
    for match in lexicon.names.finditer(plain):
        if not case.grounds.names(match.group()) and not case.grounds.of(match.group())[0]:
            yield finding("name", "block", *match.span(), "wanted a name of the evidence")
    if lexicon.locale != "en":
        return
    for match in NAME.finditer(written):
        name = match.group().lower()
        starts = (
            not written[: match.start()].rstrip(" \"“‘'(").rstrip()
            or written[: match.start()].rstrip(" \"“‘'(")[-1] in ".!?:…"
        )
        owns = written[match.end() : match.end() + 2] in ("'s", "’s")
        if (starts and not owns) or case.grounds.names(name) or name in lexicon.capital_words:
            continue
        if owns and starts and name in lexicon.neutral:
            continue
        at = next((i for i, start in enumerate(case.text.starts) if start >= match.start()), 0)
        if any(piece.start == at and piece.kind is Kind.LICENSED for piece in case.pieces):
            continue
        yield finding("name", "block", at, at + len(name), "wanted a name of the evidence")
