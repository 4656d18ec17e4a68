"""What a figure is the figure of, and from which side it is bounded.

Two figures of one evidence may not trade places: 6 hours hot and 8 hours cold are not 8 hours hot. The zone of a figure
is what stands around it up to the next figure or the end of its part of the clause.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import rjieba

from reasongen.validation.fields import REMEMBERED, read_field
from reasongen.validation.gate import Finding
from reasongen.validation.lexicon import Lexicon
from reasongen.validation.licences import Licences
from reasongen.validation.licensing import Kind, Piece
from reasongen.validation.quantity import Quantity, supported
from reasongen.validation.reading import Case, finding
from reasongen.validation.words import clauses, words_of

MANY = 16  # figures; a sentence with more is a table, which a person reads
_NEAR = 16  # characters beside a figure in which its bound stands
_SAME = 1e-6
_PARTS = re.compile(r"(?<![a-z])(?:and|or|but|with|plus|while)(?![a-z])|[-–—]{2}| - ")
_STARTS = ("充满电", "满电", "充满", "充电", "charge", "charged")  # begin a time as much as they take one
_ANY = ("个", "件", "只", "支", "把", "条", "块", "张", "样", "种", "款")  # count anything
_PER = re.compile(
    r" ?(?:(?:转|次)每?|/ ?|每|(?:per|an?|each|every) )(?P<unit>[a-z]{1,8}(?![a-z])|[秒分时天日周月年杯瓶])"
)
_SPACE = re.compile(" (?:of )?(?:the )?")
_OF_EN, _OF_ZH = re.compile(" of (?:the |its |pure |whole )?"), re.compile("的?")
_MEASURE = re.compile("(?:净|总|约|为|是|有|只|仅|达|才|最|容量|重量?|长度?|宽度?|高度?|厚度?|直径|深度?){0,6}")
_SUBJECT = re.compile(
    r"(?:^|[ ,])(?:the|its|each|every|both|an?|your) (?P<noun>(?:[a-z'-]{2,14} ){1,3})"
    r"(?:is|are|weighs?|measures?|holds?|lasts?|reaches)(?: [a-z]{2,8}){0,2} ?$"
)


class Figure(NamedTuple):
    """A quantity of the evidence, the text around it that tells of what it is, the sides from which it is bounded."""

    quantity: Quantity
    zone: str
    sides: frozenset[str]
    per: str


@dataclass(frozen=True, eq=False)
class Binding:
    """The words of one language, compiled. `before`, `after`: side (upper, lower; with an s before, strictly) → what
    says it before and behind a figure."""

    lexicon: Lexicon
    before: Mapping[str, re.Pattern[str]]
    after: Mapping[str, re.Pattern[str]]

    def sides(self, plain: str, one: Quantity) -> frozenset[str]:
        """From which sides the words beside a quantity bound it."""
        head, tail = plain[max(0, one.start - _NEAR) : one.start], plain[one.start : one.end + _NEAR]
        told = {side for side, pattern in self.before.items() if pattern.search(head)}
        own = plain[one.start : one.end]
        told |= {
            side
            for side, pattern in self.after.items()
            if (match := pattern.search(tail, max(0, len(own) - 4))) and match.start() <= len(own) + 1
        }
        return frozenset(told)


def binding_of(licences: Licences, lexicon: Lexicon) -> Binding:
    """Compiled once per process."""
    words = licences.words
    latin = licences.locale == "en"

    def ends(patterns: tuple[str, ...]) -> re.Pattern[str]:
        whole = "|".join(f"(?:{one})" for one in patterns)
        return re.compile(rf"(?<![a-z])(?:{whole})(?: (?:an?|the))? ?$" if latin else rf"(?:{whole})$")

    return Binding(
        lexicon,
        {side: ends(patterns) for side, patterns in words.bounds_before.items()},
        {side: re.compile("|".join(f"(?:{one})" for one in patterns)) for side, patterns in words.bounds_after.items()},
    )


def figures(case: Case, binding: Binding) -> Iterator[Finding]:
    """A figure of the evidence told of what the evidence tells with another figure, or with none."""
    if not case.quantities or not (known := _figures_of(case, binding)):
        return
    if len(case.quantities) > MANY:
        yield finding("number", "human", 0, case.quantities[-1].end, f"wanted at most {MANY} figures")
        return
    plain, told = case.text.plain, [(when.start, when.end) for when in case.whens] + [turn[:2] for turn in case.turns]
    for number, one in enumerate(case.quantities):
        if any(start <= one.start and one.end <= end for start, end in told) or case.tells_of_user(one.start):
            continue
        if one.dimension == "count" and one.raw in (0.5, 1.0):
            continue  # one of something says nothing
        bearers = [figure for figure in known if supported(one, [figure.quantity])]
        if not bearers:
            continue  # `numbers` answers for it
        per = _per(plain, one.end)
        if per and all(figure.per and figure.per != per for figure in bearers):
            yield finding("unit", "block", one.start, one.end, "the evidence tells it per another unit")
            continue
        mine = set(map(id, bearers))
        others = [each for each in known if each.quantity.dimension == one.dimension and id(each) not in mine]
        around = list(_around(case, binding, number))
        if binding.lexicon.locale == "en":  # 20 beech pieces of a marble run: what stands behind counts
            around = [piece for piece in around if piece.start >= one.end] or around
        if any(_in(piece, plain, bearers, binding) for piece in around):
            continue
        if any(_in(piece, plain, others, binding) for piece in around):
            yield finding("unit", "human", one.start, one.end, "the evidence tells it of another figure")
        elif _of_another_part(case, binding, number, bearers) or _of_other_stuff(case, binding, one, bearers):
            yield finding("unit", "human", one.start, one.end, "wanted the figure of what is named")


def bounds(case: Case, binding: Binding) -> Iterator[Finding]:
    """At most, where the evidence says at least; below six, where it says six."""
    known = _figures_of(case, binding) if 0 < len(case.quantities) <= MANY else []
    for one in case.quantities:
        sides = binding.sides(case.text.plain, one)
        if not sides or case.tells_of_user(one.start):
            continue
        edge = (one.raw, one.dimension, one.unit)
        equal = [
            figure
            for figure in known
            if (figure.quantity.raw, figure.quantity.dimension, figure.quantity.unit) == edge
            or (figure.quantity.dimension == one.dimension and abs(figure.quantity.point - one.point) < _SAME)
        ]
        ways = {side.removeprefix("s") for side in sides}
        if not equal or any(ways & {each.removeprefix("s") for each in figure.sides} for figure in equal):
            continue
        if any(figure.sides for figure in equal):
            yield finding("unit", "block", one.start, one.end, "the evidence bounds it from the other side")
        elif any(side.startswith("s") for side in sides):
            yield finding("number", "human", one.start, one.end, "the evidence states it, not less or more")


def _figures_of(case: Case, binding: Binding) -> list[Figure]:
    return [figure for text in case.grounds.own.texts for figure in _figures(binding, text)]


@lru_cache(maxsize=REMEMBERED)
def _figures(binding: Binding, plain: str) -> tuple[Figure, ...]:
    """The figures of one normal text of an item."""
    quantities = sorted(read_field(binding.lexicon, plain).quantities, key=lambda one: one.start)
    parts = clauses(plain)
    found: list[Figure] = []
    for at, one in enumerate(quantities):
        start, end = next((part for part in parts if part[0] <= one.start < part[1]), (one.start, one.end))
        before = [each.end for each in quantities[:at] if start < each.end <= one.start]
        behind = [each.start for each in quantities[at + 1 :] if one.end <= each.start < end]
        first, last = max(before, default=start), min(behind, default=end)
        sides = binding.sides(plain, one)
        if not sides and found and found[-1].quantity.end in before and found[-1].quantity.dimension == one.dimension:
            sides = found[-1].sides  # up to 20 mm in wood and 10 mm in steel
        found.append(Figure(one, _zone(binding, plain, first, one, last), sides, _per(plain, one.end)))
    return tuple(found)


def _per(plain: str, at: int) -> str:
    """The unit that a figure is told per: day of "60 g a day", 分 of 220转/分; empty for none."""
    match = _PER.match(plain, at)
    return (match.group("unit")[:3] if match.group("unit").isascii() else match.group("unit")) if match else ""


def _zone(binding: Binding, plain: str, first: int, one: Quantity, last: int) -> str:
    head, tail = plain[first : one.start], plain[one.end : max(last, one.end)]
    if binding.lexicon.locale == "en":
        head, tail = _PARTS.split(head)[-1], _PARTS.split(tail)[0]
    return f"{head}{plain[one.start : one.end]}{tail}"


def _around(case: Case, binding: Binding, number: int) -> Iterator[Piece]:
    """What a text tells a figure of: licensed pieces of its part of the clause, but for the item's own noun."""
    one, plain = case.quantities[number], case.text.plain
    start, end = case.clause_of(one.start)
    before = [each.end for each in case.quantities[:number] if start < each.end <= one.start]
    behind = [each.start for each in case.quantities[number + 1 :] if one.end <= each.start < end]
    first, last = max(before, default=start), min(behind, default=end)
    if binding.lexicon.locale == "en":
        first = max([first, *(match.end() + first for match in _PARTS.finditer(plain[first : one.start]))])
        last = min([last, *(match.start() + one.end for match in _PARTS.finditer(plain[one.end : last]))])
    for piece in case.pieces:
        if piece.kind is Kind.OPEN or not first <= piece.start < last or not piece.said & case.grounds.item:
            continue
        if piece.kind is Kind.NEUTRAL and binding.lexicon.locale == "zh":
            continue
        if any(other is not one and other.start < piece.end and piece.start < other.end for other in case.quantities):
            continue  # 至24千克, of another figure
        if not binding.lexicon.grammar.isdisjoint((plain[piece.start : piece.end], *piece.keys)):
            continue
        if before and plain[first : piece.start].strip(" 的") == "" and binding.lexicon.locale == "zh":
            continue  # 80厘米宽6毫米厚: the first is wide
        if behind and piece.start > one.end + 1 and binding.lexicon.locale == "zh":
            continue
        if plain[piece.start : piece.end].strip("的") in _STARTS or _is_head(case, piece, plain):
            continue
        yield piece


def _is_head(case: Case, piece: Piece, plain: str) -> bool:
    letters = plain[piece.start : piece.end].strip("的")
    kind = case.record.item.category.rpartition("/")[2].lower()
    return (
        not case.grounds.head.isdisjoint((letters, *piece.keys))
        or any(head.endswith(letters) or letters.endswith(head) for head in case.grounds.head if head >= "\u3007")
        or (bool(kind) and (kind.endswith(letters) or letters.endswith(kind)))
    )


def _in(piece: Piece, plain: str, known: list[Figure], binding: Binding) -> bool:
    """Whether the zone of one of the figures bears a piece."""
    letters = plain[piece.start : piece.end].strip("的它这其是用为")
    meant = {letters, *binding.lexicon.licensed_by(piece.keys[0] if piece.keys else letters)}
    if binding.lexicon.locale == "zh":  # a single character stands in many words
        return any(len(word) > 1 and word in figure.zone for figure in known for word in meant)
    meant.update(piece.keys)
    return any(not _keys(figure.zone).isdisjoint(meant) for figure in known)


@lru_cache(maxsize=REMEMBERED)
def _keys(text: str) -> frozenset[str]:
    return frozenset(key for word in words_of(text) for key in word.keys)


def _of_another_part(case: Case, binding: Binding, number: int, bearers: list[Figure]) -> bool:
    """Whether the figure is told of a part (the loop weighs 540 g) that no clause with it in the evidence names."""
    one, plain = case.quantities[number], case.text.plain
    if one.dimension in ("count", "clock"):
        return False
    start = case.clause_of(one.start)[0]
    start = max([start, *(each.end for each in case.quantities[:number] if start < each.end <= one.start)])
    if binding.lexicon.locale == "en":
        start = max([start, *(match.end() for match in _PARTS.finditer(plain, start, one.start))])
        match = _SUBJECT.search(plain, start, one.start)
        span = match.span("noun") if match else (0, 0)
    else:
        span = _noun_before(plain, start, one.start)
    named = [
        piece
        for piece in case.pieces
        if span[0] <= piece.start < span[1] and piece.kind is Kind.LICENSED and piece.said & case.grounds.item
    ]
    if not named or any(_is_head(case, piece, plain) for piece in named):
        return False
    return not any(_in(piece, plain, bearers, binding) for piece in named)


def _of_other_stuff(case: Case, binding: Binding, one: Quantity, bearers: list[Figure]) -> bool:
    """Whether the figure counts or measures what stands right behind it (four locks, 340 g of fruit) and the evidence
    has that nowhere beside it."""
    plain, zh = case.text.plain, binding.lexicon.locale == "zh"
    if zh != (one.dimension == "count") or one.dimension == "time":
        return False  # of English counts `numbers` asks it; hours of music are hours
    counters = {each.quantity.counter for each in bearers if each.quantity.dimension == "count"}
    if one.counter and one.counter not in _ANY and not counters & {"", one.counter, *_ANY}:
        return True  # 80 pages, where 80 pictures are told
    link = (_OF_ZH if zh else _SPACE if one.dimension == "share" else _OF_EN).match(plain, one.end)
    behind = next((piece for piece in case.pieces if link and piece.start == link.end()), None)
    if behind is None or behind.kind is not Kind.LICENSED or not behind.said & case.grounds.item:
        return False
    if any(counter in plain[behind.start : behind.end] for counter in {one.counter, *counters} - {""}):
        return False  # 二十个茶包 of 20包
    if zh and any(plain[behind.start : behind.end] in figure.zone for figure in bearers):
        return False
    return not _is_head(case, behind, plain) and not _in(behind, plain, bearers, binding)


def _noun_before(plain: str, start: int, end: int) -> tuple[int, int]:
    """The last noun of a Chinese clause before a figure, where only a measure's name stands between."""
    at, found = start, (0, 0)
    for token, tag in rjieba.tag(plain[start:end]):
        if tag.startswith("n") and len(token) > 1 and not _MEASURE.fullmatch(token):
            found = (at, at + len(token))
        at += len(token)
    return found if _MEASURE.fullmatch(plain, found[1], end) else (0, 0)
