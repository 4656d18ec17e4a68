"""The queue and the decisions as Delta tables, read and appended to by delta-rs: a page needs no Spark.

Every decision is one append, which conflicts with no other, so that two reviewers at once lose nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from deltalake.exceptions import CommitFailedError

from reasongen.errors import ConfigError
from reasongen.review.decisions import Decision, Waiting
from reasongen.schema import REVIEW_DECISIONS, REVIEW_QUEUE, Table

_TRIES = 5


def read_waiting(root: str) -> list[Waiting]:
    """The whole queue, most pairs first; empty before the first night."""
    rows = [Waiting(**_held(row)) for row in _rows(root, REVIEW_QUEUE)]
    return sorted(rows, key=lambda one: (-one.pairs, one.key))


def read_decisions(root: str) -> list[Decision]:
    """All decisions in the order in which they were made; empty before the first night."""
    rows = [Decision(**_held(row)) for row in _rows(root, REVIEW_DECISIONS)]
    return sorted(rows, key=lambda one: one.decided_at)


def add_decision(root: str, decision: Decision) -> None:
    """One append. Raises ConfigError where no night has made the table yet, CommitFailedError where the lake cannot be
    written."""
    path = f"{root}/{REVIEW_DECISIONS.name}"
    if not DeltaTable.is_deltatable(path):
        raise ConfigError(f"root: wanted a Delta table at {path}; found none. Publish a night first.")
    table = DeltaTable(path)
    write_deltalake(table, _arrow(table, [asdict(decision)]), mode="append")


def add_waiting(root: str, rows: Sequence[Waiting]) -> None:
    """Adds to the queue what does not stand there; no commit without rows. Raises CommitFailedError where others wrote
    it at every try."""
    for tries_left in reversed(range(_TRIES if rows else 0)):
        table = DeltaTable(f"{root}/{REVIEW_QUEUE.name}")
        same = " and ".join(f"old.{name} = new.{name}" for name in REVIEW_QUEUE.key)
        source = _arrow(table, [asdict(row) for row in rows])
        merge = table.merge(source, same, source_alias="new", target_alias="old")
        try:
            merge.when_not_matched_insert_all().execute()
        except CommitFailedError:  # another scenario's night, at the same moment
            if not tries_left:
                raise
        else:
            return


def _rows(root: str, table: Table) -> list[dict[str, Any]]:
    path = f"{root}/{table.name}"
    if not DeltaTable.is_deltatable(path):
        return []
    found = QueryBuilder().register("here", DeltaTable(path)).execute("SELECT * FROM here").read_all()
    return [{name: row[name] for name in table.names} for row in pa.table(found).to_pylist()]


def _held(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"doubts": tuple(row["doubts"]), "frames": tuple(row["frames"])}


def _arrow(table: DeltaTable, rows: list[dict[str, Any]]) -> pa.Table:
    plain = [row | {"doubts": [*row["doubts"]], "frames": [*row["frames"]]} for row in rows]
    return pa.Table.from_pylist(plain, pa.schema(table.schema().to_arrow()))
