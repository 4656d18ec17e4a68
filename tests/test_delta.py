"""Our own Delta tables: made once, appended and merged once, read by others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from deltalake import DeltaTable

from reasongen.config import SourceSettings
from reasongen.errors import SchemaError
from reasongen.schema import GENERATIONS, INPUTS, Column, Table
from reasongen.tables import (
    SourceFrame,
    Txn,
    append,
    count_by_independent_reader,
    create_if_missing,
    delta,
    merge_changes,
    read_source,
    read_version,
    write_was_refused,
)

SHELF = Table(
    "shelf",
    (
        Column("user_id", "string", "to whom"),
        Column("run_id", "string", "the run"),
        Column("words", "string", "what is said"),
    ),
    key=("user_id",),
    people=True,
    checks=(("words_not_empty", "length(words) > 0"),),
    statistics=("run_id",),
)


def shelf(spark: Any, *rows: tuple[str, str, str]) -> Any:
    return spark.createDataFrame(rows, SHELF.ddl)


def test_a_table_is_made_once_with_comments_checks_and_bare_statistics(spark, tmp_path):
    path = str(tmp_path / "shelf")
    assert read_version(path) is None
    create_if_missing(spark, path, SHELF)
    version = read_version(path)
    create_if_missing(spark, path, SHELF)
    assert read_version(path) == version
    told = {row["col_name"]: row["comment"] for row in spark.sql(f"DESCRIBE delta.`{path}`").collect()}
    assert told["words"] == "what is said"
    append(shelf(spark, ("user-one", "r1", "hello")), path)
    log = "".join(file.read_text() for file in sorted((tmp_path / "shelf" / "_delta_log").glob("*.json")))
    assert "user-one" not in log
    assert "hello" not in log
    assert '\\"run_id\\":\\"r1\\"' in log
    with pytest.raises(Exception, match="DELTA_VIOLATE") as caught:
        append(shelf(spark, ("user-two", "r1", "")), path)
    assert write_was_refused(caught.value) == "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES"


def test_a_table_whose_making_died_before_its_first_commit_is_made(spark, tmp_path):
    (tmp_path / "shelf" / "_delta_log" / "_staged_commits").mkdir(parents=True)
    create_if_missing(spark, str(tmp_path / "shelf"), SHELF)
    append(shelf(spark, ("a", "r1", "x")), str(tmp_path / "shelf"))
    assert count_by_independent_reader(str(tmp_path / "shelf")) == 1


def test_a_table_without_checks_is_made_too(spark, tmp_path):
    create_if_missing(spark, str(tmp_path / "g"), GENERATIONS)
    assert read_version(str(tmp_path / "g")) is not None


def test_an_append_with_the_same_transaction_is_skipped(spark, tmp_path):
    path = str(tmp_path / "shelf")
    create_if_missing(spark, path, SHELF)
    for _ in range(2):
        append(shelf(spark, ("a", "r1", "x")), path, Txn("night", 1), metadata="{}")
    assert count_by_independent_reader(path, "r1") == 1
    append(shelf(spark, ("b", "r2", "x")), path, Txn("night", 2))
    assert [count_by_independent_reader(path, run) for run in ("r1", "r2", None)] == [1, 1, 2]


def test_a_merge_changes_adds_removes_and_happens_once(spark, tmp_path):
    path = str(tmp_path / "shelf")
    create_if_missing(spark, path, SHELF)
    append(shelf(spark, ("a", "r1", "x"), ("b", "r1", "x"), ("c", "r1", "x")), path)
    changes = shelf(spark, ("a", "r2", "y"), ("b", "r2", "z"), ("d", "r2", "y"), ("e", "r2", "z"))
    txn, before = Txn("publish", 5), read_version(path)
    after = merge_changes(changes, path, SHELF, txn=txn, metadata='{"run": 2}', remove_when="new.words = 'z'")
    assert before is not None
    assert after == before + 1
    rows = spark.read.format("delta").load(path).collect()
    assert sorted(map(tuple, rows)) == [("a", "r2", "y"), ("c", "r1", "x"), ("d", "r2", "y")]
    assert merge_changes(changes, path, SHELF, txn=txn, metadata="again") == after
    said = spark.sql(f"DESCRIBE HISTORY delta.`{path}` LIMIT 1").collect()[0]["userMetadata"]
    assert said == '{"run": 2}'
    append(shelf(spark, ("f", "r3", "x")), path)
    assert count_by_independent_reader(path, "r3") == 1


def test_a_merge_tells_its_own_version_where_somebody_commits_after_it(spark, tmp_path, monkeypatch):
    path = str(tmp_path / "shelf")
    create_if_missing(spark, path, SHELF)
    real = delta._commit

    def beside(spark, said, write):
        real(spark, said, write)
        DeltaTable(path).delete("user_id = 'a'")

    monkeypatch.setattr(delta, "_commit", beside)
    version = merge_changes(
        shelf(spark, ("a", "r1", "x"), ("b", "r1", "y")), path, SHELF, txn=Txn("p", 1), metadata="one"
    )
    assert read_version(path) == version + 1
    assert [count_by_independent_reader(path, "r1", at) for at in (version, None)] == [2, 1]


def test_nothing_can_be_read_from_a_table_that_is_not_there(spark, tmp_path):
    source: SourceFrame = read_source(spark, SourceSettings(path=str(tmp_path / "none")), INPUTS["events"])
    with pytest.raises(ValueError, match="check_contract says why"):
        _ = source.frame


def test_a_merge_beside_another_writer_is_done_again(spark, tmp_path):
    """The other one commits after the MERGE has read the table and before it commits: its source does it."""
    path, other = str(tmp_path / "shelf"), tmp_path / "other"
    create_if_missing(spark, path, SHELF)
    append(shelf(spark, ("u1", "r1", "old"), ("u2", "r1", "old")), path)

    def beside(batches):
        for batch in batches:
            if not other.exists():
                other.touch()
                DeltaTable(path).update(new_values={"run_id": "r2"}, predicate="user_id = 'u2'")
            yield batch

    changes = shelf(spark, ("u1", "r3", "new"), ("u3", "r3", "new")).coalesce(1).mapInArrow(beside, SHELF.ddl)
    merge_changes(changes, path, SHELF, txn=Txn("app", 1), metadata="x")
    found = {(row["user_id"], row["run_id"], row["words"]) for row in DeltaTable(path).to_pyarrow_table().to_pylist()}
    assert found == {("u1", "r3", "new"), ("u2", "r2", "old"), ("u3", "r3", "new")}
    assert other.exists()
    assert [entry["operation"] for entry in DeltaTable(path).history(2)] == ["MERGE", "UPDATE"]


def test_columns_that_the_schema_gained_since_join_an_older_table(spark, tmp_path):
    path = str(tmp_path / "shelf")
    older = replace(SHELF, columns=SHELF.columns[:2], checks=())
    newer = replace(
        SHELF, columns=(*SHELF.columns, Column("lines", "array<struct<n:int>>", "user's \\ own")), checks=()
    )
    create_if_missing(spark, path, older)
    append(spark.createDataFrame([("a", "r1")], older.ddl), path)
    create_if_missing(spark, path, newer)
    version = read_version(path)
    create_if_missing(spark, path, newer)
    assert read_version(path) == version
    told = {row["col_name"]: row["comment"] for row in spark.sql(f"DESCRIBE delta.`{path}`").collect()}
    assert (told["words"], told["lines"]) == ("what is said", "user's \\ own")
    changes = spark.createDataFrame([("b", "r2", "x", [(1,)])], newer.ddl)
    merge_changes(changes, path, newer, txn=Txn("p", 1), metadata="one")
    rows = spark.read.format("delta").load(path).collect()
    assert sorted(map(tuple, rows)) == [("a", "r1", None, None), ("b", "r2", "x", [(1,)])]
    create_if_missing(spark, path, older)  # an older program meets a newer table
    assert read_version(path) == version + 1


def test_a_table_of_another_shape_is_refused_by_the_name_of_its_column(spark, tmp_path):
    path = str(tmp_path / "shelf")
    other = replace(SHELF, columns=(Column("user_id", "bigint", "to whom"), *SHELF.columns[1:]))
    create_if_missing(spark, path, other)
    version = read_version(path)
    with pytest.raises(SchemaError, match=r"wanted user_id string in .*shelf; found user_id bigint"):
        create_if_missing(spark, path, SHELF)
    assert read_version(path) == version
