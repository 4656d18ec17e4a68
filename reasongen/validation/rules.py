"""The rules of conf/policies as frozen settings: what a rule is, and how a folder of them is read. Matches nothing.

One file is one rule in one language. Its head says where it comes from; each of its checks is of one kind.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from reasongen.config import Settings, load_settings
from reasongen.errors import ConfigError

Action = Literal["block", "human", "rewrite", "label"]
_ENDLESS = re.compile(r"(?<!\\)[*+](?!\?)|\{\d+,\}")


class Exemption(Settings):
    """Where a hit does not count: inside `where` (a pattern), if the facts prove it.

    `facts`: names that the item must state. `categories`: words, one of which its category must hold.
    """

    where: str
    facts: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    _bounded = field_validator("where")(lambda value: bounded(value))


class Check(Settings):
    """What every kind of check shares. `action` goes before that of the rule."""

    action: Action | None = None
    categories: tuple[str, ...] = ()
    exempt: tuple[Exemption, ...] = ()


class TermsCheck(Check):
    """Any of the terms, as a whole word where it is Latin; a last `*` lets the word go on."""

    kind: Literal["terms"]
    terms: tuple[str, ...] = Field(min_length=1)


class PatternCheck(Check):
    """Any of the patterns; `lists` names alternatives (a|b|c, folded at any bar) that stand as {name} in them."""

    kind: Literal["pattern"]
    lists: Mapping[str, str] = Field(default_factory=dict)
    patterns: tuple[str, ...] = Field(min_length=1)

    @field_validator("patterns")
    @classmethod
    def _all_bounded(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(bounded(value) for value in values)

    def compiled(self) -> re.Pattern[str]:
        """All patterns as one."""
        whole = "|".join(f"(?:{pattern})" for pattern in self.patterns)
        for name, words in self.lists.items():
            whole = whole.replace("{" + name + "}", "(?:" + words.replace("| ", "|") + ")")
        return re.compile(whole)


class FactCheck(Check):
    """What the patterns say must be a fact: one of `facts` is stated, and equals the number in the group if any."""

    kind: Literal["fact"]
    patterns: tuple[str, ...] = Field(min_length=1)
    facts: tuple[str, ...] = Field(min_length=1)

    @field_validator("patterns")
    @classmethod
    def _all_bounded(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(bounded(value) for value in values)


class PriceCheck(Check):
    """Every sum of money is a stated price; a discount is the arithmetic of a stated pair with a stated basis.

    `money`, `percent` and `tenths` (八折) hold the number in a group; `claims` are words that promise a price. `now`
    names the price of today, `prices` what the name of any stated price holds.
    """

    kind: Literal["price"]
    money: tuple[str, ...]
    percent: tuple[str, ...]
    tenths: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    now: tuple[str, ...]
    prices: tuple[str, ...]


AnyCheck = Annotated[TermsCheck | PatternCheck | FactCheck | PriceCheck, Field(discriminator="kind")]


class Rule(Settings):
    """One rule in one language. `confirm`: the source is second-hand, a lawyer must confirm it before launch."""

    id: str
    version: int = Field(ge=1)
    jurisdiction: str
    locale: Literal["zh", "en"]
    scenario: str = "any"
    source: str
    confirm: bool = True
    action: Action
    checks: tuple[AnyCheck, ...] = Field(min_length=1)


class Evasions(Settings):
    """Latin spellings that stand for Chinese beside Chinese: conf/policies/evasions.yaml."""

    version: int = Field(ge=1)
    spellings: dict[str, str]


class Policy(Settings):
    """All rules of a folder, in the order of their names, and the evasions that they are read through."""

    rules: tuple[Rule, ...]
    evasions: dict[str, str]
    digest: str

    @property
    def version(self) -> str:
        """What a verdict rests on: changes with any character of any rule."""
        return f"policy-{self.digest[:12]}"


def bounded(pattern: str) -> str:
    """The pattern, if it compiles and has no endless repetition (a hostile text would cost more than it is long)."""
    if _ENDLESS.search(pattern):
        raise ValueError("wanted bounded repetitions such as {0,12}; found an endless one")
    try:
        re.compile(re.sub(r"\{[a-z_]+\}", "x", pattern))
    except re.error as error:
        raise ValueError(f"wanted a regular expression; found: {error}") from error
    return pattern


def load_rule(path: str | Path) -> Rule:
    """One file below conf/policies/zh or en. Raises ConfigError that names every fault."""
    return load_settings(Rule, path)


def load_policy(folder: str | Path, *more: str | Path) -> Policy:
    """Every rule below the folders, as their files are now; `more` only add (words that a domain or a brand forbids).

    Evasions are those of the first. Raises ConfigError: a folder without rules, two of one name and language, a faulty
    file.
    """
    folders = tuple(map(str, (folder, *more)))
    return _policy(folders, tuple(map(files_now, folders)))


def files_now(folder: str | Path) -> tuple[tuple[str, int], ...]:
    """The YAML files below a folder, each with when it was written: a reader that keeps what it read looks here."""
    return tuple((str(path), path.stat().st_mtime_ns) for path in sorted(Path(folder).rglob("*.yaml")))


@lru_cache(maxsize=4)
def _policy(folders: tuple[str, ...], _: tuple[tuple[tuple[str, int], ...], ...]) -> Policy:
    found = {folder: sorted(Path(folder).glob("*/*.yaml")) for folder in folders}
    if empty := [folder for folder, files in found.items() if not files]:
        raise ConfigError(f"{empty[0]}: wanted rules as LOCALE/NAME.yaml; found none")
    files = [file for some in found.values() for file in some]
    rules = tuple(load_rule(path) for path in files)
    names = [(rule.id, rule.locale) for rule in rules]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"{', '.join(folders)}: wanted one file per rule and language; found two of {twice}")
    evasions = load_settings(Evasions, Path(folders[0]) / "evasions.yaml")
    whole = "\0".join([*(rule.model_dump_json() for rule in rules), evasions.model_dump_json()])
    return Policy(rules=rules, evasions=dict(evasions.spellings), digest=hashlib.sha256(whole.encode()).hexdigest())
