"""A night that died: what it finished is used, what it committed is not paid for twice, and it writes no more."""

from __future__ import annotations

import os
import platform
import shutil
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable
from nights import night_over, reasons
from pyspark.sql import SparkSession

from reasongen.errors import LeaseError
from reasongen.pipeline import Run, attempt, generate_night, night
from reasongen.tables import rows_version, take_lease

SLICES = "engine.slice_prompts=200"
SLOW, LONG = pytest.mark.slow, pytest.mark.long


class DriverGoneError(Exception):
    """Stands for the death of the driver."""


@pytest.fixture(scope="module")
def undisturbed(spark: SparkSession, small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    """The reasons of a night that nothing disturbed."""
    config = night_over(small_world, tmp_path_factory.mktemp("quiet") / "lake", SLICES)
    generate_night(spark, config)
    return words(config)


def words(config: Any) -> pl.DataFrame:
    """What a reader sees, in a fixed order."""
    return reasons(config).select("user_id", "item_id", "reason", "source", "prompt_hash").sort("user_id", "item_id")


def module_of(step: str) -> ModuleType:
    """Where a step is called from."""
    return night if step == "prepare" else attempt


def die_at(monkeypatch: pytest.MonkeyPatch, step: str, *, after: bool) -> None:
    """The next night dies at `step` of the night, before it has begun or after it is done."""
    real = getattr(module_of(step), step)

    def dying(*args: Any, **named: Any) -> Any:
        if after:
            real(*args, **named)
        raise DriverGoneError(step)

    monkeypatch.setattr(module_of(step), step, dying)


def dies(spark: SparkSession, config: Any, step: str, *, after: bool = False) -> None:
    """One night that dies."""
    with pytest.MonkeyPatch.context() as patch:
        die_at(patch, step, after=after)
        with pytest.raises(DriverGoneError, match=step):
            generate_night(spark, config)


@pytest.mark.parametrize(
    ("step", "after", "evidence_is_used", "samples_are_used"),
    [
        pytest.param("prepare", True, True, False, marks=LONG),
        pytest.param("write_samples", False, True, False, marks=LONG),
        pytest.param("write_samples", True, True, True, marks=SLOW),
        pytest.param("stage", True, True, True, marks=LONG),
        pytest.param("judge_night", False, True, True, marks=LONG),
        pytest.param("publish", False, True, True, marks=LONG),
        pytest.param("publish", True, True, True, marks=SLOW),
    ],
)
def test_whatever_step_it_dies_at_the_next_run_completes_it(
    spark: SparkSession,
    small_world: Path,
    tmp_path: Path,
    undisturbed: pl.DataFrame,
    step: str,
    after: bool,
    evidence_is_used: bool,
    samples_are_used: bool,
) -> None:
    config = night_over(small_world, tmp_path / "lake", SLICES)
    dies(spark, config, step, after=after)
    with pytest.MonkeyPatch.context() as patch:
        if evidence_is_used:
            die_at(patch, "prepare", after=False)
        run = generate_night(spark, config)
    assert (run.prompts["generated"] == 0) is samples_are_used
    assert words(config).equals(undisturbed)
    made = pl.read_delta(f"{config.root}/generations")
    assert made.height == made.select("prompt_hash", "sample").unique().height == run.prompts["distinct"]
    assert sum(1 for _ in Path(config.root, "staging").iterdir()) == 0


@LONG
def test_evidence_of_other_tables_or_half_written_evidence_is_not_used(
    spark: SparkSession, small_world: Path, tmp_path: Path, undisturbed: pl.DataFrame
) -> None:
    world = Path(shutil.copytree(small_world, tmp_path / "world"))
    config = night_over(world, tmp_path / "lake", SLICES)
    dies(spark, config, "write_samples")
    users = world / "users.csv"
    before = users.stat()
    os.utime(users, (before.st_atime, before.st_mtime - 60))  # another file at the same place, for all that is known
    dies(spark, config, "prepare")
    os.utime(users, (before.st_atime, before.st_mtime))
    for file in Path(config.root, "staging").glob("*000001/prepared/*.parquet"):
        file.write_bytes(b"")
    dies(spark, config, "prepare")
    assert generate_night(spark, config).status == "published"
    assert words(config).equals(undisturbed)


@LONG
def test_a_night_that_died_after_its_last_line_stands_and_its_lease_is_taken_over(
    spark: SparkSession, small_world: Path, tmp_path: Path, undisturbed: pl.DataFrame
) -> None:
    """The next run fences the dead one off, by a commit to `reasons` that changes no row."""
    config = night_over(small_world, tmp_path / "lake", SLICES)
    generate_night(spark, config)
    dead = {"state": "held", "host": platform.node(), "pid": 1, "process_began": 0.0}
    DeltaTable(f"{config.root}/leases/recommendation").update(new_values=dead)
    version = rows_version(f"{config.root}/reasons")
    run = generate_night(spark, config)
    assert (run.status, run.prompts["generated"]) == ("unchanged", 0)
    assert DeltaTable(f"{config.root}/reasons").version() > rows_version(f"{config.root}/reasons") == version
    assert words(config).equals(undisturbed)


@SLOW
def test_a_run_beside_a_live_one_leaves_without_a_trace(
    spark: SparkSession, small_world: Path, tmp_path: Path, undisturbed: pl.DataFrame
) -> None:
    config = night_over(small_world, tmp_path / "lake", SLICES)
    with take_lease(f"{config.root}/leases/recommendation", seconds=600), pytest.raises(LeaseError, match="held by"):
        generate_night(spark, config)
    assert pl.read_delta(f"{config.root}/runs").height == 0
    assert generate_night(spark, config).status == "published"


@pytest.mark.parametrize("step", [pytest.param("write_samples", marks=LONG), pytest.param("publish", marks=SLOW)])
def test_a_sleeper_that_wakes_after_its_successor_writes_nothing(
    spark: SparkSession, small_world: Path, tmp_path: Path, undisturbed: pl.DataFrame, step: str
) -> None:
    """It looks at its lease, falls asleep, and goes on when another run has published: the fence is what stops it."""
    config = night_over(small_world, tmp_path / "lake", SLICES)
    lease_path, real, seen = f"{config.root}/leases/recommendation", getattr(attempt, step), list[Any]()

    def asleep(*args: Any, **named: Any) -> Any:
        # The lease passes on while this run is not looking; `check` would see it, so it is not asked again.
        DeltaTable(lease_path).update(new_values={"host": "elsewhere", "process_began": 0.0})
        DeltaTable(lease_path).update(updates={"renewed_at": "renewed_at - interval '1 hour'"})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(attempt, step, real)
            patch.setattr(night, "_clean", lambda *_: None)  # else the sleeper would miss its files, and stop at that
            seen.append(generate_night(spark, config))
        seen.append((read_state(config), words(config)))
        if "lease" in named:
            named["lease"].check = lambda: None
        return real(*args, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attempt, step, asleep)
        with suppress(LeaseError):  # it may also find that every row stands as it would have written it
            generate_night(spark, config)
    run, (state, published) = seen
    assert isinstance(run, Run)
    assert run.status == "published"
    assert published.equals(undisturbed)
    assert words(config).equals(undisturbed)
    assert read_state(config) == state


@LONG
def test_a_sleeper_writes_nothing_where_its_successor_died_before_it_wrote(
    spark: SparkSession, small_world: Path, tmp_path: Path
) -> None:
    """Nothing of the successor stands in `reasons` but its fence."""
    config = night_over(small_world, tmp_path / "lake", SLICES)
    lease_path, real = f"{config.root}/leases/recommendation", attempt.publish

    def asleep(*args: Any, **named: Any) -> Any:
        DeltaTable(lease_path).update(new_values={"host": "elsewhere", "process_began": 0.0})
        DeltaTable(lease_path).update(updates={"renewed_at": "renewed_at - interval '1 hour'"})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(attempt, "publish", real)
            dies(spark, config, "wanted_prompts")
        return real(*args, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attempt, "publish", asleep)
        with pytest.raises(LeaseError, match="A later run holds this night"):
            generate_night(spark, config)
    assert read_state(config)[0] == 0
    assert generate_night(spark, config).status == "published"


def read_state(config: Any) -> tuple[int, int]:
    """Rows of the tables that a second writer would double."""
    return tuple(pl.read_delta(f"{config.root}/{name}").height for name in ("reasons", "generations"))  # type: ignore[return-value]
