"""What a reader reads as one is one: no disguise changes the normal text, and spans lead back to what was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasongen.validation.normal import normalise

EVASIONS = {"zui": "最", "weixin": "微信"}


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("ＢＥＳＴ", "best"),
        ("b\u200be\u200bst", "best"),
        ("bеst", "best"),  # Cyrillic е
        ("b e s t", "best"),
        ("b3st", "best"),
        ("頂級", "顶级"),
        ("最 佳", "最佳"),
        ("最·佳", "最佳"),
        ("最\u200b佳", "最佳"),
        ("Zui佳", "最佳"),
        ("加weixin领", "加微信领"),
        ("①", "1"),
        ("café", "cafe"),
    ],
)
def test_a_disguise_reads_as_what_it_hides(written: str, plain: str) -> None:
    assert normalise(written, EVASIONS).plain == plain


@pytest.mark.parametrize("text", ["USB-C, 10:30-20:30", "M2 with IPX4", "a, b and c", "最近,佳作"])
def test_plain_writing_keeps_its_letters(text: str) -> None:
    assert normalise(text, EVASIONS).plain == text.lower()


@given(st.text(max_size=60))
def test_spans_lead_back_into_the_written_text(written: str) -> None:
    text = normalise(written, EVASIONS)
    assert len(text.plain) == len(text.starts) == len(text.ends)
    assert all(0 <= start < end <= len(written) for start, end in zip(text.starts, text.ends, strict=True))
    assert list(text.starts) == sorted(text.starts)


@given(
    st.text(alphabet="最佳顶级好用桌椅", min_size=2, max_size=12),
    st.sampled_from(["\u200b", " ", "·", "\ufeff", "*", "-"]),
)
def test_what_stands_between_characters_hides_nothing(word: str, gap: str) -> None:
    hidden = gap.join(word)
    text = normalise(hidden, EVASIONS)
    assert text.plain == word
    assert text.original(0, len(word)) == (0, len(hidden))


@given(st.text(max_size=40))
def test_a_normal_text_is_normal(written: str) -> None:
    once = normalise(written).plain
    assert normalise(once).plain == normalise(normalise(once).plain).plain
