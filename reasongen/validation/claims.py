"""Does the evidence of a reason bear what its text claims? One function per check; deny by default.

R18_word      a content word that nothing licenses          R18_number, R18_unit   a quantity that no evidence states
R18_act       an act of another kind, or none at all        R18_count, R18_time    how often, when
R18_swap      a property of another item                    R18_polarity           said where the evidence denies it
R18_name      a brand or name that stands nowhere           R18_comparison, R18_cause, R18_interest
R18_same      a sameness that no evidence tells             R18_others     what other people think or do
R18_general   what is said of all things                    R18_attribute  the value of another attribute
R18_part      what the evidence tells of another part       R18_sign       a picture that says what nothing bears
R18_life      what a text tells of its user's life          R18_has        a part or a place that nothing bears
R18_day       open on a day on which it is not
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from reasongen.validation.acts import ActReader, act_reader, done, times_said
from reasongen.validation.binding import Binding, binding_of, bounds, figures
from reasongen.validation.contrary import Opposites, contraries, denials, opposites_of, polarity
from reasongen.validation.figures import numbers
from reasongen.validation.gate import Finding
from reasongen.validation.grounds import Grounds, ground
from reasongen.validation.lexicon import Lexicon, compile_lexicon
from reasongen.validation.licences import Licences, one_of
from reasongen.validation.licensing import Kind, cover
from reasongen.validation.naming import names, signs
from reasongen.validation.normal import NormalText, normalise
from reasongen.validation.objects import dated, marked_event, named_events, objects_before, possessions, quoted
from reasongen.validation.pointing import (
    Pointing,
    acts_on_this,
    crossed,
    generic,
    nouns,
    pointing_of,
    slots,
    told_of_other,
)
from reasongen.validation.reading import Case, Opinion, finding
from reasongen.validation.record import Record
from reasongen.validation.relating import (
    Relations,
    causes,
    comparisons,
    others,
    relations_of,
    samenesses,
    swaps,
)
from reasongen.validation.rules import Action
from reasongen.validation.supplied import components, supplied
from reasongen.validation.told import circumstances, interests, lives, misquoted, unseen, user_acts
from reasongen.validation.unborne import unborne
from reasongen.validation.weekdays import DayReader, day_reader, days
from reasongen.validation.words import clauses, keys_of

MAX_CHARS = 600  # a longer text is no reason
MANY_OPEN = 5  # so many open words are an invention, not a wording that a person should look at
_SEEN = re.compile(r"\S")


class Claim(NamedTuple):
    """A span of the text as written that says something, and the field that bears it (None: nothing does)."""

    start: int
    end: int
    evidence: str | None


@dataclass(frozen=True)
class ClaimJudge:
    """The checks of one language; made once per process by `claim_judge`."""

    lexicon: Lexicon
    acts: ActReader
    relations: Relations
    pointing: Pointing
    conditions: re.Pattern[str]
    quoting: re.Pattern[str]
    things: frozenset[str]
    sets: frozenset[str]
    having: re.Pattern[str]
    given: re.Pattern[str]
    days: DayReader
    binding: Binding
    opposites: Opposites
    opinion: Opinion | None = None

    def judge(
        self, record: Record, grounds: Grounds | None = None, bound: Sequence[Claim] = ()
    ) -> tuple[list[Finding], list[Claim]]:
        """Every finding and every claim of a record's text. `grounds`: from `grounds`, where many texts share it.

        `bound`: spans that a renderer filled from evidence; they are claims as they stand, and no check asks of them.
        """
        if len(record.text) > MAX_CHARS:
            return [too_long(record.text)], []
        case = self.read(without_filled(record.text, bound), record, grounds or self.grounds(record), bound)
        return self.findings(case, bound), sorted(
            [*bound, *(one for one in _claims(case) if not _filled(one, bound))], key=_in_order
        )

    def findings(self, case: Case, bound: Sequence[Claim] = ()) -> list[Finding]:
        """Every finding in a text that `read` has read."""
        possible = self.relations.possible(case.text.plain)
        checks = (
            open_words(case),
            names(case, self.lexicon),
            numbers(case, self.sets),
            figures(case, self.binding),
            bounds(case, self.binding),
            contraries(case, self.opposites),
            days(case, self.days),
            polarity(case, self.lexicon),
            swaps(case, self.relations, self.lexicon),
            samenesses(case, self.relations, possible),
            user_acts(case),
            interests(case, self.acts, self.conditions),
            lives(case, self.acts, self.conditions),
            components(case, self.things, self.having, self.given),
            supplied(case, self.having, self.given),
            signs(case),
            comparisons(case, self.relations, possible),
            causes(case, self.relations, self.lexicon, possible),
            others(case, self.relations, possible),
            unborne(case, self.relations.unborne, possible),
            nouns(case, self.pointing),
            told_of_other(case, self.pointing),
            acts_on_this(case, self.pointing),
            slots(case, self.pointing),
            crossed(case, self.pointing),
            generic(case, self.pointing),
            unseen(case, self.acts),
            circumstances(case, self.acts),
            misquoted(case, self.lexicon.negation),
        )
        findings = [_placed(case, one) for check in checks for one in check]
        findings = [one for one in findings if not _filled(one, bound)]
        findings += [_placed(case, one) for one in denials(case, self.lexicon)]
        if not findings and self.opinion is not None and not bound:
            findings = [_placed(case, one) for one in self.opinion.findings(case)]
        if not case.grounds.fields:  # nothing was given to judge by: a person may know
            findings = [one._replace(action="human") for one in findings]
        return findings

    def grounds(self, record: Record) -> Grounds:
        """The evidence of a record, indexed once for any number of texts."""
        return ground(record, self.lexicon)

    def read(self, text: NormalText, record: Record, grounds: Grounds, bound: Sequence[Claim] = ()) -> Case:
        """The text with its evidence. `text`: the record's, from `without_filled`."""
        plain = text.plain
        parts = clauses(plain)
        quantities = self.lexicon.reader.read(plain)
        possible = self.acts.prefilter.possible(plain)
        acts = self.acts.acts(plain, parts, possible)
        whens = self.acts.whens(plain, acts, quantities, possible)
        turns = [
            turn
            for part in dict.fromkeys(act.clause for act in acts)
            for turn in times_said(self.acts, plain, part, quantities)
        ]
        filled = [text.normal(one.start, one.end) for one in bound]
        taken = [*filled, *self.lexicon.reader.spans(plain, quantities)]
        taken += [(one.start, one.end) for one in whens]
        taken += [turn[:2] for turn in turns]
        taken += [(act.start, act.end) for act in acts if self.acts.is_verb(plain, act)]
        pieces = cover(plain, grounds, self.lexicon, taken)
        told = {act.clause for act in acts}
        acts += [act for act in possessions(self.acts, plain, parts, pieces, grounds) if act.clause not in told]
        told = {act.clause for act in acts}
        more = [turn for part in parts if part not in told for turn in times_said(self.acts, plain, part, quantities)]
        soft = list(dated(whens, more, acts, parts, pieces, grounds))
        turns += [turn for turn in more if any(act.clause[0] <= turn[0] < act.clause[1] for act in soft)]
        acts += soft
        acts += list(quoted(record, plain, self.quoting, acts, parts, pieces, grounds))
        events = map(_event_of, bound)
        marks = [(*span, number) for span, number in zip(filled, events, strict=True) if number is not None]
        case = Case(text, record, grounds, filled, marks, parts, quantities, acts, whens, turns, pieces, [])
        case.named = [
            marked_event(act, acts, marks, self.acts, plain)
            or named_events(act, acts, parts, pieces, grounds, self.acts, plain)
            for act in acts
        ]
        case.objects = objects_before(acts, parts, pieces, grounds)
        return case


def claim_judge(licences: Licences) -> ClaimJudge:
    """Compile the checks of one language."""
    words, locale = licences.words, licences.locale
    lexicon = compile_lexicon(licences)
    return ClaimJudge(
        lexicon,
        act_reader(licences),
        relations_of(licences),
        pointing_of(licences),
        one_of(words.conditions, locale),
        one_of(words.quoting, locale),
        frozenset(words.things.split()),
        frozenset(key for word in words.sets.split() for key in keys_of(word)[1]),
        one_of(words.having, locale),
        re.compile("|".join(f"(?:{one})" for one in words.given) or "(?!)"),
        day_reader(words.days, locale),
        binding_of(licences, lexicon),
        opposites_of(licences),
    )


def open_words(case: Case) -> Iterator[Finding]:
    """Content words that neither evidence nor a synonym nor the neutral vocabulary holds."""
    runs: list[list[int]] = []
    for piece in case.pieces:
        if piece.kind is Kind.OPEN:
            if runs and runs[-1][1] == piece.start:
                runs[-1][1] = piece.end
            else:
                runs.append([piece.start, piece.end])
    action: Action = "block" if len(runs) >= MANY_OPEN else "human"
    for start, end in runs:
        yield finding("word", action, start, end, "wanted evidence, found none")


def too_long(text: str) -> Finding:
    """What is said of a text above MAX_CHARS; no other check reads it."""
    return finding("word", "block", 0, len(text), f"wanted at most {MAX_CHARS} characters")


def without_filled(written: str, bound: Sequence[Claim]) -> NormalText:
    """The normal text with its filled spans blanked: 精美 before 的 is not the brand 美的, and a 小说 says nothing."""
    text = normalise(written)
    plain = text.plain
    for one in bound:
        start, end = text.normal(one.start, one.end)
        plain = plain[:start] + _SEEN.sub("x", plain[start:end]) + plain[end:]
    return NormalText(text.written, plain, text.starts, text.ends) if bound else text


def _event_of(one: Claim) -> int | None:
    evidence = one.evidence or ""
    return int(evidence.removeprefix("event.")) if evidence.startswith("event.") else None


def _filled(one: Finding | Claim, bound: Sequence[Claim]) -> bool:
    """Whether it lies inside a filled span."""
    return any(filled.start <= one.start and one.end <= filled.end for filled in bound)


def _placed(case: Case, one: Finding) -> Finding:
    """The finding in characters of the text as written, with what was found."""
    start, end = case.text.original(one.start, one.end)
    return one._replace(start=start, end=end, detail=f"{case.text.written[start:end]}: {one.detail}")


def _in_order(claim: tuple[int, int, str | None]) -> tuple[int, int, str]:
    return claim[0], claim[1], claim[2] or ""


def _claims(case: Case) -> list[Claim]:
    """Licensed and open pieces in the order of the text, those side by side with one source as one."""
    found: list[Claim] = []
    rows = [(p.start, p.end, case.grounds.name(p.said | p.denied)) for p in case.pieces if p.kind is not Kind.NEUTRAL]
    for one in case.quantities:
        stated = case.grounds.bearer(one)
        if stated:
            rows.append((one.start, one.end, case.grounds.name(stated)))
    for act, named in zip(case.acts, case.named, strict=True):
        did = done(act, case.record.events, named or range(len(case.record.events)))
        rows.append((act.start, act.end, f"event.{did[0]}" if did else None))
    for start, end, evidence in sorted(rows, key=_in_order):
        first, last = case.text.original(start, end)
        if found and found[-1].evidence == evidence and first - found[-1].end <= 1:
            found[-1] = found[-1]._replace(end=max(last, found[-1].end))
        else:
            found.append(Claim(first, last, evidence))
    return found
