"""Writes what changed in `reasons` since the last exported version as one set; without one, every row.

Made again from the same versions a set is the same to the last byte. Who is forgotten enters no set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from reasongen.config import NightConfig
from reasongen.errors import ConfigError
from reasongen.schema import DELETES, UPSERTS, Table
from reasongen.serving.changes import BATCH_ROWS, changes
from reasongen.serving.forgotten import Forgotten, read_forgotten
from reasongen.serving.lake import Version, gone, open_table, open_version
from reasongen.serving.sets import (
    DataFile,
    Manifest,
    data_file,
    faults_of,
    locked,
    read_sets,
    remove_old,
    remove_set,
    remove_unfinished,
    set_name,
    write_manifest,
)

FILE_ROWS = 500_000
_ARROW = {"string": pa.string(), "date": pa.date32()}
_WORK = "work"


@dataclass
class Exported:
    """What an export did. `made`: the sets that were written, oldest first; `notes`: what its reader should know."""

    folder: Path
    version: int
    made: list[Manifest] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    removed: int = 0

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        sets = [{"set": one.name, **one.model_dump(mode="json")} for one in self.made]
        state = "exported" if self.made else "unchanged"
        return {"state": state, "delta_version": self.version, "made": sets, "notes": self.notes}

    def text(self) -> str:
        """A line for each set, and the notes."""
        lines = [
            f"export: {self.folder / one.name}: {one.upserts:,} upserts, {one.deletes:,} deletes" for one in self.made
        ]
        lines = lines or [f"export: unchanged; {self.folder} holds version {self.version}"]
        old = [f"  {self.removed} sets were older than export.keep_days and are gone"] if self.removed else []
        return "\n".join([*lines, *(f"  {note}" for note in self.notes), *old])


def export_changes(config: NightConfig, *, since: int | None = None, full: bool = False) -> Exported:
    """Makes the set from `since` (default: the newest version in the folder) to the newest version of `reasons`.

    A version whose files are gone gives a full set instead, and a note. A complete set is verified and left; the
    newest one is made again where it is damaged. Raises ConfigError (no table, no such version, no folder, no key),
    LeaseError (another export works there), ExportError (sets or a table that this code cannot read).
    """
    folder = config.export_dir
    if folder is None:
        raise ConfigError("export.dir: wanted a folder on this machine's file system; found none. Set export.dir.")
    with locked(folder):
        remove_unfinished(folder)
        return _Export(config, folder, open_table(f"{config.root}/reasons")).run(since, full=full)


@dataclass(frozen=True)
class _Export:
    """One export, under the folder's lock."""

    config: NightConfig
    folder: Path
    newest: Version

    def run(self, since: int | None, *, full: bool) -> Exported:
        done = Exported(self.folder, self.newest.number)
        if since is not None and since > self.newest.number:
            raise ConfigError(f"--since: wanted a version of reasons up to {self.newest.number}; found {since}.")
        sets = [one for one in read_sets(self.folder) if self._is_of_this_table(done, one)]
        tip = sets[-1] if sets else None
        if tip is not None and (faults := faults_of(self.folder, tip)):
            done.notes.append(f"{tip.name} was damaged ({faults[0]}): made again")
            tip = self._make(done, tip.from_version, tip.to_version)
        if full:
            since = None
        elif since is None and tip is not None:
            since = tip.to_version
        if since != self.newest.number:
            tip = self._make(done, since, self.newest.number)
        done.removed = remove_old(self.folder, self.config.export.keep_days, but=[tip] if tip else [])
        return done

    def _is_of_this_table(self, done: Exported, one: Manifest) -> bool:
        """A set of another one that stood there before is of no use, and goes."""
        if one.table_id == self.newest.table_id:
            return True
        done.notes.append(f"{one.name} was of another table: gone, and everything is made anew")
        remove_set(self.folder, one.name)
        return False

    def _make(self, done: Exported, since: int | None, until: int) -> Manifest:
        """The set from `since` to `until`, or a full one of the newest version where their files are gone."""
        pair = self._readable(since, until)
        if pair is None:
            done.notes.append(
                f"files of version {until if since is None else since} are gone: made a full set instead, which takes"
                " the place of all that a store has"
            )
        old, new = pair or (None, self.newest)
        name = set_name(old.number if old else None, new.number)
        stands = [one for one in read_sets(self.folder) if one.name == name]
        if stands and not stands[0].erased and not faults_of(self.folder, stands[0]):
            done.notes.append(f"{name} stands and is as its manifest says")
            return stands[0]
        remove_set(self.folder, name)
        manifest = self._write(old, new, self.folder / name)
        done.made.append(manifest)
        return manifest

    def _readable(self, since: int | None, until: int) -> tuple[Version | None, Version] | None:
        """Both versions, where every file is there in which they differ."""
        old = None if since is None else open_version(self.path, since)
        new = self.newest if until == self.newest.number else open_version(self.path, until)
        if new is None or (old is None) != (since is None):
            return None
        before = old.files if old else frozenset()
        if gone(new, new.files - before) or (old and gone(old, before - new.files)):
            return None
        return old, new

    def _write(self, old: Version | None, new: Version, place: Path) -> Manifest:
        work = place / _WORK
        work.mkdir(parents=True)
        forgotten = read_forgotten(self.config.root, self.config.forget)
        with changes(old, new, work) as (upserts, deletes):
            files = dict(_write_rows(_without(upserts, forgotten), place, UPSERTS))
            files |= dict(_write_rows(deletes, place, DELETES))
        for path in work.iterdir():
            path.unlink()
        work.rmdir()
        count = {
            t.name: sum(f.rows for name, f in files.items() if name.startswith(t.name)) for t in (UPSERTS, DELETES)
        }
        manifest = Manifest(
            table_id=new.table_id,
            from_version=old.number if old else None,
            to_version=new.number,
            replaces="changed" if old else "all",
            files=files,
            **count,
            **new.published(after=old.number if old else new.number - _COMMITS_LOOKED_AT),
        )
        write_manifest(self.folder, manifest)
        return manifest

    @property
    def path(self) -> str:
        return f"{self.config.root}/reasons"


_COMMITS_LOOKED_AT = 100


def _without(rows: Iterator[pa.RecordBatch], forgotten: Forgotten) -> Iterator[pa.RecordBatch]:
    """A forgotten user's rows are left out without a word: a delete would name him where nobody looks for him any
    more. The set after the commit that erases him has it."""
    for batch in rows:
        yield batch.filter(pc.invert(forgotten.mask(batch.column("user_id"))))


def _write_rows(batches: Iterator[pa.RecordBatch], place: Path, table: Table) -> Iterator[tuple[str, DataFile]]:
    """Parquet files of at most FILE_ROWS, in row groups of BATCH_ROWS; the batches decide nothing of how they lie."""
    schema = pa.schema([(c.name, _ARROW[c.type]) for c in table.columns])
    groups = _groups(batches, schema)
    group = next(groups, None)
    number = 0
    while group is not None:
        path, rows = place / f"{table.name}-{number:05d}.parquet", 0
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            while group is not None and rows + group.num_rows <= FILE_ROWS:
                writer.write_table(group)
                rows += group.num_rows
                group = next(groups, None)
        yield path.name, data_file(path, rows)
        number += 1


def _groups(batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Tables of BATCH_ROWS rows, the last one shorter."""
    held = schema.empty_table()
    for batch in batches:
        held = pa.concat_tables([held, pa.Table.from_batches([batch]).cast(schema)])
        while held.num_rows >= BATCH_ROWS:
            yield held.slice(0, BATCH_ROWS)
            held = held.slice(BATCH_ROWS).combine_chunks()
    if held.num_rows:
        yield held
