"""Rows: each fault of a row by its code, and what is taken out of a text."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from small_tables import (
    BEGIN,
    CANDIDATE_DDL,
    EVENT_DDL,
    NIGHT,
    SCENARIO,
    at,
    csv,
    delta,
    items_of,
    jsonl,
)

from reasongen.schema import INPUTS
from reasongen.secret import UserKey
from reasongen.tables import (
    Suppressed,
    clean_candidates,
    clean_events,
    clean_items,
    clean_users,
    count_codes,
    count_event_codes,
    night_start,
    read_source,
    valid_events,
)

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
    ({"item_id": "i11", "title": "Lamp", "tags": ["warm", "13912345678"]}, None, ["personal_data"]),
    ({"item_id": "i12", "title": "Lamp", "tags": ["2700K", "6901234567892", "2026-03-02"]}, None, []),
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


NUMBERS = ["139 1234 5678", "+44 20 7946 0958", "ann.b@example.com", "11010519491231002X", "4111 1111 1111 1111"]


def test_numbers_that_lead_to_a_person_stay_in_no_column_of_an_item(spark, tmp_path):
    """From a title and a description the number goes, of the others what holds it; the rest stays."""
    lines = [
        {
            "item_id": f"i{at}",
            "title": f"Lamp {number} warm",
            "description": f"call {number}",
            "tags": [f"by {number}", "red"],
            "attributes": {"seller": number, number: "x", "size": "2 m"},
            "category": f"home/{number}",
            "brand": number,
        }
        for at, number in enumerate(NUMBERS)
    ]
    source = read_source(spark, jsonl(tmp_path / "i.jsonl", lines), INPUTS["items"])
    cleaned = clean_items(source.frame)
    left = {"title": "Lamp warm", "description": "call", "tags": ["red"], "attributes": {"size": "2 m"}}
    for row in cleaned.collect():
        assert {name: row[name] for name in left} == left
        assert (row["category"], row["brand"], row["codes"], row["reject"]) == (None, None, ["personal_data"], None)
    assert count_codes(cleaned) == {"personal_data": len(NUMBERS)}


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


def test_whom_no_night_may_know_is_counted_without_the_id(spark, tmp_path):
    rows = [("child", "i1", SCENARIO), ("yes", "i1", SCENARIO), ("no", "bad", SCENARIO), ("no", "i1", SCENARIO)]
    candidates = spark.createDataFrame(rows, CANDIDATE_DDL).selectExpr(
        "*", "1 as rank", "0D as score", "false malformed"
    )
    key = UserKey(b"0123456789abcdef")
    hashes = spark.createDataFrame([(key.hash_of(user),) for user in ("child", "no")], "user_hash string")
    pairs = clean_candidates(
        candidates,
        some_items(spark),
        some_users(spark, tmp_path),
        scenario=SCENARIO,
        suppressed=Suppressed(hashes, key),
    )
    found = sorted(map(str, ((r["user_id"], r["reject"], r["skip"], r["personal"]) for r in pairs.collect())))
    assert found == sorted(
        map(
            str,
            [
                (None, None, "suppressed", False),
                ("yes", None, None, True),
                (None, "item_rejected", None, False),
                (None, None, "suppressed", False),
            ],
        )
    )
    without = clean_candidates(candidates, some_items(spark), None, scenario=SCENARIO, withdrawn_items=["i1"])
    assert [row["skip"] for row in without.where("reject is null").collect()] == ["withdrawn"] * 3
