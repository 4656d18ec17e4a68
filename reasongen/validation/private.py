"""What tells of a person and nobody should be told: the words of conf/privacy, and evidence without what they find."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from pydantic import Field, field_validator

from reasongen.config import Settings, load_settings
from reasongen.validation.fields import REMEMBERED
from reasongen.validation.record import Event, Record, User
from reasongen.validation.rules import bounded

NO_WORD = "(?!)"
_NOTHING = Event(event="")


class PrivateWords(Settings):
    """The words of one language, by trait: parts of words in Chinese, else whole words, of which * stands for any
    ending. `source`: the law that asks for it. `persons`: patterns of what tells of a person where it stands among
    their tags or in a comment of theirs, though an item that has it tells nothing (aged, lives in).
    """

    locale: str
    version: int = Field(ge=1)
    source: str
    words: Mapping[str, tuple[str, ...]]
    persons: tuple[str, ...] = ()

    @field_validator("persons")
    @classmethod
    def _all_bounded(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(bounded(value) for value in values)

    @property
    def pattern(self) -> str:
        """One regular expression, of Python and of Java, for text in small letters; matches nothing without a word."""
        said = [re.escape(word.lower()) for word in sorted({one for words in self.words.values() for one in words})]
        if self.locale == "zh":
            return "|".join(said) or NO_WORD
        whole = "|".join(word.replace(r"\ ", r"\s+").replace(r"\*", "[a-z]*") for word in said)
        return f"(?<![a-z])(?:{whole or NO_WORD})(?![a-z])"

    @property
    def of_persons(self) -> str:
        """The same of `persons`."""
        whole = "|".join(self.persons) or NO_WORD
        return whole if self.locale == "zh" else f"(?<![a-z])(?:{whole})(?![a-z])"


@dataclass(frozen=True)
class Private:
    """The words of every language together: shops mix their languages."""

    pattern: str
    persons: str = NO_WORD

    @cached_property
    def digest(self) -> str:
        """12 hex digits that change with any word."""
        return hashlib.sha256(self.pattern.encode()).hexdigest()[:12]

    @cached_property
    def _items(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    @cached_property
    def _told(self) -> re.Pattern[str]:
        return re.compile(f"{self.pattern}|{self.persons}")

    def without(self, record: Record) -> Record:
        """The record with nothing in it that nobody should be told: beside an item that tells of a person no event and
        no tag counts, and else none that does. What is left keeps its number."""
        item = record.item
        own = "\n".join((item.title, item.category, *item.tags, *item.attributes, *item.attributes.values()))
        if _holds(self._items, own.lower()):
            return record.model_copy(update={"events": tuple(_NOTHING for _ in record.events), "user": User()})
        tags = tuple(tag for tag in record.user.tags if not _holds(self._told, tag.lower()))
        events = tuple(map(self._event, record.events))
        if tags == record.user.tags and events == record.events:
            return record
        return record.model_copy(update={"events": events, "user": User(tags=tags)})

    def _event(self, event: Event) -> Event:
        if _holds(self._items, f"{event.title}\n{event.category}".lower()):
            return _NOTHING
        return event.model_copy(update={"text": ""}) if event.text and _holds(self._told, event.text.lower()) else event


@lru_cache(maxsize=REMEMBERED)
def _holds(pattern: re.Pattern[str], text: str) -> bool:
    """Items and titles come again with every user."""
    return pattern.search(text) is not None


def load_private(folder: str | Path, locales: Iterable[str]) -> Private:
    """FOLDER/LOCALE.yaml of each language. Raises ConfigError."""
    lists = [load_settings(PrivateWords, Path(folder) / f"{locale}.yaml") for locale in sorted(locales)]
    return Private(_any(one.pattern for one in lists), _any(one.of_persons for one in lists))


def _any(patterns: Iterable[str]) -> str:
    return "|".join(f"(?:{one})" for one in patterns)
