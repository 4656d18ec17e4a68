"""What a text says that its user did: which act, with what, how often, when. Checked against the events.

Bought is not viewed, twice is not three times, yesterday is not last week, and "your lamp" was bought.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from reasongen.validation.licences import Licences, one_of
from reasongen.validation.prefilter import Prefilter
from reasongen.validation.quantity import Quantity
from reasongen.validation.record import Event

Turn = tuple[int, int, float, float]  # where a text says how often, and between which counts
DAY = 86400.0
UNBORNE = "decline"  # acts that no event bears: undone, left undone, or of others
ANY_KIND: frozenset[str] = frozenset()
OWNED = frozenset({"purchase", "own"})
# What may stand between an English verb and its object.
_BETWEEN = "an?|the|one|some|both|others|of|on|at|to|into|for|with|over|through"
_YOU = "你您"  # opens a pattern that leaves room between subject and verb
_VERB = 4  # Chinese characters, or one more than the gaps between English words
# Room in days around "N units ago": a day is a day, a week is about a week.
ANY_TIME = 1000  # days; a time that reaches so far back says nothing
ROOM = {"day": 0.5, "week": 3.5, "month": 10.0, "year": 60.0, "h": 1.0, "min": 1.0}


@dataclass(frozen=True, slots=True)
class Act:
    """One act that a text names: where, which kinds of event it may be (ANY_KIND: whichever), the clause that says with
    what."""

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
    since: re.Pattern[str]
    lately_before: re.Pattern[str]
    lately_behind: re.Pattern[str]
    turns: re.Pattern[str]
    objects: re.Pattern[str]
    prefilter: Prefilter

    def is_verb(self, plain: str, act: Act) -> bool:
        """Whether an act's span is its verb alone, with no room for words of another kind."""
        span = plain[act.start : act.end]
        return len(span) <= _VERB if not span.isascii() else span.count(" ") < _VERB

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
        found = _merged(found)
        return [
            act
            for at, act in enumerate(found)
            if not any(other.start <= act.start and act.end < other.end for other in (*found[:at], *found[at + 1 :]))
        ]

    def whens(
        self, plain: str, acts: Sequence[Act], quantities: Sequence[Quantity], possible: Sequence[int]
    ) -> list[When]:
        """Times ago: phrases of the language, and numbers of days, weeks, months with their "ago", those since an act
        (买了一个月), and those within which an act lies (in the last five days)."""
        rows = (self.times[one - len(self.kinds)] for one in possible if one >= len(self.kinds))
        found = [When(*match.span(), least, most) for pattern, least, most in rows for match in pattern.finditer(plain)]
        for one in quantities:
            if one.dimension != "time":
                continue
            room = ROOM.get(one.unit, 0.5)
            if match := self.ago.match(plain, one.end):
                found.append(When(one.start, match.end(), one.low / DAY - room, one.high / DAY + room, exact=True))
            elif one.unit not in ROOM or one.low < DAY or not (mine := _in_clause(acts, one.start)):
                continue
            elif not plain[one.end : one.end + 1].isalnum() and any(
                act.end <= one.start and self.since.fullmatch(plain, act.end, one.start) for act in mine
            ):  # 看过七天攻略 counts nothing back
                found.append(When(one.start, one.end, one.low / DAY - room, one.high / DAY + room, exact=True))
            elif match := self.lately_behind.match(plain, one.end):
                found.append(When(one.start, match.end(), 0, one.high / DAY + room, exact=True))
            elif before := [m for m in self.lately_before.finditer(plain, 0, one.start) if m.end() == one.start]:
                found.append(When(before[-1].start(), one.end, 0, one.high / DAY + room, exact=True))
        found.sort(key=lambda when: (when.start, -when.end))
        return [
            one
            for at, one in enumerate(found)
            if not any(o.start <= one.start and one.end <= o.end for o in found[:at])
        ]


def _merged(found: Sequence[Act]) -> list[Act]:
    """In the order of the text; words of two kinds at once (点过: clicked, or ordered) are one act, of either kind.
    What no event bears stays so."""
    spans: dict[tuple[int, int], Act] = {}
    for act in found:
        before = spans.get((act.start, act.end), act)
        kinds = act.kinds | before.kinds
        spans[act.start, act.end] = replace(act, kinds=frozenset({UNBORNE}) if UNBORNE in kinds else kinds)
    return sorted(spans.values(), key=lambda act: (act.start, -act.end))


def _in_clause(acts: Sequence[Act], at: int) -> list[Act]:
    """The acts of the clause of a place."""
    return [act for act in acts if act.clause[0] <= at < act.clause[1]]


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
        _any_of(acts.ago),
        _any_of(acts.since),
        _any_of(acts.lately.get("before", ())),
        _any_of(acts.lately.get("behind", ())),
        re.compile(
            "[次回遍趟顿度眼轮]"
            if locale == "zh"
            else " ?(?:times|occasions|visits|looks|orders|purchases|clicks|taps|views|peeks|glances|shares)"
        ),
        re.compile(".{0,12}" if locale == "zh" else f"(?: (?:{_BETWEEN}))* "),
        Prefilter([*(pattern.pattern for _, pattern in kinds), *(pattern.pattern for pattern, _, _ in times)]),
    )


def _any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    """Any of them, as it stands; nothing where there is none."""
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns) or "(?!)")


def done(act: Act, events: Sequence[Event], numbers: Sequence[int]) -> list[int]:
    """Which of the events are of the act's kind."""
    return [number for number in numbers if act.kinds == ANY_KIND or events[number].event in act.kinds]


def times_said(
    reader: ActReader, plain: str, clause: tuple[int, int], quantities: Sequence[Quantity]
) -> Iterator[Turn]:
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


def happened_within(days_ago: float, one: Quantity) -> bool:
    """Whether a number of days, weeks, months is that since a day, with the room of its unit."""
    room = ROOM.get(one.unit, 0.5)
    return one.low / DAY - room <= days_ago <= one.high / DAY + room


def happened(event: Event, when: When) -> bool:
    """Whether the event's day lies in the time that is said; an event without a day proves none."""
    return event.days_ago is not None and when.least <= event.days_ago <= when.most
