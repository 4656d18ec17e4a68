"""Strings that no reason for a frame may hold, as far as strings can say it: what a model may as well not write.

Read from the rules themselves, so that nothing is decided twice: terms of the policy, digits, uses of another class of
things, acts that no event bears. A verdict still asks every text. What strings cannot say stays with it alone: patterns
with a choice in them, disguises, words that arise where a mark is filled, number words (idioms hold nearly all: 两全).
Strings forbid a little more than rules that look around a term: what an exemption lets stand by the words beside it
(不是顶级), a longer word of a spaced language that begins so (tasteful for taste), what may follow (吃过).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reasongen.prompts.frame import Frame
from reasongen.validation.acts import UNBORNE
from reasongen.validation.facts import Facts
from reasongen.validation.gate import category_of
from reasongen.validation.licences import Licences
from reasongen.validation.prefilter import without_lookarounds
from reasongen.validation.rules import Check, Policy, TermsCheck

FORBIDDEN_VERSION = "1"  # rises with the code here

_DIGITS = "0123456789０１２３４５６７８９"
_BRACKETS = "]［］【】〔〕"  # what is left of a mark, or is none; "[" begins one
_CHOICE = re.compile(r"[\\^$.|*+()\[\]{}?]")
_OPTIONAL_END = re.compile(r"\w\?$")

Strings = tuple[str, ...]


@dataclass(frozen=True)
class Forbidden:
    """The rules of a night; licences by locale. `spaced`: locales that write spaces: there a string begins with one."""

    policy: Policy
    licences: Mapping[str, Licences]
    spaced: frozenset[str]
    _terms: dict[tuple[str, str], Strings] = field(default_factory=dict, init=False, compare=False, repr=False)
    _words: dict[tuple[str, str], Strings] = field(default_factory=dict, init=False, compare=False, repr=False)

    def lawless(self, frame: Frame) -> Strings:
        """Terms that the law's rules refuse of any item of the frame's category, where nothing else is stated of it."""
        key = (frame.locale, category_of(frame.noun, frame.noun_class))
        if key not in self._terms:
            facts = Facts({}, key[1])
            rules = [rule for rule in self.policy.rules if rule.locale == frame.locale]
            checks = [(rule.action, check) for rule in rules for check in rule.checks]
            terms = {
                term.removesuffix("*").lower()
                for action, check in checks
                if isinstance(check, TermsCheck) and (check.action or action) != "label" and _asked(check, facts)
                for term in check.terms
            }
            self._terms[key] = self._as_words(terms, frame.locale)
        return self._terms[key]

    def unborne(self, frame: Frame) -> Strings:
        """What the frame does not bear; without strings that stand in its own words."""
        key = (frame.locale, frame.noun_class)
        if key not in self._words:
            licences = self.licences[frame.locale]
            uses = [one for kind, rows in licences.words.uses.items() if kind != frame.noun_class for one in rows]
            plain = _plain([*uses, *licences.acts.kinds.get(UNBORNE, ())])
            self._words[key] = (*_DIGITS, *_BRACKETS, *self._as_words(plain, frame.locale))
        words = {frame.noun, frame.attribute, *frame.words, *(row.word for row in frame.evidence)}
        shown = "\n".join(f" {word}" for word in words).lower()
        return tuple(one for one in self._words[key] if one not in shown)

    def _as_words(self, words: Iterable[str], locale: str) -> Strings:
        """A longer one that begins with another is left out: it is forbidden already."""
        begun = sorted({f" {word}" if locale in self.spaced and word[0].isalnum() else word for word in words})
        kept: list[str] = []
        for word in begun:
            if not kept or not word.startswith(kept[-1]):
                kept.append(word)
        return tuple(kept)


def _asked(check: Check, facts: Facts) -> bool:
    """Whether the check is about such an item, and no exemption for such items holds."""
    about = not check.categories or not facts.category or facts.in_category(check.categories)
    exempt = (one for one in check.exempt if one.facts or one.categories)
    return about and not any(facts.proves(one.facts, one.categories) for one in exempt)


def _plain(patterns: Iterable[str]) -> list[str]:
    """Patterns that are words, once what they look around for is taken out, and a last letter that may be missing."""
    bare = (_OPTIONAL_END.sub("", without_lookarounds(one)) for one in patterns)
    return [one for one in bare if one and _CHOICE.search(one) is None]
