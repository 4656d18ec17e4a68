"""What the words around the marks claim: every refusal is of a text whose neighbour, one word away, passes."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reasongen.prompts import Frame, Literals, Renderer, load_locales
from reasongen.prompts.frame import EvidenceLiterals, EvidenceRow
from reasongen.validation import Failure, WordingJudge, load_licences

ROOT = Path(__file__).resolve().parent.parent
RENDERER = Renderer(load_locales(ROOT / "conf" / "locales"))
JUDGES = {name: WordingJudge(load_licences(ROOT / "conf" / "licences", name)) for name in ("zh", "en")}

HIDDEN = Literals(
    "Ridge Two", "Fellmark", "olive", (EvidenceLiterals(2, "Fell One"), EvidenceLiterals(1, "Warm Lamp", "brass"))
)
FRAMES = {
    "en": Frame(
        "en",
        "recommendation",
        "tent",
        "use",
        ("waterproof",),
        "color",
        True,
        (EvidenceRow("category", "", "purchase", "few"), EvidenceRow("tag", "sturdy", "browse", "one")),
    ),
    "zh": Frame(
        "zh",
        "recommendation",
        "帐篷",
        "use",
        ("防水",),
        "颜色",
        True,
        (EvidenceRow("category", "", "purchase", "few"), EvidenceRow("tag", "耐用", "browse", "one")),
    ),
}


def asked(text: str, frame: Frame, literals: Literals = HIDDEN) -> list[Failure]:
    """What is found in `text` with its marks filled."""
    return JUDGES[frame.locale].failures(frame, text, RENDERER.fill(text, frame, literals))


@pytest.mark.parametrize(
    ("locale", "false", "true"),
    [
        ("en", "You looked at [i.this], and it is [i.word1].", "You looked at [e2.title], and it is [i.word1]."),
        ("en", "You bought the [i.title]; it is [i.word1].", "You bought [e1.items]; [i.title] is [i.word1]."),
        ("zh", "你买过[i.this]，它[i.word1]。", "你买过[e1.items]，[i.this][i.word1]。"),
        ("zh", "你看过[i.title]，它[i.word1]。", "你看过[e2.title]，[i.title][i.word1]。"),
    ],
)
def test_no_row_says_that_the_user_knows_the_item_itself(locale: str, false: str, true: str) -> None:
    assert "R18_act" in [one.rule for one in asked(false, FRAMES[locale])]
    assert asked(true, FRAMES[locale]) == []


@pytest.mark.parametrize(
    ("locale", "false", "true"),
    [
        ("en", "Others bought [e1.items]; [i.title] is [i.word1].", "You bought [e1.items]; [i.title] is [i.word1]."),
        ("en", "Your wife bought [e1.items]; it is [i.word1].", "You bought [e1.items] before; it is [i.word1]."),
        ("en", "You almost bought [e1.items]; it is [i.word1].", "You bought [e1.items] once; it is [i.word1]."),
        ("en", "You sold [e1.items]; it is [i.word1].", "You returned to [e2.items]; it is [i.word1]."),
        ("zh", "朋友买过[e1.items]，[i.this][i.word1]。", "你和朋友买过[e1.items]，[i.this][i.word1]。"),
        ("zh", "你卖了[e1.items]，[i.this][i.word1]。", "你买了[e1.items]，[i.this][i.word1]。"),
        ("zh", "你买坏了[e1.items]，[i.this][i.word1]。", "你买过[e1.items]，[i.this][i.word1]。"),
    ],
)
def test_no_row_says_what_others_did_or_what_was_undone(locale: str, false: str, true: str) -> None:
    assert "R18_act" in [one.rule for one in asked(false, FRAMES[locale])]
    assert asked(true, FRAMES[locale]) == []


@pytest.mark.parametrize("word", ["hardly", "scarcely", "rarely", "anything but", "far from"])
def test_a_quiet_denial_is_one(word: str) -> None:
    assert [one.rule for one in asked(f"[i.title] is {word} [i.word1].", FRAMES["en"])] == ["R18_polarity"]


@pytest.mark.parametrize(
    "told", ["You passed on [e1.items]", "Like [e1.items] you passed on", "You passed on [e1.title]"]
)
def test_what_reads_as_a_refusal_is_no_sharing(told: str) -> None:
    """Who shared a thing did not pass on it; "passed on to a friend" says what it means."""
    shared = replace(FRAMES["en"], evidence=(EvidenceRow("category", "", "share", "few"),))
    assert [one.rule for one in asked(f"{told}; here is [i.title].", shared)] == ["R18_act"]
    assert asked(f"{told} to a friend; here is [i.title].", shared) == []


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        ("en", "You bought [e1.items], and [i.this] is [i.word1]."),
        ("en", "You bought [e1.items] and looked at [e2.items]; [i.title] goes with both."),
        ("en", "With the [e1.items] you bought, [i.this] can be compared."),
        ("en", "You looked at [e2.title]; [i.this] is also [e2.word]."),
        ("zh", "你买过[e1.items]，[i.this]也[i.word1]。"),
        ("zh", "[e1.items]你都买过，[i.title]同属这类。"),
        ("zh", "你把[e1.items]买回了家，还看过[e2.title]，[i.this]跟它们都有关。"),
        ("zh", "这里还有[i.this]，颜色那栏写着[i.attr]。"),
        ("zh", "你买过[e1.items]，也看过[e2.items]，[i.this]两点都符合。"),
    ],
)
def test_what_the_frame_bears_passes(locale: str, text: str) -> None:
    assert asked(text, FRAMES[locale]) == []


@pytest.mark.parametrize(
    ("locale", "text", "rule", "span"),
    [
        ("en", "You looked at [e1.items], and [i.this] is [i.word1].", "R18_act", "You looked"),
        ("en", "You bought [e1.items] and also bought [e2.items]; [i.this] fits both.", "R18_act", "bought"),
        ("en", "[i.this] is [i.word1] and tastes of nuts.", "R18_word", "nuts"),
        ("en", "[i.this] is [i.word1] and keeps wolves away.", "R18_word", "wolves"),
        ("en", "[i.this] is not [i.word1].", "R18_polarity", "waterproof"),
        ("en", "You looked at [e2.items], and [i.this] belongs with them.", "R18_plural", "them"),
        ("en", "[i.this] is something to drink.", "R18_use", "drink"),
        ("en", "You bought [e1.items] yesterday, and [i.this] is [i.word1].", "R18_time", "yesterday"),
        ("zh", "你看过[e1.items]，[i.this]也[i.word1]。", "R18_act", "看过"),
        ("zh", "你买过[e1.items]，也买过[e2.title]，[i.this]都合适。", "R18_act", "买过"),
        ("zh", "[i.this][i.word1]，烘得好些。", "R18_word", "烘"),
        ("zh", "[i.this]不[i.word1]。", "R18_polarity", "防水"),
        ("zh", "你看过[e2.items]，[i.this]跟它们算同类。", "R18_plural", "它们"),
        ("zh", "你看过[e2.items]，[i.this]两点都符合。", "R18_plural", "两点都"),
        ("zh", "[i.this]，想吃点什么时可以想到它。", "R18_use", "吃"),
    ],
)
def test_what_the_frame_does_not_bear_is_found_where_it_stands(locale: str, text: str, rule: str, span: str) -> None:
    rendered = RENDERER.fill(text, FRAMES[locale], HIDDEN)
    found = {one.rule: rendered.text[one.start : one.end] for one in asked(text, FRAMES[locale])}
    assert rule in found
    assert span in found[rule] or found[rule] in span


def test_the_same_words_bear_more_where_the_frame_does() -> None:
    """An act, a use and a plural of another frame."""
    frame = FRAMES["en"]
    browsed = replace(frame, evidence=(EvidenceRow("category", "", "browse", "few"), frame.evidence[1]))
    assert asked("You looked at [e1.items], and [i.this] belongs with them.", browsed) == []
    assert asked("[i.this] is something to drink.", replace(frame, noun="herbal tea", noun_class="drink")) == []


WORDS = st.text(st.sampled_from("abcé 不买过了没吃3一两,.，。 "), min_size=1, max_size=20).map(lambda text: f"x{text}x")


@given(st.sampled_from(sorted(FRAMES)), WORDS, WORDS, st.integers(1, 40), st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_literal_moves_the_answer(locale: str, title: str, value: str, count: int, recent: bool) -> None:
    """Every pair of one prompt gets the same answer for one sample."""
    rows = (EvidenceLiterals(count, title, value, recent=recent), EvidenceLiterals(count, value, title))
    literals = Literals(title, value, title, rows)
    texts = {
        "en": "You looked at [e1.items] and [e2.title]; [i.title] is not [i.word1], nor [i.attr] by [i.brand].",
        "zh": "你看过[e1.items]和[e2.title]，[i.title]不[i.word1]，也不[i.attr]，是[i.brand]的。",
    }
    frame = FRAMES[locale]
    found = asked(texts[locale], frame, literals)
    fresh = WordingJudge(JUDGES[locale].licences).failures(
        frame, texts[locale], RENDERER.fill(texts[locale], frame, literals)
    )
    assert found == fresh
    assert [one.rule for one in found] == [one.rule for one in asked(texts[locale], frame)]


SEEN = {
    "en": (
        ["tent", "rain jacket", "waterproof", "not waterproof", "not wobbly", "3 l", "Fellmark", "proof", "Ju"],
        [
            "You bought [e1.items]; [i.title] is waterproof.",
            "You bought the tent, so [i.this] keeps the rain out.",
            "You bought [e1.items]; [i.this] is wobbly, something to drink, and holds three litres.",
            "You looked at [e2.title], and Fellmark makes [i.this] warm, not sugary.",
            "You bought [e1.items], and [i.title] goes with them; it is splashproof.",
            "You bought [e1.items], and we think Fellmark'll like Ju$t [i.this].",
        ],
    ),
    "zh": (
        ["帐篷", "雨衣", "防水", "不防水", "不晃荡", "3l", "防晒", "耐用", "水壶"],
        [
            "你买过[e1.items]，[i.title]防水。",
            "你买过帐篷，[i.this]也不怕雨。",
            "你买过[e1.items]，[i.this]晃荡，能装三升，想喝点什么时可以想到它。",
            "你看过[e2.title]，[i.this]耐用又防晒，水也进不去。",
            "你买过[e1.items]，[i.title]跟它们算同类。",
        ],
    ),
}


@st.composite
def neighbours(draw: st.DrawFn, locale: str) -> list[Frame]:
    """Frames that differ in one word, which a text may or may not ask for."""
    word = st.sampled_from(SEEN[locale][0])
    rows = tuple(EvidenceRow("tag", draw(word), draw(st.sampled_from(["purchase", "browse"])), "one") for _ in range(2))
    use = draw(st.sampled_from(["use", "drink"]))
    base = Frame(locale, "recommendation", draw(word), use, (draw(word),), draw(word), True, rows)
    place = draw(st.sampled_from(["noun", "words", "attribute", "evidence", "noun_class"]))
    others: dict[str, list[Any]] = {
        "noun": SEEN[locale][0],
        "words": [(one,) for one in SEEN[locale][0]],
        "attribute": SEEN[locale][0],
        "evidence": [(replace(rows[0], word=one), rows[1]) for one in SEEN[locale][0]],
        "noun_class": ["drink", "use"],
    }
    return [replace(base, **{place: one}) for one in draw(st.permutations(others[place]))]


@given(st.data(), st.sampled_from(sorted(SEEN)))
@settings(max_examples=30, deadline=None)
def test_what_is_remembered_of_one_frame_is_true_of_another(data: st.DataObject, locale: str) -> None:
    """An answer is shared by frames that differ in words which the text does not ask for, and by no others."""
    fresh, drawn = JUDGES[locale], data.draw(neighbours(locale))
    for text in SEEN[locale][1]:
        for frame in drawn:
            alone = WordingJudge.__new__(WordingJudge)
            alone.__dict__.update({**fresh.__dict__, "_known": {}, "_read": {}})
            rendered = RENDERER.fill(text, frame, HIDDEN)
            assert asked(text, frame) == alone.failures(frame, text, rendered), (text, frame)


def test_where_a_template_shows_literals_the_text_as_it_stands_is_asked() -> None:
    frame = replace(FRAMES["en"], literals=HIDDEN)
    good = "You bought two tents, Fell One among them, and Ridge Two is waterproof and olive."
    assert asked(good, frame) == []
    found = asked(good.replace("bought", "looked at"), frame)
    assert [one.rule for one in found] == ["R18_act"]
    assert [one.rule for one in asked(good.replace("olive", "crimson"), frame)] == ["R18_word"]


@pytest.mark.parametrize("noun", [("zh", "帐篷"), ("zh", "蛋糕"), ("en", "tent"), ("en", "novel")])
@pytest.mark.parametrize("words", [(), ("a",), ("a", "b")])
def test_every_form_of_the_fallback_is_borne(noun: tuple[str, str], words: tuple[str, ...]) -> None:
    seen = set()
    for attribute in ("", "c"):
        for brand in ("", "d"):
            frame = Frame(noun[0], "recommendation", noun[1], "thing", words, attribute, bool(brand))
            literals = Literals("e", brand, "f" if attribute else "")
            for titled in (True, False):
                for seed in range(40):
                    text = RENDERER.fallback(frame, literals, seed, titled=titled)
                    seen.add(text)
                    assert asked(text, frame, literals) == [], text
    assert len(seen) > 8


def test_it_travels_without_what_it_remembers() -> None:
    text = "You looked at [e1.items]."
    assert asked(text, FRAMES["en"])
    copy = pickle.loads(pickle.dumps(JUDGES["en"]))
    assert len(pickle.dumps(copy)) < 200_000
    rendered = RENDERER.fill(text, FRAMES["en"], HIDDEN)
    assert copy.failures(FRAMES["en"], text, rendered) == asked(text, FRAMES["en"])


def test_a_literal_that_holds_a_verb_or_a_denial_says_nothing_by_itself() -> None:
    shown = replace(HIDDEN, evidence=(EvidenceLiterals(2, "无糖小说"), HIDDEN.evidence[1]))
    assert asked("你买过无糖小说，Ridge Two也防水。", replace(FRAMES["zh"], literals=shown), shown) == []


@pytest.mark.parametrize(
    ("locale", "false", "true"),
    [
        (
            "en",
            "[i.this] is of the same brand as [e2.title], which you viewed.",
            "[i.this] is of the same kind as [e1.items] you bought, and [e2.title] you viewed.",
        ),
        (
            "en",
            "[i.this] is like [e1.items] you bought, and it is of the same kind as [e2.title], which you viewed.",
            "[i.this] is like [e2.items] you viewed, and it is of the same kind as [e1.title], which you bought.",
        ),
        ("zh", "[i.this]和你看过的[e2.items]同品牌。", "[i.this]和你买过的[e1.items]算同类，你还看过[e2.items]。"),
        ("zh", "[i.this]和你看过的[e2.items]算同类。", "你为[e1.items]下过单，[i.this]也算同类。"),
        ("zh", "你为[e2.items]下过单，看看[i.this]。", "你为[e1.items]下过单，看看[i.this]。"),
    ],
)
def test_what_is_told_to_be_the_same_is_a_row_of_that_facet(locale: str, false: str, true: str) -> None:
    assert asked(true, FRAMES[locale]) == []
    assert asked(false, FRAMES[locale]) != []


@pytest.mark.parametrize(
    ("locale", "brand", "kind"),
    [
        (
            "en",
            "[i.this] is of the same brand as [e1.items] you bought.",
            "[i.this] is of the same kind as [e1.items] you bought.",
        ),
        ("zh", "[i.this]和你买过的[e1.items]同品牌。", "[i.this]和你买过的[e1.items]算同类。"),
    ],
)
def test_a_row_bears_the_sameness_of_its_own_facet_alone(locale: str, brand: str, kind: str) -> None:
    rows = {"brand": "", "category": "", "tag": "sturdy" if locale == "en" else "耐用"}
    frames = {
        facet: replace(FRAMES[locale], evidence=(EvidenceRow(facet, word, "purchase", "few"),))
        for facet, word in rows.items()
    }
    borne = {text: {facet for facet in rows if asked(text, frames[facet]) == []} for text in (brand, kind)}
    assert borne == {brand: {"brand"}, kind: {"category"}}  # whichever was asked before
