"""Feedback to the exposure that it follows: the newest one of the same user and item before it, and of the same reason
and version where the feedback names them.

Codes of feedback beside those of `rows`: no_exposure (nothing was shown before), late (after the window), exposure_CODE
(its exposure is left out under that code). Bots are users: everything they saw is left out, whatever their arm.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reasongen.experiments.reading import Tables
from reasongen.experiments.rows import COUNTED, Coded, coded_exposures, coded_feedback, hurried, utc
from reasongen.experiments.settings import BotSettings, ExperimentSettings
from reasongen.schema import FEEDBACK_KINDS

_JOINED = ("doubled", "no_user", "no_item", "no_arm", "no_time", "bad_propensity", "unknown_arm")
"""Exposures with these codes are met by no feedback."""
_PAIR = ["user_id", "item_id"]


@dataclass(frozen=True)
class Joined:
    """Both tables with their codes; `followed`: kind → which rows of exposures were followed by it in time."""

    exposures: Coded
    feedback: Coded
    followed: dict[str, NDArray[np.bool_]]
    as_of: datetime

    def used(self) -> NDArray[np.bool_]:
        """Which exposures count."""
        return np.asarray(self.exposures.codes == COUNTED)


def join(tables: Tables, settings: ExperimentSettings) -> Joined:
    """Reads no clock: without `as_of`, the newest time in either table is the end of what is known."""
    feedback = coded_feedback(tables.feedback)
    as_of = utc(settings.as_of) if settings.as_of else _newest(tables)
    exposures = coded_exposures(tables.exposures, settings, as_of)
    met = _met(exposures, feedback)
    feedback = _judged(exposures, feedback, met, settings.window_hours)
    robots = hurried(feedback, settings.bots) | _eager(exposures, feedback, met, settings.bots)
    exposures = exposures.also("bot", exposures.frame["user_id"].isin(robots).to_numpy())
    at = np.maximum(met, 0)
    left_out = (met >= 0) & (exposures.codes[at] != COUNTED)
    for code in np.unique(exposures.codes[at][left_out]).tolist():
        feedback = feedback.also(f"exposure_{code}", left_out & (exposures.codes[at] == code))
    return Joined(exposures, feedback, _followed(exposures, feedback, met), as_of)


def _newest(tables: Tables) -> datetime:
    newest = max(tables.exposures.frame["shown_at"].max(), tables.feedback.frame["at"].max())
    found: datetime = newest.to_pydatetime()
    return found


def _met(exposures: Coded, feedback: Coded) -> NDArray[np.int64]:
    """For each row of feedback the row of its exposure, -1 for none."""
    shown = exposures.frame.assign(row=np.arange(len(exposures.frame)))
    shown = shown[~np.isin(exposures.codes, _JOINED)].sort_values("shown_at", kind="stable")
    told = feedback.frame.assign(told=np.arange(len(feedback.frame)))[feedback.codes == COUNTED]
    met = np.full(len(feedback.frame), -1, np.int64)
    reason, version = told["reason_id"].notna(), told["version"].notna()
    for rows, also in (
        (reason & version, ["reason_id", "version"]),
        (reason & ~version, ["reason_id"]),
        (~reason, []),
    ):
        one, keys = told[rows], [*_PAIR, *also]
        there = shown.dropna(subset=keys)
        if len(one) and len(there):
            found = pd.merge_asof(
                one[[*keys, "at", "told"]],
                there[[*keys, "shown_at", "row"]],
                left_on="at",
                right_on="shown_at",
                by=keys,
            )
            met[found["told"].to_numpy()] = found["row"].fillna(-1).to_numpy(np.int64)
    return met


def _judged(exposures: Coded, feedback: Coded, met: NDArray[np.int64], hours: float) -> Coded:
    """Feedback that follows nothing, and feedback that comes too late."""
    shown = exposures.frame["shown_at"].to_numpy()[np.maximum(met, 0)]
    late = (met >= 0) & ((feedback.frame["at"].to_numpy() - shown) > timedelta(hours=hours))
    return feedback.also("no_exposure", met < 0).also("late", late)


def _eager(exposures: Coded, feedback: Coded, met: NDArray[np.int64], bots: BotSettings) -> set[str]:
    """Users who clicked on more than `click_share` of at least `click_share_from` exposures."""
    clicked = _followed(exposures, feedback, met)["click"]
    used = exposures.codes == COUNTED
    rows = pd.DataFrame({"user": exposures.frame["user_id"][used], "clicked": clicked[used]})
    share = rows.groupby("user")["clicked"].agg(["size", "mean"])
    return set(share.index[(share["size"] >= bots.click_share_from) & (share["mean"] > bots.click_share)])


def _followed(exposures: Coded, feedback: Coded, met: NDArray[np.int64]) -> dict[str, NDArray[np.bool_]]:
    kinds = feedback.frame["kind"].to_numpy()
    used = feedback.codes == COUNTED
    found = {}
    for kind in FEEDBACK_KINDS:
        rows = np.zeros(len(exposures.frame), bool)
        rows[met[used & (kinds == kind)]] = True
        found[kind] = rows
    return found
