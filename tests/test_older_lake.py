"""A lake that version 0.1.0 wrote before `runs` told rules and renderer (tests/cases/older_lake: our own sample world,
six pairs) goes on under today's schema; nothing of it is written anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from nights import night_over
from pyspark.sql import SparkSession

from reasongen.pipeline import generate_night, maintain_tables
from reasongen.schema import OUTPUTS

STORED = Path(__file__).resolve().parent / "cases" / "older_lake"
KEY = ["user_id", "item_id", "scenario"]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return Path(shutil.copytree(STORED, tmp_path / "lake"))


def test_the_first_night_brings_the_tables_up_and_keeps_what_stands(
    spark: SparkSession, small_world: Path, lake: Path
) -> None:
    before = pl.read_delta(f"{lake}/reasons").sort(KEY)
    config = night_over(small_world, lake, "limit=6")
    run = generate_night(spark, config)
    assert run.status in ("published", "unchanged")
    after = pl.read_delta(f"{lake}/reasons").sort(KEY)
    assert after.select(KEY).equals(before.select(KEY))
    # kept under the rules it was written by, re_rendered once they have changed since: either way, not lost
    ends = ("kept", "re_rendered", "published", "fallback")
    assert sum(run.pairs.get(end, 0) for end in ends) == before.height
    for name, table in OUTPUTS.items():
        assert set(table.names) == {field.name for field in DeltaTable(lake / name).schema().fields}
    told = pl.read_delta(f"{lake}/runs").sort("token")["policy_version"].to_list()
    assert told == [None, run.policy_version]
    assert run.policy_version
    version = DeltaTable(lake / "reasons").version()
    assert generate_night(spark, config).status == "unchanged"
    assert DeltaTable(lake / "reasons").version() == version
    assert maintain_tables(spark, str(lake), keep_hours=24)["runs"]["rows"] == 3
