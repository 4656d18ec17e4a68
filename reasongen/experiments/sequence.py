"""Intervals that may be looked at every day: right at all times together, not at one time only.

The estimate times its information V = 1 / error² behaves as a Brownian motion in V, whose normal-mixture boundary
(Robbins 1970; Howard, Ramdas, McAuliffe & Sekhon 2021, eq. 14) is, with τ = V / r,

    |estimate - truth| ≤ error × sqrt((1 + 1/τ) log((1 + τ) / α²))      for all V at once, with probability 1 - α.

With the error estimated from the data it holds in the limit: an asymptotic confidence sequence (Waudby-Smith, Arbour,
Sinha, Kennedy & Ramdas, "Time-uniform central limit theory and asymptotic confidence sequences", theorem 2.2, whose
t ρ² is τ). r is fixed before the start, for the narrowest interval at the information that the plan wants: data never
choose it. Information instead of users is what makes returning users right: their further days add information, not
users.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Column = NDArray[np.float64]


def wanted_information(effect: float, *, alpha: float, power: float) -> float:
    """1 / error² at which an effect of this size is found with this power by a two-sided test of level alpha."""
    return float(((norm.isf(alpha / 2) + norm.ppf(power)) / effect) ** 2)


def mixture(information: float, alpha: float) -> float:
    """r for the narrowest interval at this information: τ = -2 log α + log(-2 log α + 1) (Waudby-Smith et al., eq.
    11)."""
    twice = -2 * math.log(alpha)
    return information / (twice + math.log(twice + 1))


def radius(error: Column, r: float, alpha: float) -> Column:
    """Half the width of the interval at level 1 - alpha, in the unit of `error`; inf where nothing is known yet."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        tau = 1 / (np.asarray(error, float) ** 2 * r)
        found = error * np.sqrt((1 + 1 / tau) * (np.log1p(tau) - 2 * math.log(alpha)))
    return np.where(np.isfinite(error) & (error > 0), found, np.inf)


def always_valid_p(estimate: Column, error: Column, r: float) -> Column:
    """The smallest alpha at which the interval leaves 0 out: a p that may be read at any time; 1 where nothing is
    known."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        tau = 1 / (np.asarray(error, float) ** 2 * r)
        z = np.asarray(estimate, float) / error
        log_p = 0.5 * np.log1p(tau) - 0.5 * z**2 * tau / (1 + tau)
        found = np.exp(np.minimum(log_p, 0))
    return np.where(np.isfinite(found), found, 1.0)
