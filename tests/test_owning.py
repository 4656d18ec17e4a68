"""Whose a sample is: too few users share its prompt. Nights, forgetting and maintenance, on the written table."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable
from forgotten import KEY
from nights import night_over
from pyspark.sql import SparkSession
from small_tables import put

from reasongen.config import ForgetSettings, NightConfig, RetentionSettings
from reasongen.pipeline import forget_users, generate_night, maintain_tables, owning
from reasongen.pipeline.owning import sharers
from reasongen.schema import GENERATIONS, REASONS, RUNS
from reasongen.secret import UserKey
from reasongen.tables import create_if_missing

K = 3
HASH = UserKey(KEY.encode()).hash_of
OLD, YOUNG = datetime.now(UTC) - timedelta(days=31), datetime.now(UTC) - timedelta(days=29)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REASONGEN_FORGET_KEY", KEY)


@pytest.fixture(scope="module")
def night(spark: SparkSession, small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> NightConfig:
    """A published night, of which fewer than three users are few."""
    config = night_over(small_world, tmp_path_factory.mktemp("owning") / "lake", f"forget.shared_by={K}")
    with pytest.MonkeyPatch.context() as here:
        here.setenv("REASONGEN_FORGET_KEY", KEY)
        assert generate_night(spark, config).status == "published"
    return config


def samples(config: NightConfig) -> pl.DataFrame:
    return pl.read_delta(f"{config.root}/generations").sort("prompt_hash", "sample")


def wanted_owners(config: NightConfig) -> dict[str, str | None]:
    """By prompt, from the reasons that stand, counted by another engine than the night's."""
    rows = pl.read_delta(f"{config.root}/reasons").select("prompt_hash", "user_id", shown=pl.col("evidence").list.len())
    found: dict[str, str | None] = {}
    for (prompt,), mine in rows.group_by("prompt_hash"):
        users = mine.filter(pl.col("shown") > 0)["user_id"].unique().to_list()
        found[str(prompt)] = " ".join(sorted(map(HASH, users))) if 0 < len(users) < K else None
    return found


@pytest.mark.slow
def test_a_sample_names_the_users_of_its_prompt_where_they_are_few_and_nobody_else(night: NightConfig) -> None:
    rows, wanted = samples(night), wanted_owners(night)
    told = {row["prompt_hash"]: row["owner"] for row in rows.to_dicts() if row["prompt_hash"] in wanted}
    assert told == wanted
    kinds = [None if one is None else one.count(" ") + 1 for one in told.values()]
    assert set(kinds) == {None, 1, 2}
    log = b"".join(file.read_bytes() for file in Path(night.root, "generations", "_delta_log").glob("*.json"))
    assert not any(owner[:32].encode() in log for owner in rows["owner"].drop_nulls())


@pytest.mark.long
def test_a_second_night_finds_the_owners_as_they_are(spark: SparkSession, night: NightConfig) -> None:
    before, version = samples(night), DeltaTable(f"{night.root}/generations").version()
    again = night.model_copy(update={"serving": night.serving.model_copy(update={"renew_days": 31})})
    run = generate_night(spark, again)  # every pair is looked at again
    assert (run.samples, run.tokens_out) == (0, 0)
    assert samples(night).equals(before)
    assert DeltaTable(f"{night.root}/generations").version() == version


@pytest.mark.slow
def test_forgetting_one_of_two_takes_their_sample_and_leaves_the_others_reason(
    spark: SparkSession, night: NightConfig, tmp_path: Path
) -> None:
    config = night.model_copy(update={"root": str(tmp_path / "lake")})
    shutil.copytree(night.root, config.root)
    before = samples(config)
    two = before.filter(pl.col("owner").str.contains(" ", literal=True))["prompt_hash"][0]
    reasons = pl.read_delta(f"{config.root}/reasons")
    gone, stays = reasons.filter(pl.col("prompt_hash") == two)["user_id"].unique().sort()[:2]
    forget_users(spark, config, [gone])
    after = samples(config)
    assert two not in set(after["prompt_hash"])
    mine = before.filter(pl.col("owner").str.contains(HASH(gone), literal=True))
    assert after.equals(before.join(mine, on=["prompt_hash", "sample"], how="anti").sort("prompt_hash", "sample"))
    theirs = pl.read_delta(f"{config.root}/reasons").filter(pl.col("prompt_hash") == two)
    assert theirs["user_id"].unique().to_list() == [stays]
    run = generate_night(spark, config)  # nothing is paid for again: the reason that stands asks for no sample
    assert (run.samples, run.pairs["removed"]) == (0, 0)
    version = DeltaTable(f"{config.root}/generations").version()
    assert forget_users(spark, config, [gone]).state == "unchanged"
    assert DeltaTable(f"{config.root}/generations").version() == version


@pytest.mark.long
def test_without_a_key_few_are_unnamed_and_the_first_forgetting_takes_all_of_theirs(
    spark: SparkSession, small_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = night_over(small_world, tmp_path / "lake", f"forget.shared_by={K}", "limit=200")
    monkeypatch.delenv("REASONGEN_FORGET_KEY")
    generate_night(spark, config)
    assert set(samples(config)["owner"]) == {None, ""}
    monkeypatch.setenv("REASONGEN_FORGET_KEY", KEY)
    forget_users(spark, config, ["nobody who is here"])
    assert set(samples(config)["owner"]) == {None}


def pairs(prompt: str, users: Sequence[str], shown: int = 1) -> list[dict[str, Any]]:
    facts = [{"id": f"e{number}"} for number in range(shown)]
    keys = {"item_id": "i", "scenario": "s", "reason": "words", "source": "model", "model_version": "m"}
    return [{**keys, "user_id": user, "prompt_hash": prompt, "evidence": facts, "decode_hash": "d"} for user in users]


def sample(prompt: str, owner: str | None, made: datetime = YOUNG) -> dict[str, Any]:
    keys = {"model_version": "m", "decode_hash": "d", "sample": 0, "text": "words"}
    return {**keys, "prompt_hash": prompt, "owner": owner, "generated_at": made}


def lake_of(spark: SparkSession, root: Path, stands: list[dict[str, Any]], made: list[dict[str, Any]]) -> None:
    put(spark, root, GENERATIONS, made)
    put(spark, root, REASONS, stands)
    create_if_missing(spark, f"{root}/runs", RUNS)


def owners(root: Path) -> dict[str, str | None]:
    return dict(pl.read_delta(f"{root}/generations").select("prompt_hash", "owner").iter_rows())


@pytest.mark.long
def test_a_count_that_moves_a_little_moves_no_sample(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """k is 4: owned becomes free at 4, free becomes owned below 2; in between each stays what it was."""
    stands = [*pairs("one", "a"), *pairs("two", "ab"), *pairs("three", "abc"), *pairs("four", "abcd")]
    stands += pairs("nobody's", "a", shown=0)
    free = [sample(prompt, None) for prompt in ("one", "two", "nobody's")]
    owned = [sample("three", HASH("a")), sample("four", HASH("a"))]
    lake_of(spark, tmp_path, stands, [*free, *owned])
    four = ForgetSettings(shared_by=4)
    maintain_tables(spark, str(tmp_path), keep_hours=24, forget=four)
    moved = {"one": HASH("a"), "two": None, "three": HASH("a"), "four": None, "nobody's": None}
    assert owners(tmp_path) == moved
    everybody = ForgetSettings(shared_by=1)
    maintain_tables(spark, str(tmp_path), keep_hours=24, forget=everybody)
    assert owners(tmp_path) == moved, "counted a moment ago"
    monkeypatch.setattr(owning, "COUNT_EVERY", timedelta(0))
    maintain_tables(spark, str(tmp_path), keep_hours=24, forget=everybody)
    assert set(owners(tmp_path).values()) == {None}


def test_who_comes_to_share_an_owned_sample_owns_it_too_until_they_are_enough(
    spark: SparkSession, tmp_path: Path
) -> None:
    lake_of(spark, tmp_path, [], [sample("p", HASH("a")), sample("q", HASH("a")), sample("free", None)])
    path, key = f"{tmp_path}/generations", UserKey(KEY.encode())
    rows = [*pairs("p", "ab"), *pairs("q", "bc"), *pairs("free", "a")]
    told = [(row["user_id"], row["prompt_hash"], row["evidence"]) for row in rows]
    frame = spark.createDataFrame(told, "user_id string, prompt_hash string, evidence array<struct<id:string>>")
    tonight = sharers(frame, key=key, shared_by=K).cache()
    assert owning.add_sharers(path, tonight, K) == 2
    assert owners(tmp_path) == {"p": " ".join(sorted(map(HASH, "ab"))), "q": None, "free": None}
    assert owning.add_sharers(path, tonight, K) == 0
    assert DeltaTable(path).version() == 2 + len(GENERATIONS.checks)
    tonight.unpersist()


def test_an_owned_sample_goes_sooner(spark: SparkSession, tmp_path: Path) -> None:
    made = [sample("owned", "h", OLD), sample("unnamed", "", OLD), sample("free", None, OLD), sample("new", "h", YOUNG)]
    lake_of(spark, tmp_path, pairs("told", "a"), [*made, sample("told", HASH("a"), OLD)])
    told = maintain_tables(spark, str(tmp_path), keep_hours=24, retention=RetentionSettings(owned_days=30))
    assert set(owners(tmp_path)) == {"free", "new", "told"}
    assert told["generations"]["rows_removed"] == 2
