"""What a text gives to an item: with a window, near the beach, chalk is already in the bag."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest

from reasongen.validation.gate import Finding
from reasongen.validation.licensing import Kind
from reasongen.validation.reading import Case, finding

_HELD = 24  # characters in which what is had follows


def components(
    case: Case, things: frozenset[str], having: re.Pattern[str], given: re.Pattern[str]
) -> Iterator[Finding]:
    """With a window, near the beach: a neutral noun is a claim where the text gives it to the item."""
    plain = case.text.plain
    for piece in case.pieces:
        if piece.kind is not Kind.NEUTRAL or piece.said or plain[piece.start : piece.end] not in things:
            continue
        start = max((plain.rfind(mark, 0, piece.start) for mark in ",.;:!?。，；"), default=0) + 1
        had = having.search(plain, max(start, piece.start - _HELD), piece.start) or given.match(plain, piece.end)
        if had and not case.tells_of_user(piece.start):
            yield finding("has", "human", piece.start, piece.end, "wanted evidence, found none")


def supplied(case: Case, having: re.Pattern[str], given: re.Pattern[str]) -> Iterator[Finding]:
    """Chalk is already in the bag, of a chalk bag that comes without: told as given, and denied by a field, though a
    name of the item has the word."""
    plain, item = case.text.plain, case.grounds.item
    for piece, behind in zip_longest(case.pieces, case.pieces[1:]):
        if piece.negated or not (piece.said & item and piece.denied & item) or piece.kind is not Kind.LICENSED:
            continue
        if behind and plain[piece.start : behind.end] in case.grounds.own.texts[0]:
            continue  # the item's own name: a chalk bag
        start = case.clause_of(piece.start)[0]
        if having.search(plain, max(start, piece.start - _HELD), piece.start) or given.match(plain, piece.end):
            yield finding("polarity", "human", piece.start, piece.end, "a field of the evidence denies it")
