"""A number with its unit, and what several of them are together: two of one range, one in two units, so many of one
size. `supported` compares what is said with what is stated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from reasongen.validation.numerals import DIGITS

CONVERTED = 0.03  # a conversion may round so much of its value
_ADDED = ("mass", "volume", "charge", "energy")  # of several things of one size these add up
_TIMES_MANY = re.compile(" ?[x×*] ?")
_TIMES = re.compile(r"(?: ?(?:[x×*~\-–—]|by|up to|to|至|到|乘) ?)(?:and )?$")


@dataclass(frozen=True, slots=True)
class Quantity:
    """What is said from `start` to `end`: a value between `low` and `high` in the base unit of `dimension`.

    `dimension` is "count" without a unit, "clock" for a time of day in minutes. `unit`, `step` and `raw` tell how it is
    written, `point` is its value without about or over; `aspects` what it measures, as far as the words beside it tell;
    `counter` the word after it, `beside` the keys of the English words around a count.
    """

    start: int
    end: int
    low: float
    high: float
    dimension: str
    unit: str
    step: float
    raw: float = 0.0
    point: float = 0.0
    counter: str = ""
    beside: frozenset[str] = frozenset()
    aspects: frozenset[str] = frozenset()


def supported(said: Quantity, stated: Sequence[Quantity]) -> Quantity | None:
    """The stated quantity that says the same: same dimension, value within what was said, no other aspect."""
    for one in stated:
        if one.dimension != said.dimension or not _same_value(said, one):
            continue
        if said.aspects and one.aspects and not said.aspects & one.aspects:
            continue
        return one
    return None


def _same_value(said: Quantity, stated: Quantity) -> bool:
    if said.dimension == "clock":
        return said.low % 720 == stated.low % 720 and (said.low == stated.low or min(said.low, stated.low) < 720)
    exact = said.unit == stated.unit or said.dimension == "count"
    room = max(
        said.step if exact and said.step < 0.5 * abs(said.low) else 0.0, 0.0 if exact else CONVERTED * abs(said.low)
    )
    if said.dimension == "count":
        room = 0.0
    room = min(room, 0.1 * abs(said.low)) + 1e-6
    return said.low - room <= stated.point <= said.high + room


def shared_units(plain: str, found: list[Quantity]) -> list[Quantity]:
    """90×60厘米, 10 to 12 cm: the number without a unit takes that of the next one."""
    out = list(found)
    for at in range(len(out) - 2, -1, -1):
        one, after = out[at], out[at + 1]
        between = plain[one.end : after.start]
        if one.dimension == "count" and after.dimension not in ("count", "clock") and _TIMES.fullmatch(between):
            scale = after.low / _raw(plain, after) if _raw(plain, after) else 1.0
            out[at] = replace(
                one,
                low=one.low * scale,
                high=one.high * scale,
                point=one.point * scale,
                dimension=after.dimension,
                unit=after.unit,
                step=one.step * scale,
                counter="",
            )
    return out


def joined(plain: str, found: list[Quantity]) -> list[Quantity]:
    """一斤三两, 1 h 30 min: one quantity in two units."""
    out: list[Quantity] = []
    for one in found:
        before = out[-1] if out else None
        if before and before.dimension == one.dimension != "count" and one.unit and before.unit != one.unit:
            between = plain[before.end : one.start]
            if between in ("", " ", " and ") and one.low < before.low and before.low == before.high:
                out[-1] = replace(
                    one,
                    start=before.start,
                    low=before.low + one.low,
                    high=before.high + one.high,
                    point=before.point + one.point,
                )
                continue
        out.append(one)
    return out


def products(plain: str, found: Sequence[Quantity]) -> Iterator[Quantity]:
    """What 2 x 500 ml comes to: the evidence of a litre."""
    for first, second in pairwise(found):
        if not _TIMES_MANY.fullmatch(plain, first.end, second.start):
            continue
        for many, one in ((first, second), (second, first)):  # 2 x 500 ml, 10克×20包
            digits = plain[many.start : many.end]
            counted = many.dimension == "count" or (many.unit == one.unit and digits.isdigit())
            if counted and one.dimension in _ADDED:
                of_them = float(digits) if digits.isdigit() else many.point
                yield replace(one, low=one.low * of_them, high=one.high * of_them, point=one.point * of_them)
                break


def _raw(plain: str, one: Quantity) -> float:
    digits = re.search(DIGITS, plain[one.start : one.end])
    return float(digits.group().replace(",", "")) if digits else 0.0
