"""What tells of a person's health, belief or money is never evidence: the lists, and what Spark makes of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nights import night_over
from pyspark.sql import SparkSession

from reasongen.config import load_settings
from reasongen.errors import ConfigError
from reasongen.evidence.private import is_private
from reasongen.pipeline import generate_night
from reasongen.validation import load_private
from reasongen.validation.private import PrivateWords

PRIVACY = Path(__file__).resolve().parent.parent / "conf" / "privacy"
PRIVATE = load_private(PRIVACY, ["zh", "en"])
DDL = "title string, category string, tags array<string>, attributes map<string,string>"

TELLING = (
    "Blood  Pressure monitor", "Fits your INSULIN pen", "prayer mat", "Debt planner", "condoms, 12 pieces",
    "For pregnancy", "家用血压计", "孕妇适用", "檀木佛珠", "戒烟贴", "成人用品",
)  # fmt: skip
HARMLESS = (
    "hypoallergenic pillow", "pill-free sweater", "aromatherapy oil", "kitchen thermometer", "Churchill desk lamp",
    "保险箱", "佛手柑茶", "芍药花茶", "保温杯", "",
)  # fmt: skip


@pytest.mark.parametrize("text", TELLING)
def test_a_telling_text_is_private(text: str) -> None:
    assert re.search(PRIVATE.pattern, text.lower())


@pytest.mark.parametrize("text", HARMLESS)
def test_a_harmless_one_is_not(text: str) -> None:
    assert not re.search(PRIVATE.pattern, text.lower())


@given(words=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="*"), min_size=1), min_size=1))
def test_every_listed_word_is_found_whatever_it_is_made_of(words: list[str]) -> None:
    for locale in ("zh", "en"):
        pattern = PrivateWords(locale=locale, version=1, source="a test", words={"any": tuple(words)}).pattern
        for word in words:
            assert re.search(pattern, f"a {word.lower()} b")


def test_spark_reads_the_lists_as_python_does_in_every_text_of_an_item(spark: SparkSession) -> None:
    rows, wanted = [], []
    for text in (*TELLING, *HARMLESS):
        places = [(text, "x", ["x"], {"x": "x"}), ("x", text, ["x"], {"x": "x"}), ("x", None, ["x", text], None)]
        rows += [*places, (None, "x", None, {"x": text}), ("x", "x", [], {text or "x": "y"})]
        wanted += [text in TELLING] * 5
    found = spark.createDataFrame(rows, DDL).select(is_private(PRIVATE).alias("private")).collect()
    assert [row["private"] for row in found] == wanted


def test_a_list_without_words_keeps_nothing_back() -> None:
    for locale in ("zh", "en"):
        pattern = PrivateWords(locale=locale, version=1, source="a test", words={}).pattern
        assert not re.search(pattern, "insulin 孕妇")


def test_a_language_without_its_list_stops_the_night(tmp_path: Path) -> None:
    (tmp_path / "en.yaml").write_text((PRIVACY / "en.yaml").read_text())
    assert load_settings(PrivateWords, tmp_path / "en.yaml").locale == "en"
    with pytest.raises(ConfigError, match=r"zh\.yaml: wanted a YAML file"):
        load_private(tmp_path, ["zh", "en"])


@pytest.mark.slow
def test_no_night_rests_a_reason_on_a_private_item(spark: SparkSession, small_world: Path, tmp_path: Path) -> None:
    """By another reader, from the tables: neither side of a row of evidence is one of the planted items."""
    run = generate_night(spark, night_over(small_world, tmp_path / "lake"))
    private = pl.Series(json.loads((small_world / "world.json").read_text())["odd_items"]["private"])
    assert run.codes["items.private"] == len(private) == 4
    events = pl.read_delta(str(small_world / "events"))
    assert events["item_id"].is_in(private.implode()).sum() > 0
    shown = pl.read_delta(str(tmp_path / "lake" / "reasons"))
    rests_on = shown.explode("evidence").select(pl.col("evidence").struct.field("item_id")).drop_nulls()["item_id"]
    assert not rests_on.is_in(private.implode()).any()
    of_private = shown.filter(pl.col("item_id").is_in(private.implode()))
    assert of_private.height > 0
    assert of_private["evidence"].list.len().sum() == 0
