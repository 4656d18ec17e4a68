"""Brings exported sets into a Redis, in order and once each; killed anywhere, the next load completes it.

Rows go in commits (MULTI) of COMMIT_ROWS, and the store's version after the last of them: what is repeated gives the
same. A full set is written under a generation of its own, and one commit makes readers take it; then the old one goes.
Each commit asks first whether this loader still is the last that began: one that slept writes nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.parquet as pq
from redis import Redis, WatchError
from redis.client import Pipeline

from reasongen.errors import ConfigError, ExportError, LeaseError
from reasongen.schema import DELETES, UPSERTS
from reasongen.serving.sets import Manifest, faults_of, read_sets
from reasongen.serving.store import STATE, key_of, value_of

COMMIT_ROWS = 1_000
"""Rows of one MULTI: others wait so long, some milliseconds."""
_Row = Mapping[str, Any]


@dataclass
class Loaded:
    """What a load did. `sets`: those applied now, in order; `version`: of reasons, as the store holds it; `expired`:
    upserts whose last day was over, which Redis keeps no longer than it has to."""

    version: int | None
    sets: list[str] = field(default_factory=list)
    upserts: int = 0
    deletes: int = 0
    expired: int = 0

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        state = "loaded" if self.sets else "unchanged"
        return {"state": state, **vars(self)}

    def text(self) -> str:
        """One line."""
        done = (
            f"{', '.join(self.sets)}: {self.upserts:,} upserts, {self.deletes:,} deletes" if self.sets else "unchanged"
        )
        over = f" ({self.expired:,} of them may be shown no more)" if self.expired else ""
        return f"load: {done}{over}; the store holds version {self.version}"


def load_sets(folder: Path, client: Redis) -> Loaded:
    """Applies every set that the store lacks. `client` decodes responses (`decode_responses=True`).

    Raises ConfigError where there is no such folder; ExportError where no chain of sets leads from what the store holds
    to the newest version, or a set is damaged (it is looked at before its first row is written); LeaseError where
    another load has begun meanwhile.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: wanted the folder of exported sets, export.dir; found none there.")
    load = _Load(folder, client, uuid4().hex)
    load.begin()
    done = Loaded(None)
    while (chosen := next_set(folder, load.version, load.table, load.applying)) is not None:
        load.apply(chosen)
        done.sets.append(chosen.name)
        done.upserts += chosen.upserts
        done.deletes += chosen.deletes
    done.version, done.expired = load.version, load.expired
    return done


def next_set(folder: Path, version: int | None, table: str | None, applying: str | None = None) -> Manifest | None:
    """The set that a store at `version` takes next: the one that it has begun to apply, else the longest step from
    there, else the newest full one after it; None where it is up to date. Raises ExportError where none leads on."""
    sets = read_sets(folder)
    usable = [one for one in sets if not one.erased]
    full = [one for one in usable if one.from_version is None]
    known = [one for one in sets if one.table_id == table]
    if version is None or not known:
        if not full:
            raise ExportError(
                f"{folder}: wanted a full set for a store that holds nothing of this table; found none. Make one:"
                " export.py --full."
            )
        return max(full, key=lambda one: (one.committed_at or "", one.to_version))
    steps = [one for one in usable if one in known and one.from_version == version and one.to_version > version]
    if applying is not None:  # what is written of it would stay under any other step
        steps = [one for one in steps if one.name == applying]
    for found in (steps, [one for one in full if one in known and one.to_version > version]):
        if found:
            return max(found, key=lambda one: one.to_version)
    if applying is not None or any(one.to_version > version for one in known):
        begun = f"the store holds version {version}" + (f" and a part of {applying}" if applying else "")
        raise ExportError(
            f"{folder}: wanted a set that leads on ({begun}); found none, or one whose files a forgetting has erased."
            f" Make one: export.py {'--full' if applying else f'--since {version}, or export.py --full'}."
        )
    return None


@dataclass
class _Load:
    """One run of the loader. `token`: names it in the store."""

    folder: Path
    client: Redis
    token: str
    version: int | None = None
    table: str | None = None
    generation: str = ""
    applying: str | None = None
    expired: int = 0

    def begin(self) -> None:
        """From now on no earlier loader writes; a generation that it left half done is taken away."""
        self.client.hset(STATE, "loader", self.token)
        state: dict[str, str] = self.client.hgetall(STATE)
        self.version = int(state["version"]) if "version" in state else None
        self.table, self.generation = state.get("table"), state.get("generation", "")
        self.applying = state.get("applying")
        self._sweep(state.get("building"), "building")
        self._sweep(state.get("retired"), "retired")

    def apply(self, chosen: Manifest) -> None:
        """One set. What it is looked at for comes before its first row."""
        if faults := faults_of(self.folder, chosen):
            since = "--full" if chosen.from_version is None else f"--since {chosen.from_version}"
            raise ExportError(
                f"{self.folder / chosen.name}: wanted the files of its manifest; found that {faults[0]}. Remove the"
                f" folder and export again: export.py {since}."
            )
        now = {"version": str(chosen.to_version), "table": chosen.table_id}
        if chosen.from_version is None:
            fresh, old = uuid4().hex, self.generation
            self._commit(lambda pipe: pipe.hset(STATE, "building", fresh))
            self._write(chosen, fresh)
            now |= {"generation": fresh} | ({"retired": old} if old else {})
            self._state(now, "building", "applying")
            self.generation = fresh
            self._sweep(old, "retired")
        else:
            self._state({"applying": chosen.name})
            self._write(chosen, self.generation)
            self._state(now, "applying")
        self.version, self.table, self.applying = chosen.to_version, chosen.table_id, None

    def _write(self, chosen: Manifest, generation: str) -> None:
        """The rows; deletes first, so that a key which they empty begins its time anew."""
        today = datetime.now(UTC).date()
        for queue, stem in ((_delete, DELETES.name), (_upsert, UPSERTS.name)):
            for name in sorted(name for name in chosen.files if name.startswith(stem)):
                file = pq.ParquetFile(self.folder / chosen.name / name)
                for batch in file.iter_batches(batch_size=COMMIT_ROWS):
                    rows = batch.to_pylist()
                    self._commit(partial(queue, generation, rows))
                    self.expired += sum(1 for row in rows if (row.get("valid_until") or today) < today)

    def _state(self, now: dict[str, str], *done_with: str) -> None:
        def queue(pipe: Pipeline) -> None:
            pipe.hset(STATE, mapping=now)
            if done_with:
                pipe.hdel(STATE, *done_with)

        self._commit(queue)

    def _commit(self, queue: Callable[[Pipeline], object]) -> None:
        """Everything that `queue` asks of a pipeline, or nothing, and only while this is the last loader."""
        with self.client.pipeline() as pipe:
            try:
                pipe.watch(STATE)
                if pipe.hget(STATE, "loader") != self.token:
                    raise WatchError
                pipe.multi()
                queue(pipe)
                pipe.execute()
            except WatchError:
                raise LeaseError(
                    "LeaseError: wanted to be the only load into this store; another one began later and goes on."
                ) from None

    def _sweep(self, generation: str | None, why: str) -> None:
        """Takes away every key of a generation that no reader takes."""
        if not generation:
            return
        keys = self.client.scan_iter(match=f"reasons:{generation}:*", count=COMMIT_ROWS)
        while some := list(islice(keys, COMMIT_ROWS)):
            self.client.unlink(*some)
        self._commit(lambda pipe: pipe.hdel(STATE, why))


def _upsert(generation: str, rows: Sequence[_Row], pipe: Pipeline) -> None:
    fields: dict[str, dict[str, str]] = {}
    ends: dict[str, date] = {}
    for row in rows:
        key = key_of(generation, row["scenario"], row["user_id"])
        fields.setdefault(key, {})[row["item_id"]] = value_of(row)
        if row["valid_until"]:
            ends[key] = max(row["valid_until"], ends.get(key, date.min))
    for key, mapping in fields.items():
        pipe.hset(key, mapping=mapping)
    for key, last_day in ends.items():
        end = datetime(last_day.year, last_day.month, last_day.day, tzinfo=UTC) + timedelta(days=1)
        pipe.expireat(key, end, nx=True)
        pipe.expireat(key, end, gt=True)


def _delete(generation: str, rows: Sequence[_Row], pipe: Pipeline) -> None:
    gone: dict[str, list[str]] = {}
    for row in rows:
        gone.setdefault(key_of(generation, row["scenario"], row["user_id"]), []).append(row["item_id"])
    for key, items in gone.items():
        pipe.hdel(key, *items)
