"""Expectation suites as data: one YAML file for each table below `conf/quality/`. Knows no Spark and judges nothing."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from reasongen.config import GateSettings, Settings, load_settings
from reasongen.errors import ConfigError

COUNTS = ("candidates", "pairs", "rejected", "skipped", "faulty", "expected", "kept")
"""Counts of a night that a suite may name in braces: candidates; pairs with evidence, of them `expected` staged and
`kept` unchanged (those of whom a stream does not look at too); candidates rejected and skipped; faulty rows."""
PLACES = ("staged", "runs", "run_id")
"""What a query may name beside these."""


class Reach(Settings):
    """How far from the median of the last nights is still usual: the widest of the three."""

    deviations: float = Field(3.0, ge=0)
    relative: float = Field(0.0, ge=0)
    absolute: float = Field(0.0, ge=0)


class Window(Settings):
    """The nights that drift is measured against. `size`: SQL; below `least` a night is too small to say anything."""

    nights: int = Field(7, ge=1)
    warm_up: int = Field(3, ge=1)
    size: str
    least: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _within(self) -> Window:
        if self.warm_up > self.nights:
            raise ValueError(f"warm_up: wanted at most `nights`, {self.nights}; found {self.warm_up}")
        return self


class Expectation(Settings):
    """One number that a night has, and where it must be. See conf/quality/staged.yaml for the keys."""

    measure: str | None = None
    shares: str | None = None
    min: float | str | None = None
    max: float | str | None = None
    drift: Reach | None = None
    severity: Literal["block", "warn"]
    look: str

    @property
    def compares(self) -> bool:
        """Whether it needs nights before."""
        return self.drift is not None or self.shares is not None

    @model_validator(mode="after")
    def _one_question(self) -> Expectation:
        if (self.measure is None) == (self.shares is None):
            raise ValueError("give exactly one of measure and shares")
        bounded = self.min is not None or self.max is not None
        if bounded == (self.drift is not None) or (self.shares is not None and self.max is None):
            raise ValueError("give min and max, or one of them, or drift; shares want max")
        known = {*COUNTS, *GateSettings.model_fields}
        for text in (self.measure, self.shares, self.min, self.max, self.look):
            allowed = known | set(PLACES) if text is self.look else known
            if unknown := sorted(_named(text) - allowed):
                raise ValueError(f"wanted in braces one of {', '.join(sorted(allowed))}; found {', '.join(unknown)}")
        return self


class Suite(Settings):
    """The expectations of one table."""

    table: Literal["inputs", "staged", "published"]
    window: Window
    expectations: dict[str, Expectation]


@dataclass(frozen=True)
class Suites:
    """All suites of a night, and a digest of what they say."""

    suites: tuple[Suite, ...]
    digest: str


def load_suites(folder: str | Path) -> Suites:
    """Every suite of the folder. Raises ConfigError: none there, a faulty file, a name that two expectations have."""
    suites = tuple(load_settings(Suite, path) for path in sorted(Path(folder).glob("*.yaml")))
    if not suites:
        raise ConfigError(f"quality: wanted suites as {folder}/TABLE.yaml; found none.")
    names = [name for suite in suites for name in suite.expectations]
    tables: list[str] = [suite.table for suite in suites]
    if twice := sorted({one for one in (*names, *tables) if names.count(one) > 1 or tables.count(one) > 1}):
        raise ConfigError(f"quality: wanted each expectation and table once in {folder}; found twice: {twice}.")
    whole = "\0".join(suite.model_dump_json() for suite in suites)
    return Suites(suites, hashlib.sha256(whole.encode()).hexdigest())


def filled(text: str | float, told: Mapping[str, int | float | str]) -> str:
    """With what stands in braces filled in."""
    return str(text).format_map(told)


def _named(text: str | float | None) -> set[str]:
    if not isinstance(text, str):
        return set()
    try:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError as error:
        raise ValueError(f"{text}: {error}") from error
