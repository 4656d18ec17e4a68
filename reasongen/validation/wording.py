"""What do the words around a reason's marks claim, and does its frame bear them? Asked once per skeleton and what it
can see of a frame.

A filled mark is bound to its row by its name, so its literal bears nothing else and denies nothing: the answer is the
same for every pair that shares prompt and sample. It is also the same for two frames that differ only in words which
the skeleton does not ask for (you bought [e1.items], whatever their noun is), and is remembered for both. What a
literal itself says is for the rules of the law, which read the rendered text. Where a template shows its literals, the
text as it stands is asked instead.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from reasongen.prompts.frame import MARK, EvidenceLiterals, Frame, Literals
from reasongen.prompts.render import Rendered
from reasongen.validation.acts import ActReader
from reasongen.validation.case import Failure
from reasongen.validation.claims import MAX_CHARS, Claim, ClaimJudge, claim_judge, too_long, without_filled
from reasongen.validation.gate import Finding
from reasongen.validation.grounds import asked, fields_of, told
from reasongen.validation.licences import Licences, one_of
from reasongen.validation.normal import NormalText
from reasongen.validation.reading import Case, finding
from reasongen.validation.record import Event, Item, Record, User
from reasongen.validation.rules import Action

# A neutral noun in the place of each mark: the checks read whole sentences.
_STANDS_IN = {"zh": "商品", "en": "item"}
_REMEMBERED = 1 << 15
_READ = 1 << 13  # of some 5 kB each
_ITSELF = ("[i.title]", "[i.this]")


_NOBODY = User()


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


class _Wording(NamedTuple):
    """A text with its filled spans and their marks, read as far as it can be without a frame. `asks`: see `asked`."""

    text: str
    bound: tuple[Claim, ...]
    marks: tuple[str, ...]
    normal: NormalText
    asks: frozenset[str]


@dataclass(frozen=True)
class WordingJudge:
    """The claim checks of one language; made once per process."""

    licences: Licences

    def failures(self, frame: Frame, skeleton: str, rendered: Rendered) -> list[Failure]:
        """What the frame does not bear, in characters of the rendered text. No value of a row stands in a detail."""
        if frame.literals is not None:
            marks = [one.mark for one in rendered.claims]
            wording = self._wording(rendered.text, _bound(rendered.claims), marks)
            found = self._ask(frame, _record(frame, wording.text), wording)
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
        wording = self._read.get(skeleton)
        if wording is None:
            if len(self._read) >= _READ:
                self._read.clear()
            marks = [one.group() for one in MARK.finditer(skeleton)]
            wording = self._read[skeleton] = self._wording(*_standing_in(skeleton, frame.locale), marks)
        record = _record(frame, wording.text)
        key = (skeleton, self._seen(frame, record, wording.asks))
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = self._known[key] = self._ask(frame, record, wording)
        return found

    def _wording(self, text: str, bound: Sequence[Claim], marks: Sequence[str]) -> _Wording:
        normal = without_filled(text, bound)
        return _Wording(text, tuple(bound), tuple(marks), normal, asked(self._judge.lexicon, normal))

    def _seen(self, frame: Frame, record: Record, asks: frozenset[str]) -> Hashable:
        """The frame as a text sees it that asks for nothing else: a word that it cannot ask for is only there."""
        own, events, _ = fields_of(record)
        lexicon = self._judge.lexicon
        words = []
        for text in (*(text for _, text in own), *events):
            can = told(lexicon, text)
            words.append(text if can is None or not asks.isdisjoint(can) else bool(text))
        rows = tuple((row.act, row.size, row.facet) for row in frame.evidence)
        return (frame.noun_class, tuple(name for name, _ in own), tuple(words), rows)

    def _ask(self, frame: Frame, record: Record, wording: _Wording) -> tuple[_Found, ...]:
        text, bound = wording.text, wording.bound
        if len(text) > MAX_CHARS:
            findings = [too_long(text)]
        else:
            case = self._judge.read(wording.normal, record, self._judge.grounds(record), bound)
            findings = self._judge.findings(case, bound)
            plain = _without(text, bound)
            findings += other_uses(plain, frame, self._uses)
            findings += plurals(plain, frame, self._plurals, bound)
            findings += acts_on_itself(case, self._judge.acts, bound, wording.marks)
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
    def _read(self) -> dict[str, _Wording]:
        return {}

    @cached_property
    def _known(self) -> dict[Hashable, tuple[_Found, ...]]:
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


def acts_on_itself(case: Case, reader: ActReader, bound: Sequence[Claim], marks: Sequence[str]) -> Iterator[Finding]:
    """You bought this very one: no row of the evidence is the item itself."""
    for act in case.acts:
        first, last = act.clause
        inside = [number for number, (start, end) in enumerate(case.filled) if first <= start and end <= last]
        if not any(case.filled[number][1] <= act.start and bound[number].evidence != "item" for number in inside):
            behind = next((number for number in inside if act.end <= case.filled[number][0]), None)
            if behind is None or marks[behind] not in _ITSELF:
                continue
            if reader.objects.fullmatch(case.text.plain, act.end, case.filled[behind][0]):
                yield finding("act", "human", *bound[behind][:2], "wanted an act on an item of the evidence")


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
    given: dict[str, Any] = {
        "title": literals.title,
        "tags": frame.words,
        "attributes": {frame.attribute: literals.attr} if frame.attribute else {},
        "category": frame.noun,
        "brand": literals.brand or None,
    }
    hidden = [*literals.evidence, *[EvidenceLiterals()] * len(frame.evidence)]
    events = tuple(
        Event.model_construct(
            event=row.act,
            title=row_literals.title,
            category=frame.noun if row.facet == "category" else "",
            count=row_literals.count,
            text=" ".join(filter(None, (row.word, row_literals.value))),
            same=frozenset({row.facet}),
        )
        for row, row_literals in zip(frame.evidence, hidden, strict=False)
    )
    whole: dict[str, Any] = {"text": text, "locale": frame.locale, "scenario": frame.scenario}
    return Record.model_construct(**whole, item=Item.model_construct(**given), events=events, user=_NOBODY)
