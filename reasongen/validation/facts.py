"""What is stated of an item, as rules ask for it: names, numbers, category. What is not stated proves nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_NUMBER = re.compile(r"\d{1,12}(?:[.,]\d{1,6}){0,4}")
_DIGITS = {"零": 0, "〇": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_STEPS = {"十": 10, "百": 100, "千": 1000, "万": 10_000}
_WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}


@dataclass(frozen=True)
class Facts:
    """`stated`: name in lower case → value as text (an empty one is not stated). `category`: the item's path."""

    stated: Mapping[str, str] = field(default_factory=dict)
    category: str = ""

    def states(self, name: str) -> bool:
        """Whether a value is given; `series_max*` asks for any name that begins so."""
        if name.endswith("*"):
            return any(value and key.startswith(name[:-1]) for key, value in self.stated.items())
        return bool(self.stated.get(name.lower()))

    def number(self, name: str) -> float | None:
        """The first number of the value."""
        return number_of(self.stated.get(name.lower(), ""))

    def numbers_of(self, parts: Sequence[str]) -> list[float]:
        """The numbers of all facts whose names hold one of the parts."""
        found = (self.number(name) for name in self.stated if any(part in name for part in parts))
        return [number for number in found if number is not None]

    def in_category(self, words: Sequence[str]) -> bool:
        """Whether the category holds one of the words."""
        category = self.category.lower()
        return any(word in category for word in words)

    def proves(self, names: Sequence[str], categories: Sequence[str]) -> bool:
        """Whether one of `names` is stated and the category is one of `categories`; what is empty asks nothing."""
        return (not names or any(map(self.states, names))) and (not categories or self.in_category(categories))


def number_of(text: str) -> float | None:
    """The first number: 1,200 and 1.5 in digits, 一百二十 up to 万, one to twelve; None where there is none."""
    found = _NUMBER.search(text)
    if found:
        plain = found.group().rstrip(".,")
        whole = re.sub(r",(?=\d{3}(?:\D|$))", "", plain)
        return float(
            whole.replace(",", ".", 1) if whole.count(",") == 1 and "." not in whole else whole.replace(",", "")
        )
    if han := re.search("[零一二两三四五六七八九十百千万]{1,12}", text):
        return float(han_number(han.group()))
    return next((float(_WORDS[word]) for word in re.findall("[a-z]{3,6}", text) if word in _WORDS), None)


def han_number(text: str) -> int:
    """一百二十 → 120, 三 → 3, 十几 is not asked for; digits side by side (二〇) read as one number."""
    whole, part, digit = 0, 0, 0
    for letter in text:
        if letter in _DIGITS:
            digit = digit * 10 + _DIGITS[letter] if digit else _DIGITS[letter]
        elif letter == "万":
            whole, part, digit = (part + digit) * 10_000, 0, 0
        else:
            part, digit = part + (digit or 1) * _STEPS[letter], 0
    return whole + part + digit
