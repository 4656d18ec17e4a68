"""The second opinion: it sends to a person and no more, its weights load or say why not, one seed trains one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from reasongen.config import load_settings
from reasongen.errors import ConfigError
from reasongen.sample.planted import labelled_reasons, spared_reasons, told_reasons
from reasongen.sample.sentences import cut, load_sentences
from reasongen.training.opinion import OpinionSettings, fit, rows_of, train_opinion
from reasongen.training.thresholds import thresholds_of
from reasongen.validation.aligned import features_of
from reasongen.validation.gate import Finding
from reasongen.validation.opinion import RULE, SecondOpinion, Weights, load_opinion
from reasongen.validation.reading import Case
from reasongen.validation.record import Record
from reasongen.validation.texts import TextJudge, load_text_judge

CONF = ROOT / "conf"
WEIGHTS = CONF / "opinion" / "weights.json"
WITHOUT = load_text_judge(CONF, opinion=False)
WITH = load_text_judge(CONF)
HEADS = load_settings(OpinionSettings, CONF / "opinion.yaml").heads
GRAVER = {"pass": 0, "review": 1, "refuse": 2}
LAMP: dict[str, Any] = {
    "title": "Oslet Firefly desk lamp",
    "description": "Marble base, linen shade. Cord 150 cm, height 38 cm.",
    "attributes": {"power": "8 W", "material": "glass"},
    "category": "home/desk lamp",
    "brand": "Oslet",
}


def record(text: str, **more: Any) -> Record:
    return Record.model_validate({"text": text, "locale": "en", "item": LAMP, **more})


def seen_by(judge: TextJudge, one: Record) -> list[str]:
    """The features of a text, as the second opinion is given them."""
    found: list[str] = []

    class Reads:
        def findings(self, case: Case) -> list[Finding]:
            found.extend(name for name, _ in features_of(case))
            return []

    claims = {**judge.claims, one.locale: replace(judge.claims[one.locale], opinion=Reads())}
    replace(judge, claims=claims).check(one)
    return found


def always(judge: TextJudge) -> TextJudge:
    """A judge whose second opinion doubts whatever it is asked of."""
    doubting = SecondOpinion(Weights(heads=("any",), bias=(9.0,), threshold=(0.0,), weights={}))
    return replace(judge, claims={name: replace(one, opinion=doubting) for name, one in judge.claims.items()})


def labelled() -> list[Record]:
    lines = (ROOT / "tests" / "cases" / "truth_cases.jsonl").read_text(encoding="utf-8").splitlines()
    return [Record.model_validate_json(line) for line in lines]


def told() -> list[Record]:
    return [
        Record.model_validate(one.record) for name in ("zh", "en") for one in told_reasons(CONF, name, "fit0", 5, 60)
    ]


@pytest.mark.parametrize("texts", [labelled, told])
def test_it_turns_pass_into_review_and_nothing_else(texts: Callable[[], list[Record]]) -> None:
    for one in texts():
        before = WITHOUT.check(one)
        for judge in (WITH, always(WITHOUT)):
            after = judge.check(one)
            assert after.outcome == ("review" if (before.outcome, len(after.findings)) != ("pass", 0) else "pass") or (
                after == before
            )
            assert GRAVER[after.outcome] >= GRAVER[before.outcome]
            assert after.findings[: len(before.findings)] == before.findings
            assert after.claims == before.claims


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80), st.sampled_from(["zh", "en"]), st.booleans())
def test_no_text_at_all_is_judged_milder_with_it(text: str, locale: str, bare: bool) -> None:
    one = Record.model_validate({"text": text, "locale": locale, "item": {} if bare else LAMP})
    before = WITHOUT.check(one).outcome
    assert GRAVER[WITH.check(one).outcome] >= GRAVER[before]
    assert always(WITHOUT).check(one).outcome == ("review" if before == "pass" else before)


def test_its_finding_names_itself_and_a_place_in_the_text() -> None:
    verdict = always(WITHOUT).check(record("The lamp has a marble base."))
    assert verdict.outcome == "review"
    answer = verdict.as_json()
    assert [rule["id"] for rule in answer["rules"]] == [RULE]
    start, end = answer["rules"][0]["span"]
    assert 0 <= start < end <= len("The lamp has a marble base.")


def test_an_opinion_that_breaks_refuses() -> None:
    class Broken:
        def findings(self, case: Case) -> list[Finding]:
            raise RuntimeError

    claims = {"en": replace(WITHOUT.claims["en"], opinion=Broken())}
    assert replace(WITHOUT, claims=claims).check(record("The lamp has a marble base.")).outcome == "refuse"


def test_what_stands_together_in_the_evidence_is_told_from_what_does_not() -> None:
    item = LAMP | {"description": "Marble foot and linen hood."}
    true, false = (seen_by(WITHOUT, record(f"It has a {word} hood.", item=item)) for word in ("linen", "marble"))
    assert "Id=Id" in true
    assert "Id#Id" not in true
    assert "Id#Id" in false
    assert "Id=Id" not in false


def test_a_value_under_the_name_of_another_is_bound_to_nothing() -> None:
    assert "Iv=In" in seen_by(WITHOUT, record("Glass is what its material is."))
    assert "Iv#In" in seen_by(WITHOUT, record("Glass is what its power is."))


def test_a_figure_is_bound_to_what_it_measures() -> None:
    assert "QleId bound 2" in seen_by(WITHOUT, record("It has a cord of 150 cm."))
    assert seen_by(WITHOUT, record("It has a cord of 38 cm.")) == []  # a check of its own has stopped it


def test_the_committed_weights_load_and_are_small() -> None:
    assert sorted(load_opinion(WEIGHTS)) == ["en", "zh"]
    assert WEIGHTS.stat().st_size < 1_000_000
    recipe = json.loads(WEIGHTS.read_text(encoding="utf-8"))["recipe"]
    assert recipe == load_settings(OpinionSettings, CONF / "opinion.yaml").model_dump(mode="json", exclude={"out"})


def broken(tmp_path: Path, change: Callable[[str], str]) -> Path:
    path = tmp_path / "weights.json"
    path.write_text(change(WEIGHTS.read_text(encoding="utf-8")), encoding="utf-8")
    return path


def changed(text: str) -> str:
    made = json.loads(text)
    made["locales"]["en"]["bias"][0] += 1
    return json.dumps(made)


def with_a_head_more(text: str) -> str:
    made = json.loads(text)
    made["locales"]["en"]["heads"].append("other")
    return json.dumps(made)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[: len(text) // 2], "JSON to its end"),
        (lambda text: "", "JSON to its end"),
        (lambda text: "[]", "faults at the top"),
        (changed, "they were changed"),
        (with_a_head_more, "faults at locales.en"),
        (lambda text: json.dumps({**json.loads(text), "format": 2}), "wanted format 1; found 2"),
        (lambda text: json.dumps({**json.loads(text), "locales": 3}), "faults at locales"),
    ],
)
def test_weights_that_are_torn_or_wrong_say_so(tmp_path: Path, change: Callable[[str], str], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as error:
        load_opinion(broken(tmp_path, change))
    assert "train_opinion.py" in str(error.value)


def test_weights_that_are_not_there_say_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="FileNotFoundError"):
        load_opinion(tmp_path / "weights.json")


def recipe(out: Path, **more: object) -> OpinionSettings:
    sets = [
        f"out={out}",
        "pairs=150",
        "tuning_pairs=30",
        "folds=1",
        "least_texts=3",
        "most_moved=0.3",
        *(f"heads.{head}=[swap,cause,attribute]" for head in HEADS),
    ]
    return load_settings(
        OpinionSettings, CONF / "opinion.yaml", [*sets, *(f"{key}={value}" for key, value in more.items())]
    )


def test_the_same_recipe_trains_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    made = []
    for name, seed in (("one", 11), ("two", 11), ("three", 12)):
        chosen = recipe(tmp_path / name, seed=seed)
        train_opinion(chosen, WITHOUT, labelled_reasons(CONF, seed), {})
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]
    assert made[0] != made[2]
    assert any(opinion.heads for opinion in load_opinion(tmp_path / "one").values())


def test_an_opinion_without_a_head_doubts_nothing(tmp_path: Path) -> None:
    mute = SecondOpinion(Weights(heads=(), bias=(), threshold=(), weights={}))
    claims = {"en": replace(WITHOUT.claims["en"], opinion=mute)}
    assert replace(WITHOUT, claims=claims).check(record("The lamp has a marble base.")).outcome == "pass"


def test_what_it_learns_tells_planted_from_true_where_a_word_decides(tmp_path: Path) -> None:
    texts = [
        (record(f"It has a {word} shade.").model_dump(), kind) for word, kind in (("linen", "true"), ("marble", "swap"))
    ]
    weights = fit(rows_of(WITHOUT, "en", texts * 5), recipe(tmp_path / "w"))
    true, false = (frozenset(seen_by(WITHOUT, Record.model_validate(one))) for one, _ in texts)
    opinion = SecondOpinion(weights)
    assert opinion.doubts(true)[0] < 0 < opinion.doubts(false)[0]


def test_a_training_without_faults_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="wanted true and planted texts"):
        fit(
            rows_of(WITHOUT, "en", [(record("It has a linen shade.").model_dump(), "true")] * 5), recipe(tmp_path / "w")
        )


@pytest.mark.parametrize("harder", [1.0, -1.0])
def test_thresholds_move_at_most_the_share_that_may_be_moved(harder: float) -> None:
    rng = np.random.default_rng(3)
    doubts, true = rng.normal(size=(2000, 3)), rng.random(2000) < 0.5
    doubts[~true, 0] += 2
    spared = rng.normal(harder, size=(100, 3))
    chosen = thresholds_of(doubts, true, spared, 0.02)
    assert np.mean((doubts[true] > chosen).any(axis=1)) <= 0.02
    assert np.mean((spared > chosen).any(axis=1)) <= 0.02
    assert np.mean((doubts[~true] > chosen).any(axis=1)) > 0.1
    assert (chosen >= 0).all()


def test_splits_share_no_sentence_and_leave_none_out() -> None:
    for sentences in load_sentences(CONF / "opinion").values():
        for entries in (sentences.told, sentences.acted, sentences.joined, tuple(sentences.things)):
            held, train = set(cut(entries, "held")), set(cut(entries, "train"))
            assert not held & train
            assert held | train == set(entries)
            for fold in range(3):
                assert not set(cut(entries, f"fit{fold}")) & set(cut(entries, f"tune{fold}"))
                assert set(cut(entries, f"fit{fold}")) | set(cut(entries, f"tune{fold}")) == train


def test_a_planted_fault_has_the_evidence_of_its_true_reason_and_other_words() -> None:
    rows = list(told_reasons(CONF, "en", "fit0", 5, 40))
    for true, false in zip(rows[::2], rows[1::2], strict=True):
        assert (true.true, false.true) == (True, False)
        assert {**true.record, "text": ""} == {**false.record, "text": ""}
        assert true.record["text"] != false.record["text"]
    assert rows == list(told_reasons(CONF, "en", "fit0", 5, 40))


def test_labelled_reasons_that_are_not_there_say_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="wanted labelled reasons"):
        spared_reasons(tmp_path / "none.jsonl")
