"""What the evidence of one reason licenses: words and n-grams by the field that says them, and the quantities in it.

A field is `item.title`, `item.attributes.NAME`, `event.0`, `user.tags`; a set of fields is a bit mask, so that a piece
of text knows all that say it. What a field denies is kept apart from what it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from reasongen.validation.lexicon import Lexicon
from reasongen.validation.normal import normalise
from reasongen.validation.quantities import Quantity
from reasongen.validation.record import Record
from reasongen.validation.words import compound_head, latin_words, words_of

MAX_CHARS = 4000  # of one field; what stands after licenses nothing
MAX_GRAM = 6
_PAIRS = {  # words that count two
    "zh": re.compile("[双对俩]"),
    "en": re.compile(r"(?<![a-z])(?:double|dual|twin|pair|pairs|both|two way)(?![a-z])"),
}
Licence = tuple[int, int]  # fields that say it, fields that deny it


@dataclass
class Grounds:
    """The evidence of one reason, indexed. `heads`: event number → the noun that its title is about."""

    fields: list[str] = field(default_factory=list)
    said: dict[str, int] = field(default_factory=dict)
    denied: dict[str, int] = field(default_factory=dict)
    terms: dict[str, Licence] = field(default_factory=dict)
    quantities: list[tuple[int, Quantity]] = field(default_factory=list)
    heads: list[frozenset[str]] = field(default_factory=list)
    item: int = 0
    user: int = 0
    events: list[int] = field(default_factory=list)
    names: frozenset[str] = frozenset()
    texts: list[str] = field(default_factory=list)

    def of(self, key: str) -> Licence:
        """Fields that say and that deny a key."""
        return self.said.get(key, 0), self.denied.get(key, 0)

    def near(self, letters: str) -> bool:
        """Whether the letters stand in this order, close together, in one clause of the evidence: 蒸…鱼."""
        pattern = re.compile("[^,.;:!?、。|]{0,5}".join(map(re.escape, letters)))
        return any(pattern.search(text) for text in self.texts)

    def name(self, mask: int) -> str | None:
        """The first field of a mask."""
        return self.fields[(mask & -mask).bit_length() - 1] if mask else None

    def event_of(self, mask: int) -> list[int]:
        """Numbers of the events in a mask."""
        return [number for number, bits in enumerate(self.events) if bits & mask]


def ground(record: Record, lexicon: Lexicon) -> Grounds:
    """Index the evidence of a record. Cost is linear in the text, with a cap for each field."""
    grounds = Grounds()
    item = record.item
    for name, text in _item_fields(record):
        grounds.item |= _add(grounds, lexicon, f"item.{name}", text)
    for number, event in enumerate(record.events):
        text = " | ".join(part for part in (event.title, event.category.replace("/", " "), event.text) if part)
        grounds.events.append(_add(grounds, lexicon, f"event.{number}", text))
        grounds.heads.append(lexicon.head(normalise(event.title[:MAX_CHARS]).plain))
    if record.user.tags:
        grounds.user = _add(grounds, lexicon, "user.tags", " | ".join(record.user.tags))
    written = " ".join([text for _, text in _item_fields(record)] + [f"{e.title} {e.text}" for e in record.events])
    grounds.names = frozenset(lexicon.capitals(written[: 4 * MAX_CHARS]))
    grounds.names |= frozenset((item.brand or "").lower().split())
    _derive(grounds, lexicon)
    return grounds


def _item_fields(record: Record) -> Iterator[tuple[str, str]]:
    item = record.item
    yield "title", item.title
    yield "description", item.description
    yield "tags", " | ".join(item.tags)
    for name, value in item.attributes.items():
        yield f"attributes.{name}", f"{name} {value}"
    yield "category", item.category.replace("/", " | ")
    yield "brand", item.brand or ""


def _add(grounds: Grounds, lexicon: Lexicon, name: str, text: str) -> int:
    """Index one field; returns its bit."""
    if not text:
        return 0
    bit = 1 << len(grounds.fields)
    grounds.fields.append(name)
    plain = normalise(text[:MAX_CHARS]).plain
    grounds.texts.append(plain)
    flags = lexicon.negation.denied(plain, whole=True)
    if plain.endswith(lexicon.no_values):
        flags = bytearray(b"\1") * len(plain)
    keys = _grams(plain) if lexicon.locale == "zh" else _words(plain)
    for key, at in keys:
        book = grounds.denied if flags[at] and key not in lexicon.denying else grounds.said
        book[key] = book.get(key, 0) | bit
    for term, start in lexicon.terms_in(plain):
        said, denied = grounds.terms.get(term, (0, 0))
        grounds.terms[term] = (
            (said, denied | bit) if flags[start] and term not in lexicon.denying else (said | bit, denied)
        )
    grounds.quantities += [(bit, one) for one in lexicon.reader.read(plain)]
    grounds.quantities += [(bit, _two(match)) for match in _PAIRS[lexicon.locale].finditer(plain)]
    return bit


def _two(match: re.Match[str]) -> Quantity:
    return Quantity(*match.span(), 2, 2, "count", "", 0, raw=2, point=2)


def _words(plain: str) -> Iterator[tuple[str, int]]:
    for word in words_of(plain):
        for key in word.keys:
            yield key, word.start
        if head := compound_head(word.form):
            yield head, word.start


def _grams(plain: str) -> Iterator[tuple[str, int]]:
    latin = latin_words(plain)
    for start, end in latin:
        yield plain[start:end], start
    for start in range(len(plain)):
        if not plain[start] >= "\u3007":
            continue
        for end in range(start + 1, min(start + MAX_GRAM, len(plain)) + 1):
            if plain[end - 1] in ",.;:!?、。()|/ ":
                break
            yield plain[start:end], end - 1


def _derive(grounds: Grounds, lexicon: Lexicon) -> None:
    """Add what synonyms and implications license, with the fields of what they rest on; one step, no chains."""
    found = dict(grounds.terms)
    grounds.terms = {}
    for term, (said, denied) in found.items():
        for other in lexicon.licensed_by(term):
            before = grounds.terms.get(other, (0, 0))
            grounds.terms[other] = (before[0] | said, before[1] | denied)
