"""Before the start: how many users a lift needs, and which lift so many users would show. Knows no data, only the plan.

With m exposures a user, each followed with probability p, and correlation ρ between exposures of one user, a user's
mean has variance p (1 - p) (1 + (m - 1) ρ) / m (Donner & Klar 2000, the design effect); CUPED leaves 1 - R² of it. Two
arms with shares s and t of the users, at rates p and p (1 + lift), have error² = (variance / s + variance / t) / users.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from reasongen.experiments.sequence import mixture, radius, wanted_information
from reasongen.experiments.settings import ExperimentSettings, MetricSettings, PlanSettings


@dataclass(frozen=True)
class Plan:
    """One metric's. Users are of all arms together; `smallest`: the relative lift that `plan.users` would show."""

    users_fixed: int
    users_sequential: int
    smallest_fixed: float
    smallest_sequential: float


def variance_of(p: float, metric: MetricSettings, plan: PlanSettings) -> float:
    """Of one user's value of the metric at rate p, after CUPED; of a share of users each user counts once."""
    repeated = 1.0 if metric.per == "user" else (1 + (plan.exposures_per_user - 1) * plan.same_user)
    exposures = 1.0 if metric.per == "user" else plan.exposures_per_user
    return p * (1 - p) * repeated / exposures * (1 - plan.explained)


def plan_of(metric: MetricSettings, settings: ExperimentSettings, arm: str) -> Plan:
    """For `arm` against the control: users for `metric.lift`, and the smallest lift at `plan.users`."""
    shares = settings.shares
    risen = min(metric.baseline * (1 + metric.lift), 0.5)
    one_user = variance_of(risen, metric, settings.plan) / shares[arm]
    one_user += variance_of(metric.baseline, metric, settings.plan) / shares[settings.control]
    at = {"alpha": settings.alpha, "power": settings.power}
    fixed_at = wanted_information(metric.baseline * metric.lift, **at) * one_user
    r = mixture(wanted_information(metric.baseline * metric.lift, **at), settings.alpha)
    effect = metric.baseline * metric.lift

    def short_of(users: float) -> float:
        return _seen_at(math.sqrt(one_user / users), r, **at) - effect

    error = math.sqrt(one_user / settings.plan.users)
    fixed_smallest = error * (norm.isf(settings.alpha / 2) + norm.ppf(settings.power))
    return Plan(
        math.ceil(fixed_at),
        math.ceil(brentq(short_of, fixed_at / 100, fixed_at * 100)),
        float(fixed_smallest) / metric.baseline,
        _seen_at(error, r, **at) / metric.baseline,
    )


def plans(settings: ExperimentSettings) -> Mapping[str, Mapping[str, Plan]]:
    """By metric and arm; the control is compared with none."""
    arms = [arm for arm in settings.arms if arm != settings.control]
    return {name: {arm: plan_of(metric, settings, arm) for arm in arms} for name, metric in settings.metrics.items()}


def _seen_at(error: float, r: float, *, alpha: float, power: float) -> float:
    """The effect that the always-valid interval, looked at once at this error, leaves 0 out for with this power."""
    return float(radius(np.array(error), r, alpha)) + error * float(norm.ppf(power))
