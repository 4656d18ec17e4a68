"""A short title from a seller's: done once per catalogue item, not per pair. Knows nothing of marks."""

from __future__ import annotations

import re

from reasongen.prompts.neutral import neutral

TITLE_CHARS = {"zh": 20, "en": 40}
SCANNED_CHARS = 400  # of a stuffed title: what stands further back is never shown

_NOISE = re.compile(r"【[^】]*】|\[[^\]]*\]|［[^］]*］|〖[^〗]*〗|\{[^}]*\}|<[^>]*>")
_EDGE = " -–—_·•|/\\,.;:!?~*+=&，。；：！？、～｜／"
_OPENERS = "(（“‘「『《"
_CLOSERS = ")）”’」』》"


def short_title(title: str, locale: str, brand: str | None = None) -> str:
    """At most 20 characters in Chinese, 40 in English, cut at a word; without bracketed noise and a leading brand.

    May return "" where nothing sayable is left: the item's noun then has to stand in.
    """
    text = neutral(_NOISE.sub(" ", title[:SCANNED_CHARS]), SCANNED_CHARS).strip(_EDGE)
    if brand and text.lower().startswith(brand.lower()) and not text[len(brand) : len(brand) + 1].isalpha():
        text = text[len(brand) :].strip(_EDGE) or text
    return _cut(text, TITLE_CHARS.get(locale, 40))


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    cut = limit
    while cut > limit // 2 and not _boundary(text, cut):
        cut -= 1
    head = text[: cut if cut > limit // 2 else limit]
    opened = max(head.rfind(mark) for mark in _OPENERS)
    if opened > 0 and not any(mark in head[opened:] for mark in _CLOSERS):
        head = head[:opened]
    return head.strip(_EDGE)


def _boundary(text: str, cut: int) -> bool:
    """Whether a cut before `cut` splits no word, number or unit: Chinese may be cut between any two characters."""
    before, after = text[cut - 1], text[cut]
    return not (_latin(before) and _latin(after))


def _latin(character: str) -> bool:
    return (character.isalnum() and character < "\u2e80") or character in "-'’."
