"""Items that tell what nobody should be told of a person, by the words of conf/privacy. Knows no user."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field
from pyspark.sql import Column
from pyspark.sql import functions as F

from reasongen.config import Settings, load_settings

NO_WORD = "(?!)"


class PrivateWords(Settings):
    """The words of one language, by trait: parts of words in Chinese, else whole words, of which * stands for any
    ending. `source`: the law that asks for it."""

    locale: str
    version: int = Field(ge=1)
    source: str
    words: Mapping[str, tuple[str, ...]]

    @property
    def pattern(self) -> str:
        """One regular expression, of Python and of Java, for text in small letters; matches nothing without a word."""
        said = [re.escape(word.lower()) for word in sorted({one for words in self.words.values() for one in words})]
        if self.locale == "zh":
            return "|".join(said) or NO_WORD
        whole = "|".join(word.replace(r"\ ", r"\s+").replace(r"\*", "[a-z]*") for word in said)
        return f"(?<![a-z])(?:{whole or NO_WORD})(?![a-z])"


@dataclass(frozen=True)
class Private:
    """The words of every language together: shops mix their languages."""

    pattern: str

    @property
    def digest(self) -> str:
        """12 hex digits that change with any word."""
        return hashlib.sha256(self.pattern.encode()).hexdigest()[:12]


def load_private(folder: str | Path, locales: Iterable[str]) -> Private:
    """FOLDER/LOCALE.yaml of each language. Raises ConfigError."""
    lists = [load_settings(PrivateWords, Path(folder) / f"{locale}.yaml") for locale in sorted(locales)]
    return Private("|".join(f"(?:{words.pattern})" for words in lists))


def is_private(private: Private) -> Column:
    """Whether an item is; of title, tags, attributes and category as `tables.clean_items` gives them."""
    attributes = F.coalesce("attributes", F.create_map().cast("map<string,string>"))
    parts = [F.col("title"), F.col("category"), F.array_join("tags", "\n")]
    named = [F.array_join(part(attributes), "\n") for part in (F.map_keys, F.map_values)]
    return F.lower(F.concat_ws("\n", *parts, *named)).rlike(private.pattern)
