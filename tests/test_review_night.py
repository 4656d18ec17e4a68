"""From a night's doubts through a person's word to the next night, which publishes it and makes nothing anew."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable
from forgotten import ROOT, config_of, people, plant_world
from pyspark.sql import SparkSession

from reasongen.config import NightConfig
from reasongen.pipeline import attempt, explain_pair, generate_night, plan_night, withdraw
from reasongen.pipeline.reviewing import waiting_of
from reasongen.prompts.frame import MARK
from reasongen.review import Decision, Waiting, add_decision, read_waiting
from reasongen.schema import REVIEWS, SHARED_BY

RULE = "X01_newness"
PHRASES = ("something new", "another one", "looked")
ASKED = 14
KEY = ["user_id", "item_id", "scenario"]
PERSON = people(1)
DOUBTED = "array<struct<skeleton:string,text:string,frame:string,key:string,doubts:array<struct<rule:string>>>>"


@pytest.fixture(scope="module")
def asked(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake after a night whose rules ask a person about some words, and the rules beside it."""
    folder = tmp_path_factory.mktemp("review")
    plant_world(folder / "lake", PERSON)
    policies = Path(shutil.copytree(ROOT / "conf" / "policies", folder / "policies"))
    (policies / "en" / f"{RULE}.yaml").write_text(
        f"id: {RULE}\nversion: 1\njurisdiction: any\nlocale: en\nsource: a test\naction: human\n"
        f"checks:\n  - {{kind: terms, terms: [{', '.join(PHRASES)}]}}\n"
    )
    run = generate_night(spark, settings(folder / "lake", f"review.per_night={ASKED}"))
    assert run.pairs["fallback"] > 0
    return folder


@pytest.fixture
def lake(asked: Path, tmp_path: Path) -> Path:
    """A copy, for one test."""
    shutil.copytree(asked, tmp_path / "copy")
    return tmp_path / "copy" / "lake"


def settings(lake: Path, *sets: str) -> NightConfig:
    lenient = ("gate.max_fallback_share=1", "gate.max_quarantined_share=1")
    return config_of(lake, f"policies={lake.parent}/policies", *lenient, *sets)


def reasons(lake: Path) -> pl.DataFrame:
    return pl.read_delta(str(lake / "reasons")).sort(KEY)


def version(lake: Path, table: str = "reasons") -> int:
    return DeltaTable(lake / table).version()


def decide(lake: Path, row: Waiting, verb: str, reviewer: str = "ann") -> None:
    about = (row.doubts, row.frames, None, None, None, reviewer, datetime.now(UTC))
    add_decision(str(lake), Decision(*row.key, verb, *about))  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_night_asks_about_what_would_serve_most_and_about_nobody(asked: Path) -> None:
    lake = asked / "lake"
    rows = read_waiting(str(lake))
    assert len(rows) == ASKED
    assert [one.pairs for one in rows] == sorted((one.pairs for one in rows), reverse=True)
    waiting = pl.read_delta(str(lake / "quarantine")).filter(pl.col("text").str.to_lowercase().str.contains(PHRASES[0]))
    assert waiting.height > 0
    users = {user for name in ("users", "events", "candidates") for user in pl.read_delta(str(lake / name))["user_id"]}
    bought = {
        one["title"]
        for evidence in reasons(lake)["evidence"].to_list()
        for one in evidence
        if one["title"] and len(one["title"]) > 8
    }
    assert len(users) > 100
    assert len(bought) > 50
    for row in rows:
        words = [row.text[one["start"] : one["end"]].lower() for one in row.doubts]
        assert set(words) <= set(PHRASES)
        assert {one["rule"] for one in row.doubts} == {RULE}
        told = " ".join([row.text, row.skeleton, *row.frames])
        assert [user for user in users if user and user in told] == []
        assert [title for title in bought if title in row.skeleton + "".join(row.frames)] == []
        assert [one[0] for one in MARK.finditer(row.text)] == [
            one[0] for one in MARK.finditer(row.skeleton) if one[1] != "i"
        ]
        assert row.frames
        assert all(json.loads(frame)["l"] == row.locale for frame in row.frames)
    assert any("[e1." in row.text for row in rows)
    for name, table in REVIEWS.items():
        fields = DeltaTable(lake / name).schema().fields
        assert {one.name: one.metadata.get("comment") for one in fields} == {c.name: c.doc for c in table.columns}
        assert "user_id" not in table.names


@pytest.mark.slow
def test_what_was_accepted_is_published_by_the_next_night_without_a_token(spark: SparkSession, lake: Path) -> None:
    config, before = settings(lake), reasons(lake)
    yes, no = read_waiting(str(lake))[:2]
    decide(lake, yes, "accept")
    decide(lake, no, "refuse")
    decide(lake, no, "accept", "bob")
    run = generate_night(spark, config)
    after = reasons(lake)
    assert (run.status, run.tokens_out, run.samples) == ("published", 0, 0)
    assert run.pairs["published"] == yes.pairs
    mine = after.filter(pl.col("skeleton_hash") == yes.skeleton_hash)
    assert mine.height == yes.pairs
    assert mine["source"].unique().to_list() == ["model"]
    others = pl.col("skeleton_hash") != yes.skeleton_hash
    stood = before.join(mine.select(KEY), on=KEY, how="anti")
    assert after.filter(others).equals(stood.sort(KEY))
    assert after.filter(pl.col("skeleton_hash") == no.skeleton_hash).height == 0

    later = Path(shutil.copytree(lake.parent, lake.parent.parent / "later")) / lake.name
    decide(later, yes, "refuse", "cleo")  # each run is told by what was decided before it
    first = pl.read_delta(str(lake / "runs")).filter(pl.col("run_id") != run.run_id)["run_id"][0]
    user, item = mine.sort(KEY).select("user_id", "item_id").row(0)
    told = [explain_pair(spark, settings(later), user, item, which) for which in (first, run.run_id)]
    assert [one.fallback for one in told] == [True, False]
    assert told[1].choice == mine.sort(KEY)["reason"][0]

    stands, queue = version(lake), [one.key for one in read_waiting(str(lake))]
    again = generate_night(spark, config)
    assert (again.status, again.tokens_out, version(lake)) == ("unchanged", 0, stands)
    assert [one.key for one in read_waiting(str(lake))] == queue


@pytest.mark.long
def test_a_plan_knows_what_was_decided_and_who_thinks_better_of_it_is_heard(spark: SparkSession, lake: Path) -> None:
    config, yes = settings(lake), read_waiting(str(lake))[0]
    decide(lake, yes, "accept")
    plan = plan_night(spark, config)
    assert plan.changes["reviewed"] >= yes.pairs
    assert plan.run.prompts["generated"] == 0
    assert generate_night(spark, config).pairs["published"] == yes.pairs
    decide(lake, yes, "edit")
    back = generate_night(spark, config)
    assert (back.tokens_out, back.pairs["fallback"]) == (0, yes.pairs)
    assert reasons(lake).filter(pl.col("skeleton_hash") == yes.skeleton_hash).height == 0


@pytest.mark.long
def test_a_night_done_again_queues_only_what_is_left_of_its_number(spark: SparkSession, lake: Path) -> None:
    first = read_waiting(str(lake))
    decide(lake, first[0], "refuse")
    more = settings(
        lake, f"review.per_night={ASKED + 1}", "serving.valid_days=31", "serving.renew_days=31"
    )  # all is made anew
    generate_night(spark, more)
    second = read_waiting(str(lake))
    assert len(second) == len({one.key for one in second}) == ASKED + 1
    assert {one.key for one in first} < {one.key for one in second}
    generate_night(
        spark, settings(lake, f"review.per_night={ASKED + 1}", "serving.valid_days=32", "serving.renew_days=32")
    )
    assert read_waiting(str(lake)) == second


@pytest.mark.long
def test_a_rule_that_is_withdrawn_takes_down_what_was_accepted_before(spark: SparkSession, lake: Path) -> None:
    config, yes = settings(lake), read_waiting(str(lake))[0]
    decide(lake, yes, "accept")
    generate_night(spark, config)
    assert withdraw(spark, config, "rule", RULE).reasons == yes.pairs
    run = generate_night(spark, config)
    assert run.tokens_out == 0
    assert reasons(lake).filter(pl.col("skeleton_hash") == yes.skeleton_hash).height == 0


@pytest.mark.long
def test_a_rule_that_is_withdrawn_while_a_night_works_is_doubted_by_it(
    spark: SparkSession, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, yes = settings(lake), read_waiting(str(lake))[0]
    decide(lake, yes, "accept")
    real = attempt.read_withdrawals
    withdrew: list[str] = []

    def first_withdraw(*given: Any) -> Any:
        if not withdrew:
            withdraw(spark, config, "rule", RULE)
            withdrew.append(RULE)
        return real(*given)

    monkeypatch.setattr(attempt, "read_withdrawals", first_withdraw)
    generate_night(spark, config)
    assert len(withdrew) == 1
    assert reasons(lake).filter(pl.col("skeleton_hash") == yes.skeleton_hash).height == 0


def test_a_frame_of_few_is_not_shown(spark: SparkSession) -> None:
    """Columns as `waiting_of` reads them: user, frame, rule."""

    def rows(frame: str, count: int, rule: str, skeleton: str = "s", user: str = "u") -> list[tuple[object, ...]]:
        one = {
            "skeleton": skeleton,
            "text": f"text of {frame}",
            "frame": frame,
            "key": rule,
            "doubts": [{"rule": rule}],
        }
        made = ("en", "p", "fallback", "fallback", [one])
        return [(f"{user}{n}", f"i{n}", *made) for n in range(count)]

    few, many, nobody = '{"c":"few","e":[1]}', '{"c":"many","e":[1]}', '{"c":"nobody","e":[]}'
    told = [*rows(few, SHARED_BY - 1, "R18_word", user="a"), *rows(many, SHARED_BY, "R18_word", user="b")]
    told += [*rows(nobody, 1, "R18_word", user="c"), *rows(few, 2, "R18_word", "alone")]
    told += [*rows(few, SHARED_BY - 1, "R01", "law", user="d"), *rows(nobody, 1, "R01", "law", user="e")]
    one = [("same", f"i{n}", *rows(few, 1, "R18_word", "one user")[0][2:]) for n in range(9)]
    passed = [(*row[:4], "model", "published", row[-1]) for row in rows(many, 9, "R18_word", "passed")]
    gone = [(*row[:5], "skipped.suppressed", row[-1]) for row in rows(many, 9, "R18_word", "gone")]
    names = ("user_id", "item_id", "locale", "policy_version", "source", "class")
    ddl = ", ".join([*(f"{name} string" for name in names), f"doubted {DOUBTED}"])
    frame = spark.createDataFrame([*told, *one, *passed, *gone], ddl)
    found = {row["skeleton"]: row for row in waiting_of(frame).collect()}
    assert set(found) == {"s", "law"}
    assert (found["s"]["frames"], found["s"]["pairs"]) == ([many, nobody], SHARED_BY + 1)
    assert (found["law"]["frames"], found["law"]["pairs"]) == ([nobody], SHARED_BY)
    assert (found["s"]["text"], found["law"]["text"]) == (f"text of {many}", f"text of {nobody}")
