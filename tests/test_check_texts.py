"""The job: a line for a line, in order, whatever the lines hold; exit codes; nothing done on import."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from conftest import ROOT, SHARED

from reasongen.validation.record import Record
from reasongen.validation.texts import load_text_judge

JOB = ROOT / "jobs" / "check_texts.py"
CASES = SHARED / "truth_cases.jsonl"
MUG: dict[str, Any] = {"title": "Stoneware mug, blue", "attributes": {"Capacity": "300 ml"}, "category": "Home/Mugs"}


def job() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_texts", JOB)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(tmp_path: Path, capfdbinary: Any, lines: list[bytes], *options: str) -> list[dict[str, Any]]:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert job().main([str(path), *options]) == 0
    return [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]


def line(text: str, **more: Any) -> bytes:
    return json.dumps({"text": text, "locale": "en", "item": MUG, **more}).encode()


def test_a_line_for_a_line_in_order(tmp_path: Path, capfdbinary: Any) -> None:
    lines = [line("A blue stoneware mug."), line("The best mug ever made."), line("A mug with a gold rim.")]
    answers = run(tmp_path, capfdbinary, lines)
    assert [answer["verdict"] for answer in answers] == ["pass", "refuse", "review"]
    assert all(set(answer) == {"verdict", "rules", "claims"} for answer in answers)
    assert all(set(rule) == {"id", "span", "detail"} for answer in answers for rule in answer["rules"])
    assert {"span": [2, 20], "evidence": "item.title"} in answers[0]["claims"]


def test_rules_only_asks_no_claim(tmp_path: Path, capfdbinary: Any) -> None:
    answers = run(tmp_path, capfdbinary, [line("A mug with a gold rim."), line("Guaranteed for life.")], "--rules-only")
    assert [answer["verdict"] for answer in answers] == ["pass", "refuse"]
    assert answers[0]["claims"] == []


@pytest.mark.parametrize(
    "bad",
    [
        *[b"", b"{", b"[]", b"3", b"null", b"\xff\xfe", b"[" * 5000],
        *[b'{"text": "a"}', b'{"text": 1, "locale": "en"}', b'{"text": "a", "locale": "xx"}'],
        *[b'{"text": "a", "locale": "en", "item": 3}', b'{"text": "a", "locale": "en", "events": [1]}'],
    ],
)
def test_a_malformed_line_gives_its_error_in_its_place(tmp_path: Path, capfdbinary: Any, bad: bytes) -> None:
    answers = run(tmp_path, capfdbinary, [line("A blue mug."), bad, line("A blue mug.")])
    assert [list(answer) == ["error"] for answer in answers] == [False, True, False]


@pytest.mark.parametrize("missing", ["item", "events", "user", "scenario"])
def test_all_but_text_and_locale_may_be_missing_or_null(tmp_path: Path, capfdbinary: Any, missing: str) -> None:
    answers = run(tmp_path, capfdbinary, [line("For you.", **{missing: None}), b'{"text": "For you.", "locale": "en"}'])
    assert [answer["verdict"] for answer in answers] == ["pass", "pass"]


def test_a_half_character_in_a_text_stops_nothing(tmp_path: Path, capfdbinary: Any) -> None:
    assert len(run(tmp_path, capfdbinary, [b'{"text": "a \\ud83d mug", "locale": "en"}'])) == 1


@pytest.mark.parametrize("arguments", [["nowhere.jsonl"], ["/"]])
def test_a_file_that_cannot_be_read_is_a_fault(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert job().main(arguments) == 2
    assert arguments[0] in capsys.readouterr().err


def test_settings_that_are_not_there_are_a_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.jsonl").write_text("")
    assert job().main([str(tmp_path / "in.jsonl"), "--conf", str(tmp_path)]) == 2
    assert "wanted rules" in capsys.readouterr().err


def test_the_job_starts_neither_spark_nor_torch() -> None:
    code = (
        f"import runpy, sys; runpy.run_path({str(JOB)!r}); print({{'pyspark', 'torch', 'pandas'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_labelled_reasons_are_judged_as_labelled(locale: str) -> None:
    if not CASES.is_file():
        pytest.skip("no labelled reasons beside the checkout")
    judge = load_text_judge(ROOT / "conf")
    rows = [json.loads(row) for row in CASES.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row["locale"] == locale]
    found = Counter((row["true"], judge.check(Record.model_validate(row)).outcome) for row in rows)
    planted = sum(count for (true, _), count in found.items() if not true)
    assert found[False, "pass"] <= 0.03 * planted
    assert found[True, "pass"] >= 0.6 * (len(rows) - planted)
