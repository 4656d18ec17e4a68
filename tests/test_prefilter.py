"""The prefilter may say more than is there, never less."""

from __future__ import annotations

import re

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from reasongen.validation.gate import compile_policy
from reasongen.validation.licences import load_licences
from reasongen.validation.prefilter import MAX_CHARS, Prefilter, without_lookarounds
from reasongen.validation.relating import relations_of
from reasongen.validation.rules import load_policy

RELATIONS = {name: relations_of(load_licences(ROOT / "conf" / "licences", name)) for name in ("zh", "en")}
GATES = {name: compile_policy(load_policy(ROOT / "conf" / "policies"), name) for name in ("zh", "en")}
PIECES = [
    *["the", "best", "no", "other", "cures", "diabetes", "your", "doctor", "studies", "show", "100%", "safe", "hurry"],
    *[
        "您",
        "你",
        "最",
        "好",
        "第一",
        "治",
        "感冒",
        "元",
        "8折",
        "剩",
        "2件",
        "微信",
        "医生",
        "推荐",
        "环保",
        " ",
        "，",
        "-",
        "7",
    ],
]


@pytest.mark.parametrize(
    ("pattern", "plain"),
    [
        ("a(?!b)c", "ac"),
        ("(?<![a-z])x(?![a-z])", "x"),
        (r"[(?!)]\((?=d(e|f))g", r"[(?!)]\(g"),
        ("(?:a|(?<=b[)])c)", "(?:a|c)"),
        (r"(?!\))z", "z"),
    ],
)
def test_lookarounds_go_and_all_else_stays(pattern: str, plain: str) -> None:
    assert without_lookarounds(pattern) == plain


@pytest.mark.parametrize(
    ("pattern", "text"), [("xa{,3}b", "xaab"), (r"\d元", "٣元"), (r"中\b ", "中 "), ("a{2}b", "aab")]
)
def test_what_re2_reads_otherwise_is_possible_too(pattern: str, text: str) -> None:
    assert re.search(pattern, text)
    assert list(Prefilter(["zz", pattern]).possible(text)) == [1]


@given(st.lists(st.sampled_from(PIECES), max_size=14), st.sampled_from(["zh", "en"]), st.sampled_from(["", " "]))
def test_what_a_pattern_finds_is_possible(pieces: list[str], locale: str, gap: str) -> None:
    gate, text = GATES[locale], gap.join(pieces)
    possible = {gate.numbers[one] for one in gate.prefilter.possible(text)}
    found = {number for number, (_, _, pattern) in enumerate(gate.parts) if pattern and pattern.search(text)}
    assert found <= possible


def test_a_pattern_that_it_cannot_read_is_always_possible() -> None:
    assert list(Prefilter(["a", r"(b)\1"]).possible("zzz")) == [1]


def test_a_long_text_is_matched_by_every_pattern() -> None:
    assert list(Prefilter(["a", "b"]).possible("z" * (MAX_CHARS + 1))) == [0, 1]


RELATED = [
    *["than", "better", "most lamps are not", "so it is", "which makes it", "because", "being", "friends love", "skip"],
    *["the same brand", "of the same kind", "upgrade", "helps you", "relax", "more comfortable", "you can do without"],
    *[
        "更轻",
        "比",
        "还要",
        "同类",
        "同品牌",
        "是同一个牌子",
        "于是",
        "因为",
        "所以",
        "大家都喜欢",
        "让人",
        "提神",
        "就不用",
        "疼",
        "越用越",
    ],
    *["lamp", "台灯", " ", "，", ".", "a", "的"],
]


@given(st.lists(st.sampled_from(RELATED), max_size=8), st.sampled_from(["zh", "en"]))
def test_no_relation_that_a_text_tells_is_left_out(pieces: list[str], locale: str) -> None:
    plain = ("" if locale == "zh" else " ").join(pieces)
    relations = RELATIONS[locale]
    asked = {
        "comparisons": relations.comparisons,
        "causes": relations.causes,
        "therefore": relations.therefore,
        "others": relations.others,
        **relations.same,
    }
    told = {name for name, pattern in asked.items() if pattern.search(plain)}
    assert told <= relations.possible(plain)
