"""A small simulated experiment, to see a page before there is an experiment: what is planted stands here.

Of 12,000 users in two segments each is shown ten items or so over 14 days. The second arm clicks 4 % more than the
first, the third 15 % more (new users 25 %). Users differ, and before the start they clicked as they do: that is what
CUPED uses. The dirt of real logs is in it: doubled events, late ones, events without an exposure, bots, rows without a
user.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from reasongen.config import SourceSettings
from reasongen.errors import ConfigError
from reasongen.experiments.assigning import Assignment, with_arms
from reasongen.experiments.settings import ExperimentInputs, ExperimentSettings
from reasongen.schema import BEFORE, EXPOSURES, FEEDBACK

SEED = 11
USERS = 12_000
DAYS = 14
START = datetime(2026, 3, 2, tzinfo=UTC)
LIFTS = (0.0, 0.04, 0.15)
"""By place of the arm; further arms have none."""
NEW_LIFT = 0.10
"""More for new users in the arm of the largest lift."""
RATES = {"click": 0.06, "dislike": 0.004, "report": 0.0008}
BOUGHT = 0.09  # of clicks
_MINUTE = timedelta(minutes=1)
_SECRET = b"of samples alone, no secret"


@dataclass(frozen=True)
class Sample:
    """The three tables."""

    exposures: pa.Table
    feedback: pa.Table
    before: pa.Table


def write_sample(settings: ExperimentSettings, folder: str) -> ExperimentSettings:
    """Writes the tables as Parquet below `folder` and returns the settings that read them. Raises ConfigError where
    that is no folder of this machine."""
    place = Path(folder)
    sources = {}
    try:
        place.mkdir(parents=True, exist_ok=True)
        for name, table in vars(simulated(settings)).items():
            pq.write_table(table, place / f"{name}.parquet")
            sources[name] = SourceSettings(path=str(place / f"{name}.parquet"), format="parquet")
    except OSError as error:
        raise ConfigError(
            f"--sample: wanted a folder to write to at {folder}; found {type(error).__name__}."
        ) from error
    return settings.model_copy(update={"inputs": ExperimentInputs(**sources)})


def simulated(settings: ExperimentSettings, *, users: int = USERS, seed: int = SEED) -> Sample:
    """The same settings, users and seed give the same rows."""
    rng = np.random.default_rng(seed)
    taste = rng.gamma(4.0, 0.25, users)  # mean 1: how much a user clicks
    new = rng.random(users) < 0.4
    shown = rng.poisson(9.0, users) + 1
    user = np.repeat(np.arange(users), shown)
    at = _times(START, rng.random(len(user)) * DAYS)
    item = rng.integers(0, 500, len(user))
    names = np.array([f"u{number:06d}" for number in range(users)], object)
    plain = pa.table(
        {
            "user_id": names[user],
            "item_id": np.char.add("i", item.astype(str)).astype(object),
            "shown_at": pa.array(at, pa.timestamp("us", "UTC")),
            "segment": np.where(new, "new", "known").astype(object)[user],
        }
    )
    assignment = Assignment(settings.salt, settings.holdout_salt, settings.shares, _SECRET)
    exposures = with_arms(plain, assignment)
    arms = list(settings.arms)
    lift = np.array([_lift(arms, arm) for arm in exposures["arm"].to_pylist()])
    lift += np.where(new[user] & (lift == max(LIFTS)), NEW_LIFT, 0.0)
    rows = exposures.to_pandas()
    events = _events(rng, rows, taste[user], lift)
    earlier = pa.table({"user_id": names, "value": rng.poisson(taste * 10 * RATES["click"] * 3).astype(float)})
    return Sample(_dirty_exposures(rows), _dirty_events(events, rows), earlier.select(BEFORE.names[:2]))


def _lift(arms: list[str], arm: str) -> float:
    place = arms.index(arm) if arm in arms else 0
    return LIFTS[place] if place < len(LIFTS) else 0.0


def _times(start: datetime, days: np.ndarray) -> pd.DatetimeIndex:
    micros = (days * 86_400_000_000).astype("int64").astype("timedelta64[us]")
    return pd.DatetimeIndex(np.datetime64(start.replace(tzinfo=None), "us") + micros, tz="UTC")


def _events(rng: np.random.Generator, exposures: pd.DataFrame, taste: np.ndarray, lift: np.ndarray) -> pd.DataFrame:
    """Impressions, clicks (more with the lift), purchases after clicks, dislikes, reports; each soon after its
    exposure."""
    count = len(exposures)
    happens = {kind: rng.random(count) < rate * taste for kind, rate in RATES.items() if kind != "click"}
    happens["click"] = rng.random(count) < np.minimum(RATES["click"] * taste * (1 + lift), 0.95)
    happens["purchase"] = happens["click"] & (rng.random(count) < BOUGHT)
    happens["impression"] = happens["click"] | (rng.random(count) < 0.9)
    parts = []
    for kind, rows in sorted(happens.items()):
        part = exposures.loc[rows, ["user_id", "item_id"]].assign(kind=kind)
        wait = (rng.random(int(rows.sum())) * 3_600_000_000).astype("int64").astype("timedelta64[us]")
        parts.append(part.assign(at=exposures.loc[rows, "shown_at"] + wait))
    made = pd.concat(parts, ignore_index=True)
    return made.assign(event_id=[f"e{number:07d}" for number in range(len(made))])


def _machines(exposures: pd.DataFrame) -> pd.DataFrame:
    """Further exposures of six users who click on everything."""
    bots = exposures.drop_duplicates("user_id").iloc[::2000]
    return pd.concat([bots.assign(shown_at=bots["shown_at"] + 5 * number * _MINUTE) for number in range(1, 80)])


def _dirty_exposures(rows: pd.DataFrame) -> pa.Table:
    """Those of machines, rows that stand twice, rows without a user."""
    parts = [rows, _machines(rows), rows.iloc[:40], rows.iloc[:3].assign(user_id=None)]
    made = pd.concat(parts, ignore_index=True)
    names = [name for name in EXPOSURES.names if name in made.columns]
    return pa.Table.from_pandas(made[names], preserve_index=False)


def _dirty_events(events: pd.DataFrame, exposures: pd.DataFrame) -> pa.Table:
    """Events told twice, after the window, of items never shown, of no kind; clicks of machines, some of them in a
    hurry."""
    clicks = events[events["kind"] == "click"]
    late = events.iloc[::400].assign(at=lambda rows: rows["at"] + 5 * 24 * 60 * _MINUTE)
    more = [late, events.iloc[::700].assign(item_id="never-shown"), events.iloc[::9000].assign(kind="hover")]
    hurry = clicks.drop_duplicates("user_id").iloc[::900]
    more += [hurry.assign(at=hurry["at"] + timedelta(seconds=number)) for number in range(1, 70)]
    machines = _machines(exposures)
    more.append(machines[["user_id", "item_id"]].assign(kind="click", at=machines["shown_at"] + timedelta(seconds=1)))
    odd = pd.concat(more, ignore_index=True)
    odd["event_id"] = [f"odd-{number}" for number in range(len(odd))]
    made = pd.concat([events, events.iloc[::300], odd], ignore_index=True)
    return pa.Table.from_pandas(made[FEEDBACK.names[:5]], preserve_index=False)


def planted(settings: ExperimentSettings) -> Mapping[str, float]:
    """The lift in clicks that stands in the sample, by arm; of the largest a mean over segments."""
    arms = list(settings.arms)
    found = {arm: _lift(arms, arm) for arm in arms}
    return {arm: lift + (0.4 * NEW_LIFT if lift == max(LIFTS) else 0.0) for arm, lift in found.items()}
