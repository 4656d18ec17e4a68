"""Finds the pair's literals in a text that holds no marks, so that its claims are bound to evidence all the same."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reasongen.prompts.frame import Literals
from reasongen.prompts.locales import Locale
from reasongen.prompts.neutral import neutral

Span = tuple[int, int, str, str]


def literal_spans(text: str, locale: Locale, literals: Literals) -> list[Span]:
    """(start, end, evidence, mark) of each literal found, in order, none over another; longer literals go first.

    A count is bound where it stands as digits or as a number word; the first row that has this count owns it.
    """
    taken: list[Span] = []
    for value, source, form in sorted(_known(locale, literals), key=lambda known: (-len(known[0]), known[1])):
        for found in re.finditer(alone(value), text):
            start, end = found.span()
            if all(end <= other[0] or start >= other[1] for other in taken):
                taken.append((start, end, source, f"[{source}.{form}]"))
    return sorted(taken)


def _known(locale: Locale, literals: Literals) -> Iterator[tuple[str, str, str]]:
    rows = [(literals.title, "i", "title"), (literals.brand, "i", "brand"), (literals.attr, "i", "attr")]
    for number, row in enumerate(literals.evidence, start=1):
        rows += [(row.title, f"e{number}", "title"), (row.value, f"e{number}", "value")]
        yield str(row.count), f"e{number}", "count"
        if 1 < row.count <= len(locale.counting):
            yield locale.counting[row.count - 1], f"e{number}", "count"
    for value, source, form in rows:
        shown = neutral(value, locale.title_chars if form == "title" else 24)
        if shown:
            yield shown, source, form


def alone(value: str) -> str:
    """The pattern of a value that stands alone: not inside a longer number or Latin word."""
    head = r"(?<![A-Za-z0-9])" if value[0].isascii() and value[0].isalnum() else ""
    tail = r"(?![A-Za-z0-9])" if value[-1].isascii() and value[-1].isalnum() else ""
    return head + re.escape(value) + tail
