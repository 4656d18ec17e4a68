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
        ("en", "It has great hot [i.word1].", ("great", "hot"), "It has [i.word1]."),
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


@pytest.mark.parametrize(
    ("locale", "text", "false"),
    [
        ("en", "This tent is not only waterproof but also delicious.", ("delicious",)),
        ("en", "It is not so that, as rumours say, this tent is waterproof.", ("rumours",)),
        ("en", "This tent is waterproof, except at the seams.", ("seams",)),
        ("en", "This tent is waterproof, but only for a week.", ("week",)),
        ("en", "You bought three tents and hated their poles, so this tent is light.", ("hated",)),
        ("en", "You looked at old tents, and this one is light.", ("old tents",)),
        ("en", "This place is in lovely Leeds.", ("Leeds",)),
        ("en", "Bought by three people, this tent is light.", ("people",)),
        ("en", "Unlike cheap [i.plural], this one is light.", ("Unlike", "cheap")),
        ("en", "You bought [e1.items] that is light.", ("bought",)),
        ("en", "This is the best [i.noun] in the world.", ("the best",)),
        ("en", "A jacket of fake [i.word1] from [i.brand].", ("fake",)),
        ("zh", "这顶帐篷不仅防水，还能治感冒。", ("治感冒",)),
        ("zh", "只有买了滤光片，这盏台灯才可调光。", ("滤光片",)),
        ("zh", "因为您穷，所以这顶帐篷很轻。", ("穷",)),
        ("zh", "这盏台灯差点就可调光了，就是坏了。", ("坏了",)),
        ("zh", "这盏台灯可调光，前提是另买灯罩。", ("灯罩",)),
    ],
)  # fmt: skip
def test_a_sentence_that_may_mean_something_else_without_a_clause_goes_whole(
    locale: str, text: str, false: tuple[str, ...]
) -> None:
    assert cut(text, locale, speaks_against(*false)) is None


@pytest.mark.parametrize(
    ("text", "false", "left"),
    [
        ("This tent is waterproof with poles that are light, and it is small.", "poles",
         "This tent is waterproof, and it is small."),
        ("You bought three tents, hated the poles and light pegs, and this one is small.", "hated",
         "You bought three tents, and this one is small."),
        ("This tent is waterproof but its staff are rude with us.", "rude", "This tent is waterproof."),
    ],
)  # fmt: skip
def test_what_hangs_on_to_a_clause_goes_with_it(text: str, false: str, left: str) -> None:
    assert cut(text, "en", speaks_against(false)) == left


@given(st.sampled_from(["en", "zh"]), st.text(max_size=120), st.text(min_size=1, max_size=4))
def test_what_is_left_is_never_spoken_against(locale: str, text: str, false: str) -> None:
    against = speaks_against(false)
    left = cut(text, locale, against)
    assert left is None or not against(left)
    if not against(text):
        assert left == text
