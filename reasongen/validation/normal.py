"""One spelling for what a reader reads as one: NFKC, simplified characters, no hidden characters, no disguises.

Rules and claims read `plain`; a finding names characters of `written`. Knows no rule and no fact.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import opencc

HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
_HAN = re.compile(f"[{HAN}]")
# What a writer puts between the characters of a Chinese word to hide it; a comma or a full stop ends a word instead.
_GAP = re.compile(f"(?<=[{HAN}])[ .·•*\\-_~|/\\\\^+='\"`“”‘’#&⁃∙●○◆★☆]{{1,8}}(?=[{HAN}])")
_GAPS = re.compile(f"{_GAP.pattern}|(?<= ) +")
_SPELLED = re.compile(r"(?<![a-z0-9])[a-z](?:[ .\-_*]{1,2}[a-z]){3,40}(?![a-z0-9])")
_DOTTED = re.compile(r"(?<=[a-z])[.*_·](?=[a-z](?:[^a-z]|$))|(?<=[^a-z][a-z])[*_·](?=[a-z])")
_DIGIT_IN_WORD = re.compile(r"(?<=[a-z])[013457@$!]{1,2}(?=[a-z]{1,20})")
_SPACES = re.compile(r"\s{2,}")
_LATIN_BESIDE_HAN = re.compile(f"(?<=[{HAN}])[a-z]{{1,16}}|[a-z]{{1,16}}(?=[{HAN}])")
_DIGITS_AS_LETTERS = str.maketrans("013457@$!", "oleastasi")
# Cyrillic and Greek letters that look like Latin ones (Unicode confusables, the part that occurs in running text).
_TWINS = dict(
    zip(
        "авсԁеһіјӏкмнорԛѕтухѵԝαβεηικμνορτυχγзьԍ",
        "abcdehijlkmhopqstyxvwabenikuvoptuxy3bg",
        strict=True,
    )
)


@dataclass(frozen=True, slots=True)
class NormalText:
    """`plain` is what is matched; `starts[i]`, `ends[i]` are the characters of `written` that `plain[i]` stands for."""

    written: str
    plain: str
    starts: tuple[int, ...] | range
    ends: tuple[int, ...] | range

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The span in `written` of `plain[start:end]`; half open."""
        if start >= end:
            return (self.starts[start], self.starts[start]) if start < len(self.plain) else (len(self.written),) * 2
        return self.starts[start], self.ends[end - 1]

    def normal(self, start: int, end: int) -> tuple[int, int]:
        """The span in `plain` of the characters of `written` from start to end."""
        return bisect_left(self.starts, start), bisect_left(self.starts, end)


def normalise(text: str, evasions: Mapping[str, str] = {}) -> NormalText:
    """The text as a reader hears it. `evasions`: Latin spellings (zui, vx) → what they stand for beside Chinese."""
    if text.isascii():
        plain = text.lower()
        if plain.isprintable() and not _disguised(plain):
            return NormalText(text, plain, range(len(text)), range(1, len(text) + 1))
    found = _letter_by_letter(text)
    for edits in (_gaps, _spelled_out, _disguised_digits):
        found = _edited(found, edits(found.plain))
    return _edited(found, _pinyin(found.plain, evasions)) if evasions else found


Edit = tuple[int, int, str]


def _letter_by_letter(text: str) -> NormalText:
    read = list(map(_plain, text))
    plain = "".join(read)
    if len(plain) == len(text) and all(read):  # one for one
        return NormalText(text, plain, range(len(text)), range(1, len(text) + 1))
    starts = tuple(start for start, letters in enumerate(read) for _ in letters)
    return NormalText(text, plain, starts, tuple(start + 1 for start in starts))


@lru_cache(maxsize=1 << 15)
def _plain(written: str) -> str:
    """What one character reads as; nothing for what is not seen."""
    if written.isspace():
        return " "
    if unicodedata.category(written) in ("Cf", "Mn", "Me", "Cc", "Co", "Cs", "Cn"):
        return ""
    plain = unicodedata.normalize("NFKC", written).lower()
    plain = "".join(_TWINS.get(letter, letter) for letter in plain)
    if not plain.isascii():
        plain = "".join(one for one in unicodedata.normalize("NFKD", plain) if unicodedata.category(one) != "Mn")
        plain = unicodedata.normalize("NFC", plain).replace("\u2044", "/").replace("’", "'").replace("‑", "-")
        plain = _converter().convert(plain) if _HAN.search(plain) else plain
    return plain


@lru_cache(maxsize=1)
def _converter() -> opencc.OpenCC:
    return opencc.OpenCC("t2s")


def _disguised(plain: str) -> bool:
    return any(pattern.search(plain) for pattern in (_SPELLED, _DOTTED, _DIGIT_IN_WORD, _SPACES))


def _gaps(plain: str) -> Iterator[Edit]:
    for found in _GAPS.finditer(plain):
        yield *found.span(), ""


def _spelled_out(plain: str) -> Iterator[Edit]:
    """b e s t, b.e.s.t and b*st's dots: the gaps go."""
    for found in _SPELLED.finditer(plain):
        for gap in re.finditer("[^a-z]+", found.group()):
            yield found.start() + gap.start(), found.start() + gap.end(), ""


def _disguised_digits(plain: str) -> Iterator[Edit]:
    for found in _DIGIT_IN_WORD.finditer(plain):
        yield *found.span(), found.group().translate(_DIGITS_AS_LETTERS)


def _pinyin(plain: str, evasions: Mapping[str, str]) -> Iterator[Edit]:
    for found in _LATIN_BESIDE_HAN.finditer(plain):
        if found.group() in evasions:
            yield *found.span(), evasions[found.group()]


def _edited(text: NormalText, edits: Iterator[Edit]) -> NormalText:
    """The text with its edits made, from left to right; what an edit writes stands for all that it replaced."""
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    at = 0
    for start, end, new in edits:
        pieces += [text.plain[at:start], new]
        first, last = text.original(start, end)
        starts += [*text.starts[at:start], *[first] * len(new)]
        ends += [*text.ends[at:start], *[last] * len(new)]
        at = end
    if not at:
        return text
    pieces.append(text.plain[at:])
    starts += text.starts[at:]
    ends += text.ends[at:]
    return NormalText(text.written, "".join(pieces), tuple(starts), tuple(ends))
