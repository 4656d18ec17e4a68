"""How fast a reader finds one user's reasons, in the layout of the night and in that of maintenance, 1,000,000 rows:

python benchmarks/night.py --only lookup
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import duckdb
import pyarrow.dataset as ds
from deltalake import DeltaTable
from worlds import USERS_OF, fresh_night, night_config, session

from reasongen.schema import REASONS
from reasongen.tables import rewrite_sorted

USERS = 100
"""Looked up in each round and layout, one at a time; each time the table is opened anew, as a service would."""


def lookup(rounds: int) -> dict[str, Any]:
    """Median milliseconds per user; the two layouts are two versions of one table, asked in turns."""
    config = night_config("big")
    path = f"{config.root}/reasons"
    with session(config) as spark:
        if not DeltaTable.is_deltatable(path) or DeltaTable(path).history(1)[0].get("userMetadata") is None:
            fresh_night(spark, config)
        plain = DeltaTable(path).version()
        if not rewrite_sorted(spark, path, REASONS):
            plain -= 1
    readers: dict[str, Callable[[int, str], int]] = {
        "pyarrow": lambda version, user: _by_pyarrow(path, version, user),
        "duckdb": lambda version, user: _by_duckdb(path, version, user),
    }
    told: dict[str, list[float]] = {}
    rng = random.Random(0)
    for _ in range(rounds):
        for user in (f"u{rng.randrange(USERS_OF['big']):08d}" for _ in range(USERS)):
            for name, read in readers.items():
                found = []
                for layout, version in (("plain", plain), ("sorted", plain + 1)):
                    began = time.perf_counter()
                    found.append(read(version, user))
                    told.setdefault(f"{name}, {layout}", []).append(1000 * (time.perf_counter() - began))
                assert found[0] == found[1] > 0, (user, found)
    middle = {name: statistics.median(values) for name, values in told.items()}
    ratios = {
        f"{name}, plain / sorted (at least 10)": middle[f"{name}, plain"] / middle[f"{name}, sorted"]
        for name in readers
    }
    return {"milliseconds, median": {name: round(value, 1) for name, value in middle.items()}, **ratios}


def _by_pyarrow(path: str, version: int, user: str) -> int:
    table = DeltaTable(path, version=version).to_pyarrow_dataset()
    return int(table.to_table(filter=ds.field("user_id") == user, columns=["user_id", "reason"]).num_rows)


def _by_duckdb(path: str, version: int, user: str) -> int:
    files = DeltaTable(path, version=version).file_uris()
    asked = duckdb.execute("select user_id, reason from read_parquet(?) where user_id = ?", [files, user])
    return len(asked.fetchall())
