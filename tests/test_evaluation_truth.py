"""The baselines, and the truth of a text: the verdict of the night, and what its frame bears."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from labelled import CONF, RENDERER, pair, rows

from reasongen.evaluation import baselines
from reasongen.evaluation.truth import Truth, load_truth
from reasongen.prompts import EvidenceRow, Frame, Literals

EN = Frame(
    "en", "recommendation", "tent", "use", ("light",), evidence=(EvidenceRow("category", "", "purchase", "few"),)
)
HIDDEN = {"title": "Ridge Two", "e": [{"count": 3, "title": "Fell One", "noun": "tent", "recent": True}]}
LITERALS = Literals.from_dict(HIDDEN)


@pytest.fixture(scope="module")
def truth() -> Truth:
    return load_truth(**CONF, locales=frozenset({"zh", "en"}))


def test_the_constant_is_the_commonest_target_of_its_language() -> None:
    zh = replace(EN, locale="zh")
    training = [pair(text, "", frame) for text, frame in (("b", EN), ("a", EN), ("b", EN), ("c", zh), ("d", zh))]
    assert baselines.constant([pair("x", "", EN), pair("x", "", zh)], training) == ["b", "c"]


def test_the_nearest_is_the_pair_that_shares_most_and_rarest() -> None:
    lamp, far = replace(EN, noun="lamp", words=("red",)), replace(EN, noun="mug", noun_class="eat", evidence=())
    training = [pair("lamp", "", lamp), pair("far", "", far), pair("zh", "", replace(EN, locale="zh"))]
    assert baselines.nearest([pair("x", "", EN), pair("x", "", replace(lamp, brand=True))], training) == [
        "lamp",
        "lamp",
    ]
    assert baselines.nearest([pair("x", "", replace(far, words=("red",)))], training) == ["far"]
    assert baselines.nearest([pair("x", "", EN)], []) == [""]


def test_the_template_is_the_night_s_fallback() -> None:
    (text,) = baselines.template([pair("x", "", EN, HIDDEN)], RENDERER)
    assert text in RENDERER.locales["en"].fallback["words"]
    (untitled,) = baselines.template([pair("x", "", EN)], RENDERER)
    assert untitled in RENDERER.locales["en"].fallback["untitled"]


TEXTS = [
    "You bought [e1.items] [e1.when], so [i.title] may suit you.",
    "You liked [e2.title] and [i.title].",
    "You bought [e1.items] and",
    "Only 9 of [i.title] are left.",
    "You looked at [e1.items], so [i.title] may suit you.",
    "[i.title] is a waterproof tent, the best of all.",
    "",
]


def test_a_verdict_here_is_the_night_s(truth: Truth) -> None:
    from reasongen.pipeline.judging import Judge  # here: the package brings pyspark

    numbers = (date(2031, 5, 4), 30, 14, 1, "", "")
    night = Judge(truth.renderer, *numbers, truth.policy, truth.wordings)
    for text in [*TEXTS, *(row["target"] for row in rows(10, 0) if row["locale"] == "en")]:
        for finish in ("stop", "length"):
            verdict = night.verdict(truth.renderer.fill(text, EN, LITERALS), text, finish, EN)
            told = truth.told(EN, LITERALS, text, finish)
            assert told.failures == tuple(dict.fromkeys(one.rule for one in verdict.failures))


def test_what_is_borne_is_counted_word_by_word(truth: Truth) -> None:
    right = truth.told(EN, LITERALS, "You bought [e1.items], and [i.title] is light.")
    assert right.text == "You bought three tents, and Ridge Two is light."
    assert (right.failures, right.claims) == ((), right.borne)
    wrong = truth.told(EN, LITERALS, "You bought [e1.items], and [i.title] is luxurious.")
    assert (wrong.claims, wrong.borne) == (right.claims, right.claims - 1)
    for strange in ("[i.brand]", "[e2.items]"):  # no brand, no second row: a mark that nothing fills is not borne
        told = truth.told(EN, LITERALS, f"You bought [e1.items], and [i.title] is light, {strange}.")
        assert (told.claims, told.borne) == (right.claims + 1, right.borne)
    empty = truth.told(EN, replace(LITERALS, title=""), "You bought [e1.items], and [i.title] is light.")
    assert (empty.claims, empty.borne) == (right.claims, right.borne - 1)


def test_a_label_knows_no_marks_and_is_judged_by_its_literals(truth: Truth) -> None:
    told = truth.plain(EN, LITERALS, "You bought Fell One, and Ridge Two is light.")
    assert told.borne == told.claims > 2
    assert truth.plain(EN, LITERALS, "You bought Fell One; Ridge Two is luxurious.").borne < told.claims
