"""A folder of exported sets: one folder for each, with Parquet files and a manifest that is written last.

    DIR/full-00000012/            every reason of version 12: takes the place of all that a store has
    DIR/00000012-00000015/        what changed from version 12 to 15
        upserts-00000.parquet …   schema.UPSERTS, sorted by key
        deletes-00000.parquet …   schema.DELETES, sorted by key
        manifest.json             Manifest; without it there is no set

Knows neither Delta nor a store.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pyarrow.parquet as pq
from pyarrow import ArrowException
from pydantic import Field, ValidationError

from reasongen.config import Settings
from reasongen.errors import ExportError, LeaseError
from reasongen.schema import EXPORT_SCHEMA
from reasongen.serving.forgotten import Forgotten

MANIFEST = "manifest.json"
UNREADABLE = -1
"""Rows of a set that nobody could count."""
_DAY = 86_400  # seconds


class DataFile(Settings):
    """One Parquet file of a set."""

    rows: int
    bytes: int
    sha256: str


class Manifest(Settings):
    """What a set is. No clock of the export stands in it: made again, it is the same.

    `from_version` None: every row of `to_version`. `committed_at`: of `to_version`. `run_id`, `night`: of the newest
    publish in the set, where the table's log still tells it. `erased`: somebody in it was forgotten; no file is left.
    """

    schema_version: int = EXPORT_SCHEMA
    table_id: str
    from_version: int | None
    to_version: int
    replaces: Literal["all", "changed"]
    committed_at: str | None = None
    run_id: str | None = None
    night: str | None = None
    upserts: int = 0
    deletes: int = 0
    files: dict[str, DataFile] = Field(default_factory=dict)
    erased: bool = False

    @property
    def name(self) -> str:
        """Of the set's folder."""
        return set_name(self.from_version, self.to_version)


def set_name(from_version: int | None, to_version: int) -> str:
    """The folder of a set."""
    begin = "full" if from_version is None else f"{from_version:08d}"
    return f"{begin}-{to_version:08d}"


def read_sets(folder: Path) -> list[Manifest]:
    """The complete sets, erased ones included, oldest `to_version` first.

    Raises ExportError where a manifest is none, or of a later schema than this code knows.
    """
    found = [_read(path) for path in sorted(folder.glob(f"*/{MANIFEST}"))]
    return sorted(found, key=lambda one: (one.to_version, one.from_version or -1))


def _read(path: Path) -> Manifest:
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        version = plain["schema_version"]
        if version != EXPORT_SCHEMA:
            raise ExportError(
                f"{path}: wanted schema_version {EXPORT_SCHEMA}; found {version}. Use the code that made the set, or"
                " make a full one with this code: export.py --full."
            )
        return Manifest.model_validate(plain)
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, ExportError):
            raise
        raise ExportError(
            f"{path}: wanted a manifest; found another text. Remove the folder {path.parent.name} and export again."
        ) from None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Makes the set in `folder`/NAME complete, at one moment."""
    aside = folder / manifest.name / f".{MANIFEST}"
    aside.write_text(json.dumps(manifest.model_dump(mode="json"), indent=1) + "\n", encoding="utf-8")
    os.replace(aside, folder / manifest.name / MANIFEST)


def data_file(path: Path, rows: int) -> DataFile:
    """What the manifest says of a file that is closed."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return DataFile(rows=rows, bytes=path.stat().st_size, sha256=digest)


def faults_of(folder: Path, manifest: Manifest) -> list[str]:
    """The files of a set that are not there, or other than its manifest says."""
    found = []
    for name, wanted in manifest.files.items():
        path = folder / manifest.name / name
        if not path.is_file():
            found.append(f"{name} is not there")
        elif data_file(path, wanted.rows) != wanted:
            found.append(f"{name} is damaged")
    return found


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else writes below `folder` meanwhile; a holder that dies lets go. Makes the folder.

    Raises LeaseError where somebody holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LeaseError(
                f"LeaseError: wanted {folder} for this export alone; another export or a forgetting works there. Later."
            ) from None
        yield


def remove_unfinished(folder: Path) -> None:
    """Takes away what exports that died have left. Only under the lock."""
    for path in _folders(folder):
        if not (path / MANIFEST).is_file():
            shutil.rmtree(path)


def remove_set(folder: Path, name: str) -> None:
    """Takes a set away: first it is none, then its files go."""
    (folder / name / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder / name, ignore_errors=True)


def remove_old(folder: Path, keep_days: int, but: Sequence[Manifest]) -> int:
    """Removes the sets that were written more than `keep_days` ago; returns how many."""
    names, now, removed = {one.name for one in but}, time.time(), 0
    for path in sorted(folder.glob(f"*/{MANIFEST}")):
        if path.parent.name not in names and now - path.stat().st_mtime > keep_days * _DAY:
            remove_set(folder, path.parent.name)
            removed += 1
    return removed


def sets_naming(folder: Path, forgotten: Forgotten) -> dict[str, int]:
    """The sets in which somebody forgotten stands, each with the number of rows; complete or not.

    What cannot be read was left by an export that died: nobody knows who is in it, so it counts as UNREADABLE rows.
    """
    found = {path.name: _rows_naming(path, forgotten) for path in _folders(folder)}
    return {name: rows for name, rows in found.items() if rows}


def erase_set(folder: Path, name: str) -> None:
    """Deletes the files of a set. A complete one leaves its manifest, which says so: the chain goes on from it."""
    path = folder / name
    if not (path / MANIFEST).is_file():
        shutil.rmtree(path)
        return
    manifest = _read(path / MANIFEST)
    write_manifest(folder, manifest.model_copy(update={"erased": True, "files": {}}))
    for file in path.iterdir():
        if file.name != MANIFEST:
            file.unlink()


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _rows_naming(path: Path, forgotten: Forgotten) -> int:
    if not (path / MANIFEST).is_file():
        return UNREADABLE
    rows = 0
    try:
        for file in sorted(path.glob("*.parquet")):
            for batch in pq.ParquetFile(file).iter_batches(columns=["user_id"]):
                rows += forgotten.mask(batch.column(0)).true_count
    except (OSError, ArrowException):
        return UNREADABLE
    return rows
