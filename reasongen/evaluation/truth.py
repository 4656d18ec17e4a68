"""Is a text true and may it be shown? Asked as the night asks it: the whole verdict on the rendered text, and before
it, how many of the words and literals that it states its frame bears.

The night's own Judge (pipeline) asks the same rulebook and adds what people took down; a test holds both to one answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from reasongen.errors import ConfigError
from reasongen.prompts import Frame, Literals, Rendered, Renderer, load_locales
from reasongen.validation import (
    Policy,
    Rulebook,
    WordingJudge,
    load_licences,
    load_policy,
)


@dataclass(frozen=True)
class Told:
    """One text as its reader sees it. `skeleton`: with its marks; `failures`: codes of the rules that refuse it, none
    where it passes; `claims` and `borne`: content words and literals, and those of them that the frame bears."""

    skeleton: str
    text: str
    failures: tuple[str, ...]
    claims: int
    borne: int


@dataclass(frozen=True)
class Truth:
    """The rules and licences of all languages, and the renderer that fills marks."""

    renderer: Renderer
    policy: Policy
    wordings: Mapping[str, WordingJudge]

    def told(self, frame: Frame, literals: Literals, text: str, finish: str = "stop") -> Told:
        """What a model wrote for a frame. Raises ConfigError for a locale without words."""
        rendered = self.renderer.fill(text, frame, literals)
        failures = tuple(dict.fromkeys(self._refused(frame, text, rendered, finish)))
        claims, borne = self.wordings[frame.locale].borne(frame, text, rendered)
        return Told(text, rendered.text, failures, claims, borne)

    def plain(self, frame: Frame, literals: Literals, text: str) -> Told:
        """What a person wrote, who knows no marks: the pair's literals are found in it where they stand."""
        return self.told(replace(frame, literals=literals), literals, text)

    def _refused(self, frame: Frame, skeleton: str, rendered: Rendered, finish: str) -> list[str]:
        """As pipeline.judging.Judge.verdict, but for what people decided."""
        return [one.rule for one in self._rules.verdict(rendered, skeleton, finish, frame).failures]

    @cached_property
    def _rules(self) -> Rulebook:
        return Rulebook(self.renderer.locales, self.policy, self.wordings)


def load_truth(locale_files: str, policies: str, licences: str, locales: frozenset[str]) -> Truth:
    """From the folders of conf/, for these languages. Raises ConfigError."""
    known = load_locales(locale_files)
    if missing := sorted(locales - set(known)):
        raise ConfigError(
            f"{locale_files}: wanted a file for the locales {', '.join(missing)} of the pairs; found {sorted(known)}. "
            "Leave these pairs out, or add the files."
        )
    wordings = {name: WordingJudge(load_licences(licences, name)) for name in sorted(locales)}
    return Truth(Renderer({name: known[name] for name in sorted(locales)}), load_policy(policies), wordings)
