"""What a rule sees of one text, and what it says: the case, the failure, the limits of a language. Holds no rule."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from reasongen.prompts.frame import Frame
from reasongen.prompts.locales import Locale
from reasongen.prompts.render import Rendered
from reasongen.validation.rules import Action

_WORD = re.compile(r"[a-z]+|~+")
FILLED = "~"  # stands for each character of a filled literal in Case.outside: not a letter, not a digit, ASCII

# Twins of letters and digits (circled, full width, mathematical, radicals): a reader sees what they are twins of.
_TWIN = re.compile(
    "[\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u209f\u2100-\u218f\u2460-\u24ff\u2e80-\u2fdf\u3200-\u33ff\uf900-\ufaff"
    "\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d7ff\U0001f100-\U0001f1ff]"
)


class Failure(NamedTuple):
    """One finding: the rule, the span of the rendered text in characters, and what was wanted. No value of a row.

    `action` "human": a doubt, which a person may lift; every other refuses for good.
    """

    rule: str
    start: int
    end: int
    detail: str
    action: Action = "block"


@dataclass(frozen=True)
class LocaleLimits:
    """What the structural rules need of one language, compiled once."""

    measured: bool
    min_chars: int
    max_chars: int
    number_words: frozenset[str]
    numbers: re.Pattern[str]
    idioms: re.Pattern[str] | None


@dataclass(slots=True)
class Case:
    """One text under judgement. `outside` has the length of `text`, with filled literals masked and twins undone;
    `words` are its lower-case words, empty where words stand without spaces."""

    text: str
    outside: str
    words: list[str]
    skeleton: str
    finish_reason: str
    frame: Frame
    limits: LocaleLimits


def limits_of(locales: Mapping[str, Locale]) -> dict[str, LocaleLimits]:
    """The limits of every locale, to be made once per process."""
    return {name: _limits(locale) for name, locale in locales.items()}


def case_of(rendered: Rendered, skeleton: str, finish_reason: str, frame: Frame, limits: LocaleLimits) -> Case:
    """Mask the filled spans; undo twins outside of them."""
    text, at, parts = rendered.text, 0, []
    for start, end, _, _ in rendered.claims:
        parts.append(text[at:start])
        parts.append(FILLED * (end - start))
        at = end
    parts.append(text[at:])
    outside = "".join(parts)
    if not outside.isascii():
        outside = _TWIN.sub(_plain_twin, outside)
    words = [] if limits.measured else _WORD.findall(outside.lower())
    return Case(text, outside, words, skeleton, finish_reason, frame, limits)


def without_visible_words(case: Case) -> str:
    """`outside` with the frame's own words masked too: a model may write what its prompt showed it."""
    frame = case.frame
    words = {frame.noun, frame.attribute, *frame.words, *(row.word for row in frame.evidence)} - {""}
    outside, lowered = case.outside, case.outside.lower()
    if len(lowered) != len(outside):
        lowered = outside  # a few letters grow in lower case; spans must stay
    for word in sorted(words, key=lambda word: (-len(word), word)):
        at = lowered.find(word.lower())
        while at >= 0:
            outside = outside[:at] + FILLED * len(word) + outside[at + len(word) :]
            at = lowered.find(word.lower(), at + len(word))
    return outside


def masked(found: re.Match[str]) -> str:
    """As many fillers as characters, so that spans stay."""
    return FILLED * len(found.group())


def _limits(locale: Locale) -> LocaleLimits:
    longest_first = sorted(map(re.escape, locale.number_words), key=len, reverse=True)
    words = "|".join(longest_first)
    if words and not locale.measured:
        words = rf"\b(?:{words})\b"
    numbers = re.compile(rf"\d+(?:[.,]\d+)*|{words}" if words else r"\d+", re.IGNORECASE)
    idioms = "|".join(sorted(map(re.escape, locale.idioms), key=len, reverse=True))
    bounded = idioms if locale.measured else rf"\b(?:{idioms})\b"
    single = frozenset(locale.number_words)
    compiled = re.compile(bounded, re.IGNORECASE) if idioms else None
    return LocaleLimits(locale.measured, locale.limits.min_chars, locale.limits.max_chars, single, numbers, compiled)


def _plain_twin(found: re.Match[str]) -> str:
    """The first letter or digit that the twin stands for: one character for one, so that spans stay."""
    plain = unicodedata.normalize("NFKC", found.group())
    return next((character for character in plain if character.isalnum()), found.group())
