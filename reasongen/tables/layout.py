"""How our tables lie on disk: small, sorted for a reader who looks up one user, without files that nobody can reach.

Changes no row: a reader of an older version goes on reading it until its files are old enough to be removed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from deltalake import DeltaTable
from pyspark.sql import SparkSession

from reasongen.schema import Table
from reasongen.tables.delta import read_version
from reasongen.tables.lease import FENCE

FILE_BYTES = 128 << 20
"""Of a file, as it is written: few files to open for one user, and few bytes to read of each."""
ROW_GROUP_BYTES = 16 << 20
"""Of a row group in memory: a lookup reads one. Smaller ones make the file's footer long, which it reads as well."""
FEW_FILES = 8
"""So many a reader opens without noticing."""
_ROW_GROUPS = "parquet.block.size"


@dataclass(frozen=True)
class Size:
    """What a table takes. `files`, `bytes`: of its newest version; `rows`: there too."""

    version: int
    files: int
    bytes: int
    rows: int


def size_of(path: str) -> Size:
    """The size of the newest version. Raises TableNotFoundError where no table stands."""
    import pyarrow as pa
    import pyarrow.compute as pc

    table = DeltaTable(path)
    files = pa.table(table.get_add_actions(flatten=True))
    taken = [int(pc.sum(files[name]).as_py() or 0) for name in ("size_bytes", "num_records")]
    return Size(table.version(), files.num_rows, *taken)


def rewrite_sorted(spark: SparkSession, path: str, table: Table) -> bool:
    """Writes the table anew, sorted by its key, in one commit that says that no data changed.

    Returns False where it has no key or lies so already.

    Raises one of CONFLICTS where somebody else wrote meanwhile: nothing is changed then. A MERGE undoes the order, so
    this is for after a publish.
    """
    if read_version(path) is None or not table.key or _written_sorted(path):
        return False
    parts = max(1, -(-size_of(path).bytes // FILE_BYTES))
    # Not pinned: the rows are read within the write's own transaction. Those of a version looked up before it would
    # undo, without a word, whatever somebody else committed between the two.
    rows = spark.read.format("delta").load(path)
    order = rows.repartitionByRange(parts, *table.key).sortWithinPartitions(*table.key)
    writer = order.write.format("delta").mode("overwrite").option("dataChange", "false")
    with _row_groups(spark):
        writer.option("userMetadata", SORTED).save(path)
    return True


def compact(spark: SparkSession, path: str) -> bool:
    """Puts the small files of a table together, in one commit that says that no data changed: a night adds some.

    By Spark, which keeps ids and texts out of the statistics as the table's properties say; other writers may not.
    Returns False where the files are few. Raises one of CONFLICTS where somebody else removed one meanwhile.
    """
    from delta.tables import DeltaTable as SparkTable

    before = size_of(path)
    if before.files <= FEW_FILES:
        return False
    SparkTable.forPath(spark, path).optimize().executeCompaction()
    return read_version(path) != before.version


def rows_version(path: str) -> int | None:
    """The newest version that changed a row, None where no table stands: what only laid them out anew is left out.

    Where maintenance alone stands in the last commits that are looked at, the newest version.
    """
    version = read_version(path)
    if version is None:
        return None
    commits = DeltaTable(path, version).history(_COMMITS)
    changed = (int(one["version"]) for one in commits if not _same_rows(one))
    return next(changed, version)


def remove_unreachable(path: str, hours: float) -> int:
    """Removes the files that no version of the last `hours` holds; returns how many.

    Readers of older versions and runs that have not committed for so long lose theirs: never less than the longest of
    both. `hours` below the table's own retention is taken as it is.
    """
    gone = DeltaTable(path).vacuum(retention_hours=int(hours), dry_run=False, enforce_retention_duration=False)
    return len(gone)


SORTED = "sorted by key"
_REMOVES = ("VACUUM START", "VACUUM END")
_COMMITS = 20


def _same_rows(commit: dict[str, Any]) -> bool:
    return commit.get("userMetadata") in (SORTED, FENCE) or commit.get("operation") in ("OPTIMIZE", *_REMOVES)


def _written_sorted(path: str) -> bool:
    commits = (one for one in DeltaTable(path).history(_COMMITS) if one.get("userMetadata") != FENCE)
    last = next((one for one in commits if one.get("operation") not in _REMOVES), None)
    return last is not None and last.get("userMetadata") == SORTED


@contextmanager
def _row_groups(spark: SparkSession) -> Iterator[None]:
    """Delta hands no such option on to Parquet; the session's setting reaches it."""
    before = spark.conf.get(_ROW_GROUPS, None)
    spark.conf.set(_ROW_GROUPS, str(ROW_GROUP_BYTES))
    try:
        yield
    finally:
        if before is None:
            spark.conf.unset(_ROW_GROUPS)
        else:
            spark.conf.set(_ROW_GROUPS, before)
