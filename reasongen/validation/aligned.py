"""What a text says side by side, and whether its evidence does too: the features of a second opinion.

Licensing asks of each word whether the evidence has it. Here words are replaced by the part that they play (a tag of
the item, the title of an event), so that a sentence about a lamp and one about a tent look alike, and each two
neighbours are asked whether one piece of the evidence holds both. Knows no weight and no verdict.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from reasongen.validation.grounds import Grounds
from reasongen.validation.licensing import Kind, Piece
from reasongen.validation.normal import normalise
from reasongen.validation.quantity import Quantity, supported
from reasongen.validation.reading import Case
from reasongen.validation.words import words_of

REMEMBERED = 1 << 14  # fields and names of attributes
_SEGMENT = re.compile(r"[,.;:!?、。()\[\]|\n—–…\"“”]+| (?:and|but|while|with) |[和配而与及]")
_CUT = ","  # stands between clauses
_FIRST = "hbnvgtd"  # the part that a word plays: the first of these that it plays anywhere
_PART = {"item.title": "t", "item.description": "d", "item.tags": "g", "item.category": "h", "item.brand": "b"}
_ATTRIBUTE = "item.attributes."
_NO_CONTENT = ("N", "A", "W", "T")  # neutral words, acts, times ago, how often
_BETWEEN = 3  # neutral words that are told of two neighbours

Feature = tuple[str, int]  # what is so, and the number of the unit at which it is so


class Unit(NamedTuple):
    """A word or figure from `start` to `end` of the normal text. `part`: who bears it and as what (Ig: a tag of the
    item; E0: the first event; B: both; U: the user); `word`: what is written, where it is neutral; `places`: the pieces
    of evidence that hold it, as bits; empty parts of a clause's end are `,`."""

    start: int
    end: int
    part: str
    word: str
    places: int


def units_of(case: Case) -> list[Unit]:
    """The text from left to right: content by its part, neutral words as they stand, acts, times, ends of clauses."""
    places = _Places(case.grounds)
    taken = [(act.start, act.end) for act in case.acts]
    found = [Unit(act.start, act.end, "A", min(act.kinds, default="any"), 0) for act in case.acts]
    found += [Unit(one.start, one.end, "W", "", 0) for one in case.whens]
    found += [Unit(start, end, "T", "", 0) for start, end, _, _ in case.turns]
    taken += [(one.start, one.end) for one in found[len(taken) :]]
    for piece in case.pieces:
        inside = any(start <= piece.start and piece.end <= end for start, end in taken)
        if not inside or piece.kind is Kind.LICENSED:
            found.append(_unit(case, piece, places))
    found += [
        _figure(case, one, places)
        for one in case.quantities
        if not any(start <= one.start and one.end <= end for start, end in taken)
    ]
    found += [Unit(end, end, _CUT, "", 0) for _, end in case.clauses]
    found.sort()
    return found


def features_of(case: Case) -> list[Feature]:
    """Every feature of a text, some of them more than once; the numbers are those of `units_of`."""
    return features_between(units_of(case), bonds_of(case))


def features_between(units: list[Unit], bonds: str) -> list[Feature]:
    """The same from a text that was read already."""
    bound = _bound(units)
    return [*_neighbours(units, bound), *_together(units, bound, bonds)]


def _neighbours(units: list[Unit], bound: list[bool]) -> Iterator[Feature]:
    """Each two units with content in a row: does one piece of the evidence hold both (=), are both bound to nothing
    else in their clause (#), and which words join them?"""
    last, cut = -1, ""
    between: list[str] = []
    for at, unit in enumerate(units):
        if unit.part == _CUT:
            cut = _CUT
        elif unit.part == "N":
            between.append(unit.word)
        else:
            if last >= 0:
                one = units[last]
                if one.places & unit.places:
                    bond = "="
                else:
                    bond = "-" if "A" in (one.part, unit.part) or bound[last] or bound[at] else "#"
                words = " ".join(between[-_BETWEEN:])
                yield f"{one.part}{bond}{unit.part}{cut}", at
                yield f"{one.part}{bond}{unit.part}{cut} {words}", at
                yield f"{bond}{cut} {words}", at
            last, cut = at, ""
            between = []


def _together(units: list[Unit], bound: list[bool], bonds: str) -> Iterator[Feature]:
    """What stands in one clause: parts bound to nothing and beside which others, parts told with an act, and, where the
    clause tells nothing of the item itself, its words with the bonds of the pair."""
    for clause in _clauses(units):
        content = [one for one in clause if units[one].part not in _NO_CONTENT]
        parts = [units[one].part for one in content]
        acted = any(units[one].part == "A" for one in clause)
        for one, part in zip(content, parts, strict=True):
            yield f"{part} {'bound' if bound[one] else 'alone'} {min(len(content), 3)}", one
            if acted:
                yield f"acted {part}", one
            if not bound[one]:
                others = {units[other].part for other in content if other != one}
                yield f"{part} free of {' '.join(sorted(others))}", one
        if not any(part[0] in "IBQ" and part[1:] != "h" for part in parts):
            for one in clause:
                if units[one].part in ("N", "A"):
                    yield f"{units[one].word or 'A'} {bonds}", one


def _clauses(units: list[Unit]) -> Iterator[range]:
    start = 0
    for at, unit in enumerate(units):
        if unit.part == _CUT:
            yield range(start, at)
            start = at + 1


def _bound(units: list[Unit]) -> list[bool]:
    """Whether something else in its clause stands in the same piece of the evidence."""
    found = [False] * len(units)
    for clause in _clauses(units):
        once = twice = 0
        for one in clause:
            twice |= once & units[one].places
            once |= units[one].places
        for one in clause:
            found[one] = bool(units[one].places & twice)
    return found


def bonds_of(case: Case) -> str:
    """Whether the events that the text names are of the item's brand (b) and kind (k), as far as evidence tells."""
    item, events = case.record.item, case.record.events
    named = case.bound() or range(len(events))
    brand = (item.brand or "").lower()
    brands = any(brand and brand in events[number].title.lower() for number in named)
    kinds = any(events[number].category == item.category for number in named)
    return ("b" if brands else "") + ("k" if kinds else "") or "-"


def _unit(case: Case, piece: Piece, places: _Places) -> Unit:
    said = piece.said | piece.denied
    written = case.text.plain[piece.start : piece.end]
    if not said:
        return Unit(piece.start, piece.end, "N", written if piece.kind is Kind.NEUTRAL else "?", 0)
    part = _part(case.grounds, said, piece.keys)
    weak = piece.kind is Kind.NEUTRAL or (len(written) == 1 and written >= "\u3007")
    if weak and part[-1] not in "nvg":  # a word of every day that the evidence happens to have
        return Unit(piece.start, piece.end, "N", written, places.of(said, piece.keys))
    denial = "-" if piece.negated else "!" if not piece.said else ""
    return Unit(piece.start, piece.end, part + denial, "", places.of(said, piece.keys))


def _figure(case: Case, one: Quantity, places: _Places) -> Unit:
    bits, held = places.of_quantity(one)
    return Unit(one.start, one.end, f"Q{one.dimension[:2]}{_part(case.grounds, bits, ())}", "", held)


def _part(grounds: Grounds, said: int, keys: tuple[str, ...]) -> str:
    """Who bears it, and as what. `keys`: a name of an attribute that has one of them is spoken of by its name."""
    own, theirs = said & grounds.item, grounds.event_of(said)
    if not own:
        return f"E{min(theirs[0], 1)}" if theirs else "U"
    best = len(_FIRST) - 1
    while own:
        name = grounds.fields[own.bit_length() - 1]
        own ^= 1 << (own.bit_length() - 1)
        played = _PART.get(name) or ("v" if _name_keys(name[len(_ATTRIBUTE) :]).isdisjoint(keys) else "n")
        best = min(best, _FIRST.index(played))
    return ("B" if theirs else "I") + _FIRST[best]


class _Places:
    """Pieces of all fields of one evidence, numbered."""

    def __init__(self, grounds: Grounds) -> None:
        self.grounds = grounds
        self.fields: dict[int, tuple[_Segments, int]] = {}
        first = 0
        for number, text in enumerate(grounds.own.texts):
            self.fields[number] = (segments := _segments(text), first)
            first += len(segments.spans)
        for bit, field in grounds.other:
            self.fields[bit.bit_length() - 1] = (segments := _segments(field.plain), first)
            first += len(segments.spans)

    def of(self, said: int, keys: tuple[str, ...]) -> int:
        """The pieces of some fields that hold one of the keys; where none does (a synonym), the whole fields."""
        found = whole = 0
        while said:
            number = said.bit_length() - 1
            said ^= 1 << number
            segments, first = self.fields[number]
            whole |= segments.all << first
            found |= segments.holding(keys) << first
        return found or whole

    def of_quantity(self, said: Quantity) -> tuple[int, int]:
        """The fields that state a quantity, and the pieces that do."""
        bits = held = 0
        stated = [*self.grounds.own.quantities]
        stated += [(bit, one) for bit, field in self.grounds.other for one in field.quantities]
        for bit, one in stated:
            if supported(said, [one]):
                segments, first = self.fields[bit.bit_length() - 1]
                bits |= bit
                held |= segments.at(one.start) << first
        return bits, held


class _Segments(NamedTuple):
    """One field cut where one thing ends and another begins."""

    plain: str
    spans: tuple[tuple[int, int], ...]
    words: dict[str, int]
    all: int

    def holding(self, keys: tuple[str, ...]) -> int:
        found = 0
        for key in keys:
            if key[:1] >= "\u3007":
                for number, (start, end) in enumerate(self.spans):
                    if self.plain.find(key, start, end) >= 0:
                        found |= 1 << number
            else:
                found |= self.words.get(key, 0)
        return found

    def at(self, place: int) -> int:
        return next((1 << number for number, (start, end) in enumerate(self.spans) if start <= place < end), 0)


@lru_cache(maxsize=REMEMBERED)
def _segments(plain: str) -> _Segments:
    spans, at = [], 0
    for match in _SEGMENT.finditer(plain):
        inside = match.group() in (".", ",") and plain[match.end() : match.end() + 1].isdigit()
        if inside and plain[match.start() - 1 : match.start()].isdigit():
            continue
        if match.start() > at:
            spans.append((at, match.start()))
        at = match.end()
    if at < len(plain):
        spans.append((at, len(plain)))
    words: dict[str, int] = {}
    for number, (start, end) in enumerate(spans):
        for word in words_of(plain[start:end]):
            for key in word.keys:
                words[key] = words.get(key, 0) | 1 << number
    return _Segments(plain, tuple(spans), words, (1 << len(spans)) - 1)


@lru_cache(maxsize=REMEMBERED)
def _name_keys(name: str) -> frozenset[str]:
    plain = normalise(name).plain
    grams = {plain[start:end] for start in range(len(plain)) for end in range(start + 1, len(plain) + 1)}
    return frozenset({*(grams if not plain.isascii() else ()), *(key for word in words_of(plain) for key in word.keys)})
