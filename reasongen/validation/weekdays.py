"""Days of the week: on which the evidence says open, and on which a text does. Sets of 0 (Monday) to 6."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reasongen.validation.gate import Finding
from reasongen.validation.licences import Days, one_of
from reasongen.validation.reading import Case, finding
from reasongen.validation.words import clauses

ALL = frozenset(range(7))
WORKING, WEEKEND = frozenset(range(5)), frozenset((5, 6))


@dataclass(frozen=True)
class DayReader:
    """Compiled once per process. `day`: a day or a range of days; `opening`, `closing`: what is said to happen then."""

    day: re.Pattern[str]
    names: Sequence[re.Pattern[str]]
    opening: re.Pattern[str]
    closing: re.Pattern[str]

    def said(self, plain: str, start: int, end: int) -> Iterator[tuple[re.Match[str], frozenset[int]]]:
        """Days named from `start` to `end`; a range may pass a Sunday."""
        for match in self.day.finditer(plain, start, end):
            if match["every"]:
                yield match, ALL
            elif match["working"]:
                yield match, WORKING
            elif match["weekend"]:
                yield match, WEEKEND
            else:
                first = self._number(match, "first")
                last = self._number(match, "last") if match["last"] else first
                yield match, frozenset((first + step) % 7 for step in range((last - first) % 7 + 1))

    def _number(self, match: re.Match[str], group: str) -> int:
        start, end = match.span(group)  # matched where it stands: sun is a day beside a dash
        found = (pattern.match(match.string, start) for pattern in self.names)
        return next(number for number, one in enumerate(found) if one and one.end() == end)

    def open_on(self, texts: Sequence[str]) -> frozenset[int]:
        """Days on which evidence says open: those that it names, or all but those on which it says closed."""
        opened, closed = set[int](), set[int]()
        for plain in texts:
            for start, end in clauses(plain):
                shut = self.closing.search(plain, start, end)
                for match, named in self.said(plain, start, end):  # daily except Mondays: open, but for these
                    (closed if shut and not match["every"] else opened).update(named)
        return frozenset(opened or (ALL if closed else ())) - closed


def day_reader(words: Days, locale: str) -> DayReader:
    """Of one language."""
    names = [f"(?:{'|'.join(patterns)})" for patterns in words.names]
    name, through = "|".join(names), "|".join(words.through)
    day = (
        rf"(?P<first>{name})(?:(?:{through})(?P<last>{name}))?"
        rf"|(?P<every>{'|'.join(words.every)})|(?P<working>{'|'.join(words.working)})"
        rf"|(?P<weekend>{'|'.join(words.weekend)})"
    )
    return DayReader(
        one_of((day,), locale),
        [re.compile(one) for one in names],
        one_of(words.opening, locale),
        one_of(words.closing, locale),
    )


def days(case: Case, reader: DayReader) -> Iterator[Finding]:
    """Open, or to be had, on days on which the evidence does not say so; closed on days on which it says open.

    Where the evidence names no day, only what is said of opening is asked: a lamp for Sundays claims none.
    """
    plain, stated = case.text.plain, None
    for start, end in case.clauses:
        for match, said in reader.said(plain, start, end):
            if case.tells_of_user(match.start()):
                continue
            stated = reader.open_on(case.grounds.own.texts) if stated is None else stated
            opening = reader.opening.search(plain, start, end)
            closing = reader.closing.search(plain, start, end)
            if (match["every"] and (closing or not opening)) or not (opening or stated):
                continue
            loose = match["weekend"] and not opening  # a weekend class is on one of both
            borne = said & stated if loose else said <= stated
            if said & stated if closing else not borne:
                yield finding("day", "human", *match.span(), "wanted a day that the evidence names")
