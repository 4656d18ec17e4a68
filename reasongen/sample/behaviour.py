"""What the users of the sample world do and what the recommender would show them. Knows no dirt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from reasongen.sample.catalogue import Item
from reasongen.sample.lexicon import Lexicon, phrase
from reasongen.sample.people import People
from reasongen.sample.settings import WorldSettings
from reasongen.schema import ACTIONS

Ints = npt.NDArray[np.int64]

EVENT_SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("item_id", pa.string()),
        ("event", pa.string()),
        ("ts", pa.timestamp("us", tz="UTC")),
        ("text", pa.string()),
        ("rating", pa.float64()),
    ]
)
CANDIDATE_SCHEMA = pa.schema(
    [
        ("user_id", pa.string()),
        ("item_id", pa.string()),
        ("scenario", pa.string()),
        ("rank", pa.int32()),
        ("score", pa.float64()),
    ]
)
DAY = 86_400
LEADS_TO = {  # act: (the act it needs first, how often, seconds after the look)
    "click": ("browse", 0.42, (5, 60)),
    "cart": ("click", 0.33, (60, 600)),
    "purchase": ("cart", 0.33, (600, 1800)),
    "comment": ("browse", 0.09, (1800, 2700)),
    "share": ("browse", 0.06, (2700, 3500)),
}
HOURS = np.array([2, 1, 1, 1, 1, 2, 3, 5, 6, 6, 6, 7, 8, 7, 6, 6, 6, 7, 9, 11, 13, 12, 7], dtype=np.float64)
"""Looks per hour of the day; none after 23:00, so that a visit ends on its day."""
RECENT = 1.8
"""The age of a visit is days · u**RECENT: half of them lie in the last 29 % of the time."""
MICROS = 1_000_000
STARS = (0.04, 0.06, 0.15, 0.35, 0.40)


def midnight(settings: WorldSettings) -> int:
    """The start of the night's day, seconds since 1970, UTC."""
    return int(datetime.combine(settings.night, time(), tzinfo=UTC).timestamp())


def make_events(
    people: People,
    items: Sequence[Item],
    lexicons: Mapping[str, Lexicon],
    settings: WorldSettings,
    rng: np.random.Generator,
) -> pa.Table:
    """Valid events before the night, oldest first; no two with equal user, item, event and ts."""
    total = len(people.ids)
    active = rng.permutation(total)[round(total * settings.silent_share) :]
    drive = rng.lognormal(0.0, 0.8, len(active))
    per_user = 1 + rng.multinomial(max(0, settings.visits - len(active)), drive / drive.sum())
    users = np.repeat(active, per_user)
    what = _pick(people, users, rng)
    when = _times(len(users), settings, rng)
    acts = {"browse": np.ones(len(users), dtype=bool)}
    parts = [(users, what, np.zeros(len(users), dtype=np.int64), when)]
    for act, (needs, share, delay) in LEADS_TO.items():
        acts[act] = acts[needs] & (rng.random(len(users)) < share)
        at = np.flatnonzero(acts[act])
        later = when[at] + rng.integers(*delay, len(at))
        parts.append((users[at], what[at], np.full(len(at), ACTIONS.index(act)), later))
    if settings.heavy_user_events:
        parts.append(_scripted_visits(int(active[0]), people, settings, rng))
    user, item, act_index, ts = (np.concatenate(column) for column in zip(*parts, strict=True))
    rows = np.unique(np.stack([ts, user, item, act_index]), axis=1)
    return _event_table(rows, people, items, lexicons, rng)


def _pick(people: People, users: Ints, rng: np.random.Generator) -> Ints:
    """One item per visit by the user's taste: one search in all users' cumulated weights, laid end to end."""
    steps = np.cumsum(people.taste, axis=1)
    steps /= steps[:, -1:]
    flat = (steps + np.arange(len(steps))[:, None]).ravel()
    found = np.searchsorted(flat, users + rng.random(len(users)), side="right")
    what: Ints = np.minimum(found - users * steps.shape[1], steps.shape[1] - 1)
    return what


def _times(count: int, settings: WorldSettings, rng: np.random.Generator) -> Ints:
    days = (settings.days * rng.random(count) ** RECENT).astype(np.int64)
    hours = rng.choice(len(HOURS), size=count, p=HOURS / HOURS.sum())
    seconds: Ints = midnight(settings) - (days + 1) * DAY + hours * 3600 + rng.integers(0, 3600, count)
    return seconds


def _scripted_visits(
    user: int, people: People, settings: WorldSettings, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints, Ints]:
    count = settings.heavy_user_events
    seen = np.flatnonzero(people.taste[user])
    return (
        np.full(count, user),
        seen[rng.integers(0, len(seen), count)],
        np.zeros(count, dtype=np.int64),
        _times(count, settings, rng),
    )


def _event_table(
    rows: Ints, people: People, items: Sequence[Item], lexicons: Mapping[str, Lexicon], rng: np.random.Generator
) -> pa.Table:
    ts, user, item, act = rows
    count = len(ts)
    text: list[str | None] = [None] * count
    rating: list[float | None] = [None] * count
    for at in np.flatnonzero(act == ACTIONS.index("comment")):
        text[at] = _comment(items[int(item[at])], lexicons, rng)
        if rng.random() < 0.7:
            rating[at] = 1.0 + float(rng.choice(5, p=STARS))
    columns = [
        pa.array(people.ids, pa.string()).take(pa.array(user)),
        pa.array([each.item_id for each in items], pa.string()).take(pa.array(item)),
        pa.array(ACTIONS, pa.string()).take(pa.array(act)),
        pa.array(ts * MICROS, EVENT_SCHEMA.field("ts").type),
        pa.array(text, pa.string()),
        pa.array(rating, pa.float64()),
    ]
    return pa.table(columns, schema=EVENT_SCHEMA)


def _comment(item: Item, lexicons: Mapping[str, Lexicon], rng: np.random.Generator) -> str:
    lexicon = lexicons[item.locale]
    fitting = [pattern for pattern in lexicon.comments if item.brand or "{brand}" not in pattern]
    fill = {
        "noun": lexicon.categories[item.topic].noun,
        "tag": item.tags[int(rng.integers(len(item.tags)))],
        "brand": item.brand or "",
        "attribute": next(iter(item.attributes)),
    }
    return phrase(fitting[int(rng.integers(len(fitting)))], "", fill)


def make_candidates(
    people: People, items: Sequence[Item], settings: WorldSettings, rng: np.random.Generator
) -> pa.Table:
    """For each user some items, mostly to their taste, best first: weighted draws without return (Gumbel top-k)."""
    share = settings.out_of_taste_share
    weights = (1 - share) * people.taste + share * people.popular
    with np.errstate(divide="ignore"):
        keys = np.log(weights) + rng.gumbel(size=weights.shape)
    spread = min(2, settings.candidates_per_user - 1)
    per_user = rng.integers(settings.candidates_per_user - spread, settings.candidates_per_user + spread + 1, len(keys))
    width = min(int(per_user.max()), int((weights[0] > 0).sum()))
    best = np.argsort(-keys, axis=1, kind="stable")[:, :width]
    user, place = np.nonzero(np.arange(width)[None, :] < per_user[:, None])
    item = best[user, place]
    score = 1.0 / (1.0 + np.exp(-(keys[user, item] + 2.0) / 2.0))
    columns = [
        pa.array(people.ids, pa.string()).take(pa.array(user)),
        pa.array([each.item_id for each in items], pa.string()).take(pa.array(item)),
        pa.array([settings.scenario] * len(user), pa.string()),
        pa.array((place + 1).astype(np.int32)),
        pa.array(np.round(score, 6)),
    ]
    return pa.table(columns, schema=CANDIDATE_SCHEMA)
