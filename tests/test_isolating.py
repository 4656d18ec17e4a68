"""A prompt that kills its worker every time costs its own pairs the model's words, and nobody else anything."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from nights import night_over, reasons
from pyspark.cloudpickle import register_pickle_by_value
from pyspark.sql import SparkSession

from reasongen.errors import MachineError
from reasongen.pipeline import generate_night, generating
from reasongen.pipeline.isolating import CRASHED, MOST

register_pickle_by_value(sys.modules[__name__])  # the workers cannot import it
pytestmark = pytest.mark.slow
KEY = ["user_id", "item_id"]
SETS = ("engine.retries=1", "engine.slice_prompts=200")
Writer = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]


def poisoned(real: Callable[..., Writer], deadly: frozenset[str]) -> Callable[..., Writer]:
    """The night's writer, whose worker dies as by a segmentation fault when it reads one of these prompts."""

    def writer(*settings: Any) -> Writer:
        write = real(*settings)

        def batches(given: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in given:
                if deadly & set(batch.column("prompt_hash").to_pylist()):
                    os.kill(os.getpid(), signal.SIGKILL)
                yield batch

        return lambda given: write(batches(given))

    return writer


@pytest.fixture(scope="module")
def undisturbed(spark: SparkSession, small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """The same night without poison."""
    config = night_over(small_world, tmp_path_factory.mktemp("quiet"))
    assert generate_night(spark, config).status == "published"
    return reasons(config).sort(KEY)


def test_the_rest_of_its_slice_is_written_and_it_is_not_asked_for_again(
    spark: SparkSession,
    small_world: Path,
    tmp_path: Path,
    undisturbed: pl.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    deadly = frozenset(undisturbed.filter(pl.col("source") == "model")["prompt_hash"].unique().sort()[:2])
    monkeypatch.setattr(generating, "_writer", poisoned(generating._writer, deadly))
    config = night_over(small_world, tmp_path / "lake", *SETS, "gate.max_fallback_share=1")
    run = generate_night(spark, config)
    assert (run.status, run.prompts["crashed"]) == ("published", 2)
    assert capsys.readouterr().err.count("kills its worker each time") == 2
    made = pl.read_delta(f"{config.root}/generations")
    crashed = made.filter(pl.col("finish_reason") == CRASHED)
    assert set(crashed["prompt_hash"]) == deadly
    assert made.filter(pl.col("sample") == 0).height == run.prompts["distinct"]
    assert made.select("prompt_hash", "sample").is_unique().all()
    now = reasons(config).sort(KEY)
    assert now.select(KEY).equals(undisturbed.select(KEY))
    theirs = pl.col("prompt_hash").is_in(list(deadly))
    assert set(now.filter(theirs)["source"]) == {"fallback"}
    words = [*KEY, "reason", "prompt_hash"]
    kept = undisturbed.filter(pl.col("source") == "model").filter(~theirs)
    assert kept.select(words).equals(now.join(kept, KEY, "semi").sort(KEY).select(words))
    again = generate_night(spark, night_over(small_world, tmp_path / "lake", *SETS, "gate.max_chars=300"))
    assert again.samples == 0


@pytest.mark.long
def test_a_worker_that_dies_of_every_prompt_is_a_machine_fault(
    spark: SparkSession, small_world: Path, tmp_path: Path, undisturbed: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadly = frozenset(undisturbed["prompt_hash"].drop_nulls())
    monkeypatch.setattr(generating, "_writer", poisoned(generating._writer, deadly))
    config = night_over(small_world, tmp_path / "lake", *SETS)
    with pytest.raises(MachineError, match=f"{MOST + 1} prompts of one slice that each killed theirs"):
        generate_night(spark, config)
    assert reasons(config).height == 0
