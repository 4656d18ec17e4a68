"""The judge can say no, and the counts of variety are right."""

from __future__ import annotations

from pathlib import Path

import pytest

from reasongen.evaluation.grammar import load_grammar
from reasongen.evaluation.judge import derivable, judge
from reasongen.evaluation.skeletons import opening, variety, wilson
from reasongen.prompts.frame import EvidenceRow, Frame

ROOT = Path(__file__).resolve().parents[1]
ZH = Frame(
    "zh", "recommendation", "帐篷", "use", ("轻便",), "材质", True,
    (EvidenceRow("category", "", "browse", "few"), EvidenceRow("tag", "防水", "purchase", "one")),
)  # fmt: skip
EN = Frame(
    "en", "recommendation", "tent", "use", ("lightweight",), "material", True,
    (EvidenceRow("category", "", "browse", "few"), EvidenceRow("tag", "waterproof", "cart", "one")),
)  # fmt: skip
FRAMES = {"zh": ZH, "en": EN}

RIGHT = [
    ("zh", "你[e1.when]看过[e1.items]，[i.this]也是同类，拿着不累。"),
    ("zh", "你买过标着[e2.word]的[e2.items]，[i.title]也不怕淋雨，和你浏览过的[e1.items]同类。"),
    ("en", "You looked at [e1.items] [e1.when], and [i.this] is of the same kind, and it is easy to carry."),
    ("en", "You put [e2.items] tagged [e2.word] in your cart; [i.this] also keeps the rain out."),
]
WRONG = [
    ("zh", "你[e1.when]买过[e1.items]，[i.this]也是同类。", "verb"),
    ("zh", "你看过标着[e2.word]的[e2.items]，[i.this]也标着[e2.word]。", "verb"),
    ("zh", "[e1.items]你点开过，[i.this]也是同类。", "verb"),
    ("zh", "你看过[e1.items]，[i.this]也是同类，天下无双。", "word"),
    ("zh", "你看过[e1.items]，[i.this]也是同类，能留住热度。", "word"),
    ("zh", "你看过[e1.items]，[i.this]也是同类，想喝点什么时可以想到它。", "word"),
    ("zh", "你看过[e1.items]，[i.this]也标着[e1.word]。", "mark"),
    ("zh", "你看过[e3.items]，[i.this]也是同类。", "mark"),
    ("zh", "你看过[e1.items，[i.this]也是同类。", "mark"),
    ("zh", "[i.this]拿着不累，可以看看。", "evidence"),
    ("en", "You bought [e1.items], and [i.this] is of the same kind.", "verb"),
    ("en", "[i.this] is of the same kind as [e1.title], which you put in your cart.", "verb"),
    ("en", "You looked at [e1.items], and [i.this] is of the same kind, and it is luxurious.", "word"),
    ("en", "You looked at [e1.items], and [i.this] is of the same kind, and it folds flat when not in use.", "word"),
    ("en", "You looked at [e1.items], and [i.this] is marked [i.word2] too.", "mark"),
    ("en", "This tent weighs little in the hand.", "mark"),
]


def codes(language: str, text: str) -> set[str]:
    grammar = load_grammar(ROOT / "conf" / "corpus" / f"{language}.yaml")
    return {fault.code for fault in judge(grammar, FRAMES[language], text)}


@pytest.mark.parametrize(("language", "text"), RIGHT)
def test_right_reasons_have_no_fault(language, text):
    assert codes(language, text) == set()


@pytest.mark.parametrize(("language", "text", "code"), WRONG)
def test_a_wrong_verb_word_or_mark_is_named(language, text, code):
    assert code in codes(language, text)


def test_a_paraphrase_is_licensed_by_its_word_alone():
    grammar = load_grammar(ROOT / "conf" / "corpus" / "zh.yaml")
    text = "你看过[e1.items]，[i.this]也是同类，拿着不累。"
    heavy = Frame("zh", "recommendation", "帐篷", "use", ("厚实",), "材质", True, ZH.evidence)
    assert [fault.code for fault in judge(grammar, heavy, text)] == ["word"]
    assert derivable(grammar, ZH, text)
    assert not derivable(grammar, heavy, text)


def test_a_text_of_licensed_words_in_a_new_order_is_right_but_not_derivable():
    grammar = load_grammar(ROOT / "conf" / "corpus" / "zh.yaml")
    text = "[i.this]也是同类，你看过[e1.items]。"
    assert judge(grammar, ZH, text) == ()
    assert not derivable(grammar, ZH, text)


def test_an_opening_counts_a_mark_as_one_unit():
    assert opening("你[e1.when]看过[e1.items]，也", "zh") == "你[e1.when]看过[e1.items]，"
    assert opening("You looked at [e1.items] lately", "en") == "You looked at"
    assert opening("[i.this] is also", "en") == "[i.this] is also"


def test_variety_counts_skeletons_openings_and_what_the_corpus_holds():
    rows = [("en", "a b c d"), ("en", "a b c e"), ("en", "x y z"), ("en", "x y z")]
    found = variety(rows, {"x y z"})
    assert (found.reasons, found.skeletons, found.openings_per_1000) == (4, 3, 2)
    assert found.verbatim == pytest.approx(1 / 3)


def test_wilson_agrees_with_a_value_worked_by_hand():
    low, high = wilson(95, 100)
    assert (low, high) == pytest.approx((0.8882, 0.9785), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
