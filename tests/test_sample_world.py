"""The sample world, read back by readers that had no part in writing it (DuckDB, deltalake, plain JSON and CSV)."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from reasongen.sample import load_world_settings, write_world
from reasongen.sample.oddities import HUGE

CONF = Path(__file__).resolve().parent.parent / "conf"
NIGHT = "timestamptz '2026-03-02 00:00:00+00'"
ACTS = "('browse', 'click', 'comment', 'share', 'cart', 'purchase')"
GOOD = f"user_id is not null and item_id is not null and item_id <> 'i99999' and event in {ACTS} and ts < {NIGHT}"

Connection = duckdb.DuckDBPyConnection


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(load_world_settings(CONF / "world.yaml"), tmp_path_factory.mktemp("default") / "world").path


@pytest.fixture(scope="module")
def facts(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "world.json").read_text())
    return found


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[dict[str, Any]]:
    return list(items_of(folder))


@pytest.fixture(scope="module")
def sql(folder: Path, rows: list[dict[str, Any]]) -> Iterator[Connection]:
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.register("events", DeltaTable(folder / "events").to_pyarrow_dataset())
    connection.register("candidates", pq.read_table(folder / "candidates.parquet"))
    connection.execute("create table items (item_id text, title text, category text, locale text, brand text)")
    keys = ("item_id", "title", "category", "locale", "brand")
    connection.executemany("insert into items values (?, ?, ?, ?, ?)", [[row[key] for key in keys] for row in rows])
    connection.execute("create table users (user_id text, tags text, personalise text, minor text)")
    connection.executemany("insert into users values (?, ?, ?, ?)", users_of(folder))
    yield connection
    connection.close()


def items_of(folder: Path) -> Iterator[dict[str, Any]]:
    for line in (folder / "items.jsonl").read_bytes().splitlines():
        try:
            yield json.loads(line.decode(errors="replace"))
        except ValueError:
            continue


def users_of(folder: Path) -> list[list[str]]:
    with (folder / "users.csv").open(newline="", encoding="utf-8") as file:
        return [row for row in list(csv.reader(file))[1:] if len(row) == 4]


def one(sql: Connection, query: str) -> Any:
    found = sql.execute(query).fetchone()
    assert found is not None
    return found[0]


def test_the_default_world_has_its_promised_size(sql: Connection, folder: Path, facts: dict[str, Any]) -> None:
    assert one(sql, "select count(*) from items where locale in ('zh', 'en') and trim(title) <> ''") >= 320
    assert (
        one(sql, f"select count(*) from (select distinct user_id, item_id, event, ts from events where {GOOD})")
        == (facts["valid"]["events"])
    )
    assert facts["valid"]["events"] >= 100_000
    assert facts["valid"]["candidates"] >= 20_000
    assert one(sql, "select count(*) from users where user_id <> ''") == 3000
    assert len(DeltaTable(folder / "events").history()) == 3
    assert facts["rows"]["events"] == one(sql, "select count(*) from events")
    assert facts["rows"]["candidates"] == one(sql, "select count(*) from candidates")
    assert facts["rows"]["items"] == len((folder / "items.jsonl").read_bytes().splitlines())
    assert facts["rows"]["users"] == len((folder / "users.csv").read_text().splitlines()) - 1


EVENT_KINDS = {
    "null_user_id": "user_id is null",
    "null_item_id": "item_id is null",
    "unknown_item": "item_id is not null and item_id not in (select item_id from items where item_id is not null)",
    "unknown_event": f"event not in {ACTS}",
    "null_ts": "ts is null",
    "future_ts": f"ts >= {NIGHT} + interval 1 day",
    "night_day": f"ts >= {NIGHT} and ts < {NIGHT} + interval 1 day",
    "contact": r"regexp_matches(text, '\d{4}|@')",
}


@pytest.mark.parametrize("kind", EVENT_KINDS)
def test_events_hold_the_dirt_that_world_json_counts(sql: Connection, facts: dict[str, Any], kind: str) -> None:
    found = one(sql, f"select count(*) from events where {EVENT_KINDS[kind]}")
    # A planted row may copy a comment with a contact, never change how many other faults there are.
    assert facts["dirt"][f"events.{kind}"] > 0
    assert found == facts["dirt"][f"events.{kind}"] or (kind == "contact" and found > facts["dirt"]["events.contact"])


def test_the_codes_of_a_night_are_the_dirt_without_what_is_merely_odd(facts: dict[str, Any]) -> None:
    dirt, codes = facts["dirt"], facts["codes"]
    assert codes["items.no_title"] == dirt["items.null_title"] + dirt["items.blank_title"]
    assert set(codes) - set(dirt) == {"items.no_title"}
    assert "events.night_day" not in codes


def test_duplicate_events_are_as_many_as_counted_and_differ_in_nothing(sql: Connection, facts: dict[str, Any]) -> None:
    copies = "select count(*) - 1 as more from events where {} group by user_id, item_id, event, ts having count(*) > 1"
    assert one(sql, f"select sum(more) from ({copies.format(GOOD)})") == facts["dirt"]["events.duplicate"]


UNTITLED = "coalesce(trim(title, ' \u3000'), '') = ''"
CANDIDATE_KINDS = {
    "null_user_id": "user_id is null",
    "null_item_id": "item_id is null",
    "unknown_item": "item_id like 'i999%'",
    "item_rejected": f"item_id in (select item_id from items where locale = 'xx' or {UNTITLED})",
    "unknown_scenario": "scenario <> 'recommendation'",
}


def valid_pairs() -> str:
    bad = " or ".join(f"coalesce({condition}, false)" for condition in CANDIDATE_KINDS.values())
    return f"(select c.*, personalise, minor from candidates c left join users u using (user_id) where not ({bad}))"


@pytest.mark.parametrize("kind", CANDIDATE_KINDS)
def test_candidates_hold_the_dirt_that_world_json_counts(sql: Connection, facts: dict[str, Any], kind: str) -> None:
    found = one(sql, f"select count(*) from candidates where {CANDIDATE_KINDS[kind]}")
    assert found == facts["dirt"][f"candidates.{kind}"] > 0


def test_each_kind_of_odd_item_is_there(folder: Path, rows: list[dict[str, Any]], facts: dict[str, Any]) -> None:
    by_id = {row["item_id"]: row for row in rows if row["item_id"]}
    odd = {kind: [by_id[each] for each in ids if each in by_id] for kind, ids in facts["odd_items"].items()}
    assert {f"items.{kind}" for kind in odd} == {code for code in facts["dirt"] if code.startswith("items.")}
    assert sum(row["item_id"] is None for row in rows) == facts["dirt"]["items.null_item_id"]
    lines = (folder / "items.jsonl").read_bytes().splitlines()
    assert len(lines) - len(rows) == facts["dirt"]["items.malformed"]
    assert sum(b"\xff\xfe" in line for line in lines) == facts["dirt"]["items.broken_utf8"]
    looks = {
        "null_title": lambda row: row["title"] is None,
        "blank_title": lambda row: row["title"].strip() == "",
        "unknown_locale": lambda row: row["locale"] == "xx",
        "oversize": lambda row: len(row["title"].encode()) >= HUGE,
        "html": lambda row: "<b>" in row["title"] and "<script>" in row["description"],
        "control_characters": lambda row: "\x01" in row["title"] and "\x00" in row["description"],
        "stuffed_title": lambda row: row["title"].startswith(("【", "[NEW")) and len(row["title"]) > 50,
        "instruction": lambda row: "忽略" in row["title"] or "disregard" in row["title"],
        "mark_lookalike": lambda row: any(mark in row["title"] for mark in ("[e1", "<|im", "{{", "[INST]")),
        "null_tags": lambda row: row["tags"] is None,
        "null_attributes": lambda row: row["attributes"] is None,
        "null_price": lambda row: row["price"] is None,
        "private": lambda row: row["tags"][0] in ("孕妇适用", "for pregnancy"),
    }
    for kind, holds in looks.items():
        assert len(odd[kind]) == facts["dirt"][f"items.{kind}"] > 0
        assert all(holds(row) for row in odd[kind]), kind


def test_users_refuse_and_are_young_as_often_as_promised(sql: Connection, folder: Path, facts: dict[str, Any]) -> None:
    consent = Counter(row[2] for row in users_of(folder) if row[0])
    dirt = facts["dirt"]
    assert consent == {"true": 2640 - dirt["users.bad_consent"], "false": 180, "": 180, "maybe": 5}
    assert one(sql, "select count(*) from users where minor = 'yes' and user_id <> ''") == 60
    assert one(sql, "select count(*) from users where user_id = ''") == dirt["users.null_user_id"]
    lines = (folder / "users.csv").read_text().splitlines()
    assert sum(line.count(",") != 3 for line in lines) == dirt["users.malformed"]
    strangers = one(
        sql, "select count(distinct user_id) from candidates where user_id not in (select user_id from users)"
    )
    assert strangers == 60
    silent = one(sql, f"select 1 - count(distinct user_id) / 3060 from events where {GOOD}")
    assert silent == pytest.approx(0.08, abs=0.001)


def test_the_pairs_of_world_json_are_those_that_a_join_finds(sql: Connection, facts: dict[str, Any]) -> None:
    pairs = valid_pairs()
    assert facts["pairs"] == {
        "valid": one(sql, f"select count(*) from {pairs}"),
        "minor": one(sql, f"select count(*) from {pairs} where minor = 'yes'"),
        "personal": one(sql, f"select count(*) from {pairs} where personalise = 'true' and minor <> 'yes'"),
        "without_consent": one(
            sql,
            f"select count(*) from {pairs} where coalesce(personalise, '') <> 'true' and coalesce(minor, '') <> 'yes'",
        ),
        "without_users_row": one(sql, f"select count(*) from {pairs} where minor is null"),
    }


def test_no_key_stands_twice(sql: Connection) -> None:
    for table, key in (("items", "item_id"), ("users", "user_id"), ("candidates", "user_id, item_id, scenario")):
        first = key.split(",")[0]
        twice = (
            f"select {key} from {table} where {first} is not null and {first} <> '' group by {key} having count(*) > 1"
        )
        assert sql.execute(twice).fetchall() == []


def test_ids_have_a_fixed_width(sql: Connection) -> None:
    assert one(sql, "select count(*) from events where user_id !~ '^u[0-9]{7}$' or item_id !~ '^i[0-9]{5}$'") == 0


def test_behaviour_looks_like_a_shop(sql: Connection) -> None:
    acts = dict(sql.execute(f"select event, count(*) from events where {GOOD} group by 1").fetchall())
    assert sorted(acts, key=lambda act: -acts[act]) == ["browse", "click", "cart", "comment", "share", "purchase"]
    by_item = [n for (n,) in sql.execute(f"select count(*) n from events where {GOOD} group by item_id").fetchall()]
    top = sum(sorted(by_item, reverse=True)[: len(by_item) // 10])
    assert 0.3 < top / sum(by_item) < 0.7  # a tenth of the items
    newest, oldest = sql.execute(f"select max(ts), min(ts) from events where {GOOD}").fetchall()[0]
    middle = one(sql, f"select median(ts) from events where {GOOD}")
    assert newest.replace(tzinfo=None) > datetime(2026, 3, 1, 20)
    assert newest - oldest <= timedelta(days=120)
    assert newest - middle.astimezone(newest.tzinfo) < timedelta(days=40)


def test_candidates_follow_favourite_categories_and_language(sql: Connection) -> None:
    sql.execute(
        f"""create or replace temp table home as
        with seen as (select user_id, locale, split_part(category, '/', 2) noun, count(*) n
                      from events join items using (item_id) where {GOOD} group by all),
             placed as (select *, row_number() over (partition by user_id order by n desc, noun) place from seen)
        select user_id, arg_max(locale, n) locale, list(noun) filter (place <= 3) nouns from placed group by user_id"""
    )
    shown = "from candidates c join items i using (item_id) join home h on h.user_id = c.user_id"
    assert one(sql, f"select avg((i.locale = h.locale)::int) {shown}") > 0.9
    favourite = one(sql, f"select avg(list_contains(h.nouns, split_part(i.category, '/', 2))::int) {shown}")
    assert 0.6 < favourite < 0.95
    ranks = f"select max(rank) <> count(*) or min(rank) <> 1 bad from {valid_pairs()} group by user_id"
    assert one(sql, f"select count(*) from ({ranks}) where bad") == 0


def test_the_delta_log_names_nobody(folder: Path) -> None:
    log = "".join(path.read_text() for path in (folder / "events" / "_delta_log").glob("*.json"))
    assert "u0000" not in log
    assert "@example" not in log
