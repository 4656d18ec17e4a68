"""Makes the prompt from a frame by a template file: a pure function, so equal frames give equal prompts.

A template file (conf/prompts/*.yaml) holds id, version, marks (does the text that comes back hold reference marks?),
shows (reference: no literal is visible; literal: the frame's literals are) and template (jinja2). Its variables are the
frame's keys, all of them always there (empty where the frame has none): l, s, c, k, w, a, b, e (rows with f, w, a, n),
and v (title, brand, attr, e with count, title, value) where literals are shown.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from reasongen.errors import ConfigError
from reasongen.prompts.frame import Frame, Literals
from reasongen.prompts.neutral import neutral

TITLE_CHARS = 40  # a visible title; other values are words (neutral.WORD_CHARS)

_KEYS = {"id": str, "version": str, "marks": bool, "shows": str, "template": str}
_SHOWS = ("reference", "literal")
_JINJA = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False
)


@dataclass(frozen=True)
class PromptTemplate:
    """One version of the words around the facts. `text` is jinja2 source; values put into it are never evaluated."""

    id: str
    version: str
    marks: bool
    shows: str
    text: str

    @property
    def key(self) -> str:
        """Id and version, as they enter the prompt's hash."""
        return f"{self.id}@{self.version}"

    @property
    def shows_literals(self) -> bool:
        """Whether literals stand in the prompt (and then in the frame, and in the hash)."""
        return self.shows == "literal"

    @cached_property
    def digest(self) -> str:
        """sha256 over everything that changes a prompt or how its text is read; 64 hex digits."""
        parts = [self.id, self.version, self.marks, self.shows, self.text]
        return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()

    @cached_property
    def _compiled(self) -> Template:
        return _JINJA.from_string(self.text)

    def __getstate__(self) -> dict[str, Any]:
        """Without the compiled template, which cannot travel between processes."""
        return {name: value for name, value in self.__dict__.items() if name != "_compiled"}

    def render(self, frame: Frame, literals: Literals | None = None) -> str:
        """The prompt. A literal template takes the frame's own literals; `literals` stand in where it has none.

        Raises ValueError where literals are to be shown and there are none, or the template names an unknown variable.
        """
        shown = (frame.literals or literals) if self.shows_literals else None
        if self.shows_literals and shown is None:
            raise ValueError(f"template {self.key}: wanted a frame with literals (key v); found none")
        try:
            return self._compiled.render(_variables(frame, shown))
        except TemplateError as error:
            raise ValueError(f"template {self.key}: {error.message}") from error


def load_template(path: str | Path) -> PromptTemplate:
    """Read and check a template file. Raises ConfigError that names every fault."""
    try:
        raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: wanted YAML with {', '.join(_KEYS)}; found {type(error).__name__}") from error
    raw = raw if isinstance(raw, dict) else {}
    raw = {**raw, "version": str(raw["version"])} if isinstance(raw.get("version"), int) else raw
    faults = [f"{key}: wanted {kind.__name__}" for key, kind in _KEYS.items() if type(raw.get(key)) is not kind]
    faults += [f"{key}: not a key of a template" for key in raw if key not in _KEYS]
    if raw.get("shows") not in _SHOWS:
        faults.append(f"shows: wanted one of {', '.join(_SHOWS)}")
    if faults:
        raise ConfigError(f"{path}: {'; '.join(faults)}")
    template = PromptTemplate(raw["id"], raw["version"], raw["marks"], raw["shows"], raw["template"])
    try:
        _ = template._compiled
    except TemplateError as error:
        raise ConfigError(f"{path}: template: {error.message}") from error
    return template


def _variables(frame: Frame, shown: Literals | None) -> dict[str, Any]:
    rows = [{"f": row.facet, "w": neutral(row.word), "a": row.act, "n": row.size} for row in frame.evidence]
    visible: dict[str, Any] = {
        "l": frame.locale,
        "s": neutral(frame.scenario),
        "c": neutral(frame.noun),
        "k": frame.noun_class,
        "w": [neutral(word) for word in frame.words],
        "a": neutral(frame.attribute),
        "b": frame.brand,
        "e": rows,
    }
    return visible if shown is None else {**visible, "v": _literals(shown)}


def _literals(shown: Literals) -> dict[str, Any]:
    rows = [
        {"count": row.count, "title": neutral(row.title, TITLE_CHARS), "value": neutral(row.value)}
        for row in shown.evidence
    ]
    head = {"title": neutral(shown.title, TITLE_CHARS), "brand": neutral(shown.brand), "attr": neutral(shown.attr)}
    return {**head, "e": rows}
