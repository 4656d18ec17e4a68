"""Numbers with their units, as a text says them: 4.6千克, 不到五公斤, half a litre, under 90 g, 八点半, a dozen.

Reads normal text, and knows no evidence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from reasongen.validation.clocks import clocks
from reasongen.validation.facts import han_number
from reasongen.validation.licences import Licences
from reasongen.validation.numerals import DIGITS, ENGLISH, FRACTIONS, HAN_NUMBER, english_number, han_range
from reasongen.validation.quantity import Quantity, joined, shared_units
from reasongen.validation.words import words_of

# What may stand between a number and the word that says what it measures.
_BESIDE = re.compile(" ?(?:约|为|是|有|达|多|左右|上下|出头|of |: ?)?")


@dataclass(frozen=True)
class Reader:
    """Finds the quantities of one language."""

    licences: Licences
    pattern: re.Pattern[str]
    before: re.Pattern[str]
    after: re.Pattern[str]
    aspects: dict[str, tuple[re.Pattern[str], dict[str, str]]]

    def read(self, plain: str) -> list[Quantity]:
        """Every quantity from left to right; 90×60 cm gives two in centimetres."""
        found = [
            Quantity(*span, at, at, "clock", "", 0.0, point=at) for span, at in clocks(plain, self.licences.locale)
        ]
        taken = [(one.start, one.end) for one in found]
        for match in self.pattern.finditer(plain):
            if not any(start < match.end() and match.start() < end for start, end in taken):
                one = self._quantity(plain, match)
                if one is not None:
                    found.append(one)
        if not found:
            return []
        found.sort(key=lambda one: one.start)
        found = joined(plain, shared_units(plain, found))
        return [replace(one, aspects=self._aspects(plain, one), beside=self._beside(plain, one)) for one in found]

    def _quantity(self, plain: str, match: re.Match[str]) -> Quantity | None:
        value = _value(match)
        if value is None:
            return None
        name = match.group("unit") or ""
        if not name and not match.group("counter") and self._bare_numeral(plain, match):
            return None
        dimension, unit, factor, offset = "count", "", 1.0, 0.0
        if name == "bar" and value == 1.0 and not match.group("digits"):
            name = ""  # one bar of soap
        if name:
            dimension, unit, what = self.licences.units.named[name]
            factor, offset = what.factor, what.offset
        low = high = value
        step = 0.5 * 10 ** -len(match.group("digits").partition(".")[2]) if match.group("digits") else 0.0
        more = match.group("more") or ""
        if match.group("half") or match.groupdict().get("and_half") or more == "个半":
            low = high = value = value + 0.5
        if both := han_range(match.groupdict().get("han") or ""):
            low, high = both
        if value in (10, 100, 1000, 10000) and plain[match.start() - 1 : match.start()] in ("几", "数"):
            low, high = 2 * value, 10 * value - 1  # 几百
        if tenths := match.groupdict().get("tenths"):
            low = high = value = value + _han_or_digits(tenths) / 10 ** len(tenths)
        if more and more != "个半":
            high = (
                high + (10 ** (len(str(int(low))) - 1) if low >= 10 and low % 10 == 0 else max(1.0, 0.1 * low)) - 1e-9
            )
        if more == "来":
            low = 0.9 * low  # 三十来厘米 may be 28
        low, high = self._approximate(plain, match, low, high)
        counter = "" if name else (match.group("counter") or "").strip()
        end = match.start("counter") if counter and self.licences.locale == "en" else match.end()
        point = value * factor + offset
        low, high = low * factor + offset, high * factor + offset
        return Quantity(match.start(), end, low, high, dimension, unit, step * factor, value, point, counter)

    @staticmethod
    def _bare_numeral(plain: str, match: re.Match[str]) -> bool:
        """A Chinese numeral with nothing to count is part of a word (四周, 万能): the words answer for it."""
        ranges = re.compile("[到至~-][零一二两三四五六七八九十百0-9]").match(plain, match.end())
        return bool(match.groupdict().get("han")) and not ranges

    def _approximate(self, plain: str, match: re.Match[str], low: float, high: float) -> tuple[float, float]:
        share = self.licences.units.approximate
        kinds = {
            *(
                kind
                for found in self._just_before(plain, match.start())
                for kind, text in found.groupdict().items()
                if text
            ),
            *(
                kind
                for found in [self.after.match(plain, match.end())]
                if found
                for kind, text in found.groupdict().items()
                if text
            ),
        }
        if "about" in kinds:
            return low * (1 - share["about"]), high * (1 + share["about"])
        if "nearly" in kinds:
            return low * (1 - share["nearly"]), high
        if "within" in kinds:
            return low * (1 - share["under"]), high
        if "under" in kinds:
            return low * (1 - share["under"]), high * (1 - 1e-9)
        if "over" in kinds:  # over an hour is any time until two
            return low, max(high * (1 + share["over"]), low + 1 if low < 10 else 0.0)
        return low, high

    def _just_before(self, plain: str, start: int) -> Iterator[re.Match[str]]:
        """About, 将近: what stands right before a number."""
        for found in self.before.finditer(plain, max(0, start - 14), start):
            if found.end() == start:
                yield found

    def _beside(self, plain: str, one: Quantity) -> frozenset[str]:
        if self.licences.locale != "en" or one.dimension != "count":
            return frozenset()
        before, after = words_of(plain[max(0, one.start - 30) : one.start]), words_of(plain[one.end : one.end + 40])
        return frozenset(key for word in (*before[-2:], *after[:3]) for key in word.keys)

    def spans(self, plain: str, found: Sequence[Quantity]) -> Iterator[tuple[int, int]]:
        """Where each quantity stands, and the word beside it that says what it measures: 42 cm high, 高15厘米."""
        for one in found:
            yield one.start, one.end
            yield from (match.span() for match in self._measured(plain, one))
            yield from (match.span() for match in self._just_before(plain, one.start))

    def sizes(self, plain: str, found: Sequence[Quantity]) -> Iterator[tuple[int, int]]:
        """Of the words beside a quantity those that alone would say that there is much of it: high, 重."""
        for one in found:
            for match in self._measured(plain, one):
                if self.aspects[one.dimension][1][match.group()] in self.licences.units.sizes:
                    yield match.span()

    def _measured(self, plain: str, one: Quantity) -> Iterator[re.Match[str]]:
        for match in self.aspects[one.dimension][0].finditer(plain) if one.dimension in self.aspects else ():
            if _BESIDE.fullmatch(plain, one.end, match.start()) or _BESIDE.fullmatch(plain, match.end(), one.start):
                yield match

    def _aspects(self, plain: str, one: Quantity) -> frozenset[str]:
        """The nearest word that says what is measured, in the same clause; Chinese names it before the number."""
        if one.dimension not in self.aspects:
            return frozenset()
        pattern, names = self.aspects[one.dimension]
        left = max((plain.rfind(mark, 0, one.start) for mark in ",.;:!?、。;·\n"), default=-1) + 1
        right = min((at for mark in ",;!?、。\n" if (at := plain.find(mark, one.end)) >= 0), default=len(plain))
        before = list(pattern.finditer(plain, max(left, one.start - 24), one.start))
        after = list(pattern.finditer(plain, one.end, min(right, one.end + 24)))
        if after and self.licences.locale == "en" and plain[one.end : after[0].start()] in (" ", "-"):
            return frozenset({names[after[0].group()]})  # 42 cm tall and 30 cm long
        if before and (self.licences.locale == "zh" or not after or one.start - before[-1].end() <= 12):
            return frozenset({names[before[-1].group()]})
        return frozenset({names[after[0].group()]} if after else ())


def _value(match: re.Match[str]) -> float | None:
    if digits := match.group("digits"):
        return float(digits.replace(",", ""))
    if fraction := match.groupdict().get("fraction"):
        return FRACTIONS[fraction]
    if han := match.groupdict().get("han"):
        if han == "半":
            return 0.5
        whole, _, part = han.partition("点")
        return han_number(whole) + (float("0." + "".join(str(han_number(one)) for one in part)) if part else 0.0)
    words = match.groupdict().get("words")
    return english_number(words) if words else None


def _han_or_digits(text: str) -> int:
    return int(text) if text.isdigit() else han_number(text)


def reader_of(locale: str, licences: Licences) -> Reader:
    """The reader of one language, to be made once per process."""
    names = sorted(licences.units.named, key=len, reverse=True)
    latin = "|".join(re.escape(name) for name in names if name.isascii() or not "\u4e00" <= name[0] <= "\u9fff")
    han = "|".join(re.escape(name) for name in names if "\u4e00" <= name[0] <= "\u9fff")
    counters = licences.words.counters
    if locale == "zh":
        pattern = (
            rf"(?:(?P<digits>{DIGITS})|(?P<han>{HAN_NUMBER}(?:点[零一二三四五六七八九]{{1,3}})?|半(?=[个]?(?:{han}))))"
            rf"(?P<more>多|来|余|几|个[半多](?=(?:{han})))?"
            rf"(?: ?(?P<unit>(?:{latin})(?![a-z])|{han})|(?P<counter>[小大整]?[{counters}]))?"
            r"(?P<half>半(?![天夜年价]))?"
            r"(?P<tenths>(?<=米)(?:[一二三四五六七八九]{1,2}|[1-9](?![0-9.×x*]))(?! ?[个只件张把条层天]))?"
        )
    else:
        pattern = (
            rf"(?<![a-z0-9.])(?:(?P<digits>{DIGITS})"
            rf"|(?P<fraction>{'|'.join(FRACTIONS)}) of an?(?= (?:{latin})(?![a-z0-9]))"
            rf"|(?P<words>(?:{_english_words()})(?![a-z])))(?P<more>(?!))?"
            rf"(?P<and_half> and a half(?= (?:{latin})(?![a-z])))?"
            rf"(?:(?: |-)?(?P<unit>(?:{latin}))(?![a-z0-9])|(?P<counter> [a-z]{{3,14}}))?(?P<half> and a half)?"
        )
    words = licences.words.approximations
    before = "|".join(f"(?P<{kind}>{'|'.join(words[kind])})" for kind in ("about", "nearly", "under", "within", "over"))
    after = "|".join(
        f"(?P<{kind}>{'|'.join(words[kind + '_after'])})"
        for kind in ("about", "under", "within", "over")
        if words.get(kind + "_after")
    )
    return Reader(
        licences,
        re.compile(pattern),
        re.compile(rf"(?:{before}) ?(?:a |an |the )?" if locale == "en" else rf"(?:{before})"),
        re.compile(after or "(?!)"),
        {dimension: _aspect_pattern(rows, locale) for dimension, rows in licences.units.aspects.items()},
    )


_WITH_A = "hour|kilo|litre|liter|metre|meter|kilogram|gram|gallon|pint"  # a litre is one; a second is not


def _english_words() -> str:
    one = "|".join(sorted(ENGLISH, key=len, reverse=True))
    counted = rf"(?:half an? |half a |a |an )?(?:{one})(?:[ -](?:and )?(?:{one}))?"
    return rf"{counted}|half an?|half|an?(?= (?:[a-z]{{1,12}} and a half|{_WITH_A})(?![a-z]))"


def _aspect_pattern(rows: Mapping[str, tuple[str, ...]], locale: str) -> tuple[re.Pattern[str], dict[str, str]]:
    names = {word: aspect for aspect, words in rows.items() for word in words}
    longest = "|".join(re.escape(word) for word in sorted(names, key=len, reverse=True))
    return re.compile(longest if locale == "zh" else rf"(?<![a-z])(?:{longest})(?![a-z])"), names
