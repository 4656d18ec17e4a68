"""Numbers are read as they are said, in both languages, and compared by what they measure."""

from __future__ import annotations

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from reasongen.validation.licences import load_licences
from reasongen.validation.quantities import Reader, reader_of
from reasongen.validation.quantity import Quantity, products, supported

READERS: dict[str, Reader] = {
    locale: reader_of(locale, load_licences(ROOT / "conf" / "licences", locale)) for locale in ("zh", "en")
}


def read(text: str, locale: str) -> list[Quantity]:
    return READERS[locale].read(text)


@pytest.mark.parametrize(
    ("locale", "text", "dimension", "low", "high"),
    [
        ("en", "1.5 kg", "mass", 1500, 1500),
        ("en", "half a litre", "volume", 500, 500),
        ("en", "a litre and a half", "volume", 1500, 1500),
        ("en", "one-litre", "volume", 1000, 1000),
        ("en", "a dozen", "count", 12, 12),
        ("en", "twenty-five cm", "length", 250, 250),
        ("en", "sixty percent", "share", 60, 60),
        ("en", "10:30", "clock", 630, 630),
        ("en", "half past nine", "clock", 570, 570),
        ("en", "quarter to nine", "clock", 525, 525),
        ("en", "9.30am", "clock", 570, 570),
        ("en", "an hour", "time", 3600, 3600),
        ("en", "three quarters of an hour", "time", 2700, 2700),
        ("en", "a third of a litre", "volume", 333.333333, 333.333333),
        ("en", "over an hour", "time", 3600, 7200),
        ("en", "5 pm", "clock", 1020, 1020),
        ("zh", "一公斤", "mass", 1000, 1000),
        ("zh", "一斤三两", "mass", 650, 650),
        ("zh", "半升", "volume", 500, 500),
        ("zh", "三厘米半", "length", 35, 35),
        ("zh", "九成", "share", 90, 90),
        ("zh", "三百米", "length", 300_000, 300_000),
        ("zh", "两只", "count", 2, 2),
        ("zh", "一个半小时", "time", 5400, 5400),
        ("zh", "三刻钟", "time", 2700, 2700),
        ("zh", "一米2", "length", 1200, 1200),
        ("zh", "三五个", "count", 3, 5),
        ("zh", "十一二人", "count", 11, 12),
        ("zh", "几百米", "length", 200_000, 999_000),
        ("zh", "晚上八点半", "clock", 1230, 1230),
        ("zh", "十二个小时", "time", 43_200, 43_200),
    ],
)
def test_a_quantity_is_read(locale: str, text: str, dimension: str, low: float, high: float) -> None:
    (one,) = read(text, locale)
    assert (one.dimension, round(one.low, 6), round(one.high, 6)) == (dimension, low, high)


@pytest.mark.parametrize(
    ("locale", "said", "stated", "same"),
    [
        ("en", "under 90 g", "86 g", True),
        ("en", "under 90 g", "96 g", False),
        ("en", "more than 3 hours", "3.5 hours", True),
        ("en", "about 10 cm", "11 cm", True),
        ("en", "about 10 cm", "14 cm", False),
        ("en", "10 inches", "25.4 cm", True),
        ("en", "2 lb", "907 g", True),
        ("en", "2 lb", "2 kg", False),
        ("en", "18 cm tall", "height 18 cm", True),
        ("en", "18 cm tall", "diameter 18 cm", False),
        ("zh", "不到五公斤", "4.6千克", True),
        ("zh", "不到五公斤", "5.2千克", False),
        ("zh", "一公斤出头", "1.1千克", True),
        ("zh", "四两多", "210克", True),
        ("zh", "四两多", "290克", False),
        ("zh", "高9厘米", "直径9厘米", False),
        ("zh", "八点半", "20:30", True),
        ("zh", "快两小时", "110分钟", True),
        ("zh", "三十来厘米", "28厘米", True),
        ("zh", "三十来厘米", "36厘米", True),
        ("zh", "三十来厘米", "24厘米", False),
        ("zh", "快两小时", "150分钟", False),
        ("zh", "八点半", "20:00", False),
    ],
)
def test_what_is_said_is_compared_with_what_is_stated(locale: str, said: str, stated: str, same: bool) -> None:
    (one,) = read(said, locale)
    assert (supported(one, read(stated, locale)) is not None) == same


def test_numbers_of_one_size_share_their_unit() -> None:
    assert [one.low for one in read("90×60厘米", "zh")] == [900, 600]
    assert [one.low for one in read("10 to 12 cm", "en")] == [100, 120]


@given(st.text(max_size=60), st.sampled_from(["zh", "en"]))
def test_any_text_can_be_read(text: str, locale: str) -> None:
    for one in read(text.lower(), locale):
        assert 0 <= one.start < one.end <= len(text.lower())
        assert one.low <= one.high + 1e-6


@given(
    st.integers(1, 9999), st.sampled_from([("kg", "g", 1000), ("cm", "mm", 10), ("l", "ml", 1000), ("h", "min", 60)])
)
def test_a_conversion_says_the_same(number: int, units: tuple[str, str, int]) -> None:
    large, small, factor = units
    (said,), stated = read(f"{number} {large}", "en"), read(f"{number * factor} {small}", "en")
    assert supported(said, stated) is not None


def test_a_word_behind_its_number_measures_no_other() -> None:
    tall, long = read("42 cm tall and 30 cm long", "en")
    stated = read("height 42 cm, length 30 cm", "en")
    assert supported(tall, stated) == stated[0]
    assert supported(long, stated) == stated[1]
    assert supported(long, stated[:1]) is None


def test_several_of_one_size_add_up_in_evidence() -> None:
    text = "2 x 500 ml"
    assert [one.point for one in products(text, read(text, "en"))] == [1000]
    text = "10克×20包"
    assert [one.point for one in products(text, read(text, "zh"))] == [200]
    assert list(products("90 x 60 cm", read("90 x 60 cm", "en"))) == []
