"""Versions of `reasons` as they stand in the lake: which files a version holds, their rows, and who published it.

Reads through pyarrow; where the lake is on this machine, by its own file system: Delta's, which calls back into Python,
now and then aborts a process that ends soon after.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyarrow.fs import FileType, LocalFileSystem, SubTreeFileSystem

from reasongen.errors import ConfigError, ExportError
from reasongen.schema import UPSERTS

_READ_ROWS = 16_384


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
    return _version(DeltaTable(path), path)


def open_version(path: str, number: int) -> Version | None:
    """An older version; None where the log tells it no more. Its files may be gone: see `gone`."""
    try:
        return _version(DeltaTable(path, version=number), path)
    except DeltaError:
        return None


def gone(version: Version, files: frozenset[str]) -> int:
    """How many of these files are not there any more."""
    if not files:
        return 0
    found = version.dataset.filesystem.get_file_info(sorted(files))
    return sum(1 for one in found if one.type == FileType.NotFound)


def dataset_of(table: DeltaTable, path: str) -> ds.FileSystemDataset:
    """The rows of a table at `path`."""
    if "://" in path:
        return table.to_pyarrow_dataset()
    return table.to_pyarrow_dataset(filesystem=SubTreeFileSystem(str(Path(path).resolve()), LocalFileSystem()))


def _version(table: DeltaTable, path: str) -> Version:
    found = set(table.protocol().reader_features or ()) & {"deletionVectors"}
    if table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        found.add("columnMapping")  # columns would be null, without an error
    if found:
        raise ExportError(
            f"reasons, version {table.version()}: wanted a table that every reader can read; found {sorted(found)}."
            " Purge and drop these features."
        )
    return Version(int(table.version()), str(table.metadata().id), dataset_of(table, path))


def _run_of(commit: dict[str, Any]) -> str | None:
    """A publish names its run; other commits say another word, or none."""
    try:
        facts = json.loads(commit.get("userMetadata") or "null")
    except ValueError:
        return None
    return facts.get("run_id") if isinstance(facts, dict) else None
