"""The licences of conf/licences as frozen settings: neutral words, synonyms, implications, units, acts, times.

Nothing enters them by itself: a person adds a word, a row or a pattern. Holds no check.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path

from pydantic import Field, field_validator

from reasongen.config import Settings, load_settings
from reasongen.errors import ConfigError
from reasongen.validation.rules import bounded, files_now

Patterns = tuple[str, ...]


class Days(Settings):
    """How days of the week are said: `names` from Monday on, `through` (to), `every` day, `working` days, `weekend`;
    what tells of `opening` and `closing`, the latter also by denying the former."""

    names: tuple[Patterns, Patterns, Patterns, Patterns, Patterns, Patterns, Patterns]
    through: Patterns
    every: Patterns
    working: Patterns
    weekend: Patterns
    opening: Patterns
    closing: Patterns

    @field_validator("through", "every", "working", "weekend", "opening", "closing")
    @classmethod
    def _all_bounded(cls, values: Patterns) -> Patterns:
        return tuple(bounded(value) for value in values)


class Words(Settings):
    """What says nothing of an item: `grammar` (function words), `neutral` (generic words), and the marks of a check.

    `capitals`: words that are written large and name nothing of an item; `names`: known names that need evidence;
    `guarded`: words that need evidence though their parts are neutral.
    `negations` turn what follows in their clause, `after` what stands before (sugar-free), `reversals` what they span
    across clauses (waterproof, it is not). The other fields are
    patterns on normal text: `comparisons`, `causes` (promised effects), `therefore` (what makes one fact the cause of
    another), `relations` (with, beside, 搭配), `additives` (too, also), `itself` (a clause up to a noun that is the
    item: this), `same` (facet → the same brand), `others` (what other people think),
    `unborne` (rule → what no evidence bears unless the item has it word for word: general, every lamp has; number, for
    days; polarity, an answer to a question; life, where somebody is; act; cause; same; others),
    `this` (what stands before the item's noun), `copula` (is),
    `slots` and `as_slots` (between an attribute's name and its value, between the value and the name),
    `binders` (between two words about one part), `address` (you), `borne` (between a noun and the act done with it),
    `generic` (what begins a clause about the item's kind, NOUN),
    `sets`: nouns that count the item itself (set of six). `quoting`: what hands a user's own words back (tired of …?).
    `having` (with, near) and `given` (included, behind it): what makes one of `things`, neutral nouns, a claim of the
    item,
    `endings` (of numbers of acts: times, 次), `conditions` (if, 若), `uses` (what one does with a noun class),
    `plurals` (what stands for more than one thing).
    `bounds_before` and `bounds_after`: upper or lower, with an s before where the figure itself is not meant → what
    bounds a figure from that side. `opposites`: rows of words that say the contrary of one another, parted by |.
    """

    version: int = Field(ge=1)
    grammar: str
    neutral: str
    capitals: str = ""
    names: str = ""
    guarded: str = ""
    negations: Patterns
    after: Patterns = ()
    reversals: Patterns = ()
    not_negations: Patterns = ()
    comparisons: Patterns
    causes: Patterns
    therefore: Patterns = ()
    relations: Patterns
    additives: Patterns = ()
    itself: Patterns = ()
    same: Mapping[str, Patterns] = Field(default_factory=dict)
    others: Patterns = ()
    unborne: Mapping[str, Patterns] = Field(default_factory=dict)
    this: Patterns = ()
    copula: Patterns = ()
    slots: Patterns = ()
    as_slots: Patterns = ()
    binders: Patterns = ()
    address: Patterns = ()
    borne: Patterns = ()
    generic: Patterns = ()
    things: str = ""
    sets: str = ""
    having: Patterns = ()
    given: Patterns = ()
    conditions: Patterns
    quoting: Patterns = ()
    uses: Mapping[str, Patterns] = Field(default_factory=dict)
    plurals: Patterns = ()
    approximations: Mapping[str, Patterns]
    bounds_before: Mapping[str, Patterns] = Field(default_factory=dict)
    bounds_after: Mapping[str, Patterns] = Field(default_factory=dict)
    opposites: tuple[str, ...] = ()
    counters: str = ""
    days: Days

    @field_validator(
        "negations",
        "after",
        "not_negations",
        "comparisons",
        "causes",
        "therefore",
        "relations",
        "additives",
        "itself",
        "others",
        "this",
        "copula",
        "slots",
        "as_slots",
        "binders",
        "address",
        "borne",
        "generic",
        "reversals",
        "having",
        "given",
        "conditions",
    )
    @classmethod
    def _all_bounded(cls, values: Patterns) -> Patterns:
        return tuple(bounded(value) for value in values)

    @field_validator("unborne", "bounds_before", "bounds_after")
    @classmethod
    def _all_rows_bounded(cls, rows: Mapping[str, Patterns]) -> Mapping[str, Patterns]:
        return {name: tuple(bounded(value) for value in values) for name, values in rows.items()}


class Synonyms(Settings):
    """`groups`: each row licenses its members by one another. `implied`: what the left says, the right may say."""

    version: int = Field(ge=1)
    groups: tuple[str, ...]
    implied: Mapping[str, str]


class Acts(Settings):
    """How a text speaks of the user's acts: patterns by kind of event, of possession, of interest; times in days.

    `times`: pattern → [least, most] days ago. `ago`: what stands behind a number of days that
    counts them back; `since`: what may stand between an act and the days since it, `lately`: before or behind days that
    the act lies within.
    `life`: what a text tells of the user beside acts and likings. `unseen`: habits and moods, which no act shows;
    `circumstances`: for whom, with whom, where and
    how it was done; `itself`: what makes the item the object of an act (you bought this).
    """

    version: int = Field(ge=1)
    kinds: Mapping[str, Patterns]
    not_acts: Patterns
    possession: Patterns
    interest: Patterns
    repeated: Patterns
    times: Mapping[str, tuple[int, int]]
    ago: Patterns
    since: Patterns = ()
    lately: Mapping[str, Patterns] = Field(default_factory=dict)
    life: Patterns = ()
    unseen: Patterns = ()
    circumstances: Patterns = ()
    itself: Patterns = ()
    also: Mapping[str, tuple[str, ...]]


class Unit(Settings):
    """One unit: `factor` of the base unit, `offset` for temperatures."""

    factor: float = Field(gt=0)
    offset: float = 0.0
    names: tuple[str, ...]


class Units(Settings):
    """conf/licences/units.yaml: dimension → unit → factor and names; dimension → aspect → words.

    `sizes`: the aspects whose words alone say that there is much of it.
    """

    version: int = Field(ge=1)
    dimensions: Mapping[str, Mapping[str, Unit]]
    aspects: Mapping[str, Mapping[str, tuple[str, ...]]]
    sizes: frozenset[str]
    approximate: Mapping[str, float]

    @cached_property
    def named(self) -> dict[str, tuple[str, str, Unit]]:
        """Name → (dimension, unit, factor)."""
        return {
            name: (dimension, unit, what)
            for dimension, units in self.dimensions.items()
            for unit, what in units.items()
            for name in what.names
        }


class Licences(Settings):
    """Everything that one language licenses."""

    locale: str
    words: Words
    synonyms: Synonyms
    acts: Acts
    units: Units

    @cached_property
    def digest(self) -> str:
        """sha256 over all that the files say; 64 hex digits."""
        return hashlib.sha256(self.model_dump_json(exclude_computed_fields=True).encode()).hexdigest()


def one_of(patterns: Patterns, locale: str) -> re.Pattern[str]:
    """All patterns as one, whole words where words stand apart; matches nothing where there are none."""
    whole = "|".join(f"(?:{pattern})" for pattern in patterns) or "(?!)"
    return re.compile(whole if locale == "zh" else rf"(?<![a-z0-9])(?:{whole})(?![a-z0-9])")


def load_licences(folder: str | Path, locale: str) -> Licences:
    """Licences of one language, as its files are now: FOLDER/LOCALE/{words,synonyms,acts}.yaml, FOLDER/units.yaml.

    Raises ConfigError.
    """
    return _licences(str(folder), locale, files_now(folder))


@lru_cache(maxsize=8)
def _licences(folder: str, locale: str, _: tuple[tuple[str, int], ...]) -> Licences:
    own = Path(folder) / locale
    if not own.is_dir():
        raise ConfigError(f"{own}: wanted a folder of licences for {locale!r}; found none")
    return Licences(
        locale=locale,
        words=load_settings(Words, own / "words.yaml"),
        synonyms=load_settings(Synonyms, own / "synonyms.yaml"),
        acts=load_settings(Acts, own / "acts.yaml"),
        units=load_settings(Units, Path(folder) / "units.yaml"),
    )
