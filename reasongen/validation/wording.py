"""What do the words around a reason's marks claim, and does its frame bear them? Asked once per frame and skeleton.

A filled mark is bound to its row by its name, so its literal bears nothing else and denies nothing: the answer is the
same for every pair that shares prompt and sample, and is remembered. What a literal itself says is for the rules of
the law, which read the rendered text. Where a template shows its literals, the text as it stands is asked instead.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from reasongen.prompts.frame import MARK, EvidenceLiterals, Frame, Literals
from reasongen.prompts.render import Rendered
from reasongen.validation.acts import ActReader
from reasongen.validation.case import Failure
from reasongen.validation.claims import Claim, ClaimJudge, claim_judge
from reasongen.validation.gate import Finding
from reasongen.validation.licences import Licences, one_of
from reasongen.validation.reading import finding
from reasongen.validation.record import Event, Item, Record, User
from reasongen.validation.rules import Action
from reasongen.validation.words import clauses

# A neutral noun in the place of each mark: the checks read whole sentences.
_STANDS_IN = {"zh": "商品", "en": "item"}
_REMEMBERED = 1 << 15
_ITSELF = ("[i.title]", "[i.this]")
_MARKS = str.maketrans("，。；：！？", ",.;:!?")


class _Place(NamedTuple):
    """A place in a text, counted from the end of the mark before it: so it is found again where marks are filled."""

    marks: int
    offset: int


class _Found(NamedTuple):
    """A failure, in whatever the marks are filled with."""

    rule: str
    detail: str
    start: _Place
    end: _Place
    action: Action


@dataclass(frozen=True)
class WordingJudge:
    """The claim checks of one language; made once per process."""

    licences: Licences

    def failures(self, frame: Frame, skeleton: str, rendered: Rendered) -> list[Failure]:
        """What the frame does not bear, in characters of the rendered text. No value of a row stands in a detail."""
        if frame.literals is not None:
            found = self._ask(frame, rendered.text, _bound(rendered.claims), [one.mark for one in rendered.claims])
        else:
            found = self._remembered(frame, skeleton)
        return [_filled_in(one, rendered) for one in found] if found else []

    def borne(self, frame: Frame, skeleton: str, rendered: Rendered) -> tuple[int, int]:
        """How many content words and literals the text states, and how many of these the frame bears; before any
        verdict. A mark that the frame does not allow, or that was not filled, states what nothing bears."""
        if frame.literals is not None:
            text, bound = rendered.text, _bound(rendered.claims)
            allowed, unfilled = bound, 0
        else:
            text, bound = _standing_in(skeleton, frame.locale)
            marks = [found.group() for found in MARK.finditer(skeleton)]
            allowed = [one for one, mark in zip(bound, marks, strict=True) if mark in frame.marks]
            unfilled = len(allowed) - len(rendered.claims)
        _, claims = self._judge.judge(_record(frame, text), bound=allowed)
        borne = sum(1 for claim in claims if claim.evidence is not None)
        return len(claims) + len(bound) - len(allowed), max(0, borne - unfilled)

    def _remembered(self, frame: Frame, skeleton: str) -> tuple[_Found, ...]:
        found = self._known.get((frame, skeleton))
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            marks = [one.group() for one in MARK.finditer(skeleton)]
            found = self._known[frame, skeleton] = self._ask(frame, *_standing_in(skeleton, frame.locale), marks)
        return found

    def _ask(self, frame: Frame, text: str, bound: Sequence[Claim], marks: Sequence[str]) -> tuple[_Found, ...]:
        findings, _ = self._judge.judge(_record(frame, text), bound=bound)
        plain = _without(text, bound)
        findings += other_uses(plain, frame, self._uses)
        findings += plurals(plain, frame, self._plurals, bound)
        findings += acts_on_itself(plain, self._judge.acts, bound, marks)
        ends = [0, *(claim.end for claim in bound)]
        return tuple(
            _Found(
                one.rule,
                f"version {one.version}: {one.action}",
                _place(one.start, ends),
                _place(one.end, ends),
                one.action,
            )
            for one in findings
            if one.action != "label"
        )

    @cached_property
    def _judge(self) -> ClaimJudge:
        return claim_judge(self.licences)

    @cached_property
    def _uses(self) -> dict[str, re.Pattern[str]]:
        return {name: one_of(rows, self.licences.locale) for name, rows in self.licences.words.uses.items()}

    @cached_property
    def _plurals(self) -> re.Pattern[str]:
        return one_of(self.licences.words.plurals, self.licences.locale)

    @cached_property
    def _known(self) -> dict[tuple[Frame, str], tuple[_Found, ...]]:
        return {}

    def __getstate__(self) -> dict[str, Any]:
        return {"licences": self.licences}


def other_uses(plain: str, frame: Frame, uses: Mapping[str, re.Pattern[str]]) -> Iterator[Finding]:
    """What one does with another class of things: a lamp is not eaten."""
    for name, pattern in uses.items():
        if name != frame.noun_class:
            for match in pattern.finditer(plain):
                yield finding("use", "human", *match.span(), f"wanted a use of the class {frame.noun_class}")


def plurals(plain: str, frame: Frame, pattern: re.Pattern[str], bound: Sequence[Claim]) -> Iterator[Finding]:
    """Them, where the marks name one thing alone."""
    named = {int(one.evidence[6:]) for one in bound if one.evidence and one.evidence.startswith("event.")}
    if len(named) > 1 or any(frame.evidence[number].size != "one" for number in named):
        return
    for match in pattern.finditer(plain):
        yield finding("plural", "human", *match.span(), "wanted more than one thing")


def acts_on_itself(plain: str, reader: ActReader, bound: Sequence[Claim], marks: Sequence[str]) -> Iterator[Finding]:
    """You bought this very one: no row of the evidence is the item itself."""
    plain = plain.translate(_MARKS)
    for act in reader.acts(plain, clauses(plain)):
        inside = [number for number, one in enumerate(bound) if act.clause[0] <= one.start and one.end <= act.clause[1]]
        if not any(bound[number].end <= act.start and bound[number].evidence != "item" for number in inside):
            behind = [number for number in inside if act.end <= bound[number].start]
            if behind and marks[behind[0]] in _ITSELF and reader.objects.fullmatch(plain, act.end, bound[behind[0]][0]):
                yield finding("act", "human", *bound[behind[0]][:2], "wanted an act on an item of the evidence")


def _without(text: str, bound: Sequence[Claim]) -> str:
    """The text in lower case, its filled spans blanked: places stay."""
    for one in bound:
        text = text[: one.start] + "~" * (one.end - one.start) + text[one.end :]
    return text.lower()


def _standing_in(skeleton: str, locale: str) -> tuple[str, list[Claim]]:
    """The skeleton with a noun in the place of each mark, and where those nouns stand."""
    noun, text, bound, at = _STANDS_IN[locale], "", [], 0
    for mark in MARK.finditer(skeleton):
        text += skeleton[at : mark.start()]
        bound.append(Claim(len(text), len(text) + len(noun), _field(mark.group(1))))
        text, at = text + noun, mark.end()
    return text + skeleton[at:], bound


def _field(source: str) -> str:
    """A mark's source as claims name it: e1 is event.0."""
    return "item" if source == "i" else f"event.{int(source[1:]) - 1}"


def _bound(claims: Sequence[Any]) -> list[Claim]:
    return [Claim(one.start, one.end, _field(one.evidence)) for one in claims]


def _place(at: int, ends: Sequence[int]) -> _Place:
    marks = bisect_right(ends, at) - 1
    return _Place(marks, at - ends[marks])


def _filled_in(found: _Found, rendered: Rendered) -> Failure:
    ends, whole = [0, *(claim.end for claim in rendered.claims)], len(rendered.text)
    start, end = (min(whole, ends[place.marks] + place.offset) for place in (found.start, found.end))
    return Failure(found.rule, start, end, found.detail, found.action)


def _record(frame: Frame, text: str) -> Record:
    """What the frame shows as evidence: the item, an event for each row; literals only where the frame shows them."""
    literals = frame.literals or Literals()
    item = Item(
        title=literals.title,
        tags=frame.words,
        attributes={frame.attribute: literals.attr} if frame.attribute else {},
        category=frame.noun,
        brand=literals.brand or None,
    )
    hidden = [*literals.evidence, *[EvidenceLiterals()] * len(frame.evidence)]
    events = tuple(
        Event(
            event=row.act,
            title=row_literals.title,
            category=frame.noun if row.facet == "category" else "",
            count=row_literals.count,
            text=" ".join(filter(None, (row.word, row_literals.value))),
        )
        for row, row_literals in zip(frame.evidence, hidden, strict=False)
    )
    given: dict[str, Any] = {"text": text, "locale": frame.locale, "scenario": frame.scenario}
    return Record.model_construct(**given, item=item, events=events, user=User())
