"""Reads conf/locales/*.yaml: what a language needs to fill a mark, and how long its reasons may be.

Knows one difference between languages: some count with measure words and write without spaces, the others use plurals.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from reasongen.config import read_plain
from reasongen.errors import ConfigError
from reasongen.prompts.frame import NOUN_CLASSES

SITUATIONS = ("words", "attribute", "brand", "bare", "untitled")


class _Checked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(_Checked):
    """Length of a rendered reason in characters, literals included."""

    min_chars: int = Field(ge=1)
    max_chars: int = Field(ge=1)


class When(_Checked):
    """What [eK.when] says."""

    recent: str
    earlier: str


class Named(_Checked):
    """A stand-in noun: for an unknown category, or for items that share no noun."""

    noun: str
    measure: str = ""
    noun_class: Literal["wear", "eat", "drink", "read", "use", "play", "place", "thing"] = Field("thing", alias="class")


class Locale(_Checked):
    """One language. `nouns`: class → nouns, or class → measure word → nouns where it counts with measure words."""

    name: str = Field(alias="locale")
    version: int
    limits: Limits
    title_chars: int = Field(ge=4)
    counting: tuple[str, ...]
    when: When
    other: Named
    unknown: Named
    count_measure: str = ""
    this: str
    one: str = ""
    nouns: dict[str, list[str] | dict[str, list[str]]]
    portions: dict[str, list[str]] = {}
    plurals: dict[str, str] = {}
    an: tuple[str, ...] = ()
    a: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    unit_space: str = ""
    number_words: tuple[str, ...] = ()
    idioms: tuple[str, ...] = ()
    fallback: dict[str, tuple[str, ...]]

    @model_validator(mode="after")
    def _whole(self) -> Locale:
        if unknown := sorted(set(self.nouns) - set(NOUN_CLASSES)):
            raise ValueError(f"nouns: wanted classes among {NOUN_CLASSES}; found {unknown}")
        if set(self.fallback) != set(SITUATIONS) or not all(self.fallback.values()):
            raise ValueError(f"fallback: wanted sentences for {SITUATIONS}; found {sorted(self.fallback)}")
        return self

    @property
    def measured(self) -> bool:
        """Whether nouns are counted with measure words, and words stand without spaces."""
        return bool(self.count_measure)

    @cached_property
    def measure_of(self) -> dict[str, str]:
        """Noun → measure word; empty for a language without them."""
        groups = [group for group in self.nouns.values() if isinstance(group, dict)]
        return {noun: measure for group in groups for measure, nouns in group.items() for noun in nouns}

    @cached_property
    def portion_of(self) -> dict[str, str]:
        """Noun → what it is counted by: headphones → pair."""
        return {noun: portion for portion, nouns in self.portions.items() for noun in nouns}

    @cached_property
    def class_of(self) -> dict[str, str]:
        """Noun → class, for all nouns that are known."""
        found: dict[str, str] = {}
        for kind, group in self.nouns.items():
            lists = group.values() if isinstance(group, dict) else [group]
            found.update({noun: kind for nouns in lists for noun in nouns})
        return found

    @cached_property
    def digest(self) -> str:
        """sha256 over everything the file says; 64 hex digits."""
        return hashlib.sha256(self.model_dump_json(exclude_computed_fields=True).encode()).hexdigest()

    def noun_of(self, category_path: str) -> tuple[str, str]:
        """(noun, class) of a category such as "outdoor/tent": its last part; what is not listed is a `thing`."""
        noun = category_path.rsplit("/", 1)[-1].strip().lower() or self.unknown.noun
        return noun, self.class_of.get(noun, self.unknown.noun_class)


def load_locale(path: str | Path) -> Locale:
    """Read and check one file and what it `extends`. Raises ConfigError that names every fault."""
    try:
        return Locale.model_validate(read_plain(path))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise ConfigError(f"{path}: {faults}") from error


def load_locales(folder: str | Path) -> dict[str, Locale]:
    """All locales of a folder by their name. Raises ConfigError where there is none."""
    found = [load_locale(path) for path in sorted(Path(folder).glob("*.yaml"))]
    if not found:
        raise ConfigError(f"{folder}: wanted at least one locale file (*.yaml); found none")
    return {locale.name: locale for locale in found}
