"""How the sample world is written: equal rows for equal seeds, all or nothing, faults of whole tables, big tables."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from reasongen.errors import ConfigError
from reasongen.sample import WorldSettings, big_world, load_world_settings, write_world
from reasongen.sample.lexicon import load_lexicons

ROOT = Path(__file__).resolve().parent.parent
CONF = ROOT / "conf"
SMALL = ("users=200", "visits=2500", "items_per_category=2", "heavy_user_events=300")


def settings(*sets: str) -> WorldSettings:
    return load_world_settings(CONF / "world.yaml", sets)


@pytest.fixture(scope="module")
def job() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sample_world", ROOT / "jobs" / "sample_world.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def one(sql: duckdb.DuckDBPyConnection, query: str) -> Any:
    found = sql.execute(query).fetchone()
    assert found is not None
    return found[0]


def ids_of_items(folder: Path) -> list[list[str | None]]:
    ids = []
    for line in (folder / "items.jsonl").read_bytes().splitlines():
        try:
            ids.append([json.loads(line)["item_id"]])
        except ValueError:  # planted
            continue
    return ids


def ids_of_users(folder: Path) -> list[list[str]]:
    return [line.split(",")[:1] for line in (folder / "users.csv").read_text().splitlines()[1:]]


def events_of(folder: Path) -> list[tuple[Any, ...]]:
    found = DeltaTable(folder / "events").to_pyarrow_table().to_pylist()
    return sorted(tuple(map(str, row.values())) for row in found)


def test_equal_seeds_give_equal_rows_and_another_seed_gives_others(tmp_path: Path) -> None:
    first, again, other = (tmp_path / name for name in ("first", "again", "other"))
    write_world(settings(*SMALL), first)
    write_world(settings(*SMALL), again)
    write_world(settings(*SMALL, "seed=7"), other)
    for name in ("items.jsonl", "candidates.parquet", "users.csv", "world.json"):
        assert (first / name).read_bytes() == (again / name).read_bytes()
        assert (first / name).read_bytes() != (other / name).read_bytes()
    assert events_of(first) == events_of(again) != events_of(other)


def test_more_dirt_changes_no_valid_person(tmp_path: Path) -> None:
    for name, sets in (("few", ()), ("more", ("dirt.users.null_user_id=9", "dirt.events.duplicate=90"))):
        write_world(settings(*SMALL, *sets), tmp_path / name)
    few, more = (
        sorted(line for line in (tmp_path / name / "users.csv").read_text().splitlines() if line[0] != ",")
        for name in ("few", "more")
    )
    assert few == more


FAULTS = {
    "duplicate_items": "select count(*) > count(distinct item_id) from items where item_id is not null",
    "duplicate_users": "select count(*) > count(distinct user_id) from users where user_id <> ''",
    "duplicate_candidates": "select count(*) > count(distinct (user_id, item_id, scenario)) from candidates",
    "empty_candidates": "select count(*) = 0 from candidates",
    "stale_events": "select max(ts) < timestamptz '2026-02-01 00:00:00+00' from events",
    "mistyped_column": "select typeof(any_value(ts)) = 'VARCHAR' from events",
    "missing_column": "select count(*) = 0 from (describe candidates) where column_name = 'item_id'",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_a_whole_table_can_be_planted(tmp_path: Path, fault: str) -> None:
    def broken(*sets: str) -> bool:
        path = write_world(settings(*SMALL, *sets), tmp_path / "world").path
        with duckdb.connect() as sql:
            sql.register("events", DeltaTable(path / "events").to_pyarrow_dataset())
            sql.register("candidates", pq.read_table(path / "candidates.parquet"))
            sql.execute("create table items (item_id text)")
            sql.executemany("insert into items values (?)", ids_of_items(path))
            sql.execute("create table users (user_id text)")
            sql.executemany("insert into users values (?)", ids_of_users(path))
            return bool(one(sql, FAULTS[fault]))

    assert not broken()
    assert broken(f"faults=[{fault}]")


def test_candidates_can_be_left_out(tmp_path: Path) -> None:
    path = write_world(settings(*SMALL, "faults=[missing_candidates]"), tmp_path / "world").path
    assert not (path / "candidates.parquet").exists()


def test_a_killed_writer_leaves_the_old_world_and_the_next_one_completes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "world"
    old = write_world(settings(*SMALL), out).facts["digest"]

    def killed(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("reasongen.sample.world.pq.write_table", killed)
        with pytest.raises(KeyboardInterrupt):
            write_world(settings(*SMALL, "seed=5"), out)
    assert json.loads((out / "world.json").read_text())["digest"] == old
    new = write_world(settings(*SMALL, "seed=5"), out)
    assert new.fresh
    assert [path.name for path in tmp_path.iterdir()] == ["world"]


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("keep me")
    with pytest.raises(ConfigError, match="found other files"):
        write_world(settings(*SMALL), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_the_job_writes_once_and_says_so(job: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets = [word for each in SMALL for word in ("--set", each)]
    command = ["--config", str(CONF / "world.yaml"), *sets, "--out", str(tmp_path / "world")]
    assert job.main(command) == 0
    assert "written:" in capsys.readouterr().out
    before = (tmp_path / "world").stat().st_mtime_ns
    assert job.main(command) == 0
    assert "already there, nothing written" in capsys.readouterr().out
    assert (tmp_path / "world").stat().st_mtime_ns == before


def test_the_job_exits_with_2_on_an_unknown_setting(
    job: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--config", str(CONF / "world.yaml"), "--set", "vists=5", "--out", str(tmp_path / "world")]
    assert job.main(command) == 2
    assert "did you mean `visits`" in capsys.readouterr().err
    assert not (tmp_path / "world").exists()


def test_both_languages_have_the_same_categories_and_enough_words() -> None:
    lexicons = load_lexicons(CONF / "world")
    assert [len(lexicon.categories) for lexicon in lexicons.values()] == [12, 12]
    for locale, lexicon in lexicons.items():
        assert len(lexicon.brands) >= 12
        assert len({words.path for words in lexicon.categories.values()}) == 12
        for words in lexicon.categories.values():
            assert 8 <= len(set(words.tags)) <= 14
            assert 2 <= len(words.attributes) <= 4
            assert all(not any(sign.isdigit() for sign in tag) for tag in words.tags)
            longest = max(len(tag) if locale == "zh" else len(tag.split()) for tag in words.tags)
            assert longest <= (4 if locale == "zh" else 3)


def test_a_big_world_is_even_but_for_the_heavy_user_and_the_hot_item(tmp_path: Path) -> None:
    big_world(tmp_path / "big", 5000, 50_000, 1000, 500, seed=1, heavy_user_events=7000, hot_item_share=0.1)
    with duckdb.connect() as sql:
        sql.register("events", DeltaTable(tmp_path / "big" / "events").to_pyarrow_dataset())
        sql.register("candidates", pq.read_table(tmp_path / "big" / "candidates.parquet"))
        sql.register("items", pq.read_table(tmp_path / "big" / "items.parquet"))
        per_user = Counter(n for (n,) in sql.execute("select count(*) from events group by user_id").fetchall())
        assert per_user == {50: 999, 7050: 1}
        assert one(sql, "select count(*) from candidates where item_id = 'i000000'") == 500
        assert one(sql, "select count(*) from (select distinct user_id, item_id from candidates)") == 5000
        assert one(sql, "select count(distinct (locale, category)) from items") == 80
        assert one(sql, "select max(n) from (select count(*) n from candidates group by user_id)") == 5


def test_a_big_world_refuses_numbers_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="divide by users"):
        big_world(tmp_path / "big", 5001, 50_000, 1000, 500)
