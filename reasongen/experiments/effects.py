"""Each arm against the control, by metric: difference and lift, each with an interval for one look at the end and one
that holds however often it is looked at; p by Holm over all arms and metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from reasongen.experiments.moments import Adjusted
from reasongen.experiments.sequence import always_valid_p, mixture, radius, wanted_information
from reasongen.experiments.settings import MetricSettings

Column = NDArray[np.float64]
Bounds = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """r of the always-valid interval, of differences and of log ratios: fixed by the plan, before any data."""

    difference: float
    log_ratio: float

    @staticmethod
    def of(metric: MetricSettings, *, alpha: float, power: float) -> Scale:
        """For the lift that the metric wants to see."""
        at = {"alpha": alpha, "power": power}
        return Scale(
            mixture(wanted_information(metric.baseline * metric.lift, **at), alpha),
            mixture(wanted_information(math.log1p(metric.lift), **at), alpha),
        )


@dataclass(frozen=True)
class Effect:
    """One arm against the control. Lifts are relative: 0.05 is 5 % more. Bounds None: too few users or events to tell.

    `p` of one look, `p_always` of any look, each also after Holm. `explained`: variance that CUPED took away.
    """

    metric: str
    arm: str
    control_value: float
    value: float
    difference: float
    lift: float | None
    fixed: Bounds | None = None
    always: Bounds | None = None
    lift_fixed: Bounds | None = None
    lift_always: Bounds | None = None
    p: float | None = None
    p_always: float | None = None
    p_holm: float | None = None
    p_always_holm: float | None = None
    explained: float = 0.0


def fixed_radius(error: Column, alpha: float) -> Column:
    """Half the width of the normal interval for one look."""
    return np.asarray(norm.isf(alpha / 2) * error)


def effect_of(metric: str, arm: str, adjusted: Adjusted, scale: Scale, *, alpha: float, enough: bool) -> Effect:
    """Of one comparison; without intervals where there is not enough, or nothing varies."""
    lift = math.expm1(float(adjusted.log_ratio)) if math.isfinite(float(adjusted.log_ratio)) else None
    found = Effect(
        metric,
        arm,
        float(adjusted.control),
        float(adjusted.treated),
        float(adjusted.difference),
        lift,
        explained=float(adjusted.explained),
    )
    error, log_error = adjusted.error, adjusted.log_error
    if not enough or not float(error) > 0:
        return found
    p = 2 * float(norm.sf(abs(float(adjusted.difference / error))))
    found = replace(
        found,
        fixed=_around(found.difference, fixed_radius(error, alpha)),
        always=_around(found.difference, radius(error, scale.difference, alpha)),
        p=p,
        p_always=float(always_valid_p(adjusted.difference, error, scale.difference)),
    )
    if lift is None:
        return found
    log = float(adjusted.log_ratio)
    return replace(
        found,
        lift_fixed=_lifts(_around(log, fixed_radius(log_error, alpha))),
        lift_always=_lifts(_around(log, radius(log_error, scale.log_ratio, alpha))),
    )


def with_holm(effects: Sequence[Effect]) -> list[Effect]:
    """The same with p after Holm (1979), over all that have one: the chance of any wrong finding stays at alpha."""
    once = holm({at: one.p for at, one in enumerate(effects) if one.p is not None})
    always = holm({at: one.p_always for at, one in enumerate(effects) if one.p_always is not None})
    return [replace(one, p_holm=once.get(at), p_always_holm=always.get(at)) for at, one in enumerate(effects)]


def holm(ps: Mapping[int, float]) -> dict[int, float]:
    """Holm's step-down: the k-th smallest of m times m - k + 1, never below the one before, at most 1."""
    made: dict[int, float] = {}
    above = 0.0
    for place, (at, p) in enumerate(sorted(ps.items(), key=lambda one: one[1])):
        above = max(above, min(1.0, p * (len(ps) - place)))
        made[at] = above
    return made


def _around(middle: float, half: Column) -> Bounds:
    return middle - float(half), middle + float(half)


def _lifts(bounds: Bounds) -> Bounds:
    return math.expm1(min(bounds[0], 700.0)), math.expm1(min(bounds[1], 700.0))
