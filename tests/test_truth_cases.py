"""Our own labelled reasons and sentences (tests/cases): what is planted is stopped, what is true passes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from conftest import ROOT

from reasongen.validation.record import Record
from reasongen.validation.texts import load_text_judge

JUDGE = load_text_judge(ROOT / "conf")
STRICT = ("number", "unit", "user_fact", "brand")


def rows(name: str) -> list[dict[str, Any]]:
    lines = (ROOT / "tests" / "cases" / name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def judged(name: str, locale: str) -> list[tuple[dict[str, Any], str]]:
    """The rows of a language, each with its verdict."""
    own = (row for row in rows(name) if row["locale"] == locale)
    return [(row, JUDGE.check(Record.model_validate(row)).outcome) for row in own]


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_what_is_planted_is_stopped_and_what_is_true_passes(locale: str) -> None:
    found = judged("truth_cases.jsonl", locale)
    planted = [(row, outcome) for row, outcome in found if not row["true"]]
    passed = [row["text"] for row, outcome in planted if outcome == "pass"]
    assert len(passed) <= 0.03 * len(planted), passed
    assert [row["text"] for row, outcome in planted if outcome == "pass" and row["kind"] in STRICT] == []
    true = [outcome for row, outcome in found if row["true"]]
    assert true.count("pass") >= 0.85 * len(true)
    assert true.count("refuse") <= 0.05 * len(true)


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_lively_copy_is_seldom_refused_and_its_faults_are_stopped(locale: str) -> None:
    found = judged("copy_cases.jsonl", locale)
    planted = [(row, outcome) for row, outcome in found if not row["true"]]
    assert sum(outcome == "pass" for _, outcome in planted) <= 0.03 * len(planted)
    assert [row["id"] for row, outcome in planted if outcome == "pass" and row["kind"] in STRICT] == []
    true = [outcome for row, outcome in found if row["true"]]
    assert true.count("refuse") <= 0.1 * len(true)
    assert true.count("pass") >= 0.6 * len(true)


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_what_others_wrote_of_other_items_is_told_apart(locale: str) -> None:
    """Writers who saw no rule: half of the reasons are false, most with the item's own words."""
    found = judged("fresh_cases.jsonl", locale)
    planted = [outcome for row, outcome in found if not row["true"]]
    true = [outcome for row, outcome in found if row["true"]]
    assert planted.count("pass") <= 0.11 * len(planted)
    assert true.count("refuse") <= 0.1 * len(true)
    assert true.count("pass") >= 0.6 * len(true)


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_what_breaks_a_rule_is_stopped_and_what_is_lawful_is_not_refused(locale: str) -> None:
    found = [
        (row, JUDGE.check(Record(text=row["text"], locale=row["lang"]), rules_only=True).outcome)
        for row in rows("policy_cases.jsonl")
        if row["lang"] == locale
    ]
    missed = [row["text"] for row, outcome in found if row["violates"] and outcome == "pass"]
    assert len(missed) <= 0.03 * sum(row["violates"] for row, _ in found), missed
    assert [row["text"] for row, outcome in found if not row["violates"] and outcome == "refuse"] == []
