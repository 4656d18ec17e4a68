"""Reads the words of the sample world, conf/world/<locale>.yaml. Knows no item and no user."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, model_validator

from reasongen.config import Settings, load_settings
from reasongen.errors import ConfigError
from reasongen.schema import LOCALES


class CategoryWords(Settings):
    """The words of one category in one language; see the head of the YAML files."""

    path: str
    price: tuple[float, float]
    names: tuple[str, ...] = Field(min_length=1)
    tags: tuple[str, ...] = Field(min_length=5)
    attributes: dict[str, tuple[str, ...]] = Field(min_length=1)
    brands: tuple[str, ...] = Field(min_length=1)
    titles: tuple[str, ...] = Field(min_length=1)
    about: tuple[str, ...] = Field(min_length=1)

    @property
    def noun(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]

    @model_validator(mode="after")
    def _a_title_without_a_brand(self) -> CategoryWords:
        if all("{brand}" in pattern for pattern in self.titles):
            raise ValueError("titles: at least one pattern must do without {brand}")
        return self


class Lexicon(Settings):
    """One language: categories by a key that all languages share, and what any category may use."""

    locale: str
    brands: tuple[str, ...] = Field(min_length=1)
    about: tuple[str, ...] = Field(min_length=1)
    comments: tuple[str, ...] = Field(min_length=1)
    contacts: tuple[str, ...] = Field(min_length=1)
    stuffed: str
    instructed: str
    categories: dict[str, CategoryWords] = Field(min_length=1)

    @model_validator(mode="after")
    def _known_brands(self) -> Lexicon:
        for key, words in self.categories.items():
            if unknown := sorted(set(words.brands) - set(self.brands)):
                raise ValueError(f"categories.{key}.brands: not in the list of brands: {unknown}")
        return self


def load_lexicons(folder: str | Path) -> dict[str, Lexicon]:
    """The lexicon of each locale. Raises ConfigError where a file is missing or faulty, or categories differ."""
    lexicons = {locale: load_settings(Lexicon, Path(folder) / f"{locale}.yaml") for locale in LOCALES}
    first = lexicons[LOCALES[0]]
    for locale, lexicon in lexicons.items():
        if lexicon.locale != locale:
            raise ConfigError(f"{folder}/{locale}.yaml: wanted locale: {locale}; found {lexicon.locale}")
        if difference := sorted(set(lexicon.categories) ^ set(first.categories)):
            raise ConfigError(
                f"{folder}: wanted the same categories in every language; {locale} differs in {difference}"
            )
    return lexicons


def phrase(pattern: str, locale: str, words: dict[str, str]) -> str:
    """A pattern with its words. English: a capital at the front, `an` before a vowel."""
    text = pattern.format_map(words)
    if locale == "en":
        text = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)
        text = text[:1].upper() + text[1:]
    return text
