"""Number words: how digits, Chinese and English numerals are written, and what an English one is worth."""

from __future__ import annotations

import re

DIGITS = r"(?:\d{1,3}(?:,\d{3}){1,4}|\d{1,12})(?:\.\d{1,6})?"
HAN_NUMBER = "(?:两|[零〇一二三四五六七八九十百千万])[零〇一二三四五六七八九十百千万]{0,10}"
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
