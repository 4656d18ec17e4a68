"""Hand-made `reasons` tables without Spark, and a real Redis, for the tests of serving."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, write_deltalake
from redis import Redis

from reasongen.config import NightConfig, load_config
from reasongen.schema import REASONS, SUPPRESSIONS, UPSERTS
from reasongen.secret import UserKey
from reasongen.serving.store import STATE, value_of

ROOT = Path(__file__).resolve().parent.parent
KEY = "a key for the tests alone, 0123456789"
SERVER = shutil.which("redis-server")
LATER = date(2126, 1, 1)
"""The last day of reasons that do not expire in a test."""
NESTED = {
    "evidence": pa.list_(pa.struct([("id", pa.string()), ("title", pa.string())])),
    "claims": pa.list_(pa.struct([("start", pa.int32()), ("end", pa.int32())])),
}
PLAIN = {"string": pa.string(), "bigint": pa.int64(), "date": pa.date32(), "timestamp": pa.timestamp("us", "UTC")}
SCHEMA = pa.schema([(c.name, NESTED.get(c.name) or PLAIN[c.type]) for c in REASONS.columns])
SAME_KEY = " and ".join(f"old.{name} = new.{name}" for name in REASONS.key)


def row(user: str, item: str, reason: str, **other: Any) -> dict[str, Any]:
    """A row of `reasons`; the history that it rests on must enter no set."""
    label = json.dumps({"ProduceID": "2026-03-02-recommendation-000001"})
    told = {"user_id": user, "item_id": item, "scenario": "recommendation", "reason": reason, "source": "model"}
    told |= {"evidence": [{"id": "e1", "title": "A history nobody else may see"}], "claims": [{"start": 0, "end": 1}]}
    told |= {"model_version": "m1", "policy_version": "p1", "renderer_version": "r1", "locale": "en"}
    told |= {"run_id": "2026-03-02-recommendation-000001", "night": date(2026, 3, 2), "ai_label": label}
    told |= {"valid_until": LATER, "published_at": datetime(2026, 3, 2, tzinfo=UTC)}
    return told | other


def config_at(root: Path, *sets: str) -> NightConfig:
    """Settings with this root; no night is made from them."""
    return load_config(ROOT / "conf" / "local.yaml", [f"root={root}", *sets])


class Lake:
    """A root with a `reasons` table; each method is one commit."""

    def __init__(self, root: Path) -> None:
        self.root, self.path = root, str(root / "reasons")
        statistics = {"delta.dataSkippingStatsColumns": "run_id,scenario,generated_at"}
        write_deltalake(self.path, SCHEMA.empty_table(), configuration=statistics)

    @property
    def version(self) -> int:
        return DeltaTable(self.path).version()

    def publish(self, rows: Iterable[dict[str, Any]], gone: Iterable[tuple[str, str]] = (), run: str = "") -> None:
        """A MERGE, as a night makes it: every file in which a row changes is written anew."""
        told = [*rows, *({"user_id": user, "item_id": item, "scenario": "recommendation"} for user, item in gone)]
        new = pa.Table.from_pylist(told, SCHEMA)
        facts = CommitProperties(custom_metadata={"userMetadata": json.dumps({"run_id": run})}) if run else None
        merge = DeltaTable(self.path).merge(
            new, SAME_KEY, source_alias="new", target_alias="old", commit_properties=facts
        )
        merge = merge.when_matched_delete("new.reason is null").when_matched_update_all()
        merge.when_not_matched_insert_all("new.reason is not null").execute()

    def append(self, rows: Iterable[dict[str, Any]]) -> None:
        write_deltalake(self.path, pa.Table.from_pylist(list(rows), SCHEMA), mode="append")

    def compact(self) -> None:
        """Every row in one new file."""
        write_deltalake(self.path, self.table(), mode="overwrite")

    def vacuum(self) -> None:
        DeltaTable(self.path).vacuum(0, dry_run=False, enforce_retention_duration=False)

    def suppress(self, user: str) -> None:
        """The first step of a forgetting; the rows stay."""
        key = UserKey(KEY.encode())
        told = [{"user_hash": key.hash_of(user), "key_id": key.name, "suppressed_at": datetime.now(UTC)}]
        schema = pa.schema([(c.name, PLAIN[c.type]) for c in SUPPRESSIONS.columns])
        write_deltalake(str(self.root / SUPPRESSIONS.name), pa.Table.from_pylist(told, schema), mode="append")

    def table(self) -> pa.Table:
        return pa.table(DeltaTable(self.path).to_pyarrow_table())

    def served(self) -> dict[tuple[str, str, str], str]:
        """What a store must hold after the newest version."""
        rows = pl.read_delta(self.path).select(UPSERTS.names).iter_rows(named=True)
        return {(one["scenario"], one["user_id"], one["item_id"]): value_of(one) for one in rows}


@contextmanager
def redis_server(folder: Path, *options: str) -> Iterator[int]:
    """A real Redis on a free port of the loopback; yields the port. Without files of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [str(SERVER), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen([*command, "--dir", str(folder), *options], stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        server.kill()
        server.wait()


def stored(client: Redis) -> dict[tuple[str, str, str], str]:
    """Everything that stands in the store, by a plain look at its keys: one generation and no other key."""
    keys = [key for key in client.scan_iter(match="*") if key != STATE]
    generation = client.hget(STATE, "generation")
    found = {}
    for key in keys:
        _, mine, scenario, user = key.split(":", 3)
        assert mine == generation, "a generation that no reader takes"
        found |= {(scenario, user, item): value for item, value in client.hgetall(key).items()}
    return found
