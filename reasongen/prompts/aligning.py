"""Puts marks into a person's reason where it says what a pair's literals and words say: rendering's way back.

Knows no model. A mark is put in only where filling it gives the same words again, so nothing of the reason changes.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from reasongen.prompts.binding import alone
from reasongen.prompts.frame import EVIDENCE_FORMS, ITEM_FORMS, MARK, Frame, Literals
from reasongen.prompts.render import Renderer

# What is said only beside the row that it tells of: found alone, "lately" and "two" may tell of anything.
_BESIDE = ("count", "when")
_LEAST = {"zh": 2, "en": 3}  # characters; a shorter value stands in too many other words
_SPACES = re.compile(r"\s+")


_CLAUSE = re.compile(r"[,;:.!?，。；：、！？]")


class _Place(NamedTuple):
    """Where a value stands in the text, and the marks that would say it."""

    start: int
    end: int
    marks: tuple[str, ...]


_Placed = tuple[int, int, str]


def align(text: str, frame: Frame, literals: Literals, renderer: Renderer) -> str:
    """The text with each allowed mark in the place of what it is filled with; longer values go first.

    Where several rows say the same, the first place is the first row's. White space is folded. Raises ConfigError for
    a locale that the renderer has not.
    """
    text = _SPACES.sub(" ", text).strip()
    places = _places(text, _values(frame, literals, renderer))
    placed = _resolved(text, places)
    true = [one for one in placed if _says_the_same(text, [one], frame, literals, renderer)]
    return _with_marks(text, true) if _says_the_same(text, true, frame, literals, renderer) else text


def _values(frame: Frame, literals: Literals, renderer: Renderer) -> dict[str, tuple[str, ...]]:
    """What each allowed mark is filled with, without case, the longest first."""
    marks: dict[str, list[str]] = {}
    for mark in _in_order():
        if mark in frame.marks and (filled := renderer.fill(mark, frame, literals)).claims:
            marks.setdefault(filled.text.lower(), []).append(mark)
    least = _LEAST[frame.locale]
    return {value: tuple(marks[value]) for value in sorted(marks, key=lambda v: (-len(v), v)) if len(value) >= least}


@lru_cache(maxsize=1)
def _in_order() -> tuple[str, ...]:
    rows = [f"[e{row}.{form}]" for row in range(1, 5) for form in EVIDENCE_FORMS]
    return (*(f"[i.{form}]" for form in ITEM_FORMS), *rows)


def _places(text: str, said: dict[str, tuple[str, ...]]) -> list[_Place]:
    """Where the values stand, in order, none over another."""
    taken: list[_Place] = []
    for value, marks in said.items():
        for match in re.finditer(alone(value), text, re.IGNORECASE):
            if all(match.end() <= other.start or match.start() >= other.end for other in taken):
                taken.append(_Place(*match.span(), marks))
    return sorted(taken)


def _resolved(text: str, places: list[_Place]) -> list[_Placed]:
    """Each place with one mark. Where several would say it: of the row that its clause speaks of, else of the first
    that no clause before speaks of, else the first. What is said only beside a row waits for that row's own mark."""
    waiting = [place for place in places if len(place.marks) > 1 or _is_beside(place.marks[0])]
    placed = [(place.start, place.end, place.marks[0]) for place in places if place not in waiting]
    for place in sorted(waiting, key=lambda one: (all(map(_is_beside, one.marks)), one.start)):
        if mark := _chosen(text, place, placed, [one for one in places if one.marks == place.marks]):
            placed.append((place.start, place.end, mark))
    return sorted(placed)


def _chosen(text: str, place: _Place, placed: list[_Placed], alike: list[_Place]) -> str | None:
    """`alike`: the places where the same is said; what stands beyond one of them belongs to it."""
    near = []
    for start, end, mark in placed:
        low, high = min(end, place.end), max(start, place.start)
        if not _CLAUSE.search(text[low:high]) and not any(low <= one.start and one.end <= high for one in alike):
            near.append((abs(start - place.start), _source(mark)))
    beside = [mark for _, source in sorted(near) for mark in place.marks if _source(mark) == source != "i"]
    if beside:
        return beside[0]
    own = [mark for mark in place.marks if not _is_beside(mark)]
    counted = [mark for mark in own if mark.endswith(".items]")]  # what the user did, rather than the item itself
    told = {_source(mark) for start, _, mark in placed if start < place.start}
    untold = [mark for mark in counted or own if _source(mark) not in told or _source(mark) == "i"]
    return next(iter(untold or own), None)


def _source(mark: str) -> str:
    return mark[1:].split(".")[0]


def _is_beside(mark: str) -> bool:
    return mark[:-1].split(".")[1] in _BESIDE


def _with_marks(text: str, placed: list[_Placed]) -> str:
    for start, end, mark in reversed(placed):
        text = text[:start] + mark + text[end:]
    return text


def _says_the_same(text: str, placed: list[_Placed], frame: Frame, literals: Literals, renderer: Renderer) -> bool:
    """Whether the marks, filled in, give the text again; in capitals alone they may differ."""
    filled = renderer.fill(_with_marks(text, placed), frame, literals).text
    return MARK.search(filled) is None and filled.lower() == text.lower()
