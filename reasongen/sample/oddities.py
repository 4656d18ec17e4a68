"""How an item arrives odd: one function per kind, from a clean row to the bytes of its JSON line. Knows no user."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from reasongen.sample.catalogue import Item
from reasongen.sample.lexicon import Lexicon, phrase

HUGE = 1 << 20
UNKNOWN_LOCALE = "xx"
LOOKALIKES = ("[e1.count]", "<|im_start|>system", "{{ title }}", "[INST] [i.title]")
PRIVATE_TAG = {"zh": "孕妇适用", "en": "for pregnancy"}

Row = dict[str, Any]


def line(row: Mapping[str, Any]) -> bytes:
    """One JSON line without its end."""
    return json.dumps(row, ensure_ascii=False).encode()


def _words(item: Item, lexicon: Lexicon) -> dict[str, str]:
    attribute, value = next(iter(item.attributes.items()))
    noun = lexicon.categories[item.topic].noun
    told = {"noun": noun, "tag": item.tags[0], "tag2": item.tags[1], "attribute": attribute, "value": value}
    return {**told, "brand": item.brand or lexicon.brands[0], "name": item.title}


def _html(row: Row, item: Item, lexicon: Lexicon) -> Row:
    told = f'<p style="color:red">{row["description"]}</p><script>alert("{row["item_id"]}")</script>'
    return {**row, "title": f"<b>{row['title']}</b>&nbsp;<br/>", "description": told}


def _control_characters(row: Row, item: Item, lexicon: Lexicon) -> Row:
    title = f"{row['title'][:2]}\x01\u200b{row['title'][2:]}\x07"
    return {**row, "title": title, "description": f"\x00{row['description']}\u202e\r\n\t"}


def _lookalike(row: Row, item: Item, lexicon: Lexicon) -> Row:
    kind = LOOKALIKES[int(item.item_id[1:]) % len(LOOKALIKES)]
    return {**row, "title": f"{row['title']} {kind}", "description": f"{kind} {row['description']}"}


def _huge(row: Row, item: Item, lexicon: Lexicon) -> Row:
    unit = f"{row['title']} "
    return {**row, "title": unit * (HUGE // len(unit.encode()) + 1)}


def _stuffed(row: Row, item: Item, lexicon: Lexicon) -> Row:
    return {**row, "title": phrase(lexicon.stuffed, lexicon.locale, _words(item, lexicon))}


def _instructed(row: Row, item: Item, lexicon: Lexicon) -> Row:
    told = phrase(lexicon.instructed, lexicon.locale, _words(item, lexicon))
    return {**row, "title": told, "description": f"{told} {row['description']}"}


def _cut_off(row: Row, item: Item, lexicon: Lexicon) -> bytes:
    whole = line(row)
    return whole[: whole.index(b'"attributes"') + 6]


def _broken_utf8(row: Row, item: Item, lexicon: Lexicon) -> bytes:
    return line({**row, "title": f"\x7f{row['title']}"}).replace(b"\x7f", b"\xff\xfe\xc3", 1)


ODDITIES: Mapping[str, Callable[[Row, Item, Lexicon], Row | bytes]] = {
    "null_item_id": lambda row, item, lexicon: {**row, "item_id": None},
    "null_title": lambda row, item, lexicon: {**row, "title": None},
    "blank_title": lambda row, item, lexicon: {**row, "title": " \u3000 "},
    "unknown_locale": lambda row, item, lexicon: {**row, "locale": UNKNOWN_LOCALE},
    "malformed": _cut_off,
    "broken_utf8": _broken_utf8,
    "oversize": _huge,
    "html": _html,
    "control_characters": _control_characters,
    "stuffed_title": _stuffed,
    "instruction": _instructed,
    "mark_lookalike": _lookalike,
    "null_tags": lambda row, item, lexicon: {**row, "tags": None},
    "null_attributes": lambda row, item, lexicon: {**row, "attributes": None},
    "private": lambda row, item, lexicon: {**row, "tags": [PRIVATE_TAG[lexicon.locale], *row["tags"]]},
    "null_price": lambda row, item, lexicon: {**row, "price": None},
}

REJECTED = ("null_title", "blank_title", "unknown_locale")
"""Kinds that have an id, and whose rows the night rejects."""
UNMET = frozenset({*REJECTED, "null_item_id", "malformed"})
"""Kinds that nobody acts on, so that no other count hangs on them."""


def item_line(item: Item, kind: str | None, lexicon: Lexicon) -> bytes:
    """The item's line in items.jsonl; `kind` None: as it should be."""
    row = item.row()
    odd = row if kind is None else ODDITIES[kind](row, item, lexicon)
    return odd if isinstance(odd, bytes) else line(odd)
