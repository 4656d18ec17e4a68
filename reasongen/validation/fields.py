"""What one field of the evidence says and denies: its words or n-grams, what they license, its quantities and names.

A field is read once per process while it is remembered: items and titles come again with every user.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from reasongen.validation.lexicon import Lexicon
from reasongen.validation.normal import normalise
from reasongen.validation.quantity import Quantity, products
from reasongen.validation.words import compound_head, latin_words, words_of

MAX_CHARS = 4000  # of one field; what stands after licenses nothing
MAX_GRAM = 6
REMEMBERED = 1 << 14  # fields
_PAIRS = {  # words that count two
    "zh": re.compile("[双对俩]"),
    "en": re.compile(r"(?<![a-z])(?:double|dual|twin|pair|pairs|both|two way)(?![a-z])"),
}


class Field(NamedTuple):
    """Keys that the field says and denies; the same for terms, with what they license; the rest as it stands.

    `head`: the noun that it is about, where it is a title.
    """

    plain: str
    said: frozenset[str]
    denied: frozenset[str]
    terms: frozenset[str]
    denied_terms: frozenset[str]
    quantities: tuple[Quantity, ...]
    names: frozenset[str]
    head: frozenset[str]


@lru_cache(maxsize=REMEMBERED)
def read_field(lexicon: Lexicon, text: str) -> Field:
    """One field, read. Cost is linear in the text, up to MAX_CHARS."""
    plain = normalise(text[:MAX_CHARS]).plain
    flags = lexicon.negation.denied(plain, whole=True)
    if plain.endswith(lexicon.no_values):
        flags = bytearray(b"\1") * len(plain)
    measured = lexicon.reader.read(plain)
    sizes = list(lexicon.reader.sizes(plain, measured))
    books: tuple[set[str], set[str]] = (set(), set())
    for key, start, at in _grams(plain) if lexicon.locale == "zh" else _words(plain):
        if sizes and any(first <= start and start + len(key) <= last for first, last in sizes):
            continue  # a stated height is its number: it lets nobody say high
        books[bool(flags[at]) and key not in lexicon.denying].add(key)
    terms: tuple[set[str], set[str]] = (set(), set())
    for term, start in lexicon.terms_in(plain):
        if flags[start] and term not in lexicon.denying:
            terms[True].update(lexicon.meant_by(term))  # no parking denies no walk
        else:
            terms[False].update(lexicon.licensed_by(term))
    quantities = [
        *measured,
        *products(plain, measured),
        *(_two(match) for match in _PAIRS[lexicon.locale].finditer(plain)),
    ]
    names = frozenset(lexicon.capitals(text[:MAX_CHARS]))
    said, denied, licensed, not_licensed = map(frozenset, (*books, *terms))
    return Field(plain, said, denied, licensed, not_licensed, tuple(quantities), names, lexicon.head(text[:MAX_CHARS]))


def _two(match: re.Match[str]) -> Quantity:
    return Quantity(*match.span(), 2, 2, "count", "", 0, raw=2, point=2)


def _words(plain: str) -> Iterator[tuple[str, int, int]]:
    """Key, where its word begins, and the character that tells whether it is denied."""
    for word in words_of(plain):
        for key in word.keys:
            yield key, word.start, word.start
        if head := compound_head(word.form):
            yield head, word.start, word.start


def _grams(plain: str) -> Iterator[tuple[str, int, int]]:
    """The same for Chinese."""
    for start, end in latin_words(plain):
        yield plain[start:end], start, start
    for start in range(len(plain)):
        if not plain[start] >= "\u3007":
            continue
        for end in range(start + 1, min(start + MAX_GRAM, len(plain)) + 1):
            if plain[end - 1] in ",.;:!?、。()|/ ":
                break
            yield plain[start:end], start, end - 1
