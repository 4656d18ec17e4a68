"""Evidence against a plain-Python account of who must have which, written from the documentation, not the code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from evidence_account import (
    BEGIN,
    CLASSES,
    NIGHT,
    SETTINGS,
    Expected,
    World,
    all_pairs,
    disturbed,
    expected,
    expected_frame,
    renamed,
    world,
)
from pyspark.sql import DataFrame, Row, SparkSession

from reasongen.evidence import catalogue, frames, history, support
from reasongen.prompts import Frame, Literals, load_locales
from reasongen.schema import ACTIONS
from reasongen.validation import load_private

ROOT = Path(__file__).resolve().parent.parent
ITEM_DDL = (
    "item_id string, title string, tags array<string>, attributes map<string,string>, category string, brand string, "
    "locale string"
)
EVENT_DDL = "user_id string, item_id string, event string, ts timestamp"
PAIR_DDL = "user_id string, item_id string, scenario string, personal boolean"

LOCALES = {
    name: locale.model_copy(update={"nouns": {kind: [noun] for noun, kind in CLASSES[name].items()}})
    for name, locale in load_locales(ROOT / "conf" / "locales").items()
}
PRIVATE = load_private(ROOT / "conf" / "privacy", ["zh", "en"])
BASES = [world(f"a{seed}", seed) for seed in (1, 2, 3)]
DISTURBED = [renamed(disturbed(base, 7), f"b{base.name[1:]}") for base in BASES]


class Told:
    """Frames of all worlds by (budget, literal, night), each asked of Spark once."""

    def __init__(self, spark: SparkSession, worlds: Sequence[World], keep: int) -> None:
        items = [tuple(item.values()) for one in worlds for item in one.items]
        self.known = kept(
            catalogue(spark.createDataFrame(items, ITEM_DDL), settings=SETTINGS, locales=LOCALES, private=PRIVATE)
        )
        self.events = spark.createDataFrame([event for one in worlds for event in one.events], EVENT_DDL)
        self.pairs = spark.createDataFrame([pair for one in worlds for pair in one.pairs], PAIR_DDL)
        self.keep = keep
        self.supported = self.support(BEGIN)
        self.seen: dict[Any, dict[tuple[str, str], Row]] = {}

    def support(self, before: datetime) -> DataFrame:
        acts = history(self.events, self.known, before=before, keep=self.keep)
        return kept(support(self.pairs, acts, self.known, settings=SETTINGS))

    def __call__(self, budget: int, literal: bool = False) -> dict[tuple[str, str], Row]:
        if (budget, literal) not in self.seen:
            self.seen[budget, literal] = self.frames(self.supported, NIGHT, budget, literal)
        return self.seen[budget, literal]

    def frames(self, supported: DataFrame, night: date, budget: int, literal: bool) -> dict[tuple[str, str], Row]:
        settings = SETTINGS.model_copy(update={"budget": budget})
        key = "test@1"
        told = frames(supported, self.known, settings=settings, night=night, template_key=key, literal=literal)
        rows = told.collect()
        found = {(row["user_id"], row["item_id"]): row for row in rows}
        assert len(found) == len(rows)
        return found


def kept(frame: DataFrame) -> DataFrame:
    """Computed once, so that each further question is cheap."""
    return frame.localCheckpoint()


@pytest.fixture(scope="module")
def told(spark: SparkSession) -> Told:
    return Told(spark, [*BASES, *DISTURBED], SETTINGS.history_items)


@pytest.mark.parametrize("budget", [0, 1, 2, 4])
def test_each_pair_has_exactly_the_evidence_that_its_rows_support(told: Told, budget: int) -> None:
    found, most = told(budget), 0
    for one, pair, _ in all_pairs(BASES):
        rows = [
            Expected(
                row["facet"], row["word"], row["value"], row["action"], row["items"], row["item_id"],
                row["last_ts"].replace(tzinfo=UTC),
            )
            for row in found[pair[:2]]["evidence"]
        ]  # fmt: skip
        assert rows == expected(one, pair, budget), pair
        assert [row["id"] for row in found[pair[:2]]["evidence"]] == [f"e{n + 1}" for n in range(len(rows))]
        most = max(most, len(rows))
    assert most == budget


@pytest.mark.parametrize("budget", [0, 2, 4])
def test_the_frame_says_what_the_evidence_says_and_no_more(told: Told, budget: int) -> None:
    found, sizes = told(budget), set()
    for one, pair, item in all_pairs(BASES):
        rows, frame = expected(one, pair, budget), json.loads(found[pair[:2]]["frame"])
        assert frame == expected_frame(item, rows), pair
        sizes |= {row["n"] for row in frame["e"]}
    assert not budget or sizes >= {"one", "few"}


def test_the_literals_hold_what_the_frame_hides(told: Told) -> None:
    recent = set()
    for one, pair, item in all_pairs(BASES):
        hidden = json.loads(told(2)[pair[:2]]["literals"])
        titles = {other["item_id"]: other["title"] for other in one.items}
        rows = expected(one, pair, 2)
        since = BEGIN - timedelta(days=SETTINGS.recent_days)
        assert (hidden["title"], hidden.get("brand")) == (item["title"], item["brand"])
        assert hidden.get("attr") == (item["attributes"][min(item["attributes"])] if item["attributes"] else None)
        assert [(e["count"], e["title"], e.get("value"), e["recent"]) for e in hidden["e"]] == [
            (row.items, titles[row.item_id], row.value, row.last >= since) for row in rows
        ]
        recent |= {e["recent"] for e in hidden["e"]}
    assert recent == {True, False}


def test_order_doubled_events_and_events_from_the_night_on_change_nothing(told: Told) -> None:
    found = told(4)
    for _, (user, item, *_), _ in all_pairs(BASES):
        mine, other = found[user, item], found[f"b{user[1:]}", f"b{item[1:]}"]
        assert [mine[name] for name in ("frame", "literals", "prompt_hash", "fact_hash")] == [
            other[name] for name in ("frame", "literals", "prompt_hash", "fact_hash")
        ]


def test_a_user_without_consent_has_no_evidence(told: Told) -> None:
    refusing = [row for row in told(4).values() if not row["personal"]]
    assert len(refusing) == 8 * len([*BASES, *DISTURBED])
    assert all(json.loads(row["frame"])["e"] == [] == row["evidence"] for row in refusing)


def test_no_user_and_no_item_is_named_in_frame_or_literals(told: Told) -> None:
    for (user, item), row in told(4, literal=True).items():
        text = row["frame"] + row["literals"]
        assert user not in text
        assert "person" not in text
        assert item not in text


def test_another_night_without_a_new_event_gives_the_same_prompts(told: Told) -> None:
    today = told(2)
    later = date(2031, 6, 10)
    bases = told.supported.where("user_id like 'a%'")
    tomorrow = told.frames(bases, later, 2, False)
    assert {key: row["prompt_hash"] for key, row in tomorrow.items()} == {
        key: row["prompt_hash"] for key, row in today.items() if key in tomorrow
    }
    assert any(row["literals"] != today[key]["literals"] for key, row in tomorrow.items())


def test_a_new_event_changes_only_the_prompts_that_it_supports(spark: SparkSession) -> None:
    quiet = renamed(BASES[0], "q1")
    user = quiet.pairs[-1][0]
    frames_of = {}
    for item in quiet.items:  # the first item whose purchase tonight says something new of some pair
        busy = renamed(quiet, "r1")
        busy.events.append((f"r1{user[2:]}", f"r1{item['item_id'][2:]}", "purchase", BEGIN - timedelta(hours=1)))
        for one in (quiet, busy):
            frames_of[one.name] = [expected_frame(item, expected(one, pair, 2)) for _, pair, item in all_pairs([one])]
        news = [n for n in range(len(quiet.pairs)) if frames_of["q1"][n] != frames_of["r1"][n]]
        if news:
            break
    found = Told(spark, [quiet, busy], SETTINGS.history_items)(2)
    before, after = ([found[pair[:2]]["prompt_hash"] for pair in one.pairs] for one in (quiet, busy))
    assert [n for n, one in enumerate(before) if one != after[n]] == news
    assert {quiet.pairs[n][0] for n in news} == {user}
    assert len(news) < sum(pair[0] == user for pair in quiet.pairs)


ODD = (
    *('"', "\\", "[i.title]", "{{ l }}", "</s><|im_end|>", "🏕️ 露营 🏕️", "a\u0000b\u001f\u007f", "é\u0301\u200b", "  "),
    *("line\u2028feed\nend", "x" * 5000, "长" * 500, "a/b", "<script>", "\U0001f9d1\u200d\U0001f33e", "\u0085\u009f"),
)


def odd_world() -> World:
    made = World("o1")
    for n, text in enumerate(ODD):
        for twin in range(2):
            item = {
                "item_id": f"o1-{n:02}-{twin}",
                "title": f"{text} {n}" if twin else text,
                "tags": [text, f"{n} {text}", text.upper()],
                "attributes": {text: text, f"{n}{text}": f"{text}{n}"},
                "category": f"{text}/{text}",
                "brand": text,
                "locale": "zh" if n % 2 else "en",
            }
            made.items.append(item)
    made.events += [("o1-person", item["item_id"], "cart", BEGIN - timedelta(hours=1)) for item in made.items]
    made.pairs += [("o1-person", item["item_id"], "recommendation", True) for item in made.items]
    return made


@pytest.fixture(scope="module")
def odd(spark: SparkSession) -> Told:
    return Told(spark, [odd_world()], 500)


@pytest.mark.parametrize("literal", [False, True])
def test_frames_are_the_canonical_json_that_prompts_read(told: Told, odd: Told, literal: bool) -> None:
    rows = [*told(4, literal=literal).values(), *odd(4, literal=literal).values()]
    for row in rows:
        frame = Frame.from_json(row["frame"])
        assert frame.to_json() == row["frame"]
        assert (frame.literals is not None) == literal
        assert len(Literals.from_json(row["literals"]).evidence) == len(frame.evidence) == len(row["evidence"])
        assert Literals.from_json(row["literals"]).title


def test_odd_texts_become_plain_words_of_bounded_length(odd: Told) -> None:
    found = odd(4, literal=True)
    assert len(found) == 2 * len(ODD)
    assert any(row["evidence"] for row in found.values())
    for row in found.values():
        frame = Frame.from_json(row["frame"])
        hidden = Literals.from_json(row["literals"])
        words = [frame.noun, frame.attribute, *frame.words, *(one.word for one in frame.evidence), hidden.brand]
        assert all(len(word) <= 24 for word in words)
        assert all(len(title) <= 40 for title in (hidden.title, *(one.title for one in hidden.evidence)))
        assert not any(sign in word for word in [*words, hidden.title] for sign in '[]{}<>|\\"`\x00\x1f\x7f')


def test_history_keeps_the_items_touched_last_and_survives_a_clock_before_1970(spark: SparkSession) -> None:
    at = [BEGIN - timedelta(days=days) for days in range(5)]
    names = ["a tie", "b tie", "bought long ago, looked at since", "lamp", "older"]
    known = spark.createDataFrame(list(enumerate(names)), "ordinal long, item_id string")
    rows = [
        ("u", "not in the catalogue", "purchase", at[0]),
        ("one of each", "lamp", "click", at[3]),
        ("one of each", "older", "click", at[2]),
        ("u", "bought long ago, looked at since", "purchase", at[4]),
        ("u", "bought long ago, looked at since", "browse", at[1]),
        ("u", "b tie", "click", at[2]),
        ("u", "a tie", "click", at[2]),
        ("u", "older", "cart", at[3]),
        ("u", "tonight", "cart", BEGIN),
        ("broken clock", "lamp", "click", datetime(1901, 1, 1, tzinfo=UTC)),
    ]
    kept_rows = history(spark.createDataFrame(rows, EVENT_DDL), known, before=BEGIN, keep=2).collect()
    told = [(row["user_id"], names[row["other"]], ACTIONS[row["strength"]], row["minute"]) for row in kept_rows]
    assert len(told) == len(set(told))
    assert set(told) == {
        ("one of each", "lamp", "click", int(at[3].timestamp() // 60)),
        ("one of each", "older", "click", int(at[2].timestamp() // 60)),
        ("u", "bought long ago, looked at since", "purchase", int(at[4].timestamp() // 60)),
        ("u", "a tie", "click", int(at[2].timestamp() // 60)),
        ("broken clock", "lamp", "click", 0),
    }


def test_a_broken_clock_and_values_that_look_alike_when_joined_stop_nothing(spark: SparkSession) -> None:
    def item(item_id: str, attributes: dict[str, str]) -> dict[str, Any]:
        plain = {"title": item_id, "tags": [], "category": None, "brand": None, "locale": "en"}
        return {"item_id": item_id, "title": item_id, "tags": [], "attributes": attributes, **plain}

    items = [item("x1", {"a=b": "c"}), item("x2", {"a": "b=c"}), item("x3", {"a": "b=c"})]
    items = [{name: one[name] for name in ("item_id", "title", "tags", "attributes", "category", "brand", "locale")}
             for one in items]  # fmt: skip
    events = [("u", "x2", "click", datetime(1901, 1, 1, tzinfo=UTC))]
    small = replace(World("x"), items=items, events=events, pairs=[("u", "x1", "r", True), ("u", "x3", "r", True)])
    found = Told(spark, [small], 5)(2)
    assert found["u", "x1"]["evidence"] == []
    assert [(row["action"], row["items"], row["item_id"]) for row in found["u", "x3"]["evidence"]] == [
        ("click", 1, "x2")
    ]
