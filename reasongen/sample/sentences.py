"""Reads the sentences that true reasons and planted faults are written with, conf/opinion/<locale>.yaml.

Every list is cut by the hash of its entries, so that what a judge is trained on, tuned on and at last measured on share
neither a sentence nor a category of goods. Knows no item and no user.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from pydantic import Field, model_validator

from reasongen.config import Settings, load_settings
from reasongen.errors import ConfigError
from reasongen.schema import LOCALES

FOLDS = 3


class Additions(Settings):
    """What a description of one category may add: parts with what they are of, sizes, what it denies."""

    parts: dict[str, tuple[str, ...]] = Field(min_length=2)
    sizes: dict[str, tuple[str, ...]] = Field(min_length=2)
    denied: tuple[str, ...] = Field(min_length=1)


class Sentences(Settings):
    """One language; see the head of conf/opinion/en.yaml."""

    locale: str
    acts: dict[str, tuple[str, ...]] = Field(min_length=2)
    times: dict[int, tuple[str, ...]]
    days: str
    phrases: dict[int, tuple[str, ...]]
    numbers: tuple[str, ...]
    skip: tuple[str, ...]
    part: tuple[str, ...] = Field(min_length=3)
    size: tuple[str, ...] = Field(min_length=1)
    deny: tuple[str, ...] = Field(min_length=1)
    things: dict[str, Additions] = Field(min_length=6)
    joins: tuple[str, ...] = Field(min_length=6)
    acted: tuple[str, ...] = Field(min_length=6)
    told: tuple[str, ...] = Field(min_length=6)
    joined: tuple[str, ...] = Field(min_length=6)
    planted: dict[str, tuple[str, ...]] = Field(min_length=1)

    @model_validator(mode="after")
    def _enough_to_cut(self) -> Sentences:
        for kind, patterns in self.planted.items():
            if len(patterns) < 6:
                raise ValueError(f"planted.{kind}: wanted at least 6 sentences, so that each split has some")
        return self


def load_sentences(folder: str | Path) -> dict[str, Sentences]:
    """The sentences of each locale. Raises ConfigError where a file is missing or faulty."""
    found = {locale: load_settings(Sentences, Path(folder) / f"{locale}.yaml") for locale in LOCALES}
    for locale, sentences in found.items():
        if sentences.locale != locale:
            raise ConfigError(f"{folder}/{locale}.yaml: wanted locale: {locale}; found {sentences.locale}")
    return found


def cut(entries: Iterable[str], split: str, held: float = 0.2) -> tuple[str, ...]:
    """The entries of one split. `held`: that share of them, two at least. `train`: all others, which are cut in three
    once more: `fit0` … `fit2` leave out the third that is `tune0` … `tune2`."""
    ranked = sorted(entries, key=lambda entry: hashlib.sha256(entry.encode()).hexdigest())
    size = max(2, round(held * len(ranked)))
    if split == "held":
        return tuple(ranked[:size])
    rest, fold = ranked[size:], int(split[-1]) if split[-1].isdigit() else FOLDS
    chosen = [entry for at, entry in enumerate(rest) if (at % FOLDS == fold) == split.startswith("tune")]
    return tuple(chosen)
