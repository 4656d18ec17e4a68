"""The gate: each check refuses a staged table in which just that is broken, and says so in numbers alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pyspark.sql import SparkSession

from reasongen.config import GateSettings
from reasongen.quality import GateResult, check_staged

SETTINGS = GateSettings(max_fallback_share=0.25, max_quarantined_share=0.25, max_chars=60)
DDL = (
    "user_id string, item_id string, scenario string, reason string, evidence array<string>, source string, "
    "personal boolean, passed boolean"
)
GOOD: dict[str, Any] = {
    "item_id": "secret-item",
    "scenario": "recommendation",
    "reason": "You looked at three tents lately.",
    "evidence": ["e1"],
    "source": "model",
    "personal": True,
    "passed": True,
}
FALLBACK = {"source": "fallback", "reason": "Here is a tent to consider.", "evidence": [], "personal": False}
REFUSED = {"reason": None, "source": None, "passed": False}


def judged(
    spark: SparkSession, *broken: dict[str, Any], rows: int = 8, expected: int | None = None, kept: int = 0
) -> GateResult:
    """The verdict on good rows, the first of which are changed by `broken`."""
    changed = [{"user_id": f"secret-user-{n}", **GOOD, **(broken[n] if n < len(broken) else {})} for n in range(rows)]
    names = [part.split()[0] for part in DDL.split(", ")]
    staged = spark.createDataFrame([tuple(row[name] for name in names) for row in changed], DDL)
    return check_staged(staged, SETTINGS, expected=rows if expected is None else expected, kept=kept)


def failed(result: GateResult) -> set[str]:
    return {check["name"] for check in result.checks if not check["passed"]}


def test_a_good_table_passes_with_a_share_of_fallbacks_and_refusals(spark: SparkSession) -> None:
    result = judged(spark, FALLBACK, FALLBACK, REFUSED)
    assert result.passed
    assert result.refusals() == []
    assert len(result.checks) == 11


CASES = {
    "doubled_keys": [{"user_id": "secret-user-7"}],
    "null_keys": [{"user_id": None}],
    "unfilled_marks": [{"reason": "You bought [e1.items]."}],
    "fallback_share": [FALLBACK] * 3,
    "quarantined_share": [REFUSED] * 3,
    "passed_without_reason": [{"reason": None}],
    "reason_without_pass": [{"passed": False}],
    "personal_without_consent": [{"personal": False}],
    "longest": [{"reason": "secret " * 20}],
}


@pytest.mark.parametrize("name", CASES)
def test_one_fault_refuses_the_whole_night(spark: SparkSession, name: str) -> None:
    result = judged(spark, *CASES[name])
    assert failed(result) == {name}
    assert not result.passed
    assert [line.split(": wanted ")[0] for line in result.refusals()] == [name]


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        ({"reason": ""}, "passed_without_reason"),
        ({"passed": None}, "reason_without_pass"),
        ({"personal": None}, "personal_without_consent"),
        ({"item_id": None}, "null_keys"),
        ({"reason": "A tent by [i.brand]."}, "unfilled_marks"),
    ],
)
def test_what_is_unknown_counts_against_the_night(spark: SparkSession, broken: dict[str, Any], name: str) -> None:
    assert failed(judged(spark, broken)) == {name}


def test_a_missing_row_refuses(spark: SparkSession) -> None:
    assert failed(judged(spark, expected=9)) == {"rows"}


def test_kept_reasons_dilute_the_shares_and_an_empty_night_is_refused(spark: SparkSession) -> None:
    assert judged(spark, *[FALLBACK] * 3, kept=4).passed
    assert judged(spark, rows=0, kept=1).passed
    assert failed(judged(spark, rows=0)) == {"pairs"}


def test_the_result_holds_no_word_of_a_row(spark: SparkSession) -> None:
    result = judged(spark, {"reason": "secret [e1.title] " * 9}, {"user_id": None})
    stored = json.loads(result.to_json())
    assert stored["passed"] is False
    assert {"longest", "unfilled_marks", "null_keys"} <= failed(result)
    for text in (result.to_json(), *result.refusals()):
        assert "secret" not in text
        assert "e1" not in text
    assert all(isinstance(check["found"], int | float) for check in stored["checks"])
