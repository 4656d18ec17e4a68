"""Labels lose what their evidence does not bear, clause by clause, and stay sentences."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasongen.validation.cutting import Spans, cut


def speaks_against(*words: str):  # type: ignore[no-untyped-def]
    """A verdict that finds these words, and nothing else."""

    def against(text: str) -> Spans:
        return [match.span() for word in words for match in re.finditer(re.escape(word), text)]

    return against


@pytest.mark.parametrize(
    ("locale", "text", "false", "left"),
    [
        ("en", "This tent is waterproof.", (), "This tent is waterproof."),
        ("en", "This tent is waterproof, and it cures colds.", ("cures colds",), "This tent is waterproof."),
        ("en", "This tent is waterproof with famous poles, and it is light.", ("famous poles",),
         "This tent is waterproof, and it is light."),
        ("en", "It has delicious [i.word1] and kind staff.", ("delicious", "kind staff"), "It has [i.word1]."),
        ("en", "It has delicious tacos, and it is light.", ("delicious",), None),
        ("en", "The best tent on earth, and it is light.", ("best tent on earth",), None),
        ("en", "It cures colds, and it is light. This tent is waterproof.", ("cures colds",),
         "This tent is waterproof."),
        ("en", "Nothing true here.", ("Nothing true here",), None),
        ("zh", "这顶帐篷防水，能治感冒，也很轻。", ("治感冒",), "这顶帐篷防水，也很轻。"),
        ("zh", "全球第一，这顶帐篷防水。", ("第一",), "这顶帐篷防水。"),
        ("zh", "能治感冒。", ("治感冒",), None),
    ],
)  # fmt: skip
def test_what_is_not_borne_goes(locale: str, text: str, false: tuple[str, ...], left: str | None) -> None:
    assert cut(text, locale, speaks_against(*false)) == left


@given(st.sampled_from(["en", "zh"]), st.text(max_size=120), st.text(min_size=1, max_size=4))
def test_what_is_left_is_never_spoken_against(locale: str, text: str, false: str) -> None:
    against = speaks_against(false)
    left = cut(text, locale, against)
    assert left is None or not against(left)
    if not against(text):
        assert left == text
