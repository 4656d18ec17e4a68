"""Cuts a text into the pieces that must be licensed: English words with their lemma, Chinese characters as they stand.

Knows no evidence. Negation is marked here, so that a text and its evidence are read alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import rjieba
import simplemma

from reasongen.validation.licences import Licences, one_of

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|[0-9]+[a-z]+[0-9a-z]*|[a-z]+[0-9]+[0-9a-z]*")
_LATIN = re.compile(r"[a-z0-9][a-z0-9.+#]{0,30}")
_CLAUSE = re.compile(r"[,.;:!?、。()\[\]|\n—–…\"“”]+")
_ENDINGS = (
    "ability",
    "able",
    "ible",
    "ation",
    "ness",
    "ment",
    "ing",
    "ion",
    "ish",
    "ful",
    "less",
    "ly",
    "ed",
    "er",
    "al",
    "y",
)
_SCOPE_END = {
    "en": re.compile(r"(?<![a-z])(?:but|and|yet|so|though|while|when|if|until|because|that|with)(?![a-z])"),
    "zh": re.compile("的|时候|也|就|却|但|而|可能"),
}
_TURNS = {  # a denied verb denies nothing beyond: it dries quickly but is not waterproof
    "en": re.compile(r"(?<![a-z])(?:but|yet|though|although|while|whereas)(?![a-z])"),
    "zh": re.compile("但是?|却|而(?!且|是)|不过|可是"),
}
_REACH = {"en": 34, "zh": 10}  # characters that a negation reaches at most
_IN_ONE = ("无", "零", "免")  # marks that make one word with what they deny
_WHOLE = {"en": re.compile(r"not|[a-z]{2,6}n't|cannot|never"), "zh": re.compile("暂?不|未|勿|别|非")}


@dataclass(frozen=True, slots=True)
class Word:
    """`keys`: lemma and root, under which evidence and licences know it. `form`: as the normal text has it."""

    start: int
    end: int
    form: str
    lemma: str
    keys: tuple[str, ...]


def words_of(plain: str) -> list[Word]:
    """Latin words of a normal text. A possessive 's belongs to nobody."""
    found = []
    for match in _WORD.finditer(plain):
        form = match.group().removesuffix("'s")
        lemma, keys = keys_of(form)
        found.append(Word(match.start(), match.start() + len(form), form, lemma, keys))
    return found


@lru_cache(maxsize=1 << 16)
def keys_of(form: str) -> tuple[str, tuple[str, ...]]:
    """(lemma, keys): bookings → book, washable → wash, grainy → grain. A root is at least three letters long."""
    lemma = str(simplemma.lemmatize(form, lang="en")).lower()
    if lemma.endswith("ing") and len(lemma) > 5:
        shorter = str(simplemma.lemmatize(form.removesuffix("s"), lang="en")).lower()
        lemma = shorter if shorter != form else lemma
    root = lemma
    for ending in _ENDINGS:
        if root.endswith(ending) and len(root) - len(ending) >= 3:
            root = root.removesuffix(ending)
            break
    if len(root) > 3 and root[-1] == root[-2]:
        root = root[:-1]
    root = root.removesuffix("e") if len(root) > 3 else root
    return lemma, tuple(dict.fromkeys((lemma, "/" + root)))


@lru_cache(maxsize=1 << 15)
def compound_head(form: str) -> str:
    """lamp of headlamp, proof of splashproof; empty where the word is no compound of two known words."""
    if len(form) < 7 or not form.isalpha():
        return ""
    for at in range(3, len(form) - 3):
        head = form[at:]
        if len(head) >= 4 and simplemma.is_known(head, lang="en") and simplemma.is_known(form[:at], lang="en"):
            return head
    return ""


def latin_words(plain: str) -> list[tuple[int, int]]:
    """Spans of Latin letters and digits inside Chinese."""
    return [match.span() for match in _LATIN.finditer(plain) if not match.group().replace(".", "").isdigit()]


def clauses(plain: str) -> list[tuple[int, int]]:
    """Spans between marks; a point inside a number parts nothing."""
    spans, at = [], 0
    for match in _CLAUSE.finditer(plain):
        inside = match.group() in (".", ",", ":") and plain[match.end() : match.end() + 1].isdigit()
        if inside and plain[match.start() - 1 : match.start()].isdigit():
            continue
        if match.start() > at:
            spans.append((at, match.start()))
        at = match.end()
    if at < len(plain):
        spans.append((at, len(plain)))
    return spans


@dataclass(frozen=True)
class Negation:
    """Where a text denies what it says."""

    locale: str
    marks: re.Pattern[str]
    after: re.Pattern[str]
    kept: re.Pattern[str]
    reversals: re.Pattern[str]

    def denied(self, plain: str, *, whole: bool) -> bytearray:
        """One flag per character. `whole`: a denied verb denies its whole clause, its subject too (evidence)."""
        flags = bytearray(len(plain))
        searched = (self.marks, self.after, self.reversals)
        if all(pattern.search(plain) is None for pattern in searched):
            return flags
        kept = [match.span() for match in self.kept.finditer(plain)]
        for start, end in clauses(plain):
            for match in self.marks.finditer(plain, start, end):
                if any(first < match.end() and match.start() < last for first, last in kept):
                    continue
                if whole and _WHOLE[self.locale].fullmatch(match.group()):
                    first = max(
                        [start, *(one.end() for one in _TURNS[self.locale].finditer(plain, start, match.start()))]
                    )
                    turn = _TURNS[self.locale].search(plain, match.end(), end)
                    last = turn.start() if turn else end
                    flags[first:last] = b"\1" * (last - first)
                    continue
                stop = min(end, match.end() + _REACH[self.locale])
                ended = _SCOPE_END[self.locale].search(plain, match.end() + 1, stop)
                stop = ended.start() if ended else stop
                if match.group() in _IN_ONE:
                    stop = _end_of_word(plain, start, match.start(), stop)
                flags[match.end() : stop] = b"\1" * max(0, stop - match.end())
            for match in self.after.finditer(plain, start, end):
                if any(first <= match.start() < last for first, last in kept):
                    continue
                own = self.marks.search(plain, match.start(), match.end())  # lunch is not included: denied once
                turned = b"\0" if flags[match.start()] and not own else b"\1"  # not sugar-free has sugar
                flags[match.start() : match.end()] = turned * (match.end() - match.start())
        for match in self.reversals.finditer(plain):
            flags[match.start() : match.end()] = bytes(1 - one for one in flags[match.start() : match.end()])
        return flags


def _end_of_word(plain: str, first: int, mark: int, stop: int) -> int:
    """Where a denial ends that is part of a Chinese word: 无糖花茶 is tea. `stop` where its mark stands alone."""
    at = first
    for token in rjieba.cut(plain[first:stop]):
        at += len(token)
        if at > mark:
            return at if at > mark + 1 else stop
    return stop


def negation_of(licences: Licences) -> Negation:
    """How a language denies; compiled once."""
    words = licences.words
    return Negation(
        licences.locale,
        one_of(words.negations, licences.locale),
        one_of(words.after, licences.locale),
        one_of(words.not_negations, licences.locale),
        one_of(words.reversals, licences.locale),
    )
