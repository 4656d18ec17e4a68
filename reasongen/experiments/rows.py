"""Rows that can be used, and a code for each other row: nothing is dropped without being counted.

A code says the first thing that is wrong with a row. Codes of one table add up to its rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reasongen.experiments.reading import Given
from reasongen.experiments.settings import BotSettings, ExperimentSettings
from reasongen.schema import FEEDBACK_KINDS

COUNTED = "counted"


@dataclass(frozen=True)
class Coded:
    """A table whose every row has a code; `counted` is used. `codes`: one a row of `frame`."""

    frame: pd.DataFrame
    codes: NDArray[np.object_]
    malformed: int

    def also(self, code: str, rows: NDArray[np.bool_]) -> Coded:
        """The same with this code on those of the rows that were still counted."""
        return Coded(self.frame, np.where(rows & (self.codes == COUNTED), code, self.codes), self.malformed)

    def counts(self) -> dict[str, int]:
        """Rows by code, most first, equal ones by name; `counted` always there."""
        found = {str(code): int(rows) for code, rows in pd.Series(self.codes).value_counts().items()}
        found |= {"malformed": self.malformed} if self.malformed else {}
        found.setdefault(COUNTED, 0)
        return {code: found[code] for code in sorted(found, key=lambda code: (-found[code], code))}


def coded(given: Given, wrong: Sequence[tuple[str, pd.Series]]) -> Coded:
    """A code for each row: that of the first condition that holds, else counted."""
    conditions = [rows.to_numpy(bool) for _, rows in wrong]
    codes = np.select(conditions, [code for code, _ in wrong], COUNTED).astype(object)
    return Coded(given.frame, codes, given.malformed)


def coded_exposures(given: Given, settings: ExperimentSettings, as_of: datetime) -> Coded:
    """Codes: no_user, no_item, no_arm, no_time, bad_propensity, unknown_arm, doubled (the row stands twice), outside
    (before start, or at or after end), open (its window is not over at `as_of`), two_arms (of a user met in two arms).
    """
    rows = given.frame
    closed = pd.Timestamp(as_of) - timedelta(hours=settings.window_hours)
    outside = pd.Series(False, index=rows.index)
    if settings.start is not None:
        outside |= rows["shown_at"] < pd.Timestamp(utc(settings.start))
    if settings.end is not None:
        outside |= rows["shown_at"] >= pd.Timestamp(utc(settings.end))
    found = coded(
        given,
        [
            ("no_user", rows["user_id"].isna()),
            ("no_item", rows["item_id"].isna()),
            ("no_arm", rows["arm"].isna()),
            ("no_time", rows["shown_at"].isna()),
            ("bad_propensity", ~rows["propensity"].between(0, 1, inclusive="right")),
            ("unknown_arm", ~rows["arm"].isin(settings.shares)),
            ("doubled", rows.duplicated()),
            ("outside", outside),
            ("open", rows["shown_at"] > closed),
        ],
    )
    used = found.codes == COUNTED
    arms = rows[used].groupby("user_id")["arm"].nunique()
    return found.also("two_arms", rows["user_id"].isin(arms.index[arms > 1]).to_numpy())


def coded_feedback(given: Given) -> Coded:
    """Codes: no_event, no_user, no_item, no_time, unknown_kind, doubled (an event's id stands already: the earliest row
    counts, of equal ones the first)."""
    rows = given.frame.sort_values("at", kind="stable", na_position="last").reset_index(drop=True)
    found = coded(
        Given(rows, given.malformed),
        [
            ("no_event", rows["event_id"].isna()),
            ("no_user", rows["user_id"].isna()),
            ("no_item", rows["item_id"].isna()),
            ("no_time", rows["at"].isna()),
            ("unknown_kind", ~rows["kind"].isin(FEEDBACK_KINDS)),
        ],
    )
    used = found.codes == COUNTED
    doubled = np.zeros(len(rows), bool)
    doubled[used] = rows.loc[used, "event_id"].duplicated().to_numpy()
    return found.also("doubled", doubled)


def coded_before(given: Given, metrics: Mapping[str, object]) -> Coded:
    """Codes: no_user, no_value (null or not finite), unknown_metric, doubled (user and metric stand already)."""
    rows = given.frame
    found = coded(
        given,
        [
            ("no_user", rows["user_id"].isna()),
            ("no_value", ~np.isfinite(rows["value"])),
            ("unknown_metric", rows["metric"].notna() & ~rows["metric"].isin(metrics)),
        ],
    )
    used = found.codes == COUNTED
    doubled = np.zeros(len(rows), bool)
    doubled[used] = rows.loc[used, ["user_id", "metric"]].duplicated().to_numpy()
    return found.also("doubled", doubled)


def hurried(feedback: Coded, bots: BotSettings) -> set[str]:
    """Users with more than `clicks_per_hour` clicks within some hour, of the rows that count."""
    clicks = feedback.frame[(feedback.codes == COUNTED) & (feedback.frame["kind"] == "click").to_numpy()]
    clicks = clicks.sort_values(["user_id", "at"], kind="stable")
    later = clicks.groupby("user_id")["at"].shift(-bots.clicks_per_hour)
    return set(clicks.loc[later - clicks["at"] < timedelta(hours=1), "user_id"])


def utc(moment: datetime) -> datetime:
    """The same moment; without an offset it is UTC."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
