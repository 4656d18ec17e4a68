"""Tables: reading any format, every fault of a table by its text, every fault of a row by its code, Delta writes."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reasongen.config import InputSettings, SourceSettings
from reasongen.errors import ContractError
from reasongen.schema import GENERATIONS, INPUTS, Column, Table
from reasongen.tables import (
    SourceFrame,
    Txn,
    append,
    check_contract,
    clean_candidates,
    clean_events,
    clean_items,
    clean_users,
    count_by_independent_reader,
    count_codes,
    count_event_codes,
    create_if_missing,
    merge_changes,
    night_start,
    read_source,
    read_sources,
    read_version,
    valid_events,
    write_was_refused,
)

NIGHT = date(2026, 3, 2)
BEGIN = night_start(NIGHT)
SCENARIO = "recommendation"
EVENT_DDL = "user_id string, item_id string, event string, ts timestamp"
CANDIDATE_DDL = "user_id string, item_id string, scenario string"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def delta(spark: Any, path: Path, rows: Sequence[tuple[Any, ...]], ddl: str) -> SourceSettings:
    spark.createDataFrame(rows, ddl).write.format("delta").mode("append").save(str(path))
    return SourceSettings(path=str(path))


def jsonl(path: Path, lines: Sequence[Mapping[str, Any] | bytes]) -> SourceSettings:
    raw = [line if isinstance(line, bytes) else json.dumps(line, ensure_ascii=False).encode() for line in lines]
    path.write_bytes(b"\n".join(raw) + b"\n")
    return SourceSettings(path=str(path), format="jsonl")


def csv(path: Path, text: str) -> SourceSettings:
    path.write_text(text, encoding="utf-8")
    return SourceSettings(path=str(path), format="csv")


def world(spark: Any, folder: Path, **changed: Any) -> InputSettings:
    """Four small sound tables, one in each format; `changed` replaces some."""
    sound: dict[str, Any] = {}
    if "events" not in changed:
        sound["events"] = delta(spark, folder / "events", [("u1", "i1", "click", at("2026-03-01"))], EVENT_DDL)
    if "items" not in changed:
        sound["items"] = jsonl(folder / "items.jsonl", [{"item_id": "i1", "title": "Lamp", "locale": "en"}])
    if "candidates" not in changed:
        path = str(folder / "candidates.parquet")
        spark.createDataFrame([("u1", "i1", SCENARIO)], CANDIDATE_DDL).write.parquet(path)
        sound["candidates"] = SourceSettings(path=path, format="parquet")
    if "users" not in changed:
        sound["users"] = csv(folder / "users.csv", "user_id,tags,personalise,minor\nu1,tea|maps,true,no\n")
    return InputSettings(**{**sound, **changed})


def faults(spark: Any, inputs: InputSettings, **asked: Any) -> list[str]:
    with pytest.raises(ContractError) as caught:
        check_contract(read_sources(spark, inputs), inputs, night=NIGHT, scenario=SCENARIO, **asked)
    return [str(fault) for fault in caught.value.faults]


def items_of(spark: Any, path: Path, lines: Sequence[Mapping[str, Any] | bytes], **settings: Any) -> dict[str, Any]:
    """Cleaned items by id."""
    frame = read_source(spark, jsonl(path, lines), INPUTS["items"]).frame
    return {row["item_id"]: row for row in clean_items(frame, **settings).collect()}


# Contract


def test_sound_tables_of_four_formats_pass(spark, tmp_path):
    inputs = world(spark, tmp_path)
    report = check_contract(read_sources(spark, inputs), inputs, night=NIGHT, scenario=SCENARIO)
    assert report.states == {"events": "0", "items": "jsonl", "users": "csv", "candidates": "parquet"}
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


# Reading


def test_a_column_map_renames_and_computes(spark, tmp_path):
    source = jsonl(tmp_path / "e.jsonl", [{"who": "u1", "item_id": 5, "event": "VIEW", "seq": 60}])
    columns = {"user_id": "who", "event": "=if(event = 'VIEW', 'browse', event)", "ts": "=timestamp_seconds(seq + 0)"}
    row = read_source(spark, source.model_copy(update={"columns": columns}), INPUTS["events"]).frame.collect()[0]
    assert (row["user_id"], row["item_id"], row["event"]) == ("u1", "5", "browse")
    assert row["ts"].timestamp() == 60


def test_delta_is_read_at_the_version_it_had_when_it_was_opened(spark, tmp_path):
    source = delta(spark, tmp_path / "e", [("u1", "i1", "click", BEGIN)], EVENT_DDL)
    first = read_source(spark, source, INPUTS["events"])
    delta(spark, tmp_path / "e", [("u2", "i1", "click", BEGIN)], EVENT_DDL)
    assert (first.version, first.frame.count()) == (0, 1)
    assert read_source(spark, source, INPUTS["events"]).frame.count() == 2
    pinned = source.model_copy(update={"version": 0})
    assert read_source(spark, pinned, INPUTS["events"]).frame.count() == 1


def test_a_catalogue_name_is_read_like_a_path(spark, tmp_path):
    spark.createDataFrame([("u1", "i1", "click", BEGIN)], EVENT_DDL).write.format("delta").saveAsTable("shop_events")
    try:
        read = read_source(spark, SourceSettings(table="shop_events"), INPUTS["events"])
        assert (read.version, read.frame.count()) == (0, 1)
    finally:
        spark.sql("DROP TABLE shop_events")


def test_csv_reads_arrays_maps_and_broken_lines(spark, tmp_path):
    text = (
        "item_id,title,tags,attributes,price\n"
        'i1,"a ""big"" lamp",red| warm |,material=oak; size =2=3;material=ash,12.5\n'
        'i2,Mug,,"{""material"": ""clay"", ""material"": ""tin""}",x\n'
        "i3,too,many,fields,1,2\n"
        "i4,too few\n"
    )
    source = read_source(spark, csv(tmp_path / "i.csv", text), INPUTS["items"])
    rows = {row["item_id"]: row for row in source.frame.collect()}
    assert rows["i1"]["title"] == 'a "big" lamp'
    assert rows["i1"]["tags"] == ["red", "warm"]
    assert rows["i1"]["attributes"] == {"material": "oak", "size": "2=3"}
    assert list(rows["i2"]["attributes"]) == ["material"]
    assert rows["i2"]["price"] is None
    assert [rows[f"i{n}"]["malformed"] for n in (1, 2, 3, 4)] == [False, False, True, True]


def test_csv_files_with_different_heads_are_a_fault(spark, tmp_path):
    (tmp_path / "u").mkdir()
    csv(tmp_path / "u" / "1.csv", "user_id,personalise\nu1,yes\n")
    users = csv(tmp_path / "u" / "2.csv", "personalise,user_id\nyes,u2\n").model_copy(
        update={"path": str(tmp_path / "u")}
    )
    (text,) = faults(spark, world(spark, tmp_path, users=users))
    assert "users: wanted rows that can be read; found FAILED_READ_FILE" in text


def test_a_missing_optional_column_is_null_everywhere(spark, tmp_path):
    source = read_source(spark, csv(tmp_path / "i.csv", "item_id,title\ni1,Lamp\n"), INPUTS["items"])
    row = source.frame.collect()[0]
    assert source.faults == ()
    assert (row["tags"], row["price"], row["locale"]) == (None, None, None)


# Rows


DIRTY: list[tuple[dict[str, Any] | bytes, str | None, list[str]]] = [
    ({"item_id": "i1", "title": "Lamp"}, None, []),
    ({"item_id": None, "title": "Lamp"}, "null_item_id", ["null_item_id"]),
    ({"item_id": " ", "title": "Lamp"}, "null_item_id", ["null_item_id"]),
    ({"item_id": "i2", "title": None}, "no_title", ["no_title"]),
    ({"item_id": "i3", "title": " \u3000\u200b<br> "}, "no_title", ["html", "control_characters", "no_title"]),
    ({"item_id": "i4", "title": "Lampe", "locale": "fr"}, "unknown_locale", ["unknown_locale"]),
    (b'{"item_id": "i5", "tit', "malformed", ["malformed"]),
    (b"[1, 2]", "malformed", ["malformed"]),
    (b'{"item_id": "i6", "title": "La\xff\xfemp"}', None, ["broken_utf8"]),
    ({"item_id": "i7", "title": "a\x07b\u202ec"}, None, ["control_characters"]),
    ({"item_id": "i8", "title": "Lamp", "tags": ["<b>red</b>"]}, None, ["html"]),
    ({"item_id": "i9", "title": "Lamp", "attributes": {"size": "2 &amp; 3"}}, None, ["html"]),
    ({"item_id": "i10", "title": "Lamp", "tags": [str(n) for n in range(65)]}, None, ["oversize"]),
]


def test_each_fault_of_an_item_has_its_code(spark, tmp_path):
    source = read_source(spark, jsonl(tmp_path / "i.jsonl", [line for line, _, _ in DIRTY]), INPUTS["items"])
    cleaned = clean_items(source.frame)
    found = [(row["reject"], row["codes"]) for row in cleaned.collect()]
    assert found == [(reject, codes) for _, reject, codes in DIRTY]
    counts = count_codes(cleaned)
    assert counts["malformed"] == 2
    assert counts["html"] == 3
    assert "duplicate" not in counts


TEXTS = {
    "<p style='a'>Warm</p><script>x()</script> <b>L</b>amp": "Warm Lamp",
    "床<b>头</b>灯&nbsp;暖光": "床头灯 暖光",
    "&lt;b&gt;Lamp&lt;/b&gt; &amp;lt;": "Lamp",
    "5 < 6 > 4, I <3 tea": "5 < 6 > 4, I <3 tea",
    "<scr\u200bipt>alert(1)</script>Lamp": "Lamp",
    "Lamp <img src=x onerror=": "Lamp",
    "L\u00ada\u2066m\U000e0041p\t\n\u3000 x": "Lamp x",
    "[e1.count] {{ title }} <|im_start|>": "[e1.count] {{ title }} <|im_start|>",
}


def test_what_is_taken_out_of_a_text(spark, tmp_path):
    lines = [{"item_id": f"i{n}", "title": text} for n, text in enumerate(TEXTS)]
    found = items_of(spark, tmp_path / "i.jsonl", lines)
    assert [found[f"i{n}"]["title"] for n in range(len(TEXTS))] == list(TEXTS.values())


def test_a_title_of_a_megabyte_is_cut(spark, tmp_path):
    lines = [{"item_id": "i1", "title": "lamp " * 210_000}, {"item_id": "i2", "title": "<script>" * 130_000}]
    found = items_of(spark, tmp_path / "i.jsonl", lines, max_chars=1000)
    assert len(found["i1"]["title"]) <= 1000
    assert found["i1"]["codes"] == ["oversize"]
    assert found["i2"]["reject"] == "no_title"


def test_names_that_become_equal_do_not_fail_the_row(spark, tmp_path):
    line = {"item_id": "i1", "title": "Lamp", "attributes": {"size": "1", "si\u200bze": "2", "<b>size</b>": "3"}}
    found = items_of(spark, tmp_path / "i.jsonl", [line])
    assert list(found["i1"]["attributes"]) == ["size"]


def test_the_locale_is_folded_and_filled_in(spark, tmp_path):
    given = ["zh-Hans_CN", "EN_us", " en ", "", None]
    lines = [{"item_id": f"i{n}", "title": "灯", "locale": locale} for n, locale in enumerate(given)]
    found = items_of(spark, tmp_path / "i.jsonl", lines, default_locale="zh")
    assert [found[f"i{n}"]["locale"] for n in range(5)] == ["zh", "en", "en", "zh", "zh"]


def some_items(spark: Any) -> Any:
    return spark.createDataFrame([("i1", None), ("i2", None), ("bad", "no_title")], "item_id string, reject string")


EVENTS: list[tuple[tuple[Any, ...], str | None]] = [
    (("u1", "i1", "click", BEGIN - timedelta(days=1), False), None),
    (("u1", "i1", "click", BEGIN - timedelta(days=1), False), None),
    (("u1", "i2", "click", BEGIN - timedelta(seconds=1), False), None),
    ((None, "i1", "click", BEGIN, False), "null_user_id"),
    (("u1", "", "click", BEGIN, False), "null_item_id"),
    (("u1", "i1", "hover", BEGIN, False), "unknown_event"),
    (("u1", "i1", None, BEGIN, False), "unknown_event"),
    (("u1", "i1", "click", None, False), "null_ts"),
    (("u1", "i1", "click", BEGIN + timedelta(days=1), False), "future_ts"),
    (("u1", "i1", "click", BEGIN + timedelta(days=1, seconds=-1), False), None),
    (("u1", "i1", "click", BEGIN, False), None),
    (("u1", "i9", "click", BEGIN, False), "unknown_item"),
    (("u1", "bad", "click", BEGIN, False), "item_rejected"),
    ((None, None, None, None, True), "malformed"),
]


def test_each_fault_of_an_event_has_its_code_and_only_earlier_days_are_evidence(spark):
    events = spark.createDataFrame([row for row, _ in EVENTS], EVENT_DDL + ", malformed boolean").coalesce(1)
    cleaned = clean_events(events, some_items(spark), begin=BEGIN)
    assert [row["reject"] for row in cleaned.collect()] == [code for _, code in EVENTS]
    counts = count_event_codes(cleaned)
    assert (counts["unknown_event"], counts["duplicate"]) == (2, 1)
    assert {code: rows for code, rows in counts.items() if code != "duplicate"} == count_codes(cleaned)
    used = valid_events(events, begin=BEGIN)
    assert sorted(row["item_id"] for row in used.collect()) == ["i1", "i1", "i2"]
    assert used.columns == ["user_id", "item_id", "event", "ts"]


def test_the_night_begins_at_midnight_of_its_time_zone():
    assert night_start(NIGHT, "Asia/Shanghai") == at("2026-03-01T16:00")


def some_users(spark: Any, tmp_path: Path) -> Any:
    text = "user_id,tags,personalise,minor\nyes,,TRUE,no\nno,,false,\nempty,,,\nodd,,maybe,no\nchild,,1,yes\n,,true,\n"
    return clean_users(read_source(spark, csv(tmp_path / "u.csv", text), INPUTS["users"]).frame)


def test_consent_is_no_unless_it_is_yes(spark, tmp_path):
    users = some_users(spark, tmp_path)
    rows = {row["user_id"]: row for row in users.collect()}
    assert {name for name, row in rows.items() if row["personalise"] and not row["reject"]} == {"yes", "child"}
    assert [rows[name]["minor"] for name in ("yes", "no", "child")] == ["no", "unknown", "yes"]
    assert count_codes(users) == {"bad_consent": 1, "null_user_id": 1}


def test_boolean_consent_of_a_typed_table_is_taken(spark, tmp_path):
    source = delta(
        spark, tmp_path / "u", [("a", True), ("b", False), ("c", None)], "user_id string, personalise boolean"
    )
    users = clean_users(read_source(spark, source, INPUTS["users"]).frame)
    assert {row["user_id"]: row["personalise"] for row in users.collect()} == {"a": True, "b": False, "c": False}
    assert count_codes(users) == {}


def test_each_candidate_is_kept_skipped_or_rejected(spark, tmp_path):
    rows = [
        ("yes", "i1", None),
        ("no", "i1", SCENARIO),
        ("stranger", "i1", SCENARIO),
        ("odd", "i1", SCENARIO),
        ("child", "i1", SCENARIO),
        (None, "i1", SCENARIO),
        ("yes", None, SCENARIO),
        ("yes", "i9", SCENARIO),
        ("yes", "bad", SCENARIO),
        ("yes", "i1", "lucky_wheel"),
        ("yes", "i1", "homepage"),
    ]
    candidates = spark.createDataFrame(rows, CANDIDATE_DDL).selectExpr(
        "*", "1 as rank", "0.5D as score", "false as malformed"
    )
    users = some_users(spark, tmp_path)
    pairs = clean_candidates(
        candidates, some_items(spark), users, scenario=SCENARIO, other_scenarios=("homepage",)
    ).collect()
    found = {(row["user_id"], row["item_id"], row["reject"], row["skip"], row["personal"]) for row in pairs}
    assert found == {
        ("yes", "i1", None, None, True),
        ("no", "i1", None, None, False),
        ("stranger", "i1", None, None, False),
        ("odd", "i1", None, None, False),
        ("child", "i1", None, "minor", False),
        (None, "i1", "null_user_id", None, False),
        ("yes", None, "null_item_id", None, False),
        ("yes", "i9", "unknown_item", None, False),
        ("yes", "bad", "item_rejected", None, False),
        ("yes", "i1", "unknown_scenario", None, False),
    }
    assert len(pairs) == len(rows) - 1
    for consent, personal in (("required", False), ("assumed", True)):
        without = clean_candidates(candidates, some_items(spark), None, scenario=SCENARIO, consent=consent)
        assert {row["personal"] for row in without.where("reject is null").collect()} == {personal}


# Delta

SHELF = Table(
    "shelf",
    (
        Column("user_id", "string", "to whom"),
        Column("run_id", "string", "the run"),
        Column("words", "string", "what is said"),
    ),
    key=("user_id",),
    people=True,
    checks=(("words_not_empty", "length(words) > 0"),),
    statistics=("run_id",),
)


def shelf(spark: Any, *rows: tuple[str, str, str]) -> Any:
    return spark.createDataFrame(rows, SHELF.ddl)


def test_a_table_is_made_once_with_comments_checks_and_bare_statistics(spark, tmp_path):
    path = str(tmp_path / "shelf")
    assert read_version(path) is None
    create_if_missing(spark, path, SHELF)
    version = read_version(path)
    create_if_missing(spark, path, SHELF)
    assert read_version(path) == version
    told = {row["col_name"]: row["comment"] for row in spark.sql(f"DESCRIBE delta.`{path}`").collect()}
    assert told["words"] == "what is said"
    append(shelf(spark, ("user-one", "r1", "hello")), path)
    log = "".join(file.read_text() for file in sorted((tmp_path / "shelf" / "_delta_log").glob("*.json")))
    assert "user-one" not in log
    assert "hello" not in log
    assert '\\"run_id\\":\\"r1\\"' in log
    with pytest.raises(Exception, match="DELTA_VIOLATE") as caught:
        append(shelf(spark, ("user-two", "r1", "")), path)
    assert write_was_refused(caught.value) == "DELTA_VIOLATE_CONSTRAINT_WITH_VALUES"


def test_a_table_without_checks_is_made_too(spark, tmp_path):
    create_if_missing(spark, str(tmp_path / "g"), GENERATIONS)
    assert read_version(str(tmp_path / "g")) is not None


def test_an_append_with_the_same_transaction_is_skipped(spark, tmp_path):
    path = str(tmp_path / "shelf")
    create_if_missing(spark, path, SHELF)
    for _ in range(2):
        append(shelf(spark, ("a", "r1", "x")), path, Txn("night", 1), metadata="{}")
    assert count_by_independent_reader(path, "r1") == 1
    append(shelf(spark, ("b", "r2", "x")), path, Txn("night", 2))
    assert [count_by_independent_reader(path, run) for run in ("r1", "r2", None)] == [1, 1, 2]


def test_a_merge_changes_adds_removes_and_happens_once(spark, tmp_path):
    path = str(tmp_path / "shelf")
    create_if_missing(spark, path, SHELF)
    append(shelf(spark, ("a", "r1", "x"), ("b", "r1", "x"), ("c", "r1", "x")), path)
    changes = shelf(spark, ("a", "r2", "y"), ("b", "r2", "z"), ("d", "r2", "y"), ("e", "r2", "z"))
    txn, before = Txn("publish", 5), read_version(path)
    after = merge_changes(changes, path, SHELF, txn=txn, metadata='{"run": 2}', remove_when="new.words = 'z'")
    assert before is not None
    assert after == before + 1
    rows = spark.read.format("delta").load(path).collect()
    assert sorted(map(tuple, rows)) == [("a", "r2", "y"), ("c", "r1", "x"), ("d", "r2", "y")]
    assert merge_changes(changes, path, SHELF, txn=txn, metadata="again") == after
    said = spark.sql(f"DESCRIBE HISTORY delta.`{path}` LIMIT 1").collect()[0]["userMetadata"]
    assert said == '{"run": 2}'
    append(shelf(spark, ("f", "r3", "x")), path)
    assert count_by_independent_reader(path, "r3") == 1


def test_nothing_can_be_read_from_a_table_that_is_not_there(spark, tmp_path):
    source: SourceFrame = read_source(spark, SourceSettings(path=str(tmp_path / "none")), INPUTS["events"])
    with pytest.raises(ValueError, match="check_contract says why"):
        _ = source.frame
