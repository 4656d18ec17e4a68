"""Quantities of a text against those of its evidence: number, unit, what is measured or counted."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import takewhile

from reasongen.validation.acts import ROOM, happened_within
from reasongen.validation.gate import Finding
from reasongen.validation.licensing import Kind
from reasongen.validation.quantity import Quantity, supported
from reasongen.validation.reading import Case, finding

_BY_PIECE = ("purchase", "cart")  # what was looked at twice is still one
_LASTING = (
    "for ",
    "within ",
    "lasts ",
    "last ",
    "runs ",
    "plays ",
    "保热",
    "保温",
    "保冷",
    "续航",
    "可用",
    "能用",
    "待机",
)
_COMPARED = re.compile(" (?:less|more|fewer|[a-z]{3,9}er)(?![a-z])(?! than)")
_BEFORE_HOURS = ("until ", "till ", "from ", "at ", "by ", "before ", "after ", "to ")


def numbers(case: Case, sets: AbstractSet[str] = frozenset()) -> Iterator[Finding]:
    """Quantities that the item (or an event that the text names) does not state, or states of something else.

    A bare count may count what the evidence tells in words, so a person looks at it; a measure is refused. `sets`: keys
    of words that count the item itself.
    """
    told = [(when.start, when.end) for when in case.whens] + [turn[:2] for turn in case.turns]
    for one in case.quantities:
        if any(start <= one.start and one.end <= end for start, end in told) or _says_nothing(case, one):
            continue
        stated = _stated(case)
        if supported(one, stated):
            if _of_another(case, one, stated):
                yield finding("unit", "human", one.start, one.end, "wanted the measure of what is named")
            elif not _same_noun(case, one, stated, sets):
                yield finding("unit", "human", one.start, one.end, "wanted a count of the same")
            continue
        if _counts_events(case, one) or _of_them(case, one, stated):
            continue
        if _hour(case, one, stated):
            continue
        other_unit = any(abs(each.raw - one.raw) < 1e-9 and each.dimension == one.dimension for each in stated)
        kind = "unit" if other_unit and one.dimension != "count" else "number"
        yield finding(
            kind,
            "human" if one.dimension == "count" or _may_date(case, one) or _differs(case, one) else "block",
            one.start,
            one.end,
            f"wanted a stated {one.dimension}",
        )


def _of_another(case: Case, one: Quantity, stated: Sequence[Quantity]) -> bool:
    """The cable is 42 cm: what is named has a measure of its own in the evidence, and it is another one.

    A name is the aspect (height), or the name of an attribute that stands in the quantity's clause.
    """
    if one.dimension == "count":
        return False
    start, end = case.clause_of(one.start)
    start = max([start, *(each.end for each in case.quantities if start < each.end <= one.start)])
    end = min([end, *(each.start for each in case.quantities if one.end <= each.start < end)])
    near = {key for piece in case.pieces if start <= piece.start < end for key in piece.keys}
    named = [each for name, each in case.grounds.named_quantities() if each.dimension == one.dimension and name & near]
    named += [each for each in stated if each.dimension == one.dimension and one.aspects & each.aspects]
    return bool(named) and supported(one, named) is None


def _same_noun(case: Case, one: Quantity, stated: Sequence[Quantity], sets: AbstractSet[str]) -> bool:
    """312 pages are not 312 chapters: what is counted stands beside the same count in the evidence."""
    if one.dimension != "count" or not one.beside:
        return True
    stop = min(one.end + 24, case.clause_of(one.start)[1])
    behind = [piece for piece in case.pieces if one.end <= piece.start <= stop]
    after = [piece for piece in behind if piece.kind is Kind.LICENSED][:2]
    counts = [each for each in stated if supported(one, [each])]
    said = [*after, *(one for one in behind[:2] if one.said & case.grounds.item and sets.isdisjoint(one.keys))]
    if any(each.beside.intersection(piece.keys) for each in counts for piece in said):
        return True
    name = next((piece for piece in reversed(case.pieces) if piece.end == one.start - 1), None)
    if name and any(case.text.plain[name.start : one.end] in text for text in case.grounds.own.texts):
        return True  # the number of a name: Ridge 4 has
    of_item = any(each.beside & sets for each in counts)  # set of six: of the item, whose noun may stand behind six
    named = takewhile(lambda piece: piece.kind is Kind.LICENSED, behind)
    return not after or (of_item and any(case.grounds.head.intersection(piece.keys) for piece in named))


def _differs(case: Case, one: Quantity) -> bool:
    """Four centimetres wider: how much more or less than something else, which a person may work out."""
    return _COMPARED.match(case.text.plain, one.end) is not None


def _may_date(case: Case, one: Quantity) -> bool:
    """Whether so many days are those since some act, though the text does not tell it in words that are known."""
    ago = [event.days_ago for event in case.record.events if event.days_ago]
    return one.dimension == "time" and one.unit in ROOM and any(happened_within(days, one) for days in ago)


def _says_nothing(case: Case, one: Quantity) -> bool:
    """One and half of something uncounted; one day, as in some other day."""
    if one.dimension == "time":
        before = case.text.plain[max(0, one.start - 8) : one.start]
        if before.startswith("第", len(before) - 1):  # 第二天 counts no days
            return True
        if before.endswith(_LASTING):
            return False
        return one.unit in ("day", "week") and case.text.plain.startswith(("一", "one ", "half "), one.start)
    return one.dimension == "count" and one.raw in (0.5, 1.0)


def _stated(case: Case) -> list[Quantity]:
    allowed = case.grounds.item | sum(case.grounds.events[number] for number in case.bound())
    return case.grounds.quantities(allowed)


def _counts_events(case: Case, one: Quantity) -> bool:
    """Bought two lamps: the count of the event named, or how many events are named."""
    if one.dimension != "count" or not case.tells_of_user(one.start):
        return False
    events = [case.record.events[number] for number in case.bound()]
    counts = {len(events), *(event.count for event in events if event.event in _BY_PIECE)}
    return any(one.low <= count <= one.high for count in counts)


def _hour(case: Case, one: Quantity, stated: Sequence[Quantity]) -> bool:
    """Until eleven: a bare number after a word of time is an hour that the evidence states."""
    if one.dimension != "count" or not case.text.plain[: one.start].endswith(_BEFORE_HOURS):
        return False
    return any(each.dimension == "clock" and each.point % 720 == 60 * one.raw % 720 for each in stated)


def _of_them(case: Case, one: Quantity, stated: Sequence[Quantity]) -> bool:
    """40 of them, washed at sixty: a bare number that picks up a unit said before, or ends the text without one."""
    following = case.text.plain[one.end : one.end + 9]
    if one.dimension == "count" and not one.counter and not following.strip(" .,;!?。"):
        return any(abs(each.raw - one.raw) < 1e-9 for each in stated)
    return (
        one.dimension == "count"
        and following.startswith((" of them", " of those", " on "))
        and any(abs(each.raw - one.raw) < 1e-9 for each in stated)
    )
