"""Times of day in a text: 20:30, 5 pm, eleven o'clock, 八点半. Reads normal text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reasongen.validation.facts import han_number
from reasongen.validation.numerals import DIGITS, ENGLISH, HAN_NUMBER, english_number

_CLOCK_ZH = re.compile(
    rf"(?P<part>早上?|上午|中午|下午|傍晚|晚上?|夜里|凌晨)?(?P<hour>{DIGITS}|{HAN_NUMBER})(?:(?<!一)点|点(?=[半整钟]|一刻|三刻)|时(?!间))(?!整?[一-九]?[个只]|都|皆|均|多|数|评|赞|击|开(?![门车饭始放业席])|餐|缀|心)(?P<rest>半|整|钟|一刻|三刻|(?:{DIGITS}|{HAN_NUMBER})分?)?"
)
_CLOCK = re.compile(
    r"(?<![\d.:])(?P<hour>[01]?\d|2[0-4])(?::(?P<minute>[0-5]\d)(?: ?(?P<half>am|pm))?"
    r"|\.(?P<parted>[0-5]\d) ?(?P<of_parted>am|pm))(?![\d:a-z])"
    r"|(?<![a-z])(?P<past>half past|half|quarter past|quarter to) "
    r"(?P<after>\d{1,2}|"
    + "|".join(ENGLISH)
    + r")(?= (?:to|until|till|onwards?|on|in|at|every|each)(?![a-z])|[,.;!?]|$)"
    r"|(?<![\w.])(?P<bare>\d{1,2}|" + "|".join(ENGLISH) + r") ?(?P<meridiem>a\.?m\.?|p\.?m\.?|o'clock)(?![a-z])"
)
_PAST = {"half past": 30, "half": 30, "quarter past": 15, "quarter to": -15}


def clocks(plain: str, locale: str) -> Iterator[tuple[tuple[int, int], float]]:
    """((start, end), minutes after midnight) of every time of day; a bare hour counts from midnight to noon."""
    for pattern in (_CLOCK_ZH, _CLOCK) if locale == "zh" else (_CLOCK,):
        for match in pattern.finditer(plain):
            minutes = _minutes(match)
            if minutes is not None:
                yield match.span(), minutes


def _minutes(match: re.Match[str]) -> float | None:
    groups = match.groupdict()
    if groups.get("parted"):
        groups |= {"minute": groups["parted"], "half": groups["of_parted"]}
    if groups.get("past"):
        hour_said = float(groups["after"]) if groups["after"].isdigit() else english_number(groups["after"])
        return None if hour_said is None or hour_said > 12 else 60 * (hour_said % 12) + _PAST[groups["past"]]
    if groups.get("minute"):
        hour, minute = int(groups["hour"]), int(groups["minute"])
        return 60.0 * (hour % 12 + 12 * (groups["half"] == "pm") if groups["half"] else hour) + minute
    if groups.get("bare"):
        hour_said = english_number(groups["bare"]) if not groups["bare"].isdigit() else float(groups["bare"])
        late = groups["meridiem"].startswith("p")
        return None if hour_said is None else 60 * (hour_said % 12 + 12 * late)
    if "part" not in groups or not groups["hour"]:
        return None
    hour = int(groups["hour"]) if groups["hour"].isdigit() else han_number(groups["hour"])
    rest = groups["rest"] or ""
    extra = {"半": 30, "一刻": 15, "三刻": 45}.get(rest)
    if extra is None:
        digits = rest.rstrip("分")
        extra = int(digits) if digits.isdigit() else han_number(digits) if digits.strip("整钟") else 0
    late = (groups["part"] or "")[:1] in "下傍晚夜" and groups["part"] and hour < 12
    return 60.0 * (hour + 12 * bool(late)) + extra
