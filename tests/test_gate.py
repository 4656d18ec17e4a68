"""The gate: each expectation refuses, or warns of, a staged table in which just that is broken, in numbers alone."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from reasongen.config import GateSettings, NightConfig
from reasongen.errors import ConfigError
from reasongen.pipeline.gating import judge_night
from reasongen.pipeline.ledger import Run, record_run
from reasongen.pipeline.preparing import Prepared
from reasongen.pipeline.tools import Tools
from reasongen.quality import GateResult, Measured, Suite, check_staged, check_suites, load_suites
from reasongen.schema import QUALITY, RUNS
from reasongen.tables import create_if_missing

CONF = Path(__file__).resolve().parent.parent / "conf"
SETTINGS = GateSettings(max_fallback_share=0.25, max_quarantined_share=0.25, max_chars=60)
SUITES = load_suites(CONF / "quality").suites
DDL = (
    "user_id string, item_id string, scenario string, reason string, evidence array<string>, source string, "
    "locale string, refused array<struct<sample:int,failures:array<struct<rule:string>>>>, personal boolean, "
    "passed boolean"
)
GOOD: dict[str, Any] = {
    "item_id": "secret-item",
    "scenario": "recommendation",
    "reason": "You looked at three tents lately.",
    "evidence": ["e1"],
    "source": "model",
    "locale": "en",
    "refused": [],
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
    return check_staged(frame(spark, changed), SUITES, told(rows if expected is None else expected, kept), None)


def frame(spark: SparkSession, rows: list[dict[str, Any]]) -> DataFrame:
    names = [part.split()[0] for part in DDL.split(", ")]
    return spark.createDataFrame([tuple(row[name] for name in names) for row in rows], DDL)


def told(expected: int, kept: int = 0, **other: int) -> dict[str, Any]:
    """What a night tells the gate, in which all candidates are pairs."""
    counts = {"candidates": expected + kept, "pairs": expected + kept, "rejected": 0, "skipped": 0, "faulty": 0}
    places = {"staged": "delta.`s`", "runs": "delta.`r`", "run_id": "x"}
    return {**SETTINGS.model_dump(), **counts, "expected": expected, "kept": kept, **places, **other}


def failed(result: GateResult) -> set[str]:
    return {check.name for check in result.checks if not check.passed}


def test_a_good_table_passes_with_a_share_of_fallbacks_and_refusals(spark: SparkSession) -> None:
    result = judged(spark, FALLBACK, FALLBACK, REFUSED)
    assert result.passed
    assert result.refusals == []
    assert sum(check.verdict == "held" for check in result.checks) == 12
    assert {check.severity for check in result.checks if check.verdict == "unjudged"} == {"warn"}


CASES: dict[str, list[dict[str, Any]]] = {
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
    assert [check.line().split(": wanted ")[0] for check in result.refusals] == [name]
    assert "; look: SELECT " in result.refusals[0].line()


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


def test_pages_are_written_into_a_relative_folder_too(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check_staged(frame(spark, [{"user_id": "u", **GOOD}]), SUITES, told(1), None, Path("docs"))
    assert (tmp_path / "docs" / "index.html").is_file()


def test_pages_that_cannot_be_written_stop_no_night(
    spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    gate = check_staged(frame(spark, [{"user_id": "u", **GOOD}]), SUITES, told(1), None, tmp_path / "file" / "docs")
    assert gate.passed
    assert "wanted to write pages" in caplog.text


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
    for text in (result.to_json(), *(check.line() for check in result.refusals)):
        assert "secret" not in text
        assert "e1" not in text
    assert all(isinstance(check["found"], int | float | None) for check in stored["checks"])


def test_candidates_that_ended_nowhere_refuse(spark: SparkSession) -> None:
    staged = frame(spark, [{"user_id": f"u{n}", **GOOD} for n in range(4)])
    assert failed(check_staged(staged, SUITES, told(4, candidates=5), None)) == {"lost_candidates"}


def usual(nights: int = 4) -> dict[str, list[Measured]]:
    """Earlier nights whose reasons were like GOOD."""
    numbers = {"mean_chars": 33.0, "top_opening_share": 1.0, "personal_share": 1.0, "refused_share": 0.0}
    numbers |= {"usual_fallback_share": 0.0, "reasons": 200.0, "candidates": 200.0, "rejected_share": 0.0}
    parts = {"locales": {"en": 1.0}, "rules": {"none": 1.0}}
    past = {name: [Measured(number)] * nights for name, number in numbers.items()}
    return past | {name: [Measured(None, shares)] * nights for name, shares in parts.items()}


REFUSED_ONCE: dict[str, Any] = {"refused": [(0, [("R01",)])]}
DRIFTS: dict[str, dict[str, Any]] = {
    "mean_chars": {"reason": "You looked at " + "three " * 6 + "tents."},
    "top_opening_share": {"reason": "Tents are what you looked at now."},
    "personal_share": {"evidence": []},
    "locales": {"locale": "zh", "reason": "You looked at three tents lately."},
    "usual_fallback_share": FALLBACK | {"reason": GOOD["reason"], "evidence": ["e1"], "personal": True},
}


@pytest.mark.parametrize("name", [*DRIFTS, "rules"])
def test_a_night_unlike_the_last_ones_is_warned_of_and_published(spark: SparkSession, name: str) -> None:
    changed = DRIFTS.get(name, REFUSED_ONCE)
    odd = 200 if name == "mean_chars" else 45
    rows = [{"user_id": f"u{n}", **GOOD, **(changed if n < odd else {})} for n in range(200)]
    result = check_staged(frame(spark, rows), SUITES, told(200), usual())
    assert failed(result) == ({name, "refused_share"} if name == "rules" else {name, *_WITH.get(name, ())})
    assert result.passed
    assert {check.verdict for check in result.warnings} == {"warned"}


_WITH: dict[str, set[str]] = {"locales": {"top_opening_share"}}  # an opening in Chinese is counted in characters


@pytest.mark.parametrize(("rows", "nights"), [(199, 4), (200, 2)])
def test_a_small_night_and_the_first_nights_say_nothing(spark: SparkSession, rows: int, nights: int) -> None:
    staged = frame(spark, [{"user_id": f"u{n}", **GOOD, **DRIFTS["mean_chars"]} for n in range(rows)])
    result = check_staged(staged, SUITES, told(rows), usual(nights))
    assert failed(result) == set()
    chars = next(check for check in result.checks if check.name == "mean_chars")
    assert (chars.verdict, chars.usable) == ("unjudged", rows == 200)
    assert chars.wanted == ("at least 200 rows" if rows < 200 else "3 nights before (2 so far)")


def test_every_query_of_the_suites_can_be_asked(spark: SparkSession, tmp_path: Path) -> None:
    from reasongen.schema import STAGED

    places = {"staged": f"delta.`{tmp_path}/staged`", "runs": f"delta.`{tmp_path}/runs`"}
    for name, table in {"staged": STAGED, "runs": RUNS}.items():
        create_if_missing(spark, f"{tmp_path}/{name}", table)
    for suite in SUITES:
        for one in suite.expectations.values():
            spark.sql(one.look.format_map(told(1) | places))  # read, not run


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"measure": "{nobody} + 1", "max": 0}, "wanted in braces one of"),
        ({"measure": "count(*)", "shares": "locale", "max": 0}, "exactly one of measure and shares"),
        ({"measure": "count(*)"}, "give min and max"),
    ],
)
def test_a_faulty_suite_says_what_it_wants(tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    asked = {"x": {"severity": "warn", "look": "SELECT 1", **wrong}}
    (tmp_path / "own.yaml").write_text(
        json.dumps({"table": "staged", "window": {"size": "1"}, "expectations": asked}), encoding="utf-8"
    )
    with pytest.raises(ConfigError, match=said):
        load_suites(tmp_path)


def test_sql_that_no_table_answers_is_refused_before_a_token(spark: SparkSession) -> None:
    one = {"measure": "max(lenght)", "max": 1, "severity": "warn", "look": "SELECT 1"}
    suite = Suite.model_validate({"table": "staged", "window": {"size": "1"}, "expectations": {"own": one}})
    check_suites(spark, SUITES)
    with pytest.raises(ConfigError, match=r"quality: staged\.own: .*lenght"):
        check_suites(spark, [suite])


def test_nights_are_compared_with_published_ones_and_leave_table_and_pages(spark: SparkSession, tmp_path: Path) -> None:
    places = {name: {"path": "nowhere"} for name in ("events", "items", "candidates")}
    config = NightConfig.model_validate({"root": str(tmp_path), "inputs": places, "gate": SETTINGS.model_dump()})
    for table in (RUNS, QUALITY):
        create_if_missing(spark, f"{tmp_path}/{table.name}", table)

    def night(day: int, words: str, status: str) -> Run:
        run = Run(f"2026-03-{day:02d}-recommendation-{day:06d}", date(2026, 3, day), "recommendation", day, status)
        run.pairs = {"kept": 0}
        rows = [{"user_id": f"secret-{n}", **GOOD, "reason": words} for n in range(200)]
        made = Prepared("", "", {"candidates": 200, "pairs": 200}, {})
        judge_night(spark, config, _tools(), run, frame(spark, rows), made, planned=200, kept=0)
        record_run(f"{tmp_path}/runs", run)
        return run

    usual_words, odd = "You looked at three tents lately.", "You looked at a tent."
    for day in (1, 2, 3):
        night(day, odd, "refused")
    for day in (4, 5):
        assert night(day, usual_words, "published").warnings() == []
    assert night(6, odd, "published").warnings() == []  # two nights are no measure
    warned = night(7, odd, "published").warnings()
    assert [check["name"] for check in warned] == ["mean_chars"]
    assert "staging/2026-03-07-recommendation-000007/staged" in warned[0]["look"]
    told = spark.read.format("delta").load(f"{tmp_path}/quality").where("night = '2026-03-07'").collect()
    assert {row["name"]: row["verdict"] for row in told}["mean_chars"] == "warned"
    assert {row["name"]: row["parts"] for row in told}["locales"] == {"en": 1.0}
    pages = list((tmp_path / "report" / "quality" / "recommendation").rglob("*.html"))
    assert any("staged" in page.name and "mean_chars" in page.read_text("utf-8") for page in pages)
    stored = "".join([page.read_text("utf-8") for page in pages] + [str(row) for row in told])
    assert all(words not in stored for words in ("secret", "tents lately", odd, "You looked"))


def _tools() -> Tools:
    class Only:
        suites = load_suites(CONF / "quality")

    return Only()  # type: ignore[return-value]
