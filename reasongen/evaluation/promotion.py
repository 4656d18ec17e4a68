"""May a candidate take the place of the model that nights load? Every rule is asked, every refusal is kept.

Pure: figures in, refusals out. It compares what reasongen.training.comparison measured on the same pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from reasongen.config import Settings

CANDIDATE, CURRENT = "candidate", "current"
HELD = ("passed", "borne", "gain_skeleton")
"""What may not fall: whole verdict, licensed claims, ROUGE-1 gained on the true pair over other pairs."""


class GateRules(Settings):
    """What a candidate must reach. Shares; `speed` is a ratio."""

    min_passed: float = Field(0.9, ge=0, le=1)
    margin: float = Field(0.01, ge=0, le=1)
    segment_margin: float = Field(0.05, ge=0, le=1)
    segment_pairs: int = Field(50, ge=1)
    min_speed: float = Field(0.8, ge=0)


def refusals(figures: Mapping[str, Any], rules: GateRules, speed: float | None) -> list[str]:
    """Why the candidate stays out, as wanted and found; empty: it may go in.

    `figures`: of a comparison with the writers `candidate` and, where a model is current, `current`. `speed`: texts a
    second of the candidate over the current's; None where none is.
    """
    return [*_alone(figures["writers"][CANDIDATE], rules), *_beside(figures["writers"], rules), *_slower(speed, rules)]


def _alone(mine: Mapping[str, Any], rules: GateRules) -> Iterator[str]:
    passed = mine["figures"]["passed"] or 0.0
    if passed < rules.min_passed:
        yield f"passed: wanted {rules.min_passed:.1%} of the texts or more; found {passed:.1%}"
    low = (mine["intervals"].get("lift_skeleton") or (0.0, 0.0))[0]
    if low <= 0:
        yield f"lift_skeleton: wanted an interval above 0, or the words fit any pair; found one from {low:.3f}"


def _beside(writers: Mapping[str, Any], rules: GateRules) -> Iterator[str]:
    if CURRENT not in writers:
        return
    mine, theirs = writers[CANDIDATE], writers[CURRENT]
    for name in HELD:
        had, has = theirs["figures"][name], mine["figures"][name]
        if had is not None and (has is None or has < had - rules.margin):
            yield f"{name}: wanted {had - rules.margin:.3f} or more (current {had:.3f}); found {_shown(has)}"
    for segment, parts in theirs["segments"].items():
        for part, before in parts.items():
            had, has = before["passed"], mine["segments"][segment][part]["passed"]
            if before["pairs"] < rules.segment_pairs or had is None:
                continue
            if has is None or has < had - rules.segment_margin:
                wanted = f"wanted {had - rules.segment_margin:.3f} or more"
                yield f"passed where {segment} is {part} ({before['pairs']} pairs): {wanted}; found {_shown(has)}"


def _slower(speed: float | None, rules: GateRules) -> Iterator[str]:
    if speed is not None and speed < rules.min_speed:
        yield f"speed: wanted {rules.min_speed:.2f} of the current model's texts a second or more; found {speed:.2f}"


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
