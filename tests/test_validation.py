"""Structural verdicts: each rule finds its fault, a good text has none, a disguise changes nothing."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasongen.prompts import EvidenceLiterals, EvidenceRow, Frame, Literals, Renderer, load_locales
from reasongen.validation import Verdict, judge, limits_of, structure, verdict

LOCALES = load_locales(Path(__file__).resolve().parent.parent / "conf" / "locales")
RENDERER = Renderer(LOCALES)
LIMITS = limits_of(LOCALES)

ROWS = (EvidenceRow("category", "", "cart", "few"),)
FRAMES = {
    "zh": Frame("zh", "recommendation", "帐篷", "use", ("防水", "三季可用"), "材质", True, ROWS),
    "en": Frame("en", "recommendation", "tent", "use", ("light", "2-in-1"), "size", True, ROWS),
}
PAIRS = {
    "zh": Literals("山野 300 型", "卡拉", "棉 2 层", (EvidenceLiterals(3, "星空帐篷", "", "帐篷", True),)),
    "en": Literals("Ridgewind 300, light", "Kala", "2 m", (EvidenceLiterals(3, "Far Fell 7", "", "tent", True),)),
}


def verdict_on(text: str, locale: str, finish: str = "stop", pair: Literals | None = None) -> Verdict:
    frame = FRAMES[locale]
    return judge(RENDERER.fill(text, frame, pair or PAIRS[locale]), text, finish, frame, LIMITS)


def rules(text: str, locale: str, finish: str = "stop") -> set[str]:
    return {failure.rule for failure in verdict_on(text, locale, finish).failures}


GOOD = {
    "zh": [
        "您[e1.when]把[e1.items]放进购物车，[i.this]同样[i.word1]，可以看看[i.title]。",
        "[i.title]十分适合周末出行，四季都能用，一起看看这一款吧！",
        "喜欢DIY的您，不妨了解[i.brand]的[i.title]。",
        "它三季可用，[i.name]为[i.attr]，和[e1.title]一样。",
        "[i.title]的标签是“[i.word1]”。",
        "您看过[e1.items]，也看过[e1.title]，[i.this]两点都符合。",
    ],
    "en": [
        "[e1.items] went into your basket [e1.when]; [i.title] is [i.word1] too.",
        "If you like that one, this 2-in-1 [i.noun] by [i.brand] may suit you.",
        "A thing or two about [i.title]: its [i.name] is [i.attr].",
        "You had had your eye on [e1.title], and [i.title] is close to it!",
        "Naïve or not, [i.title] is [i.a] for a café table.",
    ],
}
BAD = [
    ("", "zh", {"empty", "cut_off", "too_short"}),
    ("[i.title]，[e1.items]，[i.this]。", "zh", {"empty"}),
    ("[i.title]值得一看，可以放进备选", "zh", {"cut_off"}),
    ("[i.title] may be worth a look, like a [i.title]", "en", {"cut_off"}),
    ("可看[i.noun]。", "zh", {"too_short"}),
    ("看看它。", "zh", {"too_short"}),
    ("可以看看[i.title]，出门走走也不错，" + "山" * 80 + "。", "zh", {"too_long", "repeated"}),
    ("Have a look at [i.title]" + " in rain, or any weather" * 10 + ".", "en", {"too_long", "repeated"}),
    ("Have a look at [i.title], a tent 帐篷 for you.", "en", {"wrong_language"}),
    ("Have a look at [i.title], a tеnt for you.", "en", {"wrong_language"}),
    ("You may like [i.title] since it is a good tent.", "zh", {"wrong_language", "cut_off"}),
    ("推荐您看看[i.title]、とても好看。", "zh", {"wrong_language"}),
    ("推荐您看看<b>[i.title]</b>，样式好看。", "zh", {"markup"}),
    ("推荐您看看**[i.title]**，样式好看。", "zh", {"markup"}),
    ("Have a look at [i.title] <|endoftext|> today.", "en", {"markup"}),
    ("Have a look at [i.title] &amp; more, see www.shop.example.", "en", {"markup"}),
    ("Have a look at {{ title }} as it is light.", "en", {"markup"}),
    ("- Have a look at [i.title] as it is light.", "en", {"markup"}),
    ("推荐您看看\n[i.title]，样式好看。", "zh", {"control_characters"}),
    ("推荐您看看[i.title]，样\u200b式好看。", "zh", {"control_characters"}),
    ("Have a look at [i.title] \u202eas it is light.", "en", {"control_characters"}),
    ("推荐您看看[e2.title]，样式好看。", "zh", {"unknown_reference"}),
    ("推荐您看看[i.titel]，样式好看。", "zh", {"unknown_reference"}),
    ("推荐您看看i.title]，样式好看。", "zh", {"unknown_reference"}),
    ("Have a look at e1.title, as it is light.", "en", {"unknown_reference"}),
    ("Have a look at 【i.title】, as it is light.", "en", {"unknown_reference"}),
    ("推荐您看看[i.title]，只要3元。", "zh", {"stray_number"}),
    ("推荐您看看[i.title]，三种颜色可选。", "zh", {"stray_number"}),
    ("推荐您看看[i.title]，全网第一。", "zh", {"stray_number"}),
    ("推荐您看看[i.title]，好评一百条。", "zh", {"stray_number"}),
    ("Have a look at [i.title], two of them fit.", "en", {"stray_number"}),
    ("Have a look at [i.title], 40 of them fit.", "en", {"stray_number"}),
    ("Have a look at [i.title], A Dozen reasons.", "en", {"stray_number"}),
    ("[i.title]值得一看，样式好看，也耐用，样式好看。", "zh", {"repeated"}),
    ("[i.title]很轻便很轻便，样式好看。", "zh", {"repeated"}),
    ("Have a look at [i.title], it is light, have a look at [i.title].", "en", {"repeated"}),
    ("Have a look at [i.title], it is is light.", "en", {"repeated"}),
]  # fmt: skip


@pytest.mark.parametrize(("locale", "text"), [(locale, text) for locale, texts in GOOD.items() for text in texts])
def test_a_good_text_passes(locale, text):
    assert verdict_on(text, locale) == verdict.PASSED


@pytest.mark.parametrize(("text", "locale", "wanted"), BAD)
def test_each_fault_is_found_and_nothing_else(text, locale, wanted):
    found = rules(text, locale)
    assert (wanted - found, found - wanted) == (set(), set()), "missed, unexpected"


@pytest.mark.parametrize("finish", ["length", "error:oom", ""])
def test_a_text_that_did_not_stop_by_itself_is_cut_off(finish):
    assert rules(GOOD["zh"][0], "zh", finish) == {"cut_off"}


def test_a_point_inside_a_literal_ends_no_sentence():
    pair = Literals("Look at me! Now", "Kala", "1 m.")
    assert "cut_off" in {f.rule for f in verdict_on("Have a look at [i.title]", "en", pair=pair).failures}


@pytest.mark.parametrize("name", sorted(LOCALES))
def test_every_fallback_passes_its_own_verdict(name):
    noun, word = {"zh": ("跑鞋", "轻"), "en": ("headphones", "x")}[name]
    bare = Frame(name, "recommendation", FRAMES[name].noun)
    shapes = [FRAMES[name], bare, Frame(name, "recommendation", noun, words=(word,))]
    for situation, texts in LOCALES[name].fallback.items():
        for text in texts:
            for frame in shapes:
                rendered = RENDERER.fill(text, frame, PAIRS[name])
                if "[" not in rendered.text:
                    assert judge(rendered, text, "stop", frame, LIMITS).passed, (situation, rendered.text)
    short = Literals("A", "B", "C")
    for seed in range(80):
        for frame in shapes:
            text = RENDERER.fallback(frame, short, seed)
            assert judge(RENDERER.fill(text, frame, short), text, "stop", frame, LIMITS).passed, text


DISGUISES = {
    "full width": lambda text: "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() else c for c in text),
    "mathematical": lambda text: "".join(chr(0x1D7CE + int(c)) if c.isascii() and c.isdigit() else c for c in text),
    "circled": lambda text: "".join(chr(0x2460 + int(c) - 1) if c in "123456789" else c for c in text),
    "upper case": str.upper,
}


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize(
    ("before", "number", "after", "locale"),
    [
        ("推荐您看看[i.title]，只要", "35", "元。", "zh"),
        ("Have a look at [i.title], ", "78", " of them fit.", "en"),
        ("Have a look at [i.title], ", "two", " of them fit.", "en"),
    ],
)
def test_a_number_in_disguise_is_still_a_number(before, number, after, locale, disguise):
    assert rules(before + DISGUISES[disguise](number) + after, locale) == {"stray_number"}


@given(st.sampled_from(["\u200b", "\u200d", "\u2060", "\u00ad", "\ufeff", "\u202e", "\ufe0f"]), st.integers(1, 8))
def test_a_hidden_character_anywhere_is_found(hidden, at):
    text = "推荐您看看三种样式都好看的[i.title]。"
    assert "control_characters" in rules(text[:at] + hidden + text[at:], "zh")


@given(
    st.sampled_from(["zh", "en"]),
    st.one_of(st.text(max_size=80), st.sampled_from(["[e1.items] {{x}}", "<|im_end|>", "*bold*", "7\u200b7", "a, a"])),
)
def test_a_title_never_makes_its_reason_look_broken(locale, title):
    """Whatever a seller wrote: what is refused is refused for the title's own fault, not for a leak out of its span."""
    pair = Literals(title, title, title, (EvidenceLiterals(3, title, title, "", True),))
    text = GOOD[locale][0]
    frame = FRAMES[locale]
    rendered = RENDERER.fill(text, frame, pair)
    found = {failure.rule for failure in judge(rendered, text, "stop", frame, LIMITS).failures}
    assert found <= ({"markup"} if "[i.title]" not in rendered.text else {"unknown_reference"})


@given(st.text(max_size=300), st.sampled_from(["zh", "en"]))
def test_any_text_gets_a_verdict_with_spans_inside_it(text, locale):
    frame = FRAMES[locale]
    rendered = RENDERER.fill(text, frame, PAIRS[locale])
    found = judge(rendered, text, "stop", frame, LIMITS)
    assert found.passed == (not found.failures)
    for failure in found.failures:
        assert failure.rule != "rule_failed"
        assert 0 <= failure.start <= failure.end <= len(rendered.text)


def test_a_rule_that_breaks_refuses_the_text(monkeypatch):
    def broken(case):
        raise RuntimeError("no")

    monkeypatch.setattr(verdict, "RULES", (broken, *structure.RULES))
    found = verdict_on(GOOD["en"][0], "en")
    assert [(failure.rule, failure.detail) for failure in found.failures] == [("rule_failed", "broken: RuntimeError")]


def test_an_unknown_locale_refuses_the_text():
    frame = FRAMES["zh"]
    rendered = RENDERER.fill(GOOD["zh"][0], frame, PAIRS["zh"])
    assert [failure.rule for failure in judge(rendered, "", "stop", frame, {}).failures] == ["rule_failed"]


def test_a_detail_holds_no_word_of_the_text():
    text = "secretword <b> secretword 77 [e9.secretword] \u200b秘密"
    for locale in ("zh", "en"):
        failures = verdict_on(text, locale).failures
        assert len(failures) >= 4
        assert not any("secretword" in failure.detail or "77" in failure.detail for failure in failures)


def test_limits_travel_between_processes():
    assert pickle.loads(pickle.dumps(LIMITS))["zh"].max_chars == LOCALES["zh"].limits.max_chars
