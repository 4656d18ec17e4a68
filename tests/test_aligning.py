"""A person's words become marks where a pair's facts say them, and filling the marks gives the words again."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasongen.evaluation.grammar import load_grammar
from reasongen.prompts import MARK, EvidenceLiterals, EvidenceRow, Frame, Literals, Renderer, load_locales
from reasongen.prompts.aligning import align
from reasongen.training.corpus import examples

CONF = Path(__file__).resolve().parent.parent / "conf"
RENDERER = Renderer(load_locales(CONF / "locales"))
TENT = Frame(
    "en",
    "recommendation",
    "tent",
    "use",
    ("light",),
    "capacity",
    True,
    (EvidenceRow("tag", "waterproof", "browse", "one"), EvidenceRow("category", "", "purchase", "few")),
)
FACTS = Literals(
    "Ridgewind two",
    "Moorline",
    "2 people",
    (EvidenceLiterals(1, "Dune parasol", "", "parasol", True), EvidenceLiterals(3, "Old camp", "", "tent", False)),
)


@pytest.mark.parametrize(
    ("reason", "wanted"),
    [
        ("Ridgewind two is waterproof.", "[i.title] is [e1.word]."),
        ("A MOORLINE tent, light and waterproof.", "A [i.brand] [i.noun], [i.word1] and [e1.word]."),
        ("You bought three tents earlier; this tent is light.",
         "You bought [e2.items] [e2.when]; [i.this] is [i.word1]."),
        ("Waterproof, like the Dune parasol you looked at lately.",
         "[e1.word], like the [e1.title] you looked at [e1.when]."),
        ("Waterproofing is no word of theirs.", "Waterproofing is no word of theirs."),
        ("Lately many people travel.", "Lately many people travel."),
        ("For 12 people, not for 2 peoples.", "For 12 people, not for 2 peoples."),
    ],
)  # fmt: skip
def test_what_the_facts_say_becomes_their_mark(reason: str, wanted: str) -> None:
    assert align(reason, TENT, FACTS, RENDERER) == wanted


def test_the_same_words_of_two_rows_belong_to_the_row_of_their_clause() -> None:
    rows = (EvidenceRow("brand", "", "purchase", "one"), EvidenceRow("tag", "warm", "click", "one"))
    frame = Frame("en", "recommendation", "sweater", "wear", (), "", True, rows)
    facts = Literals("Grey one", "Oslet", "", (EvidenceLiterals(1, "A cap"), EvidenceLiterals(1, "A scarf")))
    said = "You bought one product from Oslet and picked one product tagged warm; this sweater goes with both."
    wanted = "You bought [e1.items] from [i.brand] and picked [e2.items] tagged [e2.word]; [i.this] goes with both."
    assert align(said, frame, facts, RENDERER) == wanted


def test_chinese_needs_no_spaces_and_one_letter_is_no_word() -> None:
    row = EvidenceRow("tag", "防水", "click", "few")
    frame = Frame("zh", "recommendation", "灯", "use", ("轻",), "", False, (row,))
    facts = Literals("夜航 台灯", "", "", (EvidenceLiterals(2, "雨衣", "", "", True),))
    said = "你最近点开过两款防水的商品，夜航 台灯也防水，又轻又亮。"
    assert (
        align(said, frame, facts, RENDERER)
        == "你[e1.when]点开过[e1.count][e1.word]的商品，[i.title]也[e1.word]，又轻又亮。"
    )


def literals_for(frame: Frame, rng: random.Random) -> Literals:
    """Hidden values for a frame, each another word."""
    names = iter(
        rng.sample(["Larkrill", "Velvet Oar", "Pine & Co", "山居", "Nine Lanterns", "苔石", "B-12", "Quay"], 8)
    )
    rows = tuple(
        EvidenceLiterals(rng.randint(1, 9), next(names), "7 kg" if row.facet == "attribute" else "", "", True)
        for row in frame.evidence
    )
    return Literals(next(names), next(names) if frame.brand else "", "3 m" if frame.attribute else "", rows)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_rendered_reasons_find_their_way_back(language: str) -> None:
    """Filled again they say the same, all of them; most come back mark by mark (two rows may say the same words)."""
    rng = random.Random(5)
    exact = 0
    said = list(examples(load_grammar(CONF / "corpus" / f"{language}.yaml"), 3, 400))
    for one in said:
        facts = literals_for(one.frame, rng)
        text = RENDERER.fill(one.reason, one.frame, facts).text
        found = align(text, one.frame, facts, RENDERER)
        assert RENDERER.fill(found, one.frame, facts).text.lower() == text.lower()
        exact += found.lower() == one.reason.lower()
    assert exact >= 0.75 * len(said), exact


@given(
    st.text(max_size=80), st.sampled_from(["Ridgewind two", "waterproof", "Moorline", "one item", "lately"]), st.data()
)
def test_no_text_breaks_it_and_no_word_is_lost(noise: str, fact: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(noise)))
    text = f"{noise[:at]} {fact} {noise[at:]}"
    found = align(text, TENT, FACTS, RENDERER)
    assert MARK.sub("", found) != "" or MARK.search(found)
    if not MARK.search(text):
        assert all(match.group() in TENT.marks for match in MARK.finditer(found))
