"""Means and covariances over users, and the ratio metrics that follow from them. Batched: every array may have axes in
front (experiments, days), and all of them are computed at once.

A metric is Σ y / Σ n over users: clicks over exposures. Its variance is that of the linearised z = (y - R n) / mean(n)
over users (delta method; Deng, Knoblich & Lu, "Applying the Delta Method in Metric Analytics", KDD 2018), so what a
user does again is one cluster. CUPED takes away what an earlier count x of the same user explains: θ = cov(z, x) /
var(x) (Deng, Xu, Kohavi & Walker, WSDM 2013), one θ for both arms, from within arms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Column = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Of one arm: `users` (count), `means` (…, 3) and `covariances` (…, 3, 3) of y, n, x over users."""

    users: Column
    means: Column
    covariances: Column

    @staticmethod
    def of(y: Column, n: Column, x: Column | None = None, seen: NDArray[np.bool_] | None = None) -> Moments:
        """Over the last axis, of users with `seen` (None: all). `x` None: nothing is known of earlier."""
        told = np.stack(np.broadcast_arrays(y, n, np.zeros_like(y) if x is None else x), axis=-2)
        weights = np.ones(told.shape[-1]) if seen is None else seen[..., None, :].astype(float)
        users = np.broadcast_to(weights, told.shape).sum(-1)[..., 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            means = (told * weights).sum(-1) / users[..., None]
            apart = (told - means[..., None]) * weights
            covariances = apart @ np.swapaxes(apart, -1, -2) / (users[..., None, None] - 1)
        return Moments(users, means, covariances)

    @property
    def ratio(self) -> Column:
        """R = mean(y) / mean(n); nan where n is nothing."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.means[..., 0] / self.means[..., 1])

    @property
    def spread(self) -> Column:
        """Variance over users of z, the linearised metric."""
        c, r = self.covariances, self.ratio
        with np.errstate(divide="ignore", invalid="ignore"):
            plain = c[..., 0, 0] - 2 * r * c[..., 0, 1] + r**2 * c[..., 1, 1]
            return np.asarray(np.maximum(plain, 0) / self.means[..., 1] ** 2)

    @property
    def with_earlier(self) -> Column:
        """Covariance over users of z and x."""
        c = self.covariances
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((c[..., 0, 2] - self.ratio * c[..., 1, 2]) / self.means[..., 1])


@dataclass(frozen=True)
class Adjusted:
    """Values of both arms after CUPED, and the variance of each value."""

    control: Column
    treated: Column
    control_variance: Column
    treated_variance: Column
    explained: Column
    """Share of the difference's variance that the earlier count took away; 0 without one."""

    @property
    def difference(self) -> Column:
        """Treated less control."""
        return np.asarray(self.treated - self.control)

    @property
    def error(self) -> Column:
        """Standard error of the difference."""
        return np.sqrt(self.control_variance + self.treated_variance)

    @property
    def log_ratio(self) -> Column:
        """log(treated / control); nan where one of them is not above 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.log(self.treated) - np.log(self.control))

    @property
    def log_error(self) -> Column:
        """Standard error of the log ratio, by the delta method."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.sqrt(self.control_variance / self.control**2 + self.treated_variance / self.treated**2)


def adjust(control: Moments, treated: Moments) -> Adjusted:
    """Both arms' values and variances, the earlier count taken out where it varies.

    The arms' values are moved towards each other's mean of x by θ, so their difference stays unbiased whatever θ is.
    """
    arms = (control, treated)
    freedom = [arm.users - 1 for arm in arms]
    x_variance = [arm.covariances[..., 2, 2] for arm in arms]
    down = sum(f * v for f, v in zip(freedom, x_variance, strict=True))
    up = sum(f * arm.with_earlier for f, arm in zip(freedom, arms, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        theta = np.where(down > 0, up / np.where(down > 0, down, 1), 0.0)
        whole = (control.users * control.means[..., 2] + treated.users * treated.means[..., 2]) / (
            control.users + treated.users
        )
        values = [arm.ratio - theta * (arm.means[..., 2] - whole) for arm in arms]
        raw = [arm.spread / arm.users for arm in arms]
        after = [
            np.maximum(arm.spread - 2 * theta * arm.with_earlier + theta**2 * v, 0) / arm.users
            for arm, v in zip(arms, x_variance, strict=True)
        ]
        before = raw[0] + raw[1]
        explained = np.where(before > 0, 1 - (after[0] + after[1]) / np.where(before > 0, before, 1), 0.0)
    return Adjusted(values[0], values[1], after[0], after[1], explained)
