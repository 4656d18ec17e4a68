"""What is withdrawn is gone in one commit, and no later night writes it again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from forgotten import ROOT, config_of
from pyspark.sql import SparkSession

from reasongen.errors import ConfigError
from reasongen.pipeline import attempt, generate_night, withdraw, withdrawing
from reasongen.prompts import load_locales
from reasongen.validation import Withdrawn, load_policy, plain

LENIENT = ("gate.max_fallback_share=1", "gate.max_quarantined_share=1")


@pytest.fixture
def lake(lake_after_a_night: Path, tmp_path: Path) -> Path:
    """A copy, for one test."""
    shutil.copytree(lake_after_a_night, tmp_path / "lake")
    return tmp_path / "lake"


def reasons(lake: Path) -> pl.DataFrame:
    """The published table, as polars reads it."""
    return pl.read_delta(str(lake / "reasons"))


def version(lake: Path) -> int:
    return DeltaTable(lake / "reasons").version()


def wide(term: str) -> str:
    """The same letters, full width."""
    return "".join(chr(ord(letter) + 0xFEE0) if "!" <= letter <= "~" else letter for letter in term)


def test_an_item_a_term_and_a_skeleton_go_at_once_and_stay_away(spark: SparkSession, lake: Path) -> None:
    config, before = config_of(lake), reasons(lake)
    item = before["item_id"].sort()[0]
    by_model = before.filter(pl.col("source") == "model")
    skeleton = by_model["skeleton_hash"].value_counts().sort("count")["skeleton_hash"][-1]
    term = next(
        word
        for word in by_model.filter(pl.col("locale") == "en")["reason"][0].split()
        if word.isalpha() and len(word) > 4
    )
    held = {
        "item": pl.col("item_id") == item,
        "reason": pl.col("skeleton_hash") == skeleton,
        "term": pl.col("reason").str.to_lowercase().str.contains(term.lower(), literal=True),
    }
    for kind, value in (("item", item), ("reason", skeleton), ("term", wide(term).upper())):
        stood, wanted = version(lake), reasons(lake).filter(held[kind]).height
        assert withdraw(spark, config, kind, value, dry_run=True).reasons == wanted > 0
        assert version(lake) == stood
        done = withdraw(spark, config, kind, value)
        assert (done.state, done.reasons, version(lake)) == ("withdrawn", wanted, stood + 1)
        assert reasons(lake).filter(held[kind]).height == 0
        assert withdraw(spark, config, kind, value).state == "unchanged"
        assert version(lake) == stood + 1
    left = reasons(lake)
    run = generate_night(spark, config_of(lake, *LENIENT))
    after = reasons(lake)
    assert [after.filter(mark).height for mark in held.values()] == [0, 0, 0]
    assert run.pairs["skipped.withdrawn"] == before.filter(held["item"]).height
    assert run.pairs["kept"] == left.height
    assert run.pairs["fallback"] > 0
    assert run.tokens_out == 0
    assert after.height == before.height - before.filter(held["item"]).height - run.pairs.get("quarantined", 0)


@pytest.mark.slow
def test_what_is_withdrawn_while_a_night_publishes_is_not_published(
    spark: SparkSession, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item, real = reasons(lake)["item_id"].sort()[0], attempt.publish

    def late(*given: Any, **named: Any) -> int:
        withdraw(spark, config_of(lake), "item", item)
        return real(*given, **named)

    monkeypatch.setattr(attempt, "publish", late)
    assert generate_night(spark, config_of(lake, "engine.seed=3")).status == "published"
    assert reasons(lake).filter(pl.col("item_id") == item).height == 0


def test_what_was_withdrawn_before_a_night_read_the_list_is_not_taken_out_after_it(
    spark: SparkSession, lake: Path
) -> None:
    """The night heeded it; what it published all the same, people had accepted again."""
    config, hashes = config_of(lake), reasons(lake)["skeleton_hash"].unique().sort()
    before, older, later = version(lake), hashes[0], hashes[1]
    withdraw(spark, config, "reason", older)
    DeltaTable(lake / "reasons").restore(before)
    seen = withdrawing.read_withdrawals(spark, config.root)
    withdraw(spark, config, "reason", later)
    DeltaTable(lake / "reasons").restore(before)
    gone = reasons(lake).filter(pl.col("skeleton_hash") == later).height
    assert withdrawing.take_down_since(spark, config, seen) == gone > 0
    assert reasons(lake).filter(pl.col("skeleton_hash") == older).height > 0
    seen = withdrawing.read_withdrawals(spark, config.root)
    assert withdrawing.take_down_since(spark, config, seen) == 0


RULE = "X01_looked"
BROKEN = (pl.col("locale") == "en") & pl.col("reason").str.contains(r"(?i)\blooked\b")


def add_rule(folder: Path) -> None:
    """What a team's file says: in English nobody is told that he looked."""
    (folder / "en" / f"{RULE}.yaml").write_text(
        f"id: {RULE}\nversion: 1\njurisdiction: any\nlocale: en\nsource: a test\naction: block\n"
        "checks:\n  - {kind: terms, terms: [looked]}\n"
    )


@pytest.mark.slow
def test_what_a_rule_refuses_goes_at_once_and_stays_away(spark: SparkSession, lake: Path, tmp_path: Path) -> None:
    policies = Path(shutil.copytree(ROOT / "conf" / "policies", tmp_path / "policies"))
    config, before, stood = config_of(lake, f"policies={policies}", *LENIENT), reasons(lake), version(lake)
    assert withdraw(spark, config, "rule", "R01_absolute").reasons == 0
    with pytest.raises(ConfigError, match=r"wanted the id of a rule .* Try R0"):
        withdraw(spark, config, "rule", RULE)
    add_rule(policies)
    broken = before.filter(BROKEN).height
    assert withdraw(spark, config, "rule", RULE, dry_run=True).reasons == broken > 0
    assert version(lake) == stood
    done = withdraw(spark, config, "rule", RULE)
    assert (done.state, done.reasons, version(lake)) == ("withdrawn", broken, stood + 1)
    left = reasons(lake)
    assert left.sort("user_id", "item_id").equals(before.filter(~BROKEN).sort("user_id", "item_id"))
    assert withdraw(spark, config, "rule", RULE).state == "unchanged"
    assert version(lake) == stood + 1
    run = generate_night(spark, config)
    after = reasons(lake)
    assert after.filter(BROKEN).height == 0
    assert after.height == before.height - run.pairs.get("quarantined", 0) > left.height


def test_a_rule_of_a_category_holds_for_every_noun_of_its_class() -> None:
    classes = {"en": load_locales(ROOT / "conf" / "locales")["en"].class_of}
    told = [("cake", "food"), ("lamp", "lamp"), (None, "gone item")]
    batch = pa.RecordBatch.from_pylist(
        [{"locale": "en", "noun": noun, "reason": "It boosts your metabolism.", "gone": gone} for noun, gone in told],
        pa.schema([(name, pa.string()) for name in ("locale", "noun", "reason", "gone")]),
    )
    policy = load_policy(str(ROOT / "conf" / "policies"))
    (found,) = withdrawing._breaking(policy, classes, frozenset({"R03_food_health"}))(iter([batch]))
    assert found.column("gone").to_pylist() == ["food", "gone item"]


@pytest.mark.long
def test_what_a_rule_refuses_since_a_night_began_is_not_published(
    spark: SparkSession, lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policies = Path(shutil.copytree(ROOT / "conf" / "policies", tmp_path / "policies"))
    config, real, broken = config_of(lake, f"policies={policies}", "engine.seed=3", *LENIENT), attempt.publish, [0]

    def late(*given: Any, **named: Any) -> int:
        add_rule(policies)
        broken[0] = withdraw(spark, config, "rule", RULE).reasons
        return real(*given, **named)

    monkeypatch.setattr(attempt, "publish", late)
    run = generate_night(spark, config)
    assert run.status == "published"
    assert run.pairs["removed"] > 0
    assert broken[0] > 0
    assert reasons(lake).filter(BROKEN).height == 0


def test_a_torn_commit_does_not_keep_a_reason_up(spark: SparkSession, lake: Path) -> None:
    """Half of a commit is left of what was withdrawn before: that is done again, and so is this."""
    config = config_of(lake)
    first, second = reasons(lake)["item_id"].unique().sort()[:2]
    withdraw(spark, config, "item", first)
    for name in ("withdrawals", "reasons"):
        last = max((lake / name / "_delta_log").glob("0*.json"))
        last.write_bytes(last.read_bytes()[:40])
    withdraw(spark, config, "item", second)
    assert reasons(lake).filter(pl.col("item_id") == second).height == 0
    assert reasons(lake).filter(pl.col("item_id") == first).height > 0
    withdraw(spark, config, "item", first)
    assert reasons(lake).filter(pl.col("item_id").is_in([first, second])).height == 0


def test_nothing_to_withdraw_is_a_fault(spark: SparkSession, lake: Path) -> None:
    with pytest.raises(ConfigError, match="wanted what to withdraw"):
        withdraw(spark, config_of(lake), "term", " ")


@pytest.mark.parametrize("text", ["A Miracle Cure.", "a ＭＩＲＡＣＬＥ cure", "the miracle cures"])
def test_a_term_is_found_whatever_its_case_and_width(text: str) -> None:
    assert Withdrawn((plain("miracle CURE"),)).failures(text, "") != ()


def test_only_what_is_withdrawn_is_found() -> None:
    withdrawn = Withdrawn(("miracle",), frozenset({"hash"}))
    assert withdrawn.failures("A cure.", "other") == ()
    assert [failure.rule for failure in withdrawn.failures("A miracle.", "hash")] == ["withdrawn", "withdrawn"]
    assert Withdrawn().failures("A miracle.", "hash") == ()
