"""The whole verdict of code on a text whose marks were filled: its structure, then the law and the evidence.

What people took down or decided comes after it, and is the night's own (pipeline/judging.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from reasongen.prompts.frame import Frame
from reasongen.prompts.locales import Locale
from reasongen.prompts.render import Rendered
from reasongen.validation.case import LocaleLimits, limits_of
from reasongen.validation.gate import Compiled, category_of, compile_policy, unlawful
from reasongen.validation.rules import Policy
from reasongen.validation.verdict import Verdict, judge
from reasongen.validation.wording import WordingJudge


@dataclass(frozen=True)
class Rulebook:
    """Rules and licences of some languages; compiled once per process, and cheap to send to another."""

    locales: Mapping[str, Locale]
    policy: Policy
    wordings: Mapping[str, WordingJudge]

    def verdict(self, rendered: Rendered, skeleton: str, finish_reason: str, frame: Frame) -> Verdict:
        """The law and the evidence are asked of what the structure lets pass. Never raises for what a text holds."""
        verdict = judge(rendered, skeleton, finish_reason, frame, self._limits)
        if not verdict.passed:
            return verdict
        found = unlawful(self._gates[frame.locale], rendered.text, category_of(frame.noun, frame.noun_class))
        found += self.wordings[frame.locale].failures(frame, skeleton, rendered)
        return Verdict(False, tuple(found)) if found else verdict

    @cached_property
    def _limits(self) -> Mapping[str, LocaleLimits]:
        return limits_of(self.locales)

    @cached_property
    def _gates(self) -> Mapping[str, Compiled]:
        return {name: compile_policy(self.policy, name) for name in self.locales}

    def __getstate__(self) -> dict[str, Any]:
        return {"locales": self.locales, "policy": self.policy, "wordings": self.wordings}
