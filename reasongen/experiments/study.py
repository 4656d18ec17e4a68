"""An experiment from its tables to figures: what was found, and whether it may be believed. Holds no id of a user."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from reasongen.experiments.balance import balance
from reasongen.experiments.counting import Counted, count, earlier
from reasongen.experiments.effects import Effect, Scale, effect_of, with_holm
from reasongen.experiments.joining import Joined, join
from reasongen.experiments.moments import Moments, adjust
from reasongen.experiments.off_policy import Logged, value_of
from reasongen.experiments.reading import Tables, read_tables
from reasongen.experiments.rows import COUNTED, Coded, coded_before
from reasongen.experiments.settings import HOLDOUT, ExperimentSettings

MOST_DAYS = 60
"""Days of a path: of a longer experiment the last ones."""


def study(settings: ExperimentSettings) -> Any:
    """Reads the tables and returns all figures as plain values, ready for JSON. Raises ReadingError.

    `status`: blocked (users by arm do not fit the weights: nothing may be read), few (too few users or events), better,
    worse, mixed (the first metric, over all arms), or open (no difference is sure yet).
    """
    return figures_of(read_tables(settings.inputs), settings)


def figures_of(tables: Tables, settings: ExperimentSettings) -> Any:
    """The same from tables that were read."""
    joined = join(tables, settings)
    before = None if tables.before is None else coded_before(tables.before, settings.metrics)
    counted = count(joined)
    before = _unmet(before, counted)
    found = balance(users := counted.users_by_arm(), _logged_shares(users, settings))
    effects, paths, x_users = _effects(counted, before, settings)
    fits = found.fits(settings.mismatch_p)
    codes = {"exposures": joined.exposures.counts(), "feedback": joined.feedback.counts()}
    return _plain(
        {
            "name": settings.name,
            "control": settings.control,
            "level": settings.level,
            "window_hours": settings.window_hours,
            "as_of": joined.as_of.isoformat(),
            "first_day": counted.first_day.date().isoformat(),
            "days": counted.last_day + 1,
            "status": "blocked" if not fits else _status(effects, settings),
            "balance": {**asdict(found), "fits": fits, "least": settings.mismatch_p},
            "arms": _arms(joined, counted, settings),
            "bots": settings.bots.model_dump(),
            "codes": codes | ({"before": before.counts()} if before is not None else {}),
            "metrics": {
                name: {
                    **metric.model_dump(),
                    "users_with_earlier": x_users[name],
                    "users_with_event": counted.with_event(metric),
                    "effects": [told(one, metric.good, settings.alpha) for one in effects if one.metric == name],
                    "path": paths[name],
                }
                for name, metric in settings.metrics.items()
            },
            "policies": _policies(joined, counted, settings),
        }
    )


def _logged_shares(users: Mapping[str, int], settings: ExperimentSettings) -> dict[str, float]:
    """The shares of arms; the holdout's only where somebody logs it: who sees nothing is often not logged."""
    return {arm: share for arm, share in settings.shares.items() if arm != HOLDOUT or users.get(arm)}


def told(effect: Effect, good: str, alpha: float) -> dict[str, Any]:
    """An effect as data. `finding`: better, worse, open (not sure at any look, after Holm), or few."""
    if effect.p_always_holm is None:
        finding = "few"
    elif effect.p_always_holm >= alpha:
        finding = "open"
    else:
        finding = "better" if (effect.difference > 0) == (good == "up") else "worse"
    return {**asdict(effect), "finding": finding}


def _unmet(before: Coded | None, counted: Counted) -> Coded | None:
    """Earlier counts of users who are not met are counted apart."""
    if before is None:
        return None
    met = before.frame["user_id"].isin(counted.ids).to_numpy()
    return before.also("not_met", ~met)


def _status(effects: list[Effect], settings: ExperimentSettings) -> str:
    name, metric = next(iter(settings.metrics.items()))
    found = {told(one, metric.good, settings.alpha)["finding"] for one in effects if one.metric == name}
    if found >= {"better", "worse"}:
        return "mixed"
    return next((one for one in ("worse", "better", "open") if one in found), "few")


def _arms(joined: Joined, counted: Counted, settings: ExperimentSettings) -> dict[str, dict[str, Any]]:
    """By arm: its share, users and exposures that count, exposures of bots."""
    frame, codes = joined.exposures.frame, joined.exposures.codes
    arms = frame["arm"].to_numpy()
    users = counted.users_by_arm()
    return {
        arm: {
            "share": share,
            "users": users.get(arm, 0),
            "exposures": int(((arms == arm) & (codes == COUNTED)).sum()),
            "bots": int(frame.loc[(arms == arm) & (codes == "bot"), "user_id"].nunique()),
        }
        for arm, share in settings.shares.items()
    }


def _effects(
    counted: Counted, before: Coded | None, settings: ExperimentSettings
) -> tuple[list[Effect], dict[str, dict[str, list[dict[str, Any]]]], dict[str, int]]:
    """Effects at the end, their paths by metric and arm, and by metric the users with an earlier count."""
    effects: list[Effect] = []
    paths: dict[str, dict[str, list[dict[str, Any]]]] = {}
    known: dict[str, int] = {}
    days = range(max(0, counted.last_day - MOST_DAYS + 1), counted.last_day + 1)
    for name, metric in settings.metrics.items():
        x, known[name] = earlier(counted, before, name)
        scale = Scale.of(metric, alpha=settings.alpha, power=settings.power)
        with_event = counted.with_event(metric)
        paths[name] = {}
        for day, moments in zip(days, counted.by_day(metric, x, dict.fromkeys(days)), strict=True):
            for arm in settings.shares:
                if arm == settings.control or arm not in moments or settings.control not in moments:
                    continue
                both = (moments[settings.control], moments[arm])
                enough = _enough(both, settings)
                few = with_event[arm] + with_event[settings.control] < settings.least_events
                one = effect_of(name, arm, adjust(*both), scale, alpha=settings.alpha, enough=enough and not few)
                paths[name].setdefault(arm, []).append(_point(counted.first_day, day, one))
                if day == counted.last_day:
                    effects.append(one)
    return with_holm(effects), paths, known


def _enough(both: tuple[Moments, Moments], settings: ExperimentSettings) -> bool:
    """Users of each arm, and events of both together, until a day."""
    events = sum(float(one.means[0] * one.users) for one in both if one.users)
    return all(one.users >= settings.least_users for one in both) and events >= settings.least_events


def _point(first: pd.Timestamp, day: int, effect: Effect) -> dict[str, Any]:
    date = (first + pd.Timedelta(days=day)).date().isoformat()
    return {"day": date, "lift": effect.lift, "fixed": effect.lift_fixed, "always": effect.lift_always}


def _policies(joined: Joined, counted: Counted, settings: ExperimentSettings) -> dict[str, dict[str, Any]]:
    """By policy: its value on the first metric's kind of feedback, per exposure, beside what the control had."""
    if not settings.policies:
        return {}
    metric = next(iter(settings.metrics.values()))
    used = joined.used()
    frame = joined.exposures.frame[used]
    users = pd.Index(counted.ids).get_indexer(pd.Index(frame["user_id"]))
    logged = Logged(
        users.astype(np.int64),
        frame["segment"].fillna("").to_numpy(object),
        frame["variant"].where(frame["variant"].notna(), frame["arm"]).to_numpy(object),
        frame["propensity"].to_numpy(float),
        joined.followed[metric.kind][used].astype(float),
    )
    return {
        name: asdict(value_of(policy, logged, settings.overlap, level=settings.level))
        for name, policy in settings.policies.items()
    }


def _plain(value: Any) -> Any:
    """The same as JSON knows it: what is no number is null."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
