"""What a text says that its user did: which act, with what, how often, when. Checked against the events.

Bought is not viewed, twice is not three times, yesterday is not last week, and "your lamp" was bought.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from reasongen.validation.grounds import Grounds
from reasongen.validation.licences import Licences, one_of
from reasongen.validation.licensing import Kind, Piece
from reasongen.validation.prefilter import Prefilter
from reasongen.validation.quantities import Quantity
from reasongen.validation.record import Event

DAY = 86400.0
OWNED = frozenset({"purchase", "own"})
# What may stand between an English verb and its object.
_BETWEEN = "an?|the|one|some|both|others|of|on|at|to|into|for|with|over|through"
_YOU = "你您"  # opens a pattern that leaves room between subject and verb
_NEAR = 28  # characters in which what is owned follows
# Room in days around "N units ago": a day is a day, a week is about a week.
_ROOM = {"day": 0.5, "week": 3.5, "month": 10.0, "year": 60.0, "h": 1.0, "min": 1.0}


@dataclass(frozen=True, slots=True)
class Act:
    """One act that a text names: where, which kinds of event it may be, the clause that says with what."""

    start: int
    end: int
    kinds: frozenset[str]
    clause: tuple[int, int]


@dataclass(frozen=True, slots=True)
class When:
    """A time that a text names: between `least` and `most` days ago; `exact` where it counts them."""

    start: int
    end: int
    least: float
    most: float
    exact: bool = False


@dataclass(frozen=True)
class ActReader:
    """Finds acts and their times in one language."""

    kinds: tuple[tuple[frozenset[str], re.Pattern[str]], ...]
    not_acts: re.Pattern[str]
    possession: re.Pattern[str]
    interest: re.Pattern[str]
    repeated: re.Pattern[str]
    life: re.Pattern[str]
    unseen: re.Pattern[str]
    circumstances: re.Pattern[str]
    times: tuple[tuple[re.Pattern[str], int, int], ...]
    ago: re.Pattern[str]
    turns: re.Pattern[str]
    objects: re.Pattern[str]
    prefilter: Prefilter

    def acts(self, plain: str, clauses: Sequence[tuple[int, int]], possible: Sequence[int]) -> list[Act]:
        """Every act, in the order of the text; an act inside a longer one is not told twice.

        `possible`: what `prefilter` says of the text, asked once for acts and times.
        """
        possible = [number for number in possible if number < len(self.kinds)]
        ruled_out = [match.span() for match in self.not_acts.finditer(plain)] if possible else []
        found: list[Act] = []
        for kinds, pattern in (self.kinds[number] for number in possible):
            for match in pattern.finditer(plain):
                if any(start < match.end() and match.start() < end for start, end in ruled_out):
                    continue
                clause = next((one for one in clauses if one[0] <= match.start() < one[1]), (0, len(plain)))
                found.append(Act(*match.span(), kinds, clause))
        found.sort(key=lambda act: (act.start, -act.end))
        found = [_behind_others(act, found) if plain[act.start] in _YOU else act for act in found]
        found.sort(key=lambda act: (act.start, -act.end))
        return [
            act
            for at, act in enumerate(found)
            if not any(other.start <= act.start and act.end < other.end for other in (*found[:at], *found[at + 1 :]))
        ]

    def whens(self, plain: str, quantities: Sequence[Quantity], possible: Sequence[int]) -> list[When]:
        """Times ago: phrases of the language, and numbers of days, weeks, months with their "ago"."""
        rows = (self.times[one - len(self.kinds)] for one in possible if one >= len(self.kinds))
        found = [When(*match.span(), least, most) for pattern, least, most in rows for match in pattern.finditer(plain)]
        for one in quantities:
            match = self.ago.match(plain, one.end) if one.dimension == "time" else None
            if match:
                room = _ROOM.get(one.unit, 0.5)
                found.append(When(one.start, match.end(), one.low / DAY - room, one.high / DAY + room, exact=True))
        found.sort(key=lambda when: (when.start, -when.end))
        return [
            one
            for at, one in enumerate(found)
            if not any(o.start <= one.start and one.end <= o.end for o in found[:at])
        ]


def _behind_others(act: Act, found: Sequence[Act]) -> Act:
    """The act from where another kind of act ends inside it: 你看过炒锅又买 tells of looking, then of buying."""
    ends = [
        other.end
        for other in found
        if act.start < other.start and other.end < act.end and act.kinds.isdisjoint(other.kinds)
    ]
    return replace(act, start=max(ends)) if ends else act


def act_reader(licences: Licences) -> ActReader:
    """The reader of one language, compiled once."""
    acts, locale = licences.acts, licences.locale
    kinds = tuple(
        (frozenset({kind, *acts.also.get(kind, ())}), one_of(rows, locale)) for kind, rows in acts.kinds.items()
    )
    times = tuple((one_of((pattern,), locale), least, most) for pattern, (least, most) in acts.times.items())
    return ActReader(
        kinds,
        one_of(acts.not_acts, locale),
        one_of(acts.possession, locale),
        one_of(acts.interest, locale),
        one_of(acts.repeated, locale),
        one_of(acts.life, locale),
        one_of(acts.unseen, locale),
        one_of(acts.circumstances, locale),
        times,
        re.compile("|".join(f"(?:{pattern})" for pattern in acts.ago)),
        re.compile("[次回遍趟顿度眼轮]" if locale == "zh" else " ?(?:times|occasions|visits|looks|orders|purchases)"),
        re.compile(".{0,12}" if locale == "zh" else f"(?: (?:{_BETWEEN}))* "),
        Prefilter([*(pattern.pattern for _, pattern in kinds), *(pattern.pattern for pattern, _, _ in times)]),
    )


def named_events(
    act: Act,
    acts: Sequence[Act],
    clauses: Sequence[tuple[int, int]],
    pieces: Sequence[Piece],
    grounds: Grounds,
    reader: ActReader,
    plain: str,
) -> list[int]:
    """The events that an act names, best first: by its object, where other acts share its clause; else by its clause;
    else by the clause before or after; else none."""
    if any(other.clause == act.clause and other is not act for other in acts):
        found = _objects(act, acts, pieces, grounds, reader, plain)
        if found:
            return found
    at = clauses.index(act.clause) if act.clause in clauses else 0
    for near in (at, at - 1, at + 1):
        if 0 <= near < len(clauses):
            start, end = clauses[near]
            found = _best(_scores([one for one in pieces if start <= one.start < end], grounds))
            if found:
                return found
    return []


def _objects(
    act: Act, acts: Sequence[Act], pieces: Sequence[Piece], grounds: Grounds, reader: ActReader, plain: str
) -> list[int]:
    """The events named right behind the act, else before it, else further behind; never beyond another act."""
    first, last = _between(act, acts)
    behind = [one for one in pieces if act.end <= one.start < last]
    before = [one for one in pieces if first <= one.start < act.start]
    told = next((one for one in behind if _scores([one], grounds)), None)
    direct = told is not None and reader.objects.fullmatch(plain, act.end, told.start) is not None
    ways = (behind, before) if direct else (before, behind)
    return next((found for way in ways if (found := _best(_scores(way, grounds)))), [])


def _between(act: Act, acts: Sequence[Act]) -> tuple[int, int]:
    """The part of the act's clause that no other act parts from it."""
    first, last = act.clause
    for other in acts:
        if other.end <= act.start:
            first = max(first, other.end)
        elif other.start >= act.end:
            last = min(last, other.start)
    return first, last


def _best(scores: dict[int, float]) -> list[int]:
    most = max(scores.values(), default=0.0)
    return [number for number, score in scores.items() if score >= 0.6 * most] if most > 0 else []


def marked_event(
    act: Act, acts: Sequence[Act], marks: Sequence[tuple[int, int, int]], reader: ActReader, plain: str
) -> list[int]:
    """The event whose mark is the act's object: inside the act, right behind it, else before it, else behind.

    `marks`: (start, end, number of the event). A mark beyond another act is that one's. Empty where there is none.
    """
    first, last = _between(act, acts)
    inside = [number for start, end, number in marks if act.start <= start and end <= act.end]
    behind = [(start, number) for start, end, number in marks if act.end <= start and end <= last]
    before = [number for start, end, number in marks if first <= start and end <= act.start]
    direct = [number for start, number in behind[:1] if reader.objects.fullmatch(plain, act.end, start)]
    return inside or direct or before[-1:] or [number for _, number in behind[:1]]


def _scores(pieces: Sequence[Piece], grounds: Grounds) -> dict[int, float]:
    """How much of each event stands in the pieces: characters that no field of the item says count fully."""
    scores: dict[int, float] = {}
    han = [(number, nouns) for number, nouns in enumerate(map(_han, grounds.heads)) if nouns]
    for piece in pieces:
        if piece.kind is Kind.OPEN:
            continue
        mask = piece.said | piece.denied
        for number in grounds.event_of(mask):
            size = piece.end - piece.start
            head = 2.0 if grounds.heads[number] & set(piece.keys) else 1.0
            scores[number] = scores.get(number, 0.0) + size * head * (
                0.4 if mask & grounds.item or piece.kind is Kind.NEUTRAL else 1.0
            )
        for number, nouns in han:  # 音箱便携 in a row is the item's alone, yet names 音箱
            if not mask & grounds.events[number] and (key := next((k for k in piece.keys if k.startswith(nouns)), "")):
                scores[number] = scores.get(number, 0.0) + 0.4 * max(len(one) for one in nouns if key.startswith(one))
    return scores


def _han(head: frozenset[str]) -> tuple[str, ...]:
    """The Chinese nouns of a title, of two characters or more."""
    return tuple(one for one in head if one >= "\u3007" and len(one) > 1)


def done(act: Act, events: Sequence[Event], numbers: Sequence[int]) -> list[int]:
    """Which of the events are of the act's kind."""
    return [number for number in numbers if events[number].event in act.kinds]


def times_said(
    reader: ActReader, plain: str, clause: tuple[int, int], quantities: Sequence[Quantity]
) -> Iterator[tuple[int, int, float, float]]:
    """How often the clause says that it was done: (start, end, least, most)."""
    for one in quantities:
        if clause[0] <= one.start < clause[1] and one.dimension == "count":
            turn = one.counter if one.counter else ""
            if reader.turns.fullmatch(turn) or reader.turns.fullmatch(" " + turn):
                yield one.start, one.end, one.low, one.high
    for match in reader.repeated.finditer(plain, *clause):
        groups = [name for name, text in match.groupdict().items() if text]
        least, most = {"once": (1, 1), "twice": (2, 2), "thrice": (3, 3)}.get(groups[0] if groups else "", (2, 99))
        yield match.start(), match.end(), least, most


def happened(event: Event, when: When) -> bool:
    """Whether the event's day lies in the time that is said; an event without a day proves none."""
    return event.days_ago is not None and when.least <= event.days_ago <= when.most


def possessions(
    reader: ActReader, plain: str, clauses: Sequence[tuple[int, int]], pieces: Sequence[Piece], grounds: Grounds
) -> Iterator[Act]:
    """Your lamp: an act of buying, where what follows is what an event, and not the item, is about."""
    for match in reader.possession.finditer(plain):
        clause = next((one for one in clauses if one[0] <= match.start() < one[1]), (0, len(plain)))
        for piece in pieces:
            if not match.end() <= piece.start < min(clause[1], match.end() + _NEAR) or piece.kind is not Kind.LICENSED:
                continue
            if any(map(grounds.item_says, piece.keys)):
                continue  # the item is one of that kind: "your coffee" may be this one
            if any(_about(piece, head) for head in grounds.heads):
                yield Act(match.start(), piece.end, OWNED, clause)
                break


def _about(piece: Piece, head: frozenset[str]) -> bool:
    return any(key in head or (key[:1] >= "\u3007" and key.endswith(tuple(head))) for key in piece.keys)
