"""The contract: every fault of a table by its text, all of them at once."""

from __future__ import annotations

import pickle

import pytest
from small_tables import (
    EVENT_DDL,
    NIGHT,
    SCENARIO,
    at,
    csv,
    delta,
    faults,
    jsonl,
    world,
)

from reasongen.config import InputSettings, SourceSettings
from reasongen.errors import ContractError
from reasongen.tables import (
    check_contract,
    read_sources,
)


def test_sound_tables_of_four_formats_pass(spark, tmp_path):
    inputs = world(spark, tmp_path)
    report = check_contract(read_sources(spark, inputs), inputs, night=NIGHT, scenario=SCENARIO)
    assert report.states["events"] == "0"
    kinds = {name: state.split(":")[0] for name, state in report.states.items() if name != "events"}
    assert kinds == {"items": "jsonl", "users": "csv", "candidates": "parquet"}
    assert report.rows == {"events": 1, "items": 1, "users": 1, "candidates": 1}
    assert report.newest_event == at("2026-03-01")


def test_a_missing_table_is_named_with_its_place(spark, tmp_path):
    gone = {
        "events": SourceSettings(table="nowhere.events"),
        "items": SourceSettings(path=str(tmp_path / "a"), format="jsonl"),
        "candidates": SourceSettings(path=str(tmp_path / "b"), format="parquet"),
        "users": SourceSettings(path=str(tmp_path / "c"), format="csv"),
    }
    found = faults(spark, InputSettings(**gone))
    assert len(found) == 4
    assert "events: wanted a delta table; found nothing that can be read at nowhere.events" in found[0]
    assert all("PATH_NOT_FOUND" in text for text in found[1:])


def test_a_version_that_is_not_there_is_a_missing_table(spark, tmp_path):
    inputs = world(spark, tmp_path)
    gone = SourceSettings(path=inputs.events.path, version=7)
    (text,) = faults(spark, inputs.model_copy(update={"events": gone}))
    assert "a delta table, version 7" in text


def test_a_missing_column_is_named_with_the_nearest(spark, tmp_path):
    events = delta(spark, tmp_path / "e", [("u1", "i1", "click", at("2026-03-01"))], EVENT_DDL.replace("ts", "tss"))
    items = jsonl(tmp_path / "i.jsonl", [{"item_id": "i1", "titel": "Lamp", "locale": "en"}])
    users = csv(tmp_path / "u.csv", "user_id,tags\nu1,tea\n")
    found = faults(spark, world(spark, tmp_path, events=events, items=items, users=users))
    assert found == [
        "  events.ts (version 0): wanted timestamp; found no column `ts`; did you mean `tss`?. "
        "Name theirs: `inputs.events.columns.ts: tss`.",
        "  items.title: wanted string; found no column `title`; did you mean `titel`?. "
        "Name theirs: `inputs.items.columns.title: titel`.",
        "  users.personalise: wanted boolean; found no column `personalise`. "
        "Name theirs: `inputs.users.columns.personalise: …`.",
    ]


def test_a_mistyped_column_is_a_fault_in_every_format(spark, tmp_path):
    events = delta(spark, tmp_path / "e", [("u1", "i1", "click", "soon")], EVENT_DDL.replace("timestamp", "string"))
    delta(spark, tmp_path / "e", [("u1", "i1", "click", "later")], EVENT_DDL.replace("timestamp", "string"))
    items = jsonl(tmp_path / "i.jsonl", [{"item_id": "i1", "title": "Lamp", "locale": "en", "price": "cheap"}])
    candidates = csv(tmp_path / "c.csv", "user_id,item_id,rank\nu1,i1,first\n")
    found = faults(spark, world(spark, tmp_path, events=events, items=items, candidates=candidates))
    assert "events.ts (version 1): wanted timestamp; found string. Cast it in the feed" in found[0]
    assert "pin `inputs.events.version: 0`" in found[0]
    assert "items.price: wanted decimal(12,2); found text that cannot be read as that in any row" in found[1]
    assert "candidates.rank: wanted int; found text" in found[2]
    assert len(found) == 3
    assert "cheap" not in "".join(found)


def test_one_value_that_cannot_be_read_is_no_fault_of_the_table(spark, tmp_path):
    lines = [{"item_id": f"i{n}", "title": "Lamp", "locale": "en", "price": price} for n, price in enumerate(("x", 5))]
    inputs = world(spark, tmp_path, items=jsonl(tmp_path / "i.jsonl", lines))
    sources = read_sources(spark, inputs)
    check_contract(sources, inputs, night=NIGHT, scenario=SCENARIO)
    assert [str(row["price"]) for row in sources["items"].frame.orderBy("item_id").collect()] == ["None", "5.00"]


def test_an_empty_table_partition_or_filter_is_a_fault(spark, tmp_path):
    inputs = world(
        spark,
        tmp_path,
        events=delta(spark, tmp_path / "e", [], EVENT_DDL),
        items=jsonl(tmp_path / "i.jsonl", [b"not json", b"{"]),
    )
    narrowed = inputs.candidates.model_copy(update={"partition": "user_id = 'u1'", "filter": "item_id = 'i2'"})
    found = faults(spark, inputs.model_copy(update={"candidates": narrowed}))
    assert "events (version 0): wanted at least one row; found no row. Wait for the feed" in found[0]
    assert any("items: wanted at least one row; found 2 rows, all malformed" in text for text in found)
    assert "found no row after `inputs.candidates.partition` and `inputs.candidates.filter`" in found[-1]


def test_duplicate_keys_are_counted_and_a_query_shows_them(spark, tmp_path):
    lamp = {"item_id": "i1", "title": "Lamp", "locale": "en"}
    null = {"item_id": None, "title": "Lamp"}
    candidates = csv(
        tmp_path / "c.csv", f"user_id,item_id,scenario\nu1,i1,{SCENARIO}\nu1,i1,\nu1,i1,other\n,i1,\n,i1,\n"
    )
    users = csv(tmp_path / "u.csv", "user_id,personalise\nsecret-user,yes\nsecret-user,no\n")
    items = jsonl(tmp_path / "i.jsonl", [lamp, lamp, lamp, null, null])
    found = faults(spark, world(spark, tmp_path, items=items, candidates=candidates, users=users))
    assert len(found) == 3
    assert "items: wanted one row for each item_id; found 1 key with 3 rows" in found[0]
    assert "SELECT user_id, count(*) FROM users GROUP BY user_id HAVING count(*) > 1" in found[1]
    assert "one row for each user_id, item_id, scenario; found 1 key with 2 rows" in found[2]
    assert "secret" not in "".join(found)


def test_events_that_stop_too_early_are_stale_and_future_ones_do_not_hide_it(spark, tmp_path):
    rows = [("u1", "i1", "click", at("2026-02-20")), ("u1", "i1", "click", at("2027-01-01"))]
    inputs = world(spark, tmp_path, events=delta(spark, tmp_path / "e", rows, EVENT_DDL))
    (text,) = faults(spark, inputs)
    assert "events.ts (version 0): wanted a newest event at most 7 days before the night; found 10.0 days" in text
    patient = inputs.model_copy(update={"max_event_age_days": 10})
    check_contract(read_sources(spark, patient), patient, night=NIGHT, scenario=SCENARIO)


def test_a_locale_unknown_in_all_rows_or_in_the_settings_is_a_fault(spark, tmp_path):
    lines = [{"item_id": "i1", "title": "Lampe", "locale": "fr"}, {"item_id": "i2", "title": "Lampe", "locale": "de"}]
    found = faults(spark, world(spark, tmp_path, items=jsonl(tmp_path / "i.jsonl", lines)), locales=("zh", "fi"))
    assert "locales: wanted some of zh, en; found fi" in found[0]
    assert "items.locale: wanted one of zh, fi; found other values in every row" in found[1]


def test_a_bad_filter_and_a_bad_name_in_the_map_are_faults(spark, tmp_path):
    inputs = world(spark, tmp_path)
    items = inputs.items.model_copy(
        update={"columns": {"titel": "title", "brand": "=nope + 1"}, "filter": "colour = 1"}
    )
    found = faults(spark, inputs.model_copy(update={"items": items}))
    assert "inputs.items.columns: wanted columns of items; found `titel`; did you mean `title`?" in found[0]
    assert "inputs.items.columns.brand: wanted SQL over the table's own columns; found UNRESOLVED_COLUMN" in found[1]
    assert "inputs.items.filter: wanted SQL over the table's own columns; found UNRESOLVED_COLUMN" in found[2]
    assert "It has: item_id, title, locale." in found[2]


def test_every_fault_of_every_table_stands_in_one_error_that_can_be_pickled(spark, tmp_path):
    inputs = InputSettings(
        events=delta(spark, tmp_path / "e", [("u1", "i1", "click", at("2026-01-01"))], EVENT_DDL),
        items=jsonl(tmp_path / "i.jsonl", [{"item_id": "i1", "locale": "fr"}, {"item_id": "i1", "locale": "fr"}]),
        candidates=SourceSettings(path=str(tmp_path / "none"), format="parquet"),
        users=csv(tmp_path / "u.csv", "user_id,personalise\n"),
    )
    with pytest.raises(ContractError) as caught:
        check_contract(read_sources(spark, inputs), inputs, night=NIGHT, scenario=SCENARIO)
    error = pickle.loads(pickle.dumps(caught.value))
    assert error.exit_code == 2
    text = str(error)
    for part in (
        "6 faults",
        "events.ts",
        "no column `title`",
        "1 key with 2 rows",
        "locale",
        "users: wanted",
        "candidates:",
    ):
        assert part in text
