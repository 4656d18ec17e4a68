"""May this text be shown? Runs every rule on the rendered text, literals included, and keeps every finding.

A rule that breaks refuses the text: nothing passes unread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from reasongen.prompts.frame import Frame
from reasongen.prompts.render import Rendered
from reasongen.validation.case import Failure, LocaleLimits, case_of
from reasongen.validation.structure import RULES

POLICY_VERSION = "structural-2"  # 2: an act on the item itself is borne by nothing


class Verdict(NamedTuple):
    """`passed` only where `failures` is empty. Failures stand in the order of the rules."""

    passed: bool
    failures: tuple[Failure, ...]


PASSED = Verdict(True, ())


def judge(
    rendered: Rendered, skeleton: str, finish_reason: str, frame: Frame, limits: Mapping[str, LocaleLimits]
) -> Verdict:
    """The verdict on one rendered text. `limits`: from `limits_of`, by locale. Never raises for what a text holds."""
    failures: list[Failure] = []
    whole = len(rendered.text)
    try:
        case = case_of(rendered, skeleton, finish_reason, frame, limits[frame.locale])
    except Exception as error:
        return Verdict(False, (Failure("rule_failed", 0, whole, f"case: {type(error).__name__}"),))
    for rule in RULES:
        try:
            failures += rule(case)
        except Exception as error:
            failures.append(Failure("rule_failed", 0, whole, f"{rule.__name__}: {type(error).__name__}"))
    return Verdict(False, tuple(failures)) if failures else PASSED
