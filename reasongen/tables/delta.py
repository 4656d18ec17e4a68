"""Our own Delta tables: appended to, merged into, erased from, and counted by a reader that is not Spark."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from operator import and_
from pathlib import Path

from delta.exceptions import (
    ConcurrentAppendException,
    ConcurrentDeleteDeleteException,
    ConcurrentDeleteReadException,
    ConcurrentTransactionException,
    ConcurrentWriteException,
)
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.schema import Table

_TXN = ("spark.databricks.delta.write.txnAppId", "spark.databricks.delta.write.txnVersion")
CONFLICTS = (
    ConcurrentAppendException,
    ConcurrentDeleteDeleteException,
    ConcurrentDeleteReadException,
    ConcurrentTransactionException,
    ConcurrentWriteException,
)
"""Somebody else committed between our reading and our writing; nothing of ours was committed."""
TRIES = 5
_LOOK_BACK = 50
"""Commits that others may have made since ours."""
_METADATA = "spark.databricks.delta.commitInfo.userMetadata"
_TRAVEL_CHECK = "spark.databricks.delta.vacuum.enforceTimeTravelWithinDeletedFileRetentionDuration"
_RETENTION_CHECK = "spark.databricks.delta.retentionDurationCheck.enabled"


@dataclass(frozen=True)
class Txn:
    """Makes a write happen once. Delta skips, silently, a version that is not above the last one of `app_id`: a new
    attempt with other rows needs a higher one, and the writer has to read its rows back."""

    app_id: str
    version: int


def append(frame: DataFrame, path: str, txn: Txn | None = None, metadata: str | None = None) -> None:
    """One commit that adds the rows. Raises AnalysisException where a column is unknown to the table."""
    writer = frame.write.format("delta").mode("append")
    if txn is not None:
        writer = writer.option("txnAppId", txn.app_id).option("txnVersion", txn.version)
    if metadata is not None:
        writer = writer.option("userMetadata", metadata)
    writer.save(path)


def merge_changes(
    changes: DataFrame,
    path: str,
    table: Table,
    *,
    txn: Txn,
    metadata: str,
    remove_when: str | None = None,
) -> int:
    """One commit: rows of `changes` replace or join the rows with their key; returns its version.

    `changes` has the table's columns, a unique key, and further ones only for `remove_when`: SQL over `new`; such a row
    takes its key out. Rows of the table without a change stay. An empty MERGE makes a version too: look before. Where
    the transaction was skipped, the newest version is returned. `metadata` tells this commit from others.

    Where somebody else wrote the table meanwhile (an erasure, another scenario, a rewrite of its files), nothing was
    committed and it is done again, a few times: the rows of `changes` are right whatever the others wrote.
    """
    from delta.tables import DeltaTable

    spark = changes.sparkSession
    same = " and ".join(f"old.`{name}` = new.`{name}`" for name in table.key)
    values = {f"`{name}`": f"new.`{name}`" for name in table.names}
    kept = None if remove_when is None else f"not coalesce({remove_when}, false)"

    def merge() -> None:
        built = DeltaTable.forPath(spark, path).alias("old").merge(changes.alias("new"), same)
        if remove_when is not None:
            built = built.whenMatchedDelete(condition=remove_when)
        built.whenMatchedUpdate(set=values).whenNotMatchedInsert(condition=kept, values=values).execute()

    _commit(spark, {_TXN[0]: txn.app_id, _TXN[1]: str(txn.version), _METADATA: metadata}, merge)
    return _committed(path, metadata)


def _committed(path: str, metadata: str) -> int:
    """The version of the commit that says so; the newest one where none of the last does. Others commit meanwhile."""
    commits = _open(path).history(_LOOK_BACK)
    said = (commit["version"] for commit in commits if commit.get("userMetadata") == metadata)
    return int(next(said, commits[0]["version"]))


def erase_rows(gone: DataFrame, path: str, what: str, *, metadata: str) -> None:
    """One commit without the rows in which `what` (SQL over the columns, a text) stands in `gone`: look before.

    In: `gone` (gone, string). By MERGE: a DELETE would write the values into the log as its predicate. Tried again
    where another writer came between, at most TRIES times: to erase twice is to erase once. Raises Delta's own
    error after that.
    """
    from delta.tables import DeltaTable

    values = gone.select(F.col("gone").alias("erased_value"))

    def merge() -> None:
        old = DeltaTable.forPath(gone.sparkSession, path).alias("old")
        old.merge(values, f"{what} = erased_value").whenMatchedDelete().execute()

    _commit(gone.sparkSession, {_METADATA: metadata}, merge)


def delete_rows(gone: DataFrame, path: str, *, metadata: str) -> None:
    """One commit without the rows that agree with a row of `gone` in all of its columns, which must tell nobody's
    value: look before. Tried again where another writer came between, as `erase_rows`."""
    from delta.tables import DeltaTable

    same = " and ".join(f"old.`{name}` = gone.`{name}`" for name in gone.columns)

    def merge() -> None:
        old = DeltaTable.forPath(gone.sparkSession, path).alias("old")
        old.merge(gone.alias("gone"), same).whenMatchedDelete().execute()

    _commit(gone.sparkSession, {_METADATA: metadata}, merge)


def change_column(changes: DataFrame, path: str, table: Table, name: str, *, metadata: str) -> None:
    """One commit that gives `name` the value in `changes` (the table's key, unique, and `name`): look before. Values
    travel as rows, so none stands in the log. Tried again as `erase_rows`."""
    from delta.tables import DeltaTable

    same = " and ".join(f"old.`{column}` = new.`{column}`" for column in table.key)

    def merge() -> None:
        old = DeltaTable.forPath(changes.sparkSession, path).alias("old")
        old.merge(changes.alias("new"), same).whenMatchedUpdate(set={f"`{name}`": f"new.`{name}`"}).execute()

    _commit(changes.sparkSession, {_METADATA: metadata}, merge)


def _commit(spark: SparkSession, said: Mapping[str, str], write: Callable[[], None]) -> None:
    """Does `write`, again where somebody else's commit came between."""
    for tries_left in reversed(range(TRIES)):
        try:
            with _session_says(spark, said):
                write()
        except CONFLICTS:
            if not tries_left:
                raise
        else:
            return


def delete_old_files(spark: SparkSession, paths: Sequence[str], *, hours: float) -> None:
    """Deletes the files that only versions older than `hours` need; 0: all but the newest version's.

    Rows that a deletion vector merely hides are written out of their files first. No writer may be at work that began
    longer than `hours` ago: its files would go too.
    """
    # An entry of its own in the log would be a version without a change.
    off = {_RETENTION_CHECK: "false", "spark.databricks.delta.vacuum.logging.enabled": "false"}
    with _session_says(spark, off), ThreadPoolExecutor(len(paths) or 1) as pool:
        list(pool.map(lambda path: _delete_old_files(spark, path, hours), paths))


def _delete_old_files(spark: SparkSession, path: str, hours: float) -> None:
    from delta.tables import DeltaTable

    table = DeltaTable.forPath(spark, path)
    if "deletionVectors" in (table.detail().select("tableFeatures").collect()[0][0] or []):
        spark.sql(f"REORG TABLE delta.`{absolute(path)}` APPLY (PURGE)")
    table.vacuum(hours)


def read_at(spark: SparkSession, path: str, version: int) -> DataFrame:
    """The table as of a version, however old: by itself Spark reads none that was committed longer ago than
    `delta.deletedFileRetentionDuration`, though its files stay so long after they were *replaced*. Who asks has looked
    at the files. Raises AnalysisException where the log is gone."""
    with _session_says(spark, {_TRAVEL_CHECK: "false"}):
        return spark.read.format("delta").option("versionAsOf", version).load(path)


def read_version(path: str) -> int | None:
    """The newest version by a reader that is not Spark; None where no Delta table stands."""
    from deltalake import DeltaTable

    return int(_open(path).version()) if DeltaTable.is_deltatable(path) else None


def count_by_independent_reader(
    path: str, run_id: str | None = None, version: int | None = None, *, scenario: str | None = None
) -> int:
    """Rows of one run and of one scenario (of all where not given) as another reader than Spark counts them, at
    `version` or at the newest; files without such a row are not read."""
    import pyarrow.dataset as ds

    wanted = {name: value for name, value in (("run_id", run_id), ("scenario", scenario)) if value is not None}
    tests = [ds.field(name) == value for name, value in wanted.items()]
    rows = _open(path, version).to_pyarrow_dataset()
    return int(rows.count_rows(filter=reduce(and_, tests) if tests else None))


def version_of_commit(path: str, said: str) -> int | None:
    """The version of the newest commit in whose metadata `said` stands; None where Delta skipped that write."""
    for entry in _open(path).history(100):
        if said in (entry.get("userMetadata") or ""):
            return int(entry["version"])
    return None


def write_was_refused(error: BaseException) -> str | None:
    """Delta's own code where a write broke a constraint or a NOT NULL; None for any other error. The error's text
    holds values of the row: log this code, not the text."""
    found = re.search(r"\[(DELTA_(?:VIOLATE_CONSTRAINT|NOT_NULL_CONSTRAINT)\w*)\]", str(error))
    return found[1] if found else None


def absolute(path: str) -> str:
    """Delta's SQL takes a relative path for the name of a table."""
    return path if "://" in path else str(Path(path).resolve())


def _open(path: str, version: int | None = None):  # type: ignore[no-untyped-def]
    from deltalake import DeltaTable

    return DeltaTable(path, version=version)


@contextmanager
def _session_says(spark: SparkSession, said: Mapping[str, str]) -> Iterator[None]:
    """MERGE and VACUUM take these from the session only; left set, the next write would be skipped."""
    for key, value in said.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        for key in said:
            spark.conf.unset(key)
