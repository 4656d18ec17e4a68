"""Labelled reasons meet what was known at their time, by the night's own road; only what is true is taught."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyspark.sql import SparkSession
from small_tables import at, csv, delta, jsonl

from reasongen.config import ExampleConfig, load_settings
from reasongen.errors import ContractError
from reasongen.evaluation.labelled import read_labelled
from reasongen.pipeline import examples as made_of
from reasongen.pipeline import forget_users, make_examples, withdraw
from reasongen.pipeline.examples import Examples

ROOT = Path(__file__).resolve().parent.parent
EVENTS = [
    ("u1", "i1", "click", at("2026-01-10")),
    ("u1", "i2", "purchase", at("2026-02-20")),
    ("u2", "i1", "purchase", at("2026-02-01")),
    ("u3", "i1", "purchase", at("2026-02-01")),
    ("u4", "i1", "purchase", at("2026-03-01")),
]
ITEMS = [
    {"item_id": "i1", "title": "Dune parasol", "tags": ["waterproof"], "category": "garden/parasol", "locale": "en"},
    {"item_id": "i2", "title": "Old camp", "tags": ["light"], "category": "outdoor/tent", "locale": "en"},
    {"item_id": "i3", "title": "Ridgewind two", "tags": ["waterproof", "light"], "category": "outdoor/tent",
     "locale": "en"},
    {"item_id": "i4", "title": "", "locale": "en"},
]  # fmt: skip
USERS = "user_id,tags,personalise,minor\nu1,,true,no\nu2,,false,no\nu3,,true,yes\nu4,,true,no\n"
WATERPROOF = "You clicked one product that is waterproof, and this tent is waterproof too."


def label(user: str | None, reason: str | None, item: str = "i3", **more: Any) -> dict[str, Any]:
    return {"user_id": user, "item_id": item, "reason": reason, "split": "train", **more}


LABELS = [
    label("u1", WATERPROOF, ts="2026-01-15 00:00:00"),
    label("u1", "This tent is waterproof and light, and it cures every cold.", ts="2026-03-01 00:00:00", split="test"),
    label("u1", "The best tent in the world!"),
    label("u2", "Ridgewind two: a light tent.", split="validation"),
    label("u3", "This tent is light."),
    label(None, "A light and waterproof tent."),
    label("u4", "This one is really a light tent, for everybody."),
    label("u4", "this one is really A LIGHT tent for everybody!", split="test"),
    label("u4", "A split that nobody knows.", split="dev"),
    label("u4", " "),
    label("u4", "About nothing at all.", item=""),
    label("u4", "About nothing that is there.", item="i9"),
    label("u4", "About an item without a title.", item="i4"),
]


def config_of(spark: SparkSession, folder: Path, labels: list[dict[str, Any]]) -> ExampleConfig:
    """Settings over four small tables and these labels."""
    sources = {
        "events": delta(spark, folder / "events", EVENTS, "user_id string, item_id string, event string, ts timestamp"),
        "items": jsonl(folder / "items.jsonl", ITEMS),
        "users": csv(folder / "users.csv", USERS),
    }
    sets = [f"inputs.{name}.{key}={getattr(one, key)}" for name, one in sources.items() for key in ("path", "format")]
    where = jsonl(folder / "references.jsonl", labels)
    sets += [f"references={json.dumps({'path': where.path, 'format': 'jsonl'})}", f"root={folder}/lake"]
    sets += ["engine.backend=scripted", "night=2026-03-02", f"template={ROOT}/conf/prompts/reference.yaml"]
    base = folder / "references.yaml"
    base.write_text(f"extends: {ROOT}/conf/local.yaml\n", encoding="utf-8")
    return load_settings(ExampleConfig, base, sets)


@pytest.fixture(scope="module")
def made(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Examples, list[dict[str, Any]]]:
    """What the job says, and the rows that polars reads."""
    config = config_of(spark, tmp_path_factory.mktemp("examples"), LABELS)
    done = make_examples(spark, config)
    return done, pl.read_delta(done.place).to_dicts()


def row_of(made: tuple[Examples, list[dict[str, Any]]], reason: str) -> dict[str, Any]:
    return next(row for row in made[1] if row["reason"].startswith(reason))


def test_evidence_is_what_was_known_before_the_label(made: Any) -> None:
    early = json.loads(row_of(made, "You clicked")["frame"])
    late = json.loads(row_of(made, "This tent is waterproof and")["frame"])
    assert [(row["f"], row.get("w"), row["a"]) for row in early["e"]] == [("tag", "waterproof", "click")]
    assert {(row["f"], row.get("w"), row["a"]) for row in late["e"]} >= {("category", None, "purchase")}


def test_what_the_facts_say_is_taught_as_marks_and_the_rest_is_cut(made: Any) -> None:
    taught = row_of(made, "You clicked")
    assert taught["target"] == "You clicked [e1.items] that is [e1.word], and [i.this] is [e1.word] too."
    assert (taught["marks"], taught["borne"]) == (4, taught["claims"])
    assert row_of(made, "This tent is waterproof and")["target"].startswith("[i.this] is [")
    assert "cures" not in row_of(made, "This tent is waterproof and")["target"]
    assert row_of(made, "The best tent")["target"] is None


def test_without_consent_or_a_user_the_catalogue_alone_is_evidence(made: Any) -> None:
    for reason in ("Ridgewind two", "A light and"):
        assert json.loads(row_of(made, reason)["frame"])["e"] == []
    assert row_of(made, "A light and")["user_id"] is None


def test_each_label_is_a_row_or_a_code(made: Any) -> None:
    done, rows = made
    assert done.codes == {
        "minor": 1, "null_item_id": 1, "unknown_split": 1, "no_reason": 1, "unknown_item": 1, "item_rejected": 1,
        "leaked": 1,
    }  # fmt: skip
    assert done.labels == len(LABELS) == len(rows) + sum(done.codes.values())
    assert sum(one["rows"] for one in done.splits.values()) == len(rows)


def test_words_that_are_held_out_are_not_taught(made: Any) -> None:
    assert [row["split"] for row in made[1] if "really" in row["reason"]] == ["test"]


def test_training_reads_it_without_spark(made: Any) -> None:
    pairs = read_labelled(made[0].place, ["train"])
    assert {pair.split for pair in pairs} == {"train"}
    assert any(pair.target and pair.target.startswith("You clicked [e1.items]") for pair in pairs)


def test_splits_are_drawn_by_item_and_user(spark: SparkSession, tmp_path: Path) -> None:
    """Training meets no item and no user of the other splits, and each split gets some."""
    from pyspark.sql import functions as F

    from reasongen.tables.labels import clean_references

    frame = spark.range(4000).select(
        F.concat(F.lit("u"), F.col("id") % 400).alias("user_id"),
        F.concat(F.lit("i"), F.floor(F.col("id") / 40)).alias("item_id"),
        F.lit("words").alias("reason"), F.lit(None).cast("string").alias("split"),
        F.lit(None).cast("timestamp").alias("ts"), F.lit(False).alias("malformed"),
    )  # fmt: skip
    rows = clean_references(frame).collect()
    met = {name: {row[name] for row in rows if row["split"] == "train"} for name in ("user_id", "item_id")}
    for split in ("validation", "test"):
        held = [row for row in rows if row["split"] == split]
        assert 0.05 < len(held) / len(rows) < 0.3
        assert all(row["user_id"] not in met["user_id"] or row["item_id"] not in met["item_id"] for row in held)


@pytest.mark.slow
def test_the_forgotten_leave_the_examples_and_do_not_come_back(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REASONGEN_FORGET_KEY", "a key for the tests alone, 0123456789")
    config = config_of(spark, tmp_path, LABELS)
    place = make_examples(spark, config).place
    receipt = forget_users(spark, config, ["u1"])
    assert receipt.tables["examples"].rows == 3
    assert "u1" not in pl.read_delta(place)["user_id"].to_list()
    again = make_examples(spark, config)
    assert again.codes["suppressed"] == 3
    assert "u1" not in pl.read_delta(place)["user_id"].to_list()
    monkeypatch.setattr(made_of, "read_suppressed", lambda *_: None)  # as if the list was read a moment before
    late = make_examples(spark, config)
    assert "suppressed" not in late.codes
    assert "u1" not in pl.read_delta(place)["user_id"].to_list()


@pytest.mark.slow
def test_what_was_taken_down_is_not_taught(spark: SparkSession, tmp_path: Path) -> None:
    labels = [
        label("u4", "This tent is waterproof and light."),
        label("u4", "A light tent, this one.", split="validation"),
        label("u4", "Old camp is a light tent.", item="i2"),
    ]
    config = config_of(spark, tmp_path, labels)
    withdraw(spark, config, "term", "Waterproof")
    withdraw(spark, config, "item", "i2")
    done = make_examples(spark, config)
    assert done.codes == {"withdrawn": 1}
    targets = {row["reason"]: row["target"] for row in pl.read_delta(done.place).to_dicts()}
    assert targets["This tent is waterproof and light."] is None
    assert targets["A light tent, this one."] is not None


def test_a_fault_of_the_labels_stops_before_anything_is_written(spark: SparkSession, tmp_path: Path) -> None:
    labels = [{"user_id": "u1", "item_id": "i3", "words": "no such column"}]
    with pytest.raises(ContractError, match=r"references\.reason: wanted"):
        make_examples(spark, config_of(spark, tmp_path, labels))
    assert not (tmp_path / "lake").exists()
