"""Names and homes of persons in a text, as regular expressions of Python and of Java made from the words of
`personal.yaml`.

A name is known by what stands beside it (收货人, Mr, a telephone), a home by its parts (street, number and room;
number, street, town and postcode) or by what leads to it (寄到, lives at). What stands alone stays: a brand, an
author and a shop's street look the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import yaml

_HAN, _NO_HAN = "[\u4e00-\u9fff]", "[^\u4e00-\u9fff]"
_CAPITAL = r"[A-ZÀ-ÖØ-Þ][A-Za-zÀ-ÖØ-öø-ÿ'’-]+"
# Thirteen digits in one run are a barcode.
_PHONE = r"(?:[+(][0-9]|[0-9]{3,5}[ .-][0-9]|[0-9]{10,11}(?![0-9]))"
_FROM, _TO = "(?<![0-9A-Za-z])", "(?![0-9A-Za-z])"


def _any(words: Iterable[str]) -> str:
    """One of the words, the longest first; a colon of either width, blanks of any number."""
    said = sorted(words, key=lambda word: (-len(word), word))
    return "(?:" + "|".join(re.escape(word).replace(r"\ ", " +").replace(":", " ?[:：]") for word in said) + ")"


def _zh_names(words: dict[str, list[str]]) -> str:
    singles, longer = words["surnames"], _any(words["long_surnames"])
    plain = f"[{''.join(sorted(set(singles) - set(words['words_too'])))}]"
    title, after = _any(words["titles"]), _any(words["after"])
    end = f"(?={title}?(?:$|{_NO_HAN}|{after}))"
    name = f"(?:{longer}|[{''.join(singles)}]){_HAN}{{1,2}}?"
    plain_name = f"(?:{longer}|{plain}){_HAN}{{1,2}}?"
    return (
        f"{_any(words['labels'])}[ :：]{{0,3}}{name}{end}{title}?"
        f"|{_any(words['asks'])}[ :：]{{0,3}}{plain_name}{end}{title}?"
        # A blank after the title says that the product goes on: 周大福女士 戒指.
        f"|(?<!{_HAN})(?={_HAN}{{2,4}}{title}){plain_name}{title}(?=$|[，。；、！,.;!)）0-9]|{after})"
        f"|(?<!{_HAN})(?=[\u4e00-\u9fff ,，:：]{{2,14}}[+0-9])"
        f"{name}{title}?[ ,，:：]{{0,2}}{after}?[ :：]{{0,2}}(?=(?:\\+?86)?[ -]?1[3-9][0-9])"
    )


def _zh_homes(words: dict[str, list[str]]) -> str:
    number = "[0-9A-Za-z一二三四五六七八九十]{1,5}"
    room = f"(?:-?{number}{_any(words['rooms'])})"
    region = f"(?>(?:{_HAN}{{1,7}}?{_any(words['regions'])}){{0,4}})"
    street, estate = f"{_HAN}{{1,7}}?{_any(words['streets'])}", f"{_HAN}{{2,8}}?{_any(words['estates'])}"
    regional = f"(?>(?:{_HAN}{{1,7}}?{_any(words['regions'])}){{1,4}})"
    # the room's number may stand bare: 2单元502
    last = "(?:[0-9]{3,4}(?![0-9]))?(?: ?[0-9]{6}(?![0-9]))?"
    return (
        f"{regional}{street}[0-9]{{0,5}}(?:{room}){{1,4}}(?:{estate})?{room}{{0,4}}{last}"
        f"|{region}{street}[0-9]{{1,5}}[号弄](?:{estate})?{room}{{1,4}}{last}"
        f"|{region}(?:{street})?{estate}{room}{{2,4}}{last}"
        f"|{_any(words['home'])}[ :：]{{0,2}}{_HAN}{{2,20}}?{room}{{1,4}}{last}"
    )


def _en_names(words: dict[str, list[str]]) -> str:
    given, title = _any(words["given"]), f"(?:{_any(words['titles'])}\\.? )"
    rest = f"(?: [A-Z]\\.)? {_CAPITAL}"
    return (
        f"{_FROM}{title}{given}{rest}"
        f"|{_FROM}{_any(words['calls'])} {title}?{given}{rest}"
        f"|{_FROM}{_any(words['labels'])} ?{title}?(?!{_any(words['no_name'])}{_TO}){_CAPITAL}{rest}"
        f"|{_FROM}(?=[A-Z][a-z]+ [A-Z]){given}{rest}[ ,:]{{1,2}}"
        f"(?:(?:on|at|tel|Tel|phone|Phone)[.:]? )?(?={_PHONE}|[A-Za-z0-9._-]+@)"
    )


def _en_homes(words: dict[str, list[str]]) -> str:
    number, unit = "[0-9]{1,5}[A-Za-z]?", f"(?:,? (?:{_any(words['units'])}\\.? ?|#)[0-9A-Za-z-]{{1,6}}{_TO})"
    line = f"{_FROM}{number}(?: {_CAPITAL}){{1,4}}"
    street = f"{_FROM}{number}(?: {_CAPITAL}){{1,3}}? {_any(words['streets'])}{_TO}\\.?"
    town = f",? {_CAPITAL}(?: {_CAPITAL}){{0,2}},? [A-Z]{{2}} [0-9]{{5}}(?:-[0-9]{{4}})?{_TO}"
    british = f"[A-Z]{{1,2}}[0-9][0-9A-Z]? [0-9][A-Z]{{2}}{_TO}"
    home = f"{_FROM}{_any(words['home'])}:? "
    return (
        f"(?:{home})?{line}{unit}?{town}"
        f"|(?:{home})?{_FROM}(?:{_any(words['units'])} )?{number}(?:,? (?:{number}|{_CAPITAL})){{2,8}},? {british}"
        f"|{street}{unit}"
        f"|{home}{street}{unit}?"
        f"|{_FROM}P\\.?O\\.? Box [0-9]+"
        f"|(?:{_FROM}(?:Unit|PSC|CMR) [0-9]+,? Box [0-9]+,? )?{_FROM}(?:APO|FPO|DPO),? A[AEP] [0-9]{{5}}"
    )


def _cue(zh: dict[str, list[str]], en: dict[str, list[str]]) -> str:
    title = f"(?:{_any(en['titles'])}\\.? )"
    return (
        f"[0-9A-Za-z一二三四五六七八九十]{_any(zh['rooms'])}"
        f"|{_any([*zh['labels'], *zh['asks']])}|{_HAN}{_any(zh['titles'])}"
        f"|{_HAN}[ ,，:：]{{0,4}}(?:\\+?86)?[ -]?1[3-9][0-9]"
        f"|{title}[A-Z]|{_any([*en['calls'], *en['labels']])} ?[A-Z]|{_any(en['home'])}:? [0-9]"
        f"|[A-Za-z][ ,:.]{{1,3}}{_PHONE}|[A-Z][A-Za-z'’-]+[ ,:]{{1,2}}[A-Za-z0-9._-]+@"
        f"|(?:{_any(en['units'])}\\.? ?|#)[0-9A-Za-z]|[A-Z]{{2}} [0-9]{{5}}|[0-9] [0-9][A-Z]{{2}}"
        f"|[0-9][A-Z] [0-9][A-Z]{{2}}|Box [0-9]"
    )


_WORDS = yaml.safe_load(Path(__file__).with_name("personal.yaml").read_text(encoding="utf-8"))
NAMES = f"{_zh_names(_WORDS['zh'])}|{_en_names(_WORDS['en'])}"
HOMES = f"{_zh_homes(_WORDS['zh'])}|{_en_homes(_WORDS['en'])}"
CUE = _cue(_WORDS["zh"], _WORDS["en"])
"""Without it there is neither: it takes a tenth of the time, and few texts have it."""
