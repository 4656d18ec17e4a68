"""Takes reasons down at once, and keeps them down: one row on a list that every night reads, one commit to `reasons`.

What is withdrawn is an item, a term, or the skeleton of a reason: nothing of a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import NightConfig
from reasongen.errors import ConfigError
from reasongen.schema import WITHDRAWALS
from reasongen.tables import Txn, create_if_missing, merge_changes, read_version
from reasongen.tables.delta import erase_rows
from reasongen.validation import Withdrawn, plain

Kind = Literal["item", "term", "reason"]
NOTE = "withdraw"
_COLUMN = {"item": "item_id", "term": "reason", "reason": "skeleton_hash"}
"""The column of `reasons` by which a kind's rows are taken out."""


@dataclass(frozen=True)
class Withdrawals:
    """The list at one version (None: there is no list): items without a reason, and what no reason may say."""

    items: tuple[str, ...] = ()
    words: Withdrawn = field(default_factory=Withdrawn)
    version: int | None = None


@dataclass(frozen=True)
class TakenDown:
    """What a withdrawal did. `state`: planned, unchanged (it was done before), or withdrawn."""

    kind: str
    state: str
    reasons: int
    delta_version: int | None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)

    def text(self) -> str:
        """One line."""
        where = "" if self.delta_version is None else f"; reasons at version {self.delta_version}"
        return f"withdraw {self.kind}: {self.state}, {self.reasons:,} reasons{where}"


def withdraw(spark: SparkSession, config: NightConfig, kind: Kind, value: str, *, dry_run: bool = False) -> TakenDown:
    """Takes down every reason for an item, with a term in its words, or with a skeleton, and keeps such reasons down.

    The list comes first: a night that publishes later reads it. Raises ConfigError for a blank value.
    """
    if not value.strip():
        raise ConfigError(f"--{kind}: wanted what to withdraw; found nothing.")
    value = plain(value) if kind == "term" else value
    listed = (kind, value) in _rows(spark, config.root)
    if not listed and not dry_run:
        _add(spark, config.root, kind, value)
    path = f"{config.root}/reasons"
    if read_version(path) is None:
        return TakenDown(kind, "planned" if dry_run else "withdrawn", 0, None)
    gone = _matching(spark, path, kind, (value,))
    reasons = _count(spark, path, kind, gone)
    if reasons and not dry_run:
        erase_rows(gone, path, f"`{_COLUMN[kind]}`", metadata=NOTE)
    state = "planned" if dry_run else "unchanged" if listed and not reasons else "withdrawn"
    return TakenDown(kind, state, reasons, read_version(path))


def read_withdrawals(spark: SparkSession, root: str) -> Withdrawals:
    """The whole list: some dozens of rows, written by people."""
    rows = _rows(spark, root)
    by_kind = {kind: tuple(value for found, value in rows if found == kind) for kind in _COLUMN}
    words = Withdrawn(by_kind["term"], frozenset(by_kind["reason"]))
    return Withdrawals(by_kind["item"], words, read_version(f"{root}/{WITHDRAWALS.name}"))


def take_down_since(spark: SparkSession, config: NightConfig, seen: Withdrawals) -> int:
    """Takes out of `reasons` what was withdrawn after `seen` was read; returns the rows. For a night that published
    meanwhile."""
    if read_version(f"{config.root}/{WITHDRAWALS.name}") == seen.version:
        return 0
    path, rows = f"{config.root}/reasons", 0
    by_kind: dict[Kind, list[str]] = {}
    for kind, value in _rows(spark, config.root):
        by_kind.setdefault(kind, []).append(value)
    for kind, values in by_kind.items():
        gone = _matching(spark, path, kind, tuple(values))
        if found := _count(spark, path, kind, gone):
            erase_rows(gone, path, f"`{_COLUMN[kind]}`", metadata=NOTE)
            rows += found
    return rows


def _rows(spark: SparkSession, root: str) -> list[tuple[Kind, str]]:
    path = f"{root}/{WITHDRAWALS.name}"
    if read_version(path) is None:
        return []
    rows = spark.read.format("delta").load(path).select("kind", "value").orderBy("kind", "value").collect()
    return [(row["kind"], row["value"]) for row in rows]


def _add(spark: SparkSession, root: str, kind: Kind, value: str) -> None:
    path, now = f"{root}/{WITHDRAWALS.name}", datetime.now(UTC)
    create_if_missing(spark, path, WITHDRAWALS)
    row = spark.createDataFrame([(kind, value, now)], WITHDRAWALS.ddl)
    merge_changes(row, path, WITHDRAWALS, txn=Txn(f"reasongen/{NOTE}/{now.isoformat()}", 0), metadata=NOTE)


def _matching(spark: SparkSession, path: str, kind: Kind, values: tuple[str, ...]) -> DataFrame:
    """The values of the kind's column that go, unique."""
    if kind != "term":
        return spark.createDataFrame([(value,) for value in values], "gone string")
    texts = spark.read.format("delta").load(path).select(F.col("reason").alias("gone")).distinct()
    return texts.mapInArrow(_holding(Withdrawn(values)), "gone string")  # Spark's SQL knows no NFKC


def _holding(words: Withdrawn) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            held = [bool(words.failures(text, "")) for text in batch.column(0).to_pylist()]
            yield batch.filter(pa.array(held, pa.bool_()))

    return run


def _count(spark: SparkSession, path: str, kind: Kind, gone: DataFrame) -> int:
    rows = spark.read.format("delta").load(path).select(F.col(_COLUMN[kind]).alias("here"))
    return int(rows.join(gone, F.col("here") == F.col("gone"), how="left_semi").count())
