"""Fills a text's marks with the pair's literals, in the form that the locale asks for: every filled span is a claim.

Knows no model and no rule: a mark that the frame does not allow, or that has no literal, stays as it is, and the
verdict refuses the text. Called once per pair and night, so what repeats (skeletons, noun forms, words) is cached.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from reasongen.errors import ConfigError
from reasongen.prompts.binding import literal_spans
from reasongen.prompts.fallback import fallback_text
from reasongen.prompts.frame import Frame, Literals
from reasongen.prompts.locales import Locale
from reasongen.prompts.neutral import neutral
from reasongen.prompts.nouns import article, counted, noun_forms, number_word
from reasongen.prompts.skeleton import parse_skeleton

RENDERER_VERSION = "2"  # rises with the code here; Renderer.version adds the locales' data

_POINTS = " .,;:!?-–—，。；：！？、…"


class Claim(NamedTuple):
    """A filled span of the rendered text and what it rests on: `i` (the item) or `e1` … `e4` (an evidence row)."""

    start: int
    end: int
    evidence: str
    mark: str


class Rendered(NamedTuple):
    """A text as a reader sees it, and its claims in order."""

    text: str
    claims: tuple[Claim, ...]


class Renderer:
    """Fills marks for a fixed set of locales. Cheap to copy to an executor: only the locales travel."""

    def __init__(self, locales: Mapping[str, Locale]) -> None:
        self.locales = dict(locales)
        self._voices = {name: _Voice(locale) for name, locale in self.locales.items()}
        parts = [RENDERER_VERSION, *(self.locales[name].digest for name in sorted(self.locales))]
        self.version = f"{RENDERER_VERSION}-{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:8]}"

    def __reduce__(self) -> tuple[Any, ...]:
        return Renderer, (self.locales,)

    def fill(self, text: str, frame: Frame, literals: Literals) -> Rendered:
        """`text` with every allowed mark filled. Raises ConfigError for a locale that this renderer has not."""
        voice = self._voices.get(frame.locale)
        if voice is None:
            raise ConfigError(f"renderer: wanted one of the locales {sorted(self._voices)}; found {frame.locale[:8]!r}")
        slots, tail = parse_skeleton(text, voice.spaced)
        if not slots and frame.literals is not None:
            return _bound(tail, voice.locale, literals)
        allowed = frame.marks
        out: list[str] = []
        claims: list[Claim] = []
        at = 0
        for before, mark, source, row, form, capital, indefinite in slots:
            value = ""
            if mark in allowed:
                value = voice.of_item(form, frame, literals) if row < 0 else voice.of_row(form, row, frame, literals)
            claimed = value != ""
            value = value or mark
            if indefinite:
                before += voice.article(value, indefinite == "A") if claimed else f"{indefinite} "
            elif capital and claimed and form != "brand":
                value = _capital(value)
            at += len(before)
            out.append(before)
            out.append(value)
            if claimed:
                claims.append(Claim(at, at + len(value), source, mark))
            at += len(value)
        out.append(tail)
        return Rendered("".join(out), tuple(claims))

    def fallback(self, frame: Frame, literals: Literals, seed: int, *, titled: bool = True) -> str:
        """A skeleton from catalogue facts alone; `seed` picks among the forms that the facts allow."""
        return fallback_text(self.locales[frame.locale], frame, literals, seed, titled=titled)


class _Voice:
    """One locale's words, each looked up once."""

    def __init__(self, locale: Locale) -> None:
        self.locale = locale
        self.spaced = not locale.measured
        self._title_chars = locale.title_chars
        self._forms = lru_cache(maxsize=1 << 12)(self._noun_forms)
        self._items = lru_cache(maxsize=1 << 14)(self._counted_items)
        self._value = lru_cache(maxsize=1 << 15)(self._literal)
        self.article = lru_cache(maxsize=1 << 12)(self._article)
        units = "|".join(sorted(map(re.escape, locale.units), key=len, reverse=True))
        self._unit = re.compile(rf"(?<=\d)\s*(?=(?:{units})(?![A-Za-z]))") if units else None

    def of_item(self, form: str, frame: Frame, literals: Literals) -> str:
        """The text of [i.form], "" where there is none. Only called for a mark that the frame allows."""
        if form == "title":
            return self._value(literals.title, self._title_chars)
        if form in ("noun", "a", "this", "plural"):
            return self._forms(frame.noun)[form]
        if form == "brand":
            return self._value(literals.brand, 24)
        if form == "attr":
            return self._value(literals.attr, 24)
        if form == "name":
            return neutral(frame.attribute)
        return neutral(frame.words[0 if form == "word1" else 1])

    def of_row(self, form: str, row: int, frame: Frame, literals: Literals) -> str:
        """The text of [eK.form], "" where there is none. Only called for a mark that the frame allows."""
        shown = frame.evidence[row]
        if form == "word" or form == "name":
            return neutral(shown.word)
        if row >= len(literals.evidence):
            return ""
        hidden = literals.evidence[row]
        if form == "items":
            return self._items(frame.noun if shown.facet == "category" else "", hidden.count)
        if form == "title":
            return self._value(hidden.title, self._title_chars)
        if form == "when":
            return self.locale.when.recent if hidden.recent else self.locale.when.earlier
        if form == "count":
            return f"{number_word(self.locale, hidden.count)}{self.locale.count_measure}" if hidden.count > 0 else ""
        return self._value(hidden.value, 24)

    def _noun_forms(self, noun: str) -> dict[str, str]:
        return noun_forms(self.locale, neutral(noun) or self.locale.unknown.noun).by_form

    def _counted_items(self, noun: str, number: int) -> str:
        """`noun` "": the rows share something else than a noun."""
        if number < 1:
            return ""
        if noun:
            return counted(self.locale, number, neutral(noun) or self.locale.unknown.noun)
        return counted(self.locale, number, self.locale.other.noun, self.locale.other.measure)

    def _literal(self, value: str, limit: int) -> str:
        text = neutral(value, limit).rstrip(_POINTS)
        return self._unit.sub(self.locale.unit_space, text) if self._unit else text

    def _article(self, value: str, capital: bool) -> str:
        word = article(self.locale, value)
        return f"{word.capitalize() if capital else word} "


@lru_cache(maxsize=1 << 15)
def _capital(value: str) -> str:
    """A capital at a sentence's head, unless the first word has its own idea of capitals (iPad)."""
    first = value.split(" ", 1)[0]
    return value[0].upper() + value[1:] if value[0].isascii() and first == first.lower() else value


def _bound(text: str, locale: Locale, literals: Literals) -> Rendered:
    """A text from a template that shows literals: they stand in it as they are, and are claims where they are found."""
    return Rendered(text, tuple(Claim(*span) for span in literal_spans(text, locale, literals)))
