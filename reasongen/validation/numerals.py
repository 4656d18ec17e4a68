"""Number words: how digits, Chinese and English numerals are written, and what an English one is worth."""

from __future__ import annotations

import re

DIGITS = r"(?:\d{1,3}(?:,\d{3}){1,4}|\d{1,12})(?:\.\d{1,6})?"
HAN_NUMBER = "(?:两|[零〇一二三四五六七八九十百千万])[零〇一二三四五六七八九十百千万]{0,10}"
_HAN_DIGITS = "零一二三四五六七八九"
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
ENGLISH: dict[str, float] = {
    **{word: float(number) for number, word in enumerate([*_ONES.split(" "), "eighteen", "nineteen"])},
    **{word: float(10 * number) for number, word in enumerate(_TENS.split(" "), start=2)},
    "hundred": 100.0,
    "thousand": 1000.0,
    "dozen": 12.0,
    "couple": 2.0,
}
FRACTIONS = {
    "a half": 1 / 2,
    "one half": 1 / 2,
    "a third": 1 / 3,
    "one third": 1 / 3,
    "two thirds": 2 / 3,
    "a quarter": 1 / 4,
    "one quarter": 1 / 4,
    "three quarters": 3 / 4,
    "a fifth": 1 / 5,
    "one fifth": 1 / 5,
    "two fifths": 2 / 5,
    "three fifths": 3 / 5,
    "four fifths": 4 / 5,
}
_TWO_DIGITS = re.compile("(?P<tens>十?)(?P<low>[一二两三四五六七八])(?P<high>[二三四五六七八九])")


def han_range(text: str) -> tuple[float, float] | None:
    """三五 (three to five), 十一二 (eleven or twelve): two digits side by side that rise; None for other numerals."""
    match = _TWO_DIGITS.fullmatch(text)
    tens = 10.0 if match and match.group("tens") else 0.0
    low, high = (
        (_HAN_DIGITS.index(match.group(name).replace("两", "二")) for name in ("low", "high")) if match else (0, 0)
    )
    return (tens + low, tens + high) if low < high else None


def english_number(text: str) -> float | None:
    """twenty-five, a dozen, half a dozen, two hundred, half a: what they are worth; None for other words."""
    words = re.findall("[a-z]+", text)
    half = "half" in words
    numbers = [ENGLISH[word] for word in words if word in ENGLISH]
    value = 0.0
    for number in numbers:
        value = (value or 1.0) * number if number >= 100 or (number == 12.0 and value) else value + number
    if not numbers:
        return 0.5 if half else (1.0 if words else None)
    return 0.5 * value if half else value
