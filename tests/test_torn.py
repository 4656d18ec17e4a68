"""A last commit that was torn is set aside; the table is what it was before, and can be written again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from reasongen.tables.torn import set_torn_aside


def table_of(path: Path, commits: int) -> Path:
    """One row a commit; returns the last one's file."""
    for number in range(commits):
        write_deltalake(path, pa.table({"number": [number]}), mode="append")
    return path / "_delta_log" / f"{commits - 1:020d}.json"


def rows(path: Path) -> list[int]:
    """As delta-rs reads them."""
    return sorted(DeltaTable(path).to_pyarrow_table()["number"].to_pylist())


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_a_torn_last_commit_is_set_aside_with_its_checksums(tmp_path: Path, share: float) -> None:
    last = table_of(tmp_path / "reasons", 3)
    whole = last.read_bytes()
    last.write_bytes(whole[: int(len(whole) * share)])
    for checksum in (f".{last.name}.crc", f"{last.stem}.crc", f".{last.stem}.crc.crc"):
        last.with_name(checksum).write_bytes(b"of the torn one")
    assert set_torn_aside(str(tmp_path)) == [f"reasons/_delta_log/{last.name}"]
    assert (DeltaTable(tmp_path / "reasons").version(), rows(tmp_path / "reasons")) == (1, [0, 1])
    assert not list(last.parent.glob("*.crc"))
    write_deltalake(tmp_path / "reasons", pa.table({"number": [7]}), mode="append")
    assert rows(tmp_path / "reasons") == [0, 1, 7]
    assert set_torn_aside(str(tmp_path)) == []


def test_a_table_whose_first_commit_was_torn_is_no_table(tmp_path: Path) -> None:
    table_of(tmp_path / "leases" / "recommendation", 1).write_bytes(b"")
    assert len(set_torn_aside(str(tmp_path))) == 1
    assert not DeltaTable.is_deltatable(str(tmp_path / "leases" / "recommendation"))


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_torn_checksum_of_a_whole_commit_goes_and_a_whole_one_stays(spark: Any, tmp_path: Path, share: float) -> None:
    path = str(tmp_path / "reasons")
    spark.range(3).write.format("delta").save(path)
    (sums,) = (tmp_path / "reasons" / "_delta_log").glob(".*.json.crc")
    whole = sums.read_bytes()
    sums.write_bytes(whole[: int(len(whole) * share)])
    assert set_torn_aside(str(tmp_path)) == []
    assert sums.exists() is (share == 1.0)
    again = shutil.copytree(path, tmp_path / "unknown to the session")
    assert spark.read.format("delta").load(str(again)).count() == 3


@pytest.mark.parametrize("share", [None, 0.0, 0.5, 0.99])
def test_a_checkpoint_that_is_lost_or_torn_is_done_without(tmp_path: Path, share: float | None) -> None:
    path = tmp_path / "reasons"
    log = table_of(path, 5).parent
    DeltaTable(path).create_checkpoint()
    table_of(path, 2)
    checkpoint = log / f"{4:020d}.checkpoint.parquet"
    whole = checkpoint.read_bytes()
    checkpoint.unlink()
    if share is not None:
        checkpoint.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(Exception, match=r"[Cc]heckpoint|[Pp]arquet"):
        rows(path)
    set_torn_aside(str(tmp_path))
    assert rows(path) == [0, 0, 1, 1, 2, 3, 4]
    assert set_torn_aside(str(tmp_path)) == []
    DeltaTable(path).create_checkpoint()
    assert set_torn_aside(str(tmp_path)) == []
    assert (log / "_last_checkpoint").exists()


def test_a_torn_hint_goes_and_a_checkpoint_that_nothing_can_replace_stays(tmp_path: Path) -> None:
    path = tmp_path / "reasons"
    log = table_of(path, 3).parent
    DeltaTable(path).create_checkpoint()
    (log / "_last_checkpoint").write_text('{"version": 2, "si')
    assert set_torn_aside(str(tmp_path)) == []
    assert not (log / "_last_checkpoint").exists()
    assert rows(path) == [0, 1, 2]
    (log / f"{0:020d}.json").unlink()  # as the cleaning of an old log does
    checkpoint = log / f"{2:020d}.checkpoint.parquet"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-20])
    assert set_torn_aside(str(tmp_path)) == []
    assert checkpoint.exists()


def test_whole_tables_are_left_alone(tmp_path: Path) -> None:
    table_of(tmp_path / "reasons", 2)
    (tmp_path / "staging").mkdir()
    before = sorted(map(str, tmp_path.rglob("*")))
    assert set_torn_aside(str(tmp_path)) == []
    assert set_torn_aside(str(tmp_path / "nowhere")) == []
    assert set_torn_aside("s3://bucket/lake") == []
    assert sorted(map(str, tmp_path.rglob("*"))) == before
