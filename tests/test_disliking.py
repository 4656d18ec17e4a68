"""A sentence that a user said no to is gone at once and never comes back; what many reported is gone for everybody."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable
from forgotten import KEY, config_of
from pyspark.sql import SparkSession

from reasongen.config import NightConfig
from reasongen.errors import ConfigError, ContractError
from reasongen.pipeline import attempt, disliking, forget_users, generate_night, roll_back, take_feedback

LENIENT = ("gate.max_fallback_share=1", "gate.max_quarantined_share=1")
PAIR = ["user_id", "item_id"]


@pytest.fixture
def lake(lake_after_a_night: Path, tmp_path: Path) -> Path:
    """A copy, for one test."""
    shutil.copytree(lake_after_a_night, tmp_path / "lake")
    return tmp_path / "lake"


def reasons(lake: Path) -> pl.DataFrame:
    """The published table, as polars reads it."""
    return pl.read_delta(str(lake / "reasons")).sort(PAIR)


def version(lake: Path, name: str = "reasons") -> int:
    return DeltaTable(lake / name).version()


def says(lake: Path, *rows: dict[str, Any]) -> NightConfig:
    """Settings of a night that reads these rows of feedback."""
    given = [
        {"event_id": f"e{number}", "kind": "dislike", "at": datetime.now(UTC), "reason_id": None, **row}
        for number, row in enumerate(rows)
    ]
    pl.DataFrame(given, infer_schema_length=None).write_parquet(lake / "feedback.parquet")
    where = (f"inputs.feedback.path={lake}/feedback.parquet", "inputs.feedback.format=parquet")
    return config_of(lake, *LENIENT, *where)


def pair(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in PAIR}


def of_pair(rows: pl.DataFrame, one: dict[str, Any]) -> list[str]:
    same = (pl.col("user_id") == one["user_id"]) & (pl.col("item_id") == one["item_id"])
    return rows.filter(same)["skeleton_hash"].to_list()


def test_a_disliked_sentence_goes_at_once_and_never_comes_back(spark: SparkSession, lake: Path) -> None:
    before = reasons(lake).filter(pl.col("source") == "model")
    first, second = before.row(0, named=True), before.row(-1, named=True)
    config = says(lake, pair(first), {**pair(second), "kind": "report", "reason_id": second["skeleton_hash"]})
    stood = version(lake)
    planned = take_feedback(spark, config, dry_run=True)
    assert (planned.sentences, planned.reasons, version(lake)) == ({"new": 2}, 0, stood)
    done = take_feedback(spark, config)
    assert (done.rows, done.sentences, done.reasons, done.withdrawn) == ({"heeded": 2}, {"new": 2}, 2, 0)
    assert reasons(lake).height == pl.read_delta(str(lake / "reasons"), version=stood).height - 2
    assert version(lake) == stood + 1
    again = take_feedback(spark, config)
    assert (again.sentences, again.reasons, version(lake)) == ({"known": 2}, 0, stood + 1)

    (lake / "feedback.parquet").unlink()  # what was said outlives the feed
    run = generate_night(spark, config_of(lake, *LENIENT))
    after = reasons(lake)
    for one in (first, second):
        assert one["skeleton_hash"] not in of_pair(after, one)
    others = before.join(pl.DataFrame([pair(first), pair(second)]), on=PAIR, how="anti")
    told = after.join(others, on=PAIR, how="semi").select(*PAIR, "reason")
    assert told.equals(others.select(*PAIR, "reason"))
    codes = {one["rule"] for row in pl.read_delta(str(lake / "quarantine"))["failures"] for one in row}
    assert run.status == "published"
    assert "disliked" in codes


@pytest.mark.long
def test_what_many_users_reported_nobody_gets_any_more(spark: SparkSession, lake: Path) -> None:
    by_model = reasons(lake).filter(pl.col("source") == "model")
    counts = by_model.group_by("skeleton_hash").agg(pl.col("user_id").n_unique().alias("users"))
    sentence = counts.sort("users", "skeleton_hash")["skeleton_hash"][-1]
    told = by_model.filter(pl.col("skeleton_hash") == sentence).unique("user_id").sort(PAIR)
    assert told.height > 3, "wanted a sentence that several users got"
    rows = [{**pair(row), "kind": "report"} for row in told.head(3).iter_rows(named=True)]
    busy = {**pair(told.row(3, named=True)), "kind": "report"}
    other = by_model.filter((pl.col("user_id") == busy["user_id"]) & (pl.col("item_id") != busy["item_id"]))
    config = says(lake, *rows[:2], busy, *[{**pair(one), "kind": "report"} for one in other.iter_rows(named=True)])
    few = config.model_copy(
        update={"feedback": config.feedback.model_copy(update={"report_users": 3, "most_reports": other.height})}
    )
    assert take_feedback(spark, few).withdrawn == 0  # two users, and one who reports all that she sees
    assert sentence in reasons(lake)["skeleton_hash"]
    config = says(lake, *rows)
    many = config.model_copy(update={"feedback": few.feedback})
    assert take_feedback(spark, many).withdrawn == 1
    assert sentence not in reasons(lake)["skeleton_hash"]
    generate_night(spark, config_of(lake, *LENIENT))
    assert sentence not in reasons(lake)["skeleton_hash"]


def test_every_row_gets_a_code(spark: SparkSession, lake: Path) -> None:
    shutil.rmtree(lake / "archive")  # as in a lake of before it
    row = reasons(lake).row(0, named=True)
    mine, long_ago = pair(row), row["published_at"] - timedelta(days=1)
    config = says(
        lake,
        {**mine, "event_id": None},
        {**mine, "user_id": None},
        {**mine, "item_id": None},
        {**mine, "at": None},
        {**mine, "kind": "shrug"},
        {**mine, "kind": None},
        {**mine, "kind": "click"},
        {**mine, "at": long_ago},  # of a sentence that stood before
        {**mine, "reason_id": "never written"},
        {**mine, "item_id": "nothing"},
    )
    done = take_feedback(spark, config)
    wanted = {"no_event": 1, "no_user": 1, "no_item": 1, "no_time": 1, "unknown_kind": 2, "other": 1, "heeded": 3}
    assert done.rows == wanted
    assert done.sentences == {"unknown_reason": 2}  # one sentence of a pair that nobody knows counts once
    assert done.reasons == 0
    assert not (lake / "dislikes").exists()


def test_without_a_table_or_with_a_broken_one_nothing_is_done(spark: SparkSession, lake: Path) -> None:
    with pytest.raises(ConfigError, match=r"inputs\.feedback"):
        take_feedback(spark, config_of(lake))
    config = says(lake, pair(reasons(lake).row(0, named=True)))
    pl.read_parquet(lake / "feedback.parquet").drop("kind").write_parquet(lake / "feedback.parquet")
    with pytest.raises(ContractError, match="kind"):
        take_feedback(spark, config)
    with pytest.raises(ContractError, match="kind"):
        generate_night(spark, config)


@pytest.mark.slow
def test_a_night_heeds_its_feedback_and_what_comes_while_it_judges(
    spark: SparkSession, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = reasons(lake).filter(pl.col("source") == "model").head(2).iter_rows(named=True)
    config = says(lake, pair(first))
    quarantine_rows = attempt.quarantine_rows

    def and_another_says_no(*given: Any, **named: Any) -> Any:
        take_feedback(spark, says(lake, pair(first), {**pair(second), "event_id": "late"}))
        return quarantine_rows(*given, **named)

    monkeypatch.setattr(attempt, "quarantine_rows", and_another_says_no)
    generate_night(spark, config)
    for one in (first, second):
        assert one["skeleton_hash"] not in of_pair(reasons(lake), one)


@pytest.mark.long
def test_a_rollback_brings_nothing_back_that_was_disliked(spark: SparkSession, lake: Path) -> None:
    row = reasons(lake).filter(pl.col("source") == "model").row(0, named=True)
    take_feedback(spark, says(lake, pair(row)))
    config = config_of(lake, *LENIENT)
    run = generate_night(spark, config)
    done = roll_back(spark, config, run.night)
    assert row["skeleton_hash"] not in of_pair(reasons(lake), row)
    assert done.left_out.get("disliked", 0) <= 1


@pytest.mark.slow
def test_the_forgotten_leave_the_list_and_do_not_come_back(
    spark: SparkSession, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REASONGEN_FORGET_KEY", KEY)
    row = reasons(lake).filter(pl.col("source") == "model").row(0, named=True)
    config = says(lake, pair(row))
    take_feedback(spark, config)
    assert row["user_id"] in pl.read_delta(str(lake / "dislikes"))["user_id"]
    forget_users(spark, config, [row["user_id"]])
    assert row["user_id"] not in pl.read_delta(str(lake / "dislikes"))["user_id"]
    assert take_feedback(spark, config).sentences == {"suppressed": 1}


@pytest.mark.long
def test_who_is_forgotten_while_the_feedback_is_read_is_not_on_the_list(
    spark: SparkSession, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REASONGEN_FORGET_KEY", KEY)
    row = reasons(lake).filter(pl.col("source") == "model").row(0, named=True)
    said = {**pair(row), "reason_id": row["skeleton_hash"]}
    config, real = says(lake, said), disliking.merge_changes

    def late(*given: Any, **named: Any) -> int:
        forget_users(spark, config, [row["user_id"]])
        return real(*given, **named)

    monkeypatch.setattr(disliking, "merge_changes", late)
    take_feedback(spark, config)
    assert row["user_id"] not in pl.read_delta(str(lake / "dislikes"))["user_id"]
