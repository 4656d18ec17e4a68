"""Which rules of the policy does a text break? One function per kind of check; all run, all findings are kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, assert_never

import ahocorasick

from reasongen.validation.case import Failure
from reasongen.validation.facts import Facts, number_of
from reasongen.validation.normal import NormalText, normalise
from reasongen.validation.prefilter import Prefilter
from reasongen.validation.prices import check_prices
from reasongen.validation.rules import (
    Action,
    AnyCheck,
    Check,
    Exemption,
    FactCheck,
    PatternCheck,
    Policy,
    PriceCheck,
    Rule,
    TermsCheck,
)

_HYPHEN = re.compile("(?<=[a-z])-(?=[a-z])")
_CLASSES = {"eat": "food", "drink": "drink", "read": "book"}


class Finding(NamedTuple):
    """One hit of one rule: span in characters of the text as written, half open; `detail` says what was found."""

    rule: str
    version: int
    action: Action
    start: int
    end: int
    detail: str


@dataclass(frozen=True)
class Compiled:
    """The policy of one language, ready to match: all terms in one automaton, each pattern once.

    `numbers`: the check that each pattern of the prefilter belongs to.
    """

    policy: Policy
    locale: str
    terms: ahocorasick.Automaton | None
    parts: tuple[tuple[Rule, AnyCheck, re.Pattern[str] | None], ...]
    exemptions: tuple[tuple[tuple[Exemption, re.Pattern[str]], ...], ...]
    prefilter: Prefilter
    numbers: tuple[int, ...]

    def check(self, text: str, facts: Facts) -> list[Finding]:
        """Every finding in the order of the rules. A check that breaks is a finding that blocks."""
        normal = _words_apart(normalise(text, self.policy.evasions))
        hits = _term_hits(self.terms, normal.plain)
        active = sorted({*hits, *(self.numbers[one] for one in self.prefilter.possible(normal.plain))})
        findings: list[Finding] = []
        for number in active:
            rule, check, pattern = self.parts[number]
            try:
                spans = list(self._spans(number, check, pattern, normal.plain, facts, hits))
            except Exception as error:
                findings.append(Finding(rule.id, rule.version, "block", 0, len(text), f"broke: {type(error).__name__}"))
                continue
            for start, end in spans:
                where = normal.original(start, end)
                action = check.action or rule.action
                if check.categories and not facts.category:
                    action = "human"  # whether the rule is about this item is not known
                findings.append(Finding(rule.id, rule.version, action, *where, normal.plain[start:end]))
        return findings

    def _spans(
        self,
        number: int,
        check: AnyCheck,
        pattern: re.Pattern[str] | None,
        plain: str,
        facts: Facts,
        hits: dict[int, list[tuple[int, int]]],
    ) -> Iterator[tuple[int, int]]:
        if check.categories and facts.category and not facts.in_category(check.categories):
            return
        found = list(_matches(check, pattern, plain, facts, hits.get(number, ())))
        if not found:
            return
        exempt = [
            one.span()
            for exemption, where in self.exemptions[number]
            if facts.proves(exemption.facts, exemption.categories)
            for one in where.finditer(plain)
        ]
        for start, end in found:
            if not any(first <= start and end <= last for first, last in exempt):
                yield start, end


def category_of(noun: str, noun_class: str) -> str:
    """An item's category as rules ask for it: its noun, and what a noun of that class is (a cake is food)."""
    return f"{noun}/{_CLASSES[noun_class]}" if noun_class in _CLASSES else noun


def unlawful(compiled: Compiled, text: str, category: str) -> list[Failure]:
    """What keeps a text from being shown without a person: every finding but a label's. No value of a row in it.

    `category`: the item's, in the words of the text; no other fact is known here, so no exemption that asks for one
    holds. A gate that breaks refuses the text.
    """
    try:
        findings = compiled.check(text, Facts({}, category))
    except Exception as error:
        return [Failure("rule_failed", 0, len(text), f"policy: {type(error).__name__}")]
    stopping = (one for one in findings if one.action != "label")
    return [
        Failure(one.rule, one.start, one.end, f"version {one.version}: {one.action}", one.action) for one in stopping
    ]


def _matches(
    check: AnyCheck, pattern: re.Pattern[str] | None, plain: str, facts: Facts, hits: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int]]:
    match check:
        case TermsCheck():
            return iter(hits)
        case PatternCheck():
            return check_pattern(pattern, plain)
        case FactCheck():
            return check_fact(check, pattern, plain, facts)
        case PriceCheck():
            return check_prices(check, plain, facts)
        case _:
            assert_never(check)


def check_pattern(pattern: re.Pattern[str] | None, plain: str) -> Iterator[tuple[int, int]]:
    """Where the pattern stands."""
    for found in pattern.finditer(plain) if pattern else ():
        yield found.span()


def check_fact(
    check: FactCheck, pattern: re.Pattern[str] | None, plain: str, facts: Facts
) -> Iterator[tuple[int, int]]:
    """Where something is said that no stated fact proves: the fact is missing, or is another number."""
    for found in pattern.finditer(plain) if pattern else ():
        said = number_of(next((group for group in found.groups() if group), ""))
        stated = [facts.number(name) for name in check.facts if facts.states(name)]
        if not stated or (said is not None and said not in stated):
            yield found.span()


def check_terms(check: TermsCheck, text: NormalText) -> Iterator[tuple[int, int]]:
    """Where any of the terms stands; the gate asks one automaton for all rules instead, with the same answer."""
    yield from _term_hits(_automaton([(0, check)]), _words_apart(text).plain).get(0, [])


def compile_policy(policy: Policy, locale: str) -> Compiled:
    """The rules of one language."""
    parts = tuple(
        (rule, check, _pattern(check)) for rule in policy.rules if rule.locale == locale for check in rule.checks
    )
    exemptions = tuple(tuple((one, re.compile(one.where)) for one in check.exempt) for _, check, _ in parts)
    numbered = [(number, check) for number, (_, check, _) in enumerate(parts) if isinstance(check, TermsCheck)]
    texts = {number: _texts(check, pattern) for number, (_, check, pattern) in enumerate(parts)}
    matched = tuple(number for number, text in texts.items() if text)
    prefilter = Prefilter([texts[number] for number in matched])
    return Compiled(policy, locale, _automaton(numbered), parts, exemptions, prefilter, matched)


def _texts(check: AnyCheck, pattern: re.Pattern[str] | None) -> str:
    """All that a check looks for as one pattern; empty for terms, which an automaton finds."""
    if isinstance(check, PriceCheck):
        every = (*check.money, *check.percent, *check.tenths, *check.claims)
        return "|".join(f"(?:{one})" for one in every)
    return pattern.pattern if pattern else ""


def _words_apart(text: NormalText) -> NormalText:
    """Eco-friendly reads as eco friendly; a hyphen among digits stays."""
    apart = _HYPHEN.sub(" ", text.plain)
    return text if apart is text.plain else NormalText(text.written, apart, text.starts, text.ends)


def _pattern(check: Check) -> re.Pattern[str] | None:
    if isinstance(check, PatternCheck):
        return check.compiled()
    return re.compile("|".join(f"(?:{one})" for one in check.patterns)) if isinstance(check, FactCheck) else None


def _automaton(checks: Sequence[tuple[int, TermsCheck]]) -> ahocorasick.Automaton | None:
    owners: dict[str, list[tuple[int, bool]]] = {}
    for number, check in checks:
        for term in check.terms:
            plain = _HYPHEN.sub(" ", _term(term.removesuffix("*")))
            owners.setdefault(plain, []).append((number, term.endswith("*")))
    if not owners:
        return None
    automaton = ahocorasick.Automaton()
    for plain, numbers in owners.items():
        automaton.add_word(plain, (plain, tuple(numbers)))
    automaton.make_automaton()
    return automaton


@lru_cache(maxsize=1 << 14)
def _term(term: str) -> str:
    """A term as texts are normalised, so that 頂級 in a file is 顶级."""
    return normalise(term).plain


def _term_hits(automaton: ahocorasick.Automaton | None, plain: str) -> dict[int, list[tuple[int, int]]]:
    """Number of the check → spans, the longest of those that begin at one place."""
    hits: dict[int, list[tuple[int, int]]] = {}
    if automaton is None:
        return hits
    for last, (term, numbers) in automaton.iter(plain):
        start, end = last + 1 - len(term), last + 1
        if term[0].isascii() and start and plain[start - 1].isalnum() and plain[start - 1].isascii():
            continue
        open_end = end < len(plain) and plain[end].isascii() and plain[end].isalnum() and term[-1].isascii()
        for number, may_go_on in numbers:
            if not open_end or may_go_on:
                hits.setdefault(number, []).append((start, end))
    return hits
