"""What a policy that never ran would have got, from the logs of those that did. Refuses where the logs cannot tell.

With w = π(a | segment) / propensity: IPS is mean(w r); self-normalised Σ w r / Σ w (Swaminathan & Joachims 2015);
doubly robust mean(Σ_a π(a) q(segment, a) + w (r - q(segment, a))) (Dudík, Langford & Li 2011), q the mean reward of
other users' rows, halves of the users taking turns (cross-fitting). Each is a ratio of sums over users, so its interval
is by `moments`: clustered by user.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from reasongen.experiments.moments import Moments
from reasongen.experiments.settings import OverlapSettings, PolicySettings

Column = NDArray[np.float64]
_FAR = 4.0
"""Standard errors by which the mean weight may miss 1 before the propensities count as wrong."""
_PRIOR = 10.0
"""Rows of the mean over all that are added to each cell of q: few rows speak softly."""


@dataclass(frozen=True)
class Logged:
    """Exposures as numbers: `users` (index of the user), `segments`, `actions` (names), `propensities`, `rewards`."""

    users: NDArray[np.int64]
    segments: NDArray[np.object_]
    actions: NDArray[np.object_]
    propensities: Column
    rewards: Column


@dataclass(frozen=True)
class Value:
    """A policy's value with its interval, of one estimator."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PolicyValue:
    """`refused`: codes why the logs cannot tell, and then no value. `effective`: users that the weights leave, in
    effect (Σ w)² / Σ w² over users' sums (Kish 1965)."""

    values: Mapping[str, Value]
    users: int
    effective: float
    most_weight: float
    mean_weight: float
    refused: tuple[str, ...]


def value_of(policy: PolicySettings, logged: Logged, overlap: OverlapSettings, *, level: float) -> PolicyValue:
    """The value of `policy` on the logged exposures.

    Refused: no_rows; no_support (it chooses what was never logged in a segment); weights_off (the mean weight is too
    far from 1: the logged propensities are not those of what ran); heavy (one weight above `most_weight`);
    few_effective.
    """
    if not len(logged.users):
        return PolicyValue({}, 0, 0.0, 0.0, 0.0, ("no_rows",))
    segments, at = np.unique(logged.segments.astype(str), return_inverse=True)
    actions, did = np.unique(logged.actions.astype(str), return_inverse=True)
    wanted = np.array([[_share(policy, one, action) for action in actions] for one in segments])
    weights = wanted[at, did] / logged.propensities
    users = int(logged.users.max()) + 1
    sums = np.bincount(logged.users, weights, minlength=users).astype(float)
    shown = np.bincount(logged.users, minlength=users).astype(float)
    there = shown > 0
    effective = float(sums.sum() ** 2 / (sums**2).sum()) if sums.any() else 0.0
    mean = Moments.of(sums[there], shown[there])
    refused = _refusals(policy, segments, actions, at, did, mean)
    if "no_support" not in refused:
        refused += ["heavy"] if weights.max() > overlap.most_weight else []
        refused += ["few_effective"] if effective < overlap.least_effective * there.sum() else []
    values = {}
    if not refused:
        robust = _robust(wanted, weights, at, did, logged)
        for name, parts, wholes in (
            ("ips", weights * logged.rewards, np.ones(len(weights))),
            ("snips", weights * logged.rewards, weights),
            ("dr", robust, np.ones(len(weights))),
        ):
            y, n = (np.bincount(logged.users, one, minlength=users)[there].astype(float) for one in (parts, wholes))
            values[name] = _interval(Moments.of(y, n), level)
    return PolicyValue(values, int(there.sum()), effective, float(weights.max()), float(mean.ratio), tuple(refused))


def _share(policy: PolicySettings, segment: str, action: str) -> float:
    return policy.chooses.get(segment, policy.chooses["else"]).get(action, 0.0)


def _refusals(
    policy: PolicySettings,
    segments: NDArray[np.str_],
    actions: NDArray[np.str_],
    at: NDArray[np.intp],
    did: NDArray[np.intp],
    mean: Moments,
) -> list[str]:
    found = set(zip(segments[at], actions[did], strict=True))
    wanted = {
        (str(segment), action)
        for segment in segments
        for action, share in policy.chooses.get(str(segment), policy.chooses["else"]).items()
        if share > 0
    }
    if wanted - found:
        return ["no_support"]
    error = float(np.sqrt(mean.spread / mean.users))
    return ["weights_off"] if abs(float(mean.ratio) - 1) > _FAR * error + 1e-6 else []


def _robust(wanted: Column, weights: Column, at: NDArray[np.intp], did: NDArray[np.intp], logged: Logged) -> Column:
    """Each row's doubly robust term, its q from the other half of the users."""
    half = logged.users % 2
    cell = at * wanted.shape[1] + did
    made = np.empty(len(weights))
    for own in (0, 1):
        other, mine = half != own, half == own
        sums = np.bincount(cell[other], logged.rewards[other], minlength=wanted.size).reshape(wanted.shape)
        rows = np.bincount(cell[other], minlength=wanted.size).reshape(wanted.shape)
        whole = logged.rewards[other].mean() if other.any() else 0.0
        q = (sums + _PRIOR * whole) / (rows + _PRIOR)
        expected = (wanted * q).sum(1)
        made[mine] = expected[at[mine]] + weights[mine] * (logged.rewards[mine] - q[at[mine], did[mine]])
    return made


def _interval(moments: Moments, level: float) -> Value:
    value = float(moments.ratio)
    half = float(norm.isf((1 - level) / 2) * np.sqrt(moments.spread / moments.users))
    return Value(value, value - half, value + half)
