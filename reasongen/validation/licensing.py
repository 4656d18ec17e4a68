"""Which pieces of a text does its evidence license? Deny by default: what neither evidence, a synonym nor the neutral
vocabulary holds is open. Looks at words alone; what they say together is asked in claims.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

import rjieba

from reasongen.validation.fields import MAX_GRAM
from reasongen.validation.grounds import NOTHING, Grounds
from reasongen.validation.lexicon import Lexicon
from reasongen.validation.words import Word, compound_head, keys_of, latin_words, words_of

Spans = Sequence[tuple[int, int]]


class Kind(Enum):
    """What a piece is: neutral, licensed by evidence, or open."""

    NEUTRAL = "neutral"
    LICENSED = "licensed"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Piece:
    """`said` and `denied`: the fields of the evidence that say and that deny it. `negated`: the text denies it."""

    start: int
    end: int
    kind: Kind
    said: int = 0
    denied: int = 0
    negated: bool = False
    keys: tuple[str, ...] = ()


def cover(plain: str, grounds: Grounds, lexicon: Lexicon, taken: Spans) -> list[Piece]:
    """The pieces of a normal text from left to right. `taken`: spans that another check answers for."""
    flags = lexicon.negation.denied(plain, whole=False)
    pieces = (_cover_chinese if lexicon.locale == "zh" else _cover_english)(plain, grounds, lexicon, taken)
    if 1 not in flags:
        return pieces
    return [
        replace(one, negated=True) if flags[one.end - 1] and not lexicon.denying.intersection(one.keys) else one
        for one in pieces
    ]


def _inside(start: int, end: int, spans: Spans) -> bool:
    for first, last in spans:  # noqa: SIM110 - asked of every piece; `any` would make a generator each time
        if first <= start and end <= last:
            return True
    return False


def _cover_english(plain: str, grounds: Grounds, lexicon: Lexicon, taken: Spans) -> list[Piece]:
    words = words_of(plain)
    licensed: dict[int, Piece] = {}
    for term, start, end in lexicon.term_spans(plain, words):
        said, denied = grounds.term(term)
        if said or denied:
            for word in words:
                if start <= word.start and word.end <= end and (word.start not in licensed or len(term.split()) > 1):
                    licensed[word.start] = Piece(word.start, word.end, Kind.LICENSED, said, denied, keys=word.keys)
    return [
        _english_piece(word, grounds, lexicon, licensed.get(word.start))
        for word in words
        if not _inside(word.start, word.end, taken)
    ]


def _english_piece(word: Word, grounds: Grounds, lexicon: Lexicon, synonym: Piece | None) -> Piece:
    if word.form in lexicon.grammar:
        return Piece(word.start, word.end, Kind.NEUTRAL, keys=word.keys)
    neutral = word.form in lexicon.neutral or word.lemma in lexicon.neutral
    said = denied = 0
    keys = word.keys if not neutral else (word.lemma,)
    for key in keys:
        more = grounds.of(key)
        said, denied = said | more[0], denied | more[1]
    if not neutral and not said and not denied and (head := compound_head(word.form)):
        first = word.form.removesuffix(head)
        both = [_any(grounds, head), _any(grounds, first)]
        if all(one[0] or one[1] for one in both):
            said, denied = both[0][0] | both[1][0], both[0][1] | both[1][1]
    if synonym is not None:
        said, denied = said | synonym.said, denied | synonym.denied
    if neutral and not said and not denied:
        return Piece(word.start, word.end, Kind.NEUTRAL, keys=word.keys)
    if said or denied:
        return Piece(word.start, word.end, Kind.NEUTRAL if neutral else Kind.LICENSED, said, denied, keys=word.keys)
    stem = keys_of(word.form.removesuffix("ly"))[0] if word.form.endswith("ly") else ""
    if stem in lexicon.neutral:  # how, not what: neatly
        return Piece(word.start, word.end, Kind.NEUTRAL, keys=word.keys)
    return Piece(word.start, word.end, Kind.OPEN, keys=word.keys)


def _any(grounds: Grounds, form: str) -> tuple[int, int]:
    said = denied = 0
    for word in words_of(form):
        for key in word.keys:
            more = grounds.of(key)
            said, denied = said | more[0], denied | more[1]
    return said, denied


_NAMES = ("nr", "ns", "nt", "nz")  # people, places, bodies, other names, as the segmenter tags them
# Costs of covering a Chinese text: the cheapest way is taken. A longer piece is worth more than many short ones.
_OPEN, _SINGLE, _NEUTRAL, _GRAM = 10.0, 3.0, 1.0, 0.9


def _cover_chinese(plain: str, grounds: Grounds, lexicon: Lexicon, taken: Spans) -> list[Piece]:
    """The cheapest chain of neutral words, n-grams of the evidence, its synonyms, single characters, open ones."""
    options = _options(plain, grounds, lexicon, taken)
    size = len(plain)
    best = [0.0] + [float("inf")] * size
    came: list[tuple[int, _Option]] = [(0, _NO_WAY)] * (size + 1)
    for start in range(size):
        reached = best[start]
        for option in options[start]:
            cost, end = reached + option[0], option[1]
            if cost < best[end]:
                best[end], came[end] = cost, (start, option)
    pieces: list[Piece] = []
    at = size
    while at > 0:
        start, (_, end, kind, said, denied, key) = came[at]
        pieces.append(Piece(start, end, kind, said, denied, keys=(key,) if key else ()))
        at = start
    pieces.reverse()
    return _whole_words(
        plain, grounds, [one for one in pieces if not _inside(one.start, one.end, taken) and _letter(plain, one)]
    )


def _letter(plain: str, piece: Piece) -> bool:
    return any(one.isalnum() for one in plain[piece.start : piece.end])


# Cost, end, kind, fields that say and that deny it, key: a tuple, since most of them are never taken.
_Option = tuple[float, int, Kind, int, int, str]
_NO_WAY: _Option = (0.0, 0, Kind.OPEN, 0, 0, "")


def _options(plain: str, grounds: Grounds, lexicon: Lexicon, taken: Spans) -> list[list[_Option]]:
    options: list[list[_Option]] = [[] for _ in plain]
    for start, end in taken:
        options[start].append((0.0, end, Kind.NEUTRAL, 0, 0, ""))
    for start, end in latin_words(plain):
        said, denied = grounds.of(plain[start:end])
        neutral = plain[start:end] in lexicon.neutral
        kind = Kind.LICENSED if said or denied else Kind.NEUTRAL if neutral else Kind.OPEN
        options[start].append((_GRAM, end, kind, said, denied, plain[start:end]))
    for start, written in enumerate(plain):
        han = written >= "\u3007"
        counts = han or written.isalnum()
        options[start].append((_OPEN if counts else 0.0, start + 1, Kind.OPEN if counts else Kind.NEUTRAL, 0, 0, ""))
        for end in range(start + 1, min(start + MAX_GRAM, len(plain)) + 1) if han else ():
            gram = plain[start:end]
            said, denied = grounds.of(gram)
            if not said and not denied:
                break
            kind = Kind.NEUTRAL if gram in lexicon.neutral else Kind.LICENSED
            options[start].append((_GRAM if end - start > 1 else _SINGLE, end, kind, said, denied, gram))
    for match in lexicon.guarded.finditer(plain):
        if grounds.of(match.group()) == NOTHING and grounds.term(match.group()) == NOTHING:
            options[match.start()].append((0.0, match.end(), Kind.OPEN, 0, 0, ""))
    assert lexicon.pieces is not None
    for last, length in lexicon.pieces.iter(plain):
        options[last + 1 - length].append((_NEUTRAL, last + 1, Kind.NEUTRAL, 0, 0, ""))
    for term, start, end in lexicon.term_spans(plain, None):
        said, denied = grounds.term(term)
        if said or denied:
            kind = Kind.NEUTRAL if term in lexicon.neutral else Kind.LICENSED
            options[start].append((_GRAM, end, kind, said, denied, term))
    return options


def _whole_words(plain: str, grounds: Grounds, pieces: list[Piece]) -> list[Piece]:
    """A word put together of single characters is open: 防 and 水 are not 防水, 日 and 本 are not 日本."""
    singles = {one.start: one.kind is Kind.LICENSED for one in pieces if one.end - one.start == 1}
    if len(singles) < 2:
        return pieces
    broken: set[int] = set()
    at = 0
    for token, tag in rjieba.tag(plain):
        inside = [start for start in range(at, at + len(token)) if start in singles]
        at += len(token)
        named = tag[:2] in _NAMES and len(inside) == len(token) and not any(singles[start] for start in inside)
        borne = [start for start in inside if singles[start]]
        if len(inside) > 1 and (named or (len(borne) > 1 and not grounds.near("".join(plain[one] for one in borne)))):
            broken.update(inside)
    return [
        Piece(one.start, one.end, Kind.OPEN) if one.start in broken and one.end - one.start == 1 else one
        for one in pieces
    ]
