"""The evidence of one reason, put together from its fields: which of them say a word, and which deny it.

A field is `item.title`, `item.attributes.NAME`, `event.0`, `user.tags`; a set of fields is a bit mask, so that a piece
of text knows all that say it. What a field denies is kept apart from what it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from reasongen.validation.fields import REMEMBERED, Field, read_field
from reasongen.validation.lexicon import NAME, Lexicon
from reasongen.validation.normal import NormalText, normalise
from reasongen.validation.quantity import Quantity, supported
from reasongen.validation.record import Item, Record
from reasongen.validation.words import compound_head, words_of

Licence = tuple[int, int]  # fields that say it, fields that deny it
NOTHING: Licence = (0, 0)
_APART = "; "  # ends a clause, and is none of the marks that a disguised Chinese word is read across
_RUN = re.compile(r"[\w&'’]+")


@dataclass(frozen=True, slots=True)
class Index:
    """Keys and terms of some fields, each with the fields that say and that deny it."""

    keys: dict[str, Licence]
    terms: dict[str, Licence]
    quantities: tuple[tuple[int, Quantity], ...]
    names: frozenset[str]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grounds:
    """The item's index, and the fields of all else. `head`, `heads`: the noun that the item's title is about, and each
    event's."""

    fields: tuple[str, ...]
    own: Index
    other: tuple[tuple[int, Field], ...]
    item: int
    user: int
    events: tuple[int, ...]
    head: frozenset[str]
    heads: tuple[frozenset[str], ...]

    def of(self, key: str) -> Licence:
        """Fields that say and that deny a key."""
        said, denied = self.own.keys.get(key, NOTHING)
        for bit, field in self.other:
            if key in field.said:
                said |= bit
            if key in field.denied:
                denied |= bit
        return said, denied

    def term(self, term: str) -> Licence:
        """Fields that license and that deny a synonym or an implication. A tag of the user licenses itself alone."""
        said, denied = self.own.terms.get(term, NOTHING)
        for bit, field in self.other[: len(self.events)]:
            if term in field.terms:
                said |= bit
            if term in field.denied_terms:
                denied |= bit
        return said, denied

    def item_says(self, key: str) -> bool:
        """Whether the item itself has the key, word for word."""
        return bool(self.own.keys.get(key, NOTHING)[0])

    def quantities(self, allowed: int) -> list[Quantity]:
        """What the fields of a mask state."""
        return [one for bit, one in self._stated() if bit & allowed]

    def bearer(self, claim: Quantity) -> int:
        """The first field that states the claimed quantity; 0 for none."""
        return next((bit for bit, one in self._stated() if supported(claim, [one])), 0)

    def named_quantities(self) -> Iterator[tuple[frozenset[str], Quantity]]:
        """The quantities of the item's attributes, each with the keys of the attribute's name."""
        for bit, one in self.own.quantities:
            name = self.fields[bit.bit_length() - 1].removeprefix("item.")
            if name.startswith("attributes."):
                yield _name_keys(name.removeprefix("attributes.")), one

    def _stated(self) -> Iterator[tuple[int, Quantity]]:
        yield from self.own.quantities
        yield from ((bit, one) for bit, field in self.other for one in field.quantities)

    def near(self, letters: str) -> bool:
        """Whether the letters stand in this order, close together, in one clause of the evidence: 蒸…鱼."""
        pattern = re.compile("[^,.;:!?、。|]{0,5}".join(map(re.escape, letters)))
        return any(map(pattern.search, (*self.own.texts, *(field.plain for _, field in self.other))))

    def names(self, name: str) -> bool:
        """Whether some field writes the word with a capital, or as its brand."""
        return name in self.own.names or any(name in field.names for _, field in self.other)

    def name(self, mask: int) -> str | None:
        """The first field of a mask."""
        return self.fields[(mask & -mask).bit_length() - 1] if mask else None

    def event_of(self, mask: int) -> list[int]:
        """Numbers of the events in a mask."""
        return [number for number, bits in enumerate(self.events) if bits & mask]


def ground(record: Record, lexicon: Lexicon) -> Grounds:
    """Index the evidence of a record. Cost is linear in the text, with a cap for each field."""
    own, events, tags = fields_of(record)
    other = [(f"event.{number}", text) for number, text in enumerate(events)]
    first = 1 << len(own)
    return Grounds(
        fields=(*(f"item.{name}" for name, _ in own), *(name for name, _ in other), *(["user.tags"] if tags else [])),
        own=_item_index(lexicon, own),
        other=tuple(
            (first << number, read_field(lexicon, text))
            for number, text in enumerate([text for _, text in other] + [tags])
            if text
        ),
        item=first - 1,
        user=first << len(other) if tags else 0,
        events=tuple(first << number for number in range(len(other))),
        head=read_field(lexicon, record.item.title).head,
        heads=tuple(read_field(lexicon, one.title).head for one in record.events),
    )


def fields_of(record: Record) -> tuple[tuple[tuple[str, str], ...], list[str], str]:
    """The texts that a record's evidence is read from: the item's by name, one for each event, the user's tags."""
    own = tuple((name, text) for name, text in _item_fields(record.item) if text)
    events = [
        _APART.join(part for part in (one.title, one.category.replace("/", _APART), one.text) if part)
        for one in record.events
    ]
    return own, events, _APART.join(record.user.tags)


@lru_cache(maxsize=REMEMBERED)
def told(lexicon: Lexicon, text: str) -> frozenset[str] | None:
    """All that a field can answer to: a text that asks for none of it cannot tell the field from another such.

    English: words, keys and names; Chinese: single characters, of which whatever is asked is made. None where the
    field states a quantity, which answers without words.
    """
    field = read_field(lexicon, text)
    if field.quantities:
        return None
    said = frozenset().union(field.said, field.denied, field.terms, field.denied_terms, field.names, field.head)
    return (
        frozenset("".join(said)) if lexicon.locale == "zh" else frozenset(word for one in said for word in one.split())
    )


def asked(lexicon: Lexicon, text: NormalText) -> frozenset[str]:
    """All that a text can ask of a field, in the same units as `told`; names are asked as they are written."""
    if lexicon.locale == "zh":
        return frozenset(text.plain)
    asks = {*_RUN.findall(text.plain), *(name.lower() for name in NAME.findall(text.written))}
    for word in words_of(text.plain):
        parts = [word]
        if head := compound_head(word.form):
            parts += [*words_of(head), *words_of(word.form.removesuffix(head))]
        for part in parts:
            asks |= {part.form, part.lemma, *part.keys}
    return frozenset(asks)


@lru_cache(maxsize=REMEMBERED)
def _item_index(lexicon: Lexicon, fields: tuple[tuple[str, str], ...]) -> Index:
    index = _index(lexicon, [text for _, text in fields])
    brand = frozenset(word for name, text in fields if name == "brand" for word in text.lower().split())
    return Index(index.keys, index.terms, index.quantities, index.names | brand, index.texts)


def _index(lexicon: Lexicon, texts: Sequence[str]) -> Index:
    """The fields put together."""
    keys: dict[str, Licence] = {}
    terms: dict[str, Licence] = {}
    quantities: list[tuple[int, Quantity]] = []
    names: set[str] = set()
    for number, text in enumerate(texts):
        bit, field = 1 << number, read_field(lexicon, text)
        for book, said, denied in ((keys, field.said, field.denied), (terms, field.terms, field.denied_terms)):
            for key in said:
                before = book.get(key, NOTHING)
                book[key] = (before[0] | bit, before[1])
            for key in denied:
                before = book.get(key, NOTHING)
                book[key] = (before[0], before[1] | bit)
        quantities += [(bit, one) for one in field.quantities]
        names |= field.names
    plain = tuple(read_field(lexicon, text).plain for text in texts)
    return Index(keys, terms, tuple(quantities), frozenset(names), plain)


@lru_cache(maxsize=REMEMBERED)
def _name_keys(name: str) -> frozenset[str]:
    plain = normalise(name).plain
    return frozenset({plain, *(key for word in words_of(plain) for key in word.keys)})


def forget_fields() -> None:
    """Drop every field that this process remembers (to measure what evidence never seen costs)."""
    read_field.cache_clear()
    _item_index.cache_clear()
    told.cache_clear()


def _item_fields(item: Item) -> Iterator[tuple[str, str]]:
    yield "title", item.title
    yield "description", item.description
    yield "tags", _APART.join(item.tags)
    for name, value in item.attributes.items():
        yield f"attributes.{name}", f"{name} {value}"
    yield "category", item.category.replace("/", _APART)
    yield "brand", item.brand or ""
