"""What each user saw and did, by metric: the numbers that estimates are made of. Day after day, or at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reasongen.experiments.joining import Joined
from reasongen.experiments.moments import Column, Moments
from reasongen.experiments.rows import COUNTED, Coded
from reasongen.experiments.settings import MetricSettings


@dataclass(frozen=True)
class Counted:
    """Counted exposures as numbers, in order of their day: index of the user, day since `first_day`; of each user the
    arm.

    `flags`: kind of feedback → which exposures it followed. `ids`: users by index.
    """

    first_day: pd.Timestamp
    users: NDArray[np.int64]
    days: NDArray[np.int64]
    flags: Mapping[str, NDArray[np.bool_]]
    arms: NDArray[np.object_]
    ids: NDArray[np.object_]

    @property
    def last_day(self) -> int:
        """The day of the last exposure, from 0; -1 where there is none."""
        return int(self.days[-1]) if len(self.days) else -1

    def users_by_arm(self) -> dict[str, int]:
        """How many users of each arm are met."""
        names, found = np.unique(self.arms.astype(str), return_counts=True)
        return dict(zip(names.tolist(), found.tolist(), strict=True))

    def by_day(self, metric: MetricSettings, x: Column, days: Mapping[int, object]) -> Iterator[dict[str, Moments]]:
        """At the end of each of `days` (in order), the moments of each arm over the users met until then."""
        did, could = self._of(metric)
        y, n = np.zeros(len(self.ids)), np.zeros(len(self.ids))
        at = 0
        for day in days:
            until = int(np.searchsorted(self.days, day, side="right"))
            rows = self.users[at:until]
            y += np.bincount(rows, did[at:until], minlength=len(self.ids))
            n += np.bincount(rows, could[at:until], minlength=len(self.ids))
            at = until
            met = np.zeros(len(self.ids), bool)
            met[self.users[:until]] = True
            told = (np.minimum(y, 1), met.astype(float)) if metric.per == "user" else (y, n)
            chosen = {arm: met & (self.arms == arm) for arm in self.users_by_arm()}
            yield {arm: Moments.of(told[0][of], told[1][of], x[of]) for arm, of in chosen.items()}

    def _of(self, metric: MetricSettings) -> tuple[Column, Column]:
        did = self.flags[metric.kind]
        seen = self.flags["impression"] | did if metric.per == "impression" else np.ones(len(did), bool)
        return did.astype(float), seen.astype(float)

    def with_event(self, metric: MetricSettings) -> dict[str, int]:
        """Users of each arm with at least one such event."""
        did = np.zeros(len(self.ids), bool)
        did[self.users[self.flags[metric.kind]]] = True
        return {arm: int(did[self.arms == arm].sum()) for arm in self.users_by_arm()}


def count(joined: Joined) -> Counted:
    """Of the exposures that count."""
    used = joined.used()
    rows = joined.exposures.frame.loc[used, ["user_id", "arm", "shown_at"]]
    days = rows["shown_at"].dt.floor("D")
    first = days.min() if len(rows) else pd.Timestamp(joined.as_of).floor("D")
    number = ((days - first) // pd.Timedelta(days=1)).to_numpy(np.int64)
    order = np.argsort(number, kind="stable")
    users, ids = pd.factorize(rows["user_id"].to_numpy(object)[order])
    arms = np.empty(len(ids), object)
    arms[users] = rows["arm"].to_numpy(object)[order]
    flags = {kind: flag[used][order] for kind, flag in joined.followed.items()}
    return Counted(first, users.astype(np.int64), number[order], flags, arms, np.asarray(ids, object))


def earlier(counted: Counted, before: Coded | None, metric: str) -> tuple[Column, int]:
    """Of each user the metric before the start, and how many users have one. Who has none gets the mean of those who
    do, of all arms alike: it says nothing of the arm."""
    empty = np.zeros(len(counted.ids))
    if before is None:
        return empty, 0
    rows = before.frame[before.codes == COUNTED]
    rows = rows[rows["metric"].isna() | (rows["metric"] == metric)].sort_values("metric", na_position="last")
    values = rows.drop_duplicates("user_id").set_index("user_id")["value"].reindex(counted.ids).to_numpy(float)
    there = np.isfinite(values)
    if not there.any():
        return empty, 0
    return np.where(there, values, values[there].mean()), int(there.sum())
