"""Where every sample of a prompt was refused for some pair, the night asks for one more, then another, and no more."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from nights import night_over, reasons
from pyspark.sql import SparkSession

from reasongen.pipeline import Run, attempt, generate_night

SETS = ("engine.scripted.fault_rate=0.3", "engine.retries=2", "gate.max_fallback_share=0.2")


@pytest.fixture(scope="module")
def night(spark: SparkSession, small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path]:
    """One night of which three samples in ten are faulty, and its lake."""
    lake = tmp_path_factory.mktemp("retry") / "lake"
    return generate_night(spark, night_over(small_world, lake, *SETS)), lake


def refused(lake: Path) -> pl.DataFrame:
    """Pairs and the samples that were refused for them, with the prompts of those that were shown something."""
    rows = pl.read_delta(f"{lake}/quarantine").select("user_id", "item_id", "sample").drop_nulls()
    shown = pl.read_delta(f"{lake}/reasons").select("user_id", "item_id", "prompt_hash", "source")
    return rows.join(shown, on=["user_id", "item_id"])


@pytest.mark.slow
def test_a_prompt_gets_another_sample_where_some_pair_had_none_that_passed(night: tuple[Run, Path]) -> None:
    run, lake = night
    made = pl.read_delta(f"{lake}/generations").select("prompt_hash", "sample")
    assert made.is_unique().all()
    assert set(made["sample"]) == {0, 1, 2}
    lost = refused(lake).select("prompt_hash", "sample").unique()
    more = made.filter(pl.col("sample") > 0).select("prompt_hash", pl.col("sample") - 1)
    assert set(more.rows()) == {row for row in lost.rows() if row[1] < 2}
    assert run.prompts["retried"] == more.height
    assert run.samples == made.height


@pytest.mark.slow
def test_only_who_had_every_sample_refused_gets_the_fallback(night: tuple[Run, Path]) -> None:
    run, lake = night
    tried = refused(lake).group_by("user_id", "item_id", "source").agg(pl.col("sample").sort())
    assert {tuple(row) for row in tried.filter(pl.col("source") == "fallback")["sample"]} == {(0, 1, 2)}
    assert {tuple(row) for row in tried.filter(pl.col("source") == "model")["sample"]} == {(0,), (0, 1)}
    assert 0 < run.pairs["fallback"] < 0.1 * run.pairs["published"]
    run.check_conservation()


@pytest.mark.slow
def test_what_was_tried_in_vain_is_not_paid_for_again(
    spark: SparkSession, night: tuple[Run, Path], small_world: Path, tmp_path: Path
) -> None:
    """Nothing of the first night is kept, so that every prompt is looked at again."""
    _, lake = night
    copy = tmp_path / "lake"
    shutil.copytree(lake, copy)
    before = reasons(night_over(small_world, copy))
    run = generate_night(spark, night_over(small_world, copy, *SETS, "serving.renew_days=31"))
    judged_again = pl.read_delta(f"{copy}/quarantine").filter(pl.col("run_id") == run.run_id)
    assert judged_again.height == refused(lake).height
    assert (run.samples, run.tokens_out, run.prompts.get("retried", 0)) == (0, 0, 0)
    after = reasons(night_over(small_world, copy))
    same = ["user_id", "item_id", "reason", "source"]
    assert before.select(same).sort(same).equals(after.select(same).sort(same))


@pytest.mark.long
@pytest.mark.parametrize("step", ["stage", pytest.param("merge_changes", marks=pytest.mark.long)])
def test_a_night_that_dies_between_two_tries_goes_on_from_there(
    spark: SparkSession, night: tuple[Run, Path], small_world: Path, tmp_path: Path, step: str
) -> None:
    config = night_over(small_world, tmp_path / "lake", *SETS)
    real, calls = getattr(attempt, step), list[int]()

    def dying(*args: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("the driver is gone")
        return real(*args, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attempt, step, dying)
        with pytest.raises(RuntimeError, match="gone"):
            generate_night(spark, config)
    made = pl.read_delta(f"{config.root}/generations").height
    run = generate_night(spark, config)
    whole = pl.read_delta(f"{night[1]}/generations").height
    assert (run.status, made + run.samples) == ("published", whole)
    same = ["user_id", "item_id", "reason", "source"]
    undisturbed = pl.read_delta(f"{night[1]}/reasons").select(same).sort(same)
    assert reasons(config).select(same).sort(same).equals(undisturbed)
