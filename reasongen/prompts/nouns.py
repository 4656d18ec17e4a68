"""Forms of a noun in one language: counted, with an article, pointed at, in the plural. Knows no frame and no mark.

Chinese counts with measure words (三顶帐篷). English uses plurals and portions (three pairs of headphones): exceptions
stand in conf/locales, the rest is left to `inflect`, which is slow and therefore cached per word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from reasongen.prompts.locales import Locale

_ENGLISH = re.compile(r"[a-z][a-z' -]*", re.IGNORECASE)
_FIRST_WORD = re.compile(r"[a-z]+(?:-[a-z]+)?", re.IGNORECASE)
_SAID_WITH_VOWEL = re.compile(r"(?:8|11(?!\d)|18(?!\d)|8\d)")


@dataclass(frozen=True, slots=True)
class NounForms:
    """The forms of one noun that do not depend on a number: mark form → text (noun, a, this, plural)."""

    by_form: dict[str, str]


def noun_forms(locale: Locale, noun: str) -> NounForms:
    """The forms of tent: tent, a tent, this tent, tents; of 帐篷: 帐篷, 一顶帐篷, 这顶帐篷, 帐篷."""
    if locale.measured:
        measure = _measure(locale, noun)
        return NounForms(
            {"noun": noun, "a": f"{locale.one}{measure}{noun}", "this": f"{locale.this}{measure}{noun}", "plural": noun}
        )
    noun = _singular(locale, noun)
    portion = _portion(locale, noun)
    counted = f"{portion} of {noun}" if portion else noun
    plural = noun if portion else _plural(locale, noun)
    return NounForms(
        {"noun": noun, "a": with_article(locale, counted), "this": f"{locale.this} {counted}", "plural": plural}
    )


def counted(locale: Locale, number: int, noun: str, measure: str = "") -> str:
    """Number and noun: "three tents", "two pairs of headphones", "三顶帐篷". `measure` overrides the noun's own."""
    if locale.measured:
        return f"{number_word(locale, number)}{measure or _measure(locale, noun)}{noun}"
    noun = _singular(locale, noun)
    portion = _portion(locale, noun)
    if portion:
        unit = portion if number == 1 else _plural(locale, portion)
        return f"{number_word(locale, number)} {unit} of {noun}"
    return f"{number_word(locale, number)} {noun if number == 1 else _plural(locale, noun)}"


def number_word(locale: Locale, number: int) -> str:
    """A word up to the last one that the locale lists, digits above."""
    return locale.counting[number - 1] if 1 <= number <= len(locale.counting) else str(number)


def with_article(locale: Locale, words: str) -> str:
    """The words with a or an before them: a tent, an oven."""
    return f"{article(locale, words)} {words}"


def article(locale: Locale, words: str) -> str:
    """Either a or an, by sound. Exceptions are looked up as the whole phrase, then as its first word."""
    lowered = words.lower()
    first = _FIRST_WORD.match(lowered)
    for key in (lowered, first.group() if first else ""):
        if key in locale.an:
            return "an"
        if key in locale.a:
            return "a"
    if first is None:
        return "an" if _SAID_WITH_VOWEL.match(lowered) else "a"
    return _article(first.group())


@lru_cache(maxsize=1)
def _inflect() -> Any:
    import inflect  # half a second, and many processes never meet an unlisted word

    return inflect.engine()


@lru_cache(maxsize=1 << 14)
def _article(word: str) -> str:
    return "an" if _inflect().a(word).startswith("an ") else "a"


@lru_cache(maxsize=1 << 14)
def _inflected_plural(noun: str) -> str:
    return str(_inflect().plural_noun(noun) or noun)


@lru_cache(maxsize=1 << 14)
def _inflected_singular(noun: str) -> str:
    return str(_inflect().singular_noun(noun) or noun)


def _measure(locale: Locale, noun: str) -> str:
    """The noun's own, or that of the longest listed noun it ends in: 双人帐篷 is counted as 帐篷."""
    ends = (noun[start:] for start in range(len(noun)))
    return next((locale.measure_of[end] for end in ends if end in locale.measure_of), locale.unknown.measure)


def _portion(locale: Locale, noun: str) -> str | None:
    """The noun's own, or that of its last word where the whole is not listed: leather boots are counted as boots."""
    if noun in locale.class_of:
        return locale.portion_of.get(noun)
    return locale.portion_of.get(noun) or locale.portion_of.get(noun.rsplit(" ", 1)[-1])


def _plural(locale: Locale, noun: str) -> str:
    if listed := locale.plurals.get(noun):
        return listed
    if _ENGLISH.fullmatch(noun):
        return _inflected_plural(noun)
    return f"{noun}s" if noun[-1:].isascii() and noun[-1:].isalpha() else noun


def _singular(locale: Locale, noun: str) -> str:
    """A catalogue may call its category "tents". Nouns that are listed stand as they are."""
    listed = noun in locale.class_of or noun in locale.plurals or _portion(locale, noun) is not None
    if listed or len(noun) < 4 or not noun.endswith("s") or not _ENGLISH.fullmatch(noun):
        return noun
    if noun.endswith(("ss", "us", "is")):
        return noun
    return _inflected_singular(noun)
