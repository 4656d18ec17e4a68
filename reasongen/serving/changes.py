"""What changed between two versions of `reasons`, from the files in which they differ, on disk and not in memory.

A file that both versions hold is not read; a row that was merely written again (MERGE copies whole files, maintenance
all of them) is no change. DuckDB does the joins and sorts with MEMORY bytes and spills the rest below `work`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyarrow.fs import FileType

from reasongen.errors import ConfigError, ExportError
from reasongen.schema import DELETES, UPSERTS

MEMORY = "512MB"
"""What DuckDB may take; Python, Arrow and the batches under way come on top."""
THREADS = 2
BATCH_ROWS = 50_000
"""Of a batch that is handed on."""
_READ_ROWS = 16_384
_SQL = {"string": "VARCHAR", "date": "DATE"}


@dataclass(frozen=True)
class Version:
    """One version of a Delta table. `files`: of its rows, by their paths below the table."""

    number: int
    table_id: str
    dataset: ds.FileSystemDataset

    @property
    def files(self) -> frozenset[str]:
        """Paths below the table."""
        return frozenset(self.dataset.files)

    def rows(self, files: frozenset[str]) -> pa.RecordBatchReader:
        """The rows of some files, as UPSERTS knows them; a column that the version lacks is null."""
        schema = self.dataset.schema
        columns = {
            c.name: ds.field(c.name) if c.name in schema.names else pa.scalar(None, pa.string())
            for c in UPSERTS.columns
        }
        chosen = [part for part in self.dataset.get_fragments() if part.path in files]
        part = ds.FileSystemDataset(chosen, schema, self.dataset.format, self.dataset.filesystem)
        reading = {"batch_size": _READ_ROWS, "batch_readahead": 2, "fragment_readahead": 1}
        return part.scanner(columns=columns, **reading).to_reader()

    def published(self, after: int) -> dict[str, str | None]:
        """`committed_at` of this version, `run_id` and `night` of the newest publish in (after, number], from the log;
        None where it does not tell."""
        told: dict[str, str | None] = {"committed_at": None, "run_id": None, "night": None}
        for number in range(self.number, max(after, -1), -1):
            commit = self._commit(number)
            if commit is None:
                break
            if number == self.number and "timestamp" in commit:
                told["committed_at"] = datetime.fromtimestamp(commit["timestamp"] / 1000, UTC).isoformat()
            if run := _run_of(commit):
                told |= {"run_id": run, "night": run[:10]}
                break
        return told

    def _commit(self, number: int) -> dict[str, Any] | None:
        try:
            with self.dataset.filesystem.open_input_stream(f"_delta_log/{number:020d}.json") as file:
                actions = [json.loads(line) for line in file.read().decode().splitlines() if line.strip()]
        except (OSError, ValueError):
            return None
        return next((action["commitInfo"] for action in actions if "commitInfo" in action), {})


def open_table(path: str) -> Version:
    """The newest version. Raises ConfigError where no Delta table stands."""
    if not DeltaTable.is_deltatable(path):
        raise ConfigError(f"root: wanted a Delta table at {path}; found none. Publish a night first.")
    return _version(DeltaTable(path))


def open_version(path: str, number: int) -> Version | None:
    """An older version; None where the log tells it no more. Its files may be gone: see `gone`."""
    try:
        return _version(DeltaTable(path, version=number))
    except DeltaError:
        return None


def gone(version: Version, files: frozenset[str]) -> int:
    """How many of these files are not there any more."""
    if not files:
        return 0
    found = version.dataset.filesystem.get_file_info(sorted(files))
    return sum(1 for one in found if one.type == FileType.NotFound)


@contextmanager
def changes(
    old: Version | None, new: Version, work: Path
) -> Iterator[tuple[Iterator[pa.RecordBatch], Iterator[pa.RecordBatch]]]:
    """Upserts (UPSERTS) and deletes (DELETES) that make `old` into `new`, each sorted by key; without `old` every row
    and no delete. To be read to their ends, one after the other. `work`: a folder for what does not fit into memory."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY,
        "threads": THREADS,
        "temp_directory": str(work),
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
    }
    with closing(duckdb.connect(str(work / "rows.duckdb"), config=settings)) as con:
        added = new.files - (old.files if old else frozenset())
        removed = old.files - new.files if old else frozenset()
        _keep(con, "added", new.rows(added))
        _keep(con, "removed", old.rows(removed) if old else None)
        keys = ", ".join(DELETES.names)
        same_key = " and ".join(f"o.{name} = n.{name}" for name in UPSERTS.key)
        same = " and ".join(f"o.{name} is not distinct from n.{name}" for name in UPSERTS.names)
        upserts = f"select * from added n where not exists (from removed o where {same_key} and {same}) order by {keys}"
        deletes = f"select {keys} from removed o where not exists (from added n where {same_key}) order by {keys}"
        yield _stream(con, upserts), _stream(con, deletes)


def _keep(con: duckdb.DuckDBPyConnection, name: str, rows: pa.RecordBatchReader | None) -> None:
    """A table on disk of UPSERTS' columns, filled from `rows`."""
    con.execute(f"create table {name} ({', '.join(f'{c.name} {_SQL[c.type]}' for c in UPSERTS.columns)})")
    if rows is not None:
        con.register("incoming", rows)
        con.execute(f"insert into {name} select {', '.join(UPSERTS.names)} from incoming")
        con.unregister("incoming")


def _stream(con: duckdb.DuckDBPyConnection, query: str) -> Iterator[pa.RecordBatch]:
    """Begins when it is read: a connection has one open result."""
    yield from con.sql(query).to_arrow_reader(BATCH_ROWS)


def _version(table: DeltaTable) -> Version:
    found = set(table.protocol().reader_features or ()) & {"deletionVectors"}
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        found.add("columnMapping")  # columns would be null, without an error
    if found:
        raise ExportError(
            f"reasons, version {table.version()}: wanted a table that every reader can read; found {sorted(found)}."
            " Purge and drop these features."
        )
    return Version(int(table.version()), str(table.metadata().id), table.to_pyarrow_dataset())


def _run_of(commit: dict[str, Any]) -> str | None:
    """A publish names its run; other commits say another word, or none."""
    try:
        facts = json.loads(commit.get("userMetadata") or "null")
    except ValueError:
        return None
    return facts.get("run_id") if isinstance(facts, dict) else None
