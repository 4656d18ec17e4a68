"""Splits a text with marks into slots, once per distinct text: many pairs share one skeleton.

A slot knows what its place in the sentence asks of the words that fill it: a capital, an article by sound, a space.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from reasongen.prompts.frame import MARK

_SPACES = re.compile(r"[ \t\u00a0\u3000]+")
_ARTICLE = re.compile(r"(?<![\w'’-])([Aa])n? $")
_OPENS = re.compile(r"(?:^|[.!?…]\s+)[\"“‘'(]*$")
_HEAD = re.compile(r"(^|[.!?]\s+)([a-z])")
_BEFORE_POINT = re.compile(r" +([.,;:!?])")


class Slot(NamedTuple):
    """The text before a mark, and the mark: source (i, e1 …), evidence row from 0 (-1: the item), form, and needs."""

    before: str
    mark: str
    source: str
    row: int
    form: str
    capital: bool
    article: str


class Skeleton(NamedTuple):
    """Slots in order and the text after the last one."""

    slots: tuple[Slot, ...]
    tail: str


@lru_cache(maxsize=1 << 15)
def parse_skeleton(text: str, spaced: bool = True) -> Skeleton:
    """Slots of `text`. `spaced`: words stand apart (English), so marks need spaces, capitals and articles by sound."""
    parts = MARK.split(_SPACES.sub(" ", text).strip(" \r\n"))
    pieces = [_tidy(piece, n > 0, n < len(parts) // 3, spaced) for n, piece in enumerate(parts[::3])]
    slots = []
    said = ""
    for n, (source, form) in enumerate(zip(parts[1::3], parts[2::3], strict=True)):
        mark, row = f"[{source}.{form}]", int(source[1:] or 0) - 1
        found = _ARTICLE.search(pieces[n]) if spaced else None
        before = pieces[n][: found.start()] if found else pieces[n]
        capital = spaced and _OPENS.search(said + before) is not None
        slots.append(Slot(before, mark, source, row, form, capital, found.group(1) if found else ""))
        said += pieces[n] + "x"
    return Skeleton(tuple(slots), pieces[-1])


def _tidy(piece: str, after_mark: bool, before_mark: bool, spaced: bool) -> str:
    """English: one space between a word and a mark, a capital at a sentence's head. Chinese: no space beside a mark."""
    if not spaced:
        piece = piece.lstrip(" ") if after_mark else piece
        return piece.rstrip(" ") if before_mark else piece
    piece = _BEFORE_POINT.sub(r"\1", piece)
    piece = _HEAD.sub(lambda found: found.group() if after_mark and not found.start() else found.group().upper(), piece)
    if after_mark and (piece[:1].isalnum() or (not piece and before_mark)):
        piece = f" {piece}"
    needs_space = before_mark and (piece[-1:].isalnum() or piece.endswith((",", ".", ";", ":")))
    return f"{piece} " if needs_space else piece


@lru_cache(maxsize=1 << 16)
def specificity(skeleton: str) -> tuple[int, int]:
    """How little else a sentence would be true of: the rows of the user's evidence that it names, then its marks. What
    names no row would do for every user, what names no mark for every item."""
    marks = {match.group() for match in MARK.finditer(skeleton)}
    return len({mark[1:3] for mark in marks if mark[1] == "e"}), len(marks)
