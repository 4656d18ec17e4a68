"""Marks to words: each form in each language, and claims that say exactly what was filled."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasongen.errors import ConfigError
from reasongen.prompts import EvidenceLiterals, EvidenceRow, Frame, Literals, Renderer, load_locale, load_locales
from reasongen.prompts.frame import ACTS
from reasongen.prompts.locales import SITUATIONS

LOCALES = load_locales(Path(__file__).resolve().parent.parent / "conf" / "locales")
RENDERER = Renderer(LOCALES)


def frame(locale: str, noun: str, **more: object) -> Frame:
    evidence = (EvidenceRow("category", "", "browse", "few"), EvidenceRow("attribute", "material", "cart", "one"))
    facts = {"words": ("insulated", "light"), "attribute": "capacity", "brand": True, "evidence": evidence} | more
    return Frame(locale, "recommendation", noun, "thing", **facts)


def literals(**more: object) -> Literals:
    rows = (EvidenceLiterals(3, "Far Fell", "", "tent", True), EvidenceLiterals(12, "Oslet cap", "wool", "cap", False))
    return Literals(**({"title": "Ridgewind", "brand": "Kala", "attr": "500ml", "evidence": rows} | more))


def filled(text: str, locale: str, noun: str, count: int = 3) -> str:
    rows = (EvidenceLiterals(count, "x", "", "", True), *literals().evidence[1:])
    return RENDERER.fill(text, frame(locale, noun), literals(evidence=rows)).text


@pytest.mark.parametrize(
    ("noun", "count", "items"),
    [
        ("帐篷", 1, "一顶帐篷"),
        ("帐篷", 2, "两顶帐篷"),
        ("跑鞋", 3, "三双跑鞋"),
        ("台灯", 10, "十盏台灯"),
        ("小说", 12, "12本小说"),
        ("双人帐篷", 2, "两顶双人帐篷"),
        ("无名物", 2, "两款无名物"),
        ("餐厅", 4, "四家餐厅"),
    ],
)
def test_chinese_counts_with_the_noun_s_measure_word(noun, count, items):
    assert filled("[e1.items]", "zh", noun, count) == items


@pytest.mark.parametrize(
    ("noun", "count", "items"),
    [
        ("tent", 1, "one tent"),
        ("tent", 3, "three tents"),
        ("tents", 2, "two tents"),
        ("running shoe", 2, "two running shoes"),
        ("running shoes", 1, "one pair of running shoes"),
        ("headphones", 2, "two pairs of headphones"),
        ("leather boots", 2, "two pairs of leather boots"),
        ("bookshelf", 11, "11 bookshelves"),
        ("bread", 2, "two loaves of bread"),
        ("children's book", 2, "two children's books"),
        ("café", 2, "two cafés"),
        ("walking stick", 2, "two walking sticks"),
    ],
)
def test_english_counts_with_plurals_and_portions(noun, count, items):
    assert filled("see [e1.items]", "en", noun, count) == f"See {items}"


@pytest.mark.parametrize(
    ("noun", "one"),
    [
        ("tent", "a tent"),
        ("oven", "an oven"),
        ("usb cable", "a usb cable"),
        ("ukulele", "a ukulele"),
        ("hourglass", "an hourglass"),
        ("led lamp", "an led lamp"),
        ("scissors", "a pair of scissors"),
        ("8 pack", "an 8 pack"),
        ("outdoor chair", "an outdoor chair"),
    ],
)
def test_english_articles_go_by_sound(noun, one):
    assert filled("like [i.a]", "en", noun) == f"Like {one}"


@pytest.mark.parametrize(
    ("text", "zh", "en"),
    [
        ("x [i.this]", "x这顶帐篷", "X this tent"),
        ("x [i.plural]", "x帐篷", "X tents"),
        ("x [i.noun]", "x帐篷", "X tent"),
        ("x [e1.count]", "x三款", "X three"),
        ("x [e2.items]", "x12件商品", "X 12 products"),
        ("x [e1.when]", "x最近", "X lately"),
        ("x [e2.when]", "x之前", "X earlier"),
        ("x [i.attr]", "x500ml", "X 500 ml"),
        ("x [e2.value]", "xwool", "X wool"),
        ("x [e2.name]", "xmaterial", "X material"),
        ("x [i.title]", "xRidgewind", "X Ridgewind"),
        ("x [i.brand]", "xKala", "X Kala"),
        ("x [i.word1], [i.word2]", "xinsulated,light", "X insulated, light"),
    ],
)
def test_every_form_in_every_language(text, zh, en):
    assert RENDERER.fill(text, frame("zh", "帐篷"), literals()).text == zh
    assert RENDERER.fill(text, frame("en", "tent"), literals()).text == en


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[e1.items] caught your eye. [i.this] too.", "Three tents caught your eye. This tent too."),
        ("“[i.word1]” is how it is tagged.", "“Insulated” is how it is tagged."),
        ("A [i.word1] [i.noun], an [i.noun].", "An insulated tent, a tent."),
        ("so  many   words ,[i.noun]here", "So many words, tent here"),
        ("you and[i.title][i.title]", "You and Ridgewind Ridgewind"),
        ("[i.title]'s [i.noun].", "Ridgewind's tent."),
        ("vitamin a [i.noun]", "Vitamin a tent"),
        (
            "so it is. have a look! [i.a] for you, see [i.title]. [i.brand] it is.",
            "So it is. Have a look! A tent for you, see Ridgewind. Kala it is.",
        ),
    ],
)
def test_english_marks_fit_their_place(text, shown):
    assert RENDERER.fill(text, frame("en", "tent"), literals()).text == shown


def test_a_title_with_its_own_capitals_keeps_them_and_ends_without_a_point():
    text = RENDERER.fill("[i.title] is [i.a].", frame("en", "tent"), literals(title="iPad mini.")).text
    assert text == "iPad mini is a tent."


def test_chinese_marks_stand_without_spaces():
    rendered = RENDERER.fill("您 [e1.when] 看过 [e1.items] 。", frame("zh", "帐篷"), literals())
    assert rendered.text == "您最近看过三顶帐篷。"


@pytest.mark.parametrize("mark", ["[e3.title]", "[e1.word]", "[e1.value]", "[e4.items]"])
def test_a_mark_that_the_frame_does_not_allow_stays_and_is_no_claim(mark):
    rendered = RENDERER.fill(f"like {mark}.", frame("en", "tent"), literals())
    assert rendered.text == f"Like {mark}."
    assert rendered.claims == ()


@pytest.mark.parametrize(
    ("mark", "missing"),
    [
        ("[i.title]", {"title": ""}),
        ("[i.title]", {"title": "\u200b"}),
        ("[i.brand]", {"brand": ""}),
        ("[e1.items]", {"evidence": ()}),
        ("[e2.value]", {"evidence": (EvidenceLiterals(), EvidenceLiterals())}),
        ("[e1.count]", {"evidence": (EvidenceLiterals(0), EvidenceLiterals())}),
    ],
)
def test_a_mark_without_a_literal_stays(mark, missing):
    assert RENDERER.fill(f"a {mark}", frame("en", "tent"), literals(**missing)).text == f"A {mark}"


MARKS = sorted(frame("en", "tent").marks)
hostile = st.one_of(st.text(max_size=60), st.sampled_from(["[e1.items]", "{{ c }}", "<|x|>", "ß", "…", " ", "\ud800"]))


@given(
    st.sampled_from(["zh", "en"]),
    st.lists(st.one_of(st.sampled_from(MARKS), st.text(alphabet="a an.,喜欢 “x[]", max_size=8)), max_size=12),
    st.tuples(hostile, hostile, hostile, hostile),
    st.integers(0, 10**6),
)
def test_claims_say_exactly_what_was_filled(locale, parts, values, count):
    title, brand, attr, value = values
    rows = (EvidenceLiterals(count, title, value, "", True), EvidenceLiterals(count + 1, brand, value, "", False))
    rendered = RENDERER.fill(
        "".join(parts),
        frame(locale, title[:30] or "tent", words=(brand or "x", attr or "y"), attribute=attr or "z"),
        Literals(title, brand, attr, rows),
    )
    at = 0
    for claim in rendered.claims:
        assert at <= claim.start < claim.end <= len(rendered.text)
        assert not set(rendered.text[claim.start : claim.end]) & set("[]{}<>|\n")
        assert claim.mark[1:].startswith(f"{claim.evidence}.")
        at = claim.end
    rendered.text.encode()


@pytest.mark.parametrize("locale", ["zh", "en"])
@pytest.mark.parametrize("mark", MARKS)
def test_every_mark_is_one_claim_bound_to_its_source(locale, mark):
    text = f"So {mark} it is."
    rendered = RENDERER.fill(text, frame(locale, "tent"), literals())
    assert [(claim.mark, claim.evidence) for claim in rendered.claims] == [(mark, mark[1:].split(".")[0])]
    masked = rendered.text[: rendered.claims[0].start] + mark + rendered.text[rendered.claims[0].end :]
    assert masked.replace(" ", "") == text.replace(" ", "")


def test_a_text_without_marks_is_bound_to_the_literals_it_shows():
    shown = frame("en", "tent", literals=literals())
    text = "Ridgewind holds 500ml, like the Far Fell and 11 or 12 more from Kala, or Kalahari."
    rendered = RENDERER.fill(text, shown, literals())
    assert [(text[c.start : c.end], c.mark) for c in rendered.claims] == [
        ("Ridgewind", "[i.title]"),
        ("500ml", "[i.attr]"),
        ("Far Fell", "[e1.title]"),
        ("12", "[e2.count]"),
        ("Kala", "[i.brand]"),
    ]


@pytest.mark.parametrize("name", sorted(LOCALES))
def test_fallbacks_follow_the_facts_and_use_item_marks_alone(name):
    locale = LOCALES[name]
    assert all(len(set(locale.fallback[situation])) >= 8 for situation in SITUATIONS[:4])
    full, bare = frame(name, "tent"), Frame(name, "recommendation", "tent")
    texts = {RENDERER.fallback(full, literals(), seed) for seed in range(-200, 200)}
    assert texts == {form for situation in SITUATIONS[:3] for form in locale.fallback[situation]}
    assert {RENDERER.fallback(bare, Literals("x"), seed) for seed in range(99)} == set(locale.fallback["bare"])
    untitled = {RENDERER.fallback(full, literals(), seed, titled=False) for seed in range(99)}
    assert untitled == set(locale.fallback["untitled"])
    assert not any("[i.title]" in text for text in untitled)
    assert not any("[e" in text for text in texts | untitled)
    assert all(claim.evidence == "i" for text in texts for claim in RENDERER.fill(text, full, literals()).claims)


def test_a_renderer_travels_with_the_same_version():
    copy = pickle.loads(pickle.dumps(RENDERER))
    assert copy.version == RENDERER.version
    assert copy.fill("[i.a]", frame("zh", "帐篷"), literals()).text == "一顶帐篷"


def test_a_locale_without_a_voice_is_a_configuration_fault():
    with pytest.raises(ConfigError, match="wanted one of the locales"):
        RENDERER.fill("x", frame("fr", "tente"), literals())


def test_nouns_know_their_class():
    assert LOCALES["zh"].noun_of("户外/帐篷") == ("帐篷", "use")
    assert LOCALES["en"].noun_of("Outdoor/Tent") == ("tent", "use")
    assert LOCALES["en"].noun_of("odd/Gizmo") == ("gizmo", "thing")
    assert LOCALES["en"].noun_of(" / ") == ("item", "thing")


def test_acts_are_those_of_the_tables():
    from reasongen.schema import ACTIONS

    assert ACTS == ACTIONS


@pytest.mark.parametrize(("old", "new"), [("nouns:", "noun:"), ("wear:", "weapon:"), ("  bare:", "  barely:")])
def test_a_locale_file_with_a_fault_is_refused(tmp_path, old, new):
    text = (Path(__file__).resolve().parent.parent / "conf" / "locales" / "en.yaml").read_text()
    (tmp_path / "en.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError, match=r"en\.yaml"):
        load_locale(tmp_path / "en.yaml")
    with pytest.raises(ConfigError, match="wanted at least one"):
        load_locales(tmp_path / "none")
