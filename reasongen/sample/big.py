"""Even tables of any size, without dirt, for benchmarks: same number of events and candidates for every user.

Knows nothing of the sample world's words: its own are made of syllables, since only their number matters.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake

from reasongen.errors import ConfigError
from reasongen.sample.behaviour import CANDIDATE_SCHEMA, DAY, EVENT_SCHEMA, MICROS
from reasongen.schema import ACTIONS

Ints = npt.NDArray[np.int64]

NIGHT = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp())
CATEGORIES, TAGS_PER_CATEGORY, TAGS_PER_ITEM, BRANDS = 40, 30, 3, 500
ATTRIBUTES = {"en": (("material", 8), ("size", 5)), "zh": (("材质", 8), ("尺寸", 5))}
SYLLABLES = {
    "en": ("ba", "lo", "mi", "ten", "ru", "sol", "ka", "ver", "dun", "pi"),
    "zh": tuple("岚栖朴禾砚池栗里坞苔"),
}
ACT_SHARES = (0.55, 0.25, 0.05, 0.03, 0.08, 0.04)
CHUNK = 1_000_000
STRIDE = 7_919
"""Prime: a user's candidates are this far apart in the catalogue, so no two are equal."""


def big_world(
    out: str | Path,
    pairs: int,
    events: int,
    users: int,
    items: int,
    seed: int = 0,
    *,
    heavy_user_events: int = 0,
    hot_item_share: float = 0.0,
) -> None:
    """events/ (Delta), items.parquet, candidates.parquet, users.parquet below `out`, which must not exist.

    `heavy_user_events`: rows of the first user on top of `events`. `hot_item_share`: share of all pairs, those
    that show item 0. About 50 MB per million events on disk. Raises ConfigError where the numbers do not fit together.
    """
    out = Path(out)
    per_user = pairs // users
    if pairs % users or events % users or per_user >= items // 2 or hot_item_share * pairs > users:
        raise ConfigError(
            "big_world: wanted pairs and events that divide by users, fewer pairs per user than half the items, "
            f"and at most one hot pair per user; found {pairs=}, {events=}, {users=}, {items=}, {hot_item_share=}"
        )
    out.mkdir(parents=True)
    user_ids = pa.array([f"u{number:08d}" for number in range(users)])
    item_ids = pa.array([f"i{number:06d}" for number in range(items)])
    pq.write_table(_items(item_ids, np.random.default_rng([seed, 0])), out / "items.parquet")
    pq.write_table(_users(user_ids), out / "users.parquet")
    pq.write_table(_candidates(user_ids, item_ids, per_user, hot_item_share, seed), out / "candidates.parquet")
    chunks = _events(user_ids, item_ids, events, heavy_user_events, seed)
    write_deltalake(
        out / "events",
        pa.RecordBatchReader.from_batches(EVENT_SCHEMA, chunks),
        configuration={"delta.dataSkippingStatsColumns": "event,ts"},
    )


def _events(user_ids: pa.Array, item_ids: pa.Array, events: int, heavy: int, seed: int) -> Iterator[pa.RecordBatch]:
    acts = pa.array(ACTIONS)
    for start in range(0, events + heavy, CHUNK):
        rng = np.random.default_rng([seed, 1, start])
        row = np.arange(start, min(start + CHUNK, events + heavy))
        count = len(row)
        user = np.where(row < events, row % len(user_ids), 0)
        age = (120 * DAY * rng.random(count) ** 1.8).astype(np.int64)
        act = rng.choice(len(ACTIONS), size=count, p=ACT_SHARES)
        yield pa.record_batch(
            [
                user_ids.take(pa.array(user)),
                item_ids.take(pa.array(rng.integers(0, len(item_ids), count))),
                acts.take(pa.array(act)),
                pa.array((NIGHT - 1 - age) * MICROS, EVENT_SCHEMA.field("ts").type),
                pa.nulls(count, pa.string()),
                pa.nulls(count, pa.float64()),
            ],
            schema=EVENT_SCHEMA,
        )


def _candidates(user_ids: pa.Array, item_ids: pa.Array, per_user: int, hot_share: float, seed: int) -> pa.Table:
    users, cold = len(user_ids), len(item_ids) - 1
    rng = np.random.default_rng([seed, 2])
    first = rng.integers(0, cold, users)
    step = STRIDE if cold % STRIDE else 1
    item = 1 + (first[:, None] + step * np.arange(per_user)[None, :]) % cold
    hot = rng.permutation(users)[: round(hot_share * users * per_user)]
    item[hot, 0] = 0
    rank = np.tile(np.arange(1, per_user + 1, dtype=np.int32), users)
    columns = [
        user_ids.take(pa.array(np.repeat(np.arange(users), per_user))),
        item_ids.take(pa.array(item.ravel())),
        pa.array(["recommendation"]).take(pa.array(np.zeros(users * per_user, dtype=np.int64))),
        pa.array(rank),
        pa.array(1.0 / rank),
    ]
    return pa.table(columns, schema=CANDIDATE_SCHEMA)


def _users(user_ids: pa.Array) -> pa.Table:
    count = len(user_ids)
    return pa.table(
        {
            "user_id": user_ids,
            "tags": pa.nulls(count, pa.list_(pa.string())),
            "personalise": np.ones(count, dtype=bool),
            "minor": pa.array(["no"] * count),
        }
    )


def _items(item_ids: pa.Array, rng: np.random.Generator) -> pa.Table:
    """Category and language by the number; tags, attributes and brand by chance."""
    rows = [_item(item_ids[at].as_py(), at, rng) for at in range(len(item_ids))]
    text, words, pairs = pa.string(), pa.list_(pa.string()), pa.map_(pa.string(), pa.string())
    schema = pa.schema(
        {
            **dict.fromkeys(("item_id", "title", "description"), text),
            "tags": words,
            "attributes": pairs,
            **dict.fromkeys(("category", "brand"), text),
            "price": pa.float64(),
            **dict.fromkeys(("locale", "image_uri"), text),
        }
    )
    return pa.Table.from_pylist(rows, schema=schema)


def _item(number: str, at: int, rng: np.random.Generator) -> dict[str, Any]:
    locale = ("zh", "en")[at % 2]
    category = (at // 2) % CATEGORIES
    tags = category * TAGS_PER_CATEGORY + rng.permutation(TAGS_PER_CATEGORY)[:TAGS_PER_ITEM]
    brand = _word(locale, 3_000 + int(rng.integers(BRANDS)))
    noun = _word(locale, 2_000 + category)
    return {
        "item_id": number,
        "title": f"{brand} {_word(locale, 10_000 + at)} {noun}",
        "description": None,
        "tags": [_word(locale, int(tag)) for tag in tags],
        "attributes": [
            (name, _word(locale, 4_000 + 10 * place + int(rng.integers(many))))
            for place, (name, many) in enumerate(ATTRIBUTES[locale])
        ],
        "category": f"{_word(locale, 5_000 + category // 5)}/{noun}",
        "brand": brand,
        "price": float(rng.integers(5, 500)) + 0.9,
        "locale": locale,
        "image_uri": None,
    }


def _word(locale: str, number: int) -> str:
    """The digits of a number as syllables: different numbers of four digits or more give different words."""
    return "".join(SYLLABLES[locale][int(digit)] for digit in f"{number:04d}")
