"""The layout of our tables: the same rows for every reader, sorted, in small row groups, and no user in the log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from delta.exceptions import ConcurrentAppendException
from deltalake import DeltaTable
from pyspark.sql.classic.dataframe import DataFrame

from reasongen.errors import ConfigError
from reasongen.pipeline import maintain_tables, maintaining
from reasongen.schema import QUARANTINE, REASONS
from reasongen.tables import (
    append,
    create_if_missing,
    layout,
    remove_unreachable,
    rewrite_sorted,
    rows_version,
    size_of,
)

USERS, ITEMS = 400, 10


@pytest.fixture
def lake(spark: Any, tmp_path: Path) -> Path:
    """A lake whose reasons were written by two commits, in no order."""
    path = str(tmp_path / "reasons")
    create_if_missing(spark, path, REASONS)
    for half in range(2):
        rows = spark.range(USERS * ITEMS).selectExpr(
            f"format_string('person%06d', (id * 7919) % {USERS}) user_id",
            f"format_string('i%05d', id div {USERS} + {half * ITEMS}) item_id",
            "'recommendation' scenario",
            "concat(repeat('Words that are long enough to fill a page. ', 20), id) reason",
            "'model' source",
            f"'run{half}' run_id",
        )
        blanks = [f"cast(null as {c.type}) {c.name}" for c in REASONS.columns if c.name not in rows.columns]
        append(rows.selectExpr("*", *blanks).select(*REASONS.names).repartition(3, "reason"), path)
    return tmp_path


def rows_of(path: str) -> pl.DataFrame:
    """The table in a fixed order."""
    return pl.read_delta(path).select("user_id", "item_id", "reason", "run_id").sort("user_id", "item_id")


def test_a_rewrite_sorts_and_changes_no_row(spark: Any, lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "ROW_GROUP_BYTES", 1 << 20)
    path = str(lake / "reasons")
    before, version = rows_of(path), DeltaTable(path).version()
    assert rewrite_sorted(spark, path, REASONS)
    assert rows_of(path).equals(before)
    assert pl.read_delta(path, version=version).height == before.height
    files = DeltaTable(path).file_uris()
    assert len(files) == 1
    users = pq.read_table(files[0], columns=["user_id"])["user_id"].to_pylist()
    assert users == sorted(users)
    assert pq.ParquetFile(files[0]).num_row_groups > 3
    assert not rewrite_sorted(spark, path, REASONS)
    log = [json.loads(line) for line in sorted(lake.glob("reasons/_delta_log/*.json"))[-1].read_text().splitlines()]
    assert not any(action["add"]["dataChange"] for action in log if "add" in action)
    assert not any(b"person0" in file.read_bytes() for file in lake.glob("reasons/_delta_log/*.*"))
    assert DeltaTable(path).metadata().configuration["delta.dataSkippingStatsColumns"] == "run_id,scenario,generated_at"


def test_maintenance_measures_removes_and_is_done_once(spark: Any, lake: Path) -> None:
    path = str(lake / "reasons")
    before, before_version = rows_of(path), DeltaTable(path).version()
    told = maintain_tables(spark, str(lake), keep_hours=24)
    assert set(told) == {"reasons"}
    assert told["reasons"]["rows"] == 2 * USERS * ITEMS
    assert (told["reasons"]["rewritten"], told["reasons"]["files_removed"], told["reasons"]["files"]) == (1, 0, 1)
    version = DeltaTable(path).version()
    again = maintain_tables(spark, str(lake), keep_hours=24)["reasons"]
    assert (again["rewritten"], again["version"]) == (0, version)
    assert remove_unreachable(path, 0) > 3
    assert rows_of(path).equals(before)
    assert {Path(uri).name for uri in DeltaTable(path).file_uris()} == {f.name for f in lake.glob("reasons/*.parquet")}
    assert size_of(path).files == 1
    assert maintain_tables(spark, str(lake), keep_hours=24)["reasons"]["rewritten"] == 0
    assert rows_version(path) == before_version


def test_a_table_of_many_small_files_is_put_together_and_nobody_stands_in_its_log(spark: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "quarantine")
    create_if_missing(spark, path, QUARANTINE)
    for night in range(10):
        row = spark.sql(f"select 'person{night:06d}' user_id, 'words of person{night:06d}' text, 'run{night}' run_id")
        blanks = [f"cast(null as {c.type}) {c.name}" for c in QUARANTINE.columns if c.name not in row.columns]
        append(row.selectExpr("*", *blanks).select(*QUARANTINE.names).coalesce(1), path)
    before = pl.read_delta(path).sort("run_id")
    told = maintain_tables(spark, str(tmp_path), keep_hours=24)["quarantine"]
    assert (told["files"], told["rewritten"], told["rows"]) == (1, 1, 10)
    assert pl.read_delta(path).sort("run_id").equals(before)
    log = "".join(file.read_text() for file in Path(path, "_delta_log").glob("*.json"))
    assert '"operation":"OPTIMIZE"' in log
    assert "person00" not in log
    assert maintain_tables(spark, str(tmp_path), keep_hours=24)["quarantine"]["rewritten"] == 0


def test_a_commit_that_changes_a_row_is_the_newest_of_its_rows(spark: Any, lake: Path) -> None:
    path = str(lake / "reasons")
    assert rows_version(path) == DeltaTable(path).version()
    rewrite_sorted(spark, path, REASONS)
    DeltaTable(path).optimize.z_order(["run_id"])
    version = DeltaTable(path).version()
    assert rows_version(path) == version - 2
    assert rewrite_sorted(spark, path, REASONS)
    DeltaTable(path).delete("item_id = 'i00001'")
    assert rows_version(path) == DeltaTable(path).version()
    assert rows_version(str(lake / "nowhere")) is None


def test_a_table_that_somebody_else_writes_is_left_for_the_next_time(
    spark: Any, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def beaten(*_: Any) -> bool:
        raise ConcurrentAppendException("beaten")

    monkeypatch.setattr(maintaining, "rewrite_sorted", beaten)
    assert maintain_tables(spark, str(lake), keep_hours=24)["reasons"]["rewritten"] == 0


def test_what_somebody_commits_before_a_rewrite_writes_is_not_undone(
    spark: Any, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An erasure after the rewrite has looked at the table: nobody may come back by it."""
    path, sort = str(lake / "reasons"), DataFrame.sortWithinPartitions

    def beside(frame: DataFrame, *columns: str) -> DataFrame:
        DeltaTable(path).delete("user_id = 'person000003'")
        return sort(frame, *columns)

    before = rows_of(path)
    monkeypatch.setattr(DataFrame, "sortWithinPartitions", beside)
    assert rewrite_sorted(spark, path, REASONS)
    assert rows_of(path).equals(before.filter(pl.col("user_id") != "person000003"))


def test_files_that_a_reader_may_still_need_stay(spark: Any, lake: Path) -> None:
    with pytest.raises(ConfigError, match="wanted at least 24; found 1"):
        maintain_tables(spark, str(lake), keep_hours=1)
