"""Money in a reason: every sum is a stated price, every discount the arithmetic of a stated pair. Matches normal text.

Source: rules of price marking (struck-through price needs a basis), EU 98/6/EC art. 6a; see R05 in conf/policies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from reasongen.validation.facts import Facts, number_of
from reasongen.validation.rules import PriceCheck

CENT = 0.005  # of the currency's unit


def check_prices(check: PriceCheck, plain: str, facts: Facts) -> Iterator[tuple[int, int]]:
    """Spans of sums that are no stated price, of discounts that do not follow from one, of promises without a basis."""
    now = [number for name in check.now if (number := facts.number(name)) is not None]
    prices = facts.numbers_of(check.prices)
    pairs = [(new, old) for new in now for old in prices if old > new]
    drops = [old - new for new, old in pairs]
    for start, end, said in _numbers(check.money, plain):
        if not any(abs(said - price) < CENT for price in [*prices, *drops]):
            yield start, end
    for start, end, said in _numbers(check.percent, plain):
        if not any(abs(said - (100 - 100 * new / old)) < 1 for new, old in pairs):
            yield start, end
    for start, end, said in _numbers(check.tenths, plain):
        share = said / 10 if said < 10 else said / 100
        if not any(abs(share - new / old) < 0.01 for new, old in pairs):
            yield start, end
    for found in _pattern(check.claims).finditer(plain) if check.claims and not pairs else ():
        yield found.span()


def _numbers(patterns: tuple[str, ...], plain: str) -> Iterator[tuple[int, int, float]]:
    for found in _pattern(patterns).finditer(plain) if patterns else ():
        said = number_of(next((group for group in found.groups() if group), found.group()))
        if said is not None:
            yield *found.span(), said


@lru_cache(maxsize=64)
def _pattern(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
