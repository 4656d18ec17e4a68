"""Cuts a person's reason down to what its evidence bears: falsehoods in the labels are what a model learns best.

Clauses that something speaks against are dropped; words that only describe what a mark names go alone. Knows no grammar
beyond where clauses begin, so what is left may read stiffly; it never says more than the label did.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

Spans = Sequence[tuple[int, int]]

# Where a clause begins. English: after a comma, or at a word that hangs something on to what stands before.
_BEGINS = {
    "en": re.compile(
        r"(?<=[.!?;:,] )(?=\S)|(?<=\S)(?= (?:and|but|while|with|along with|as well as|for|in|at|near|by|on|from|making"
        r"|providing|creating|ensuring|allowing|which|where|that) )"
    ),
    "zh": re.compile(r"(?<=[，。；！？：、,;!?])(?=.)"),
}
_SENTENCE_ENDS = {"en": ".!?", "zh": "。！？!?"}
_LEADS_ON = re.compile(r"^(?:and|but|while|which|where|that|with|along with|as well as|for)\s+", re.IGNORECASE)
_LOOSE_ENDS = {
    "en": re.compile(r"(?:\s+(?:and|or|but|with|for|of|the|a|an|to|in|at|by|on|from))*[\s,;:]*$"),
    "zh": re.compile(r"[\s，；：、和与及]*$"),
}
_LEAST = {"en": 12, "zh": 6}  # characters of a reason that is still one


def cut(text: str, locale: str, against: Callable[[str], Spans]) -> str | None:
    """What of `text` nothing speaks against, as a text; None where that is no reason any more.

    `against`: where the verdict finds something in a text, half open, in characters. It is asked of the whole, of what
    is left, and of nothing in between: two or three times in all.
    """
    if not (found := against(text)):
        return text
    left = _tidy("".join(_kept(text, locale, found)), locale)
    if len(left) < _LEAST[locale] or left == text or against(left):
        return None
    return left


def _kept(text: str, locale: str, found: Spans) -> list[str]:
    """The clauses that may stay. An English sentence whose first clause goes, goes: the rest hangs on to it."""
    kept: list[str] = []
    begins, standing = True, True
    for start, end in pairwise([0, *(match.start() for match in _BEGINS[locale].finditer(text)), len(text)]):
        clause = text[start:end]
        point = clause.rstrip()[-1:]
        end_of_sentence = point if point and point in _SENTENCE_ENDS[locale] else ""
        mine = [(max(a, start) - start, min(b, end) - start) for a, b in found if a < end and b > start]
        left = _without_describing(clause, mine, locale) if mine else clause
        standing = left is not None if begins else standing
        if left is not None and (standing or locale == "zh"):
            kept.append(left)
        elif kept and (end_of_sentence or (point in ",;" and locale == "en")):
            kept[-1] = kept[-1].rstrip(" ,，；;、") + point + (" " if locale == "en" else "")
        begins = bool(end_of_sentence)
    return kept


def _without_describing(clause: str, found: Spans, locale: str) -> str | None:
    """An English clause without words that stand before a mark and describe it; None where a word is its sense."""
    if locale != "en":
        return None
    for start, end in sorted(found, reverse=True):
        if not re.match(r"\s+\[", clause[end:]) or not re.fullmatch(r"[A-Za-z -]+", clause[start:end]):
            return None
        clause = clause[:start].rstrip() + " " + clause[end:].lstrip()
    return clause


def _tidy(text: str, locale: str) -> str:
    """A sentence again: no loose end, a capital at its head, a point at its end."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"(?:\s*[,;])+(?=\s*[,;.!?])", "", text) if locale == "en" else text
    text = _LEADS_ON.sub("", text) if locale == "en" else text
    point = "。" if locale == "zh" else "."
    ended = text[-1:] in _SENTENCE_ENDS[locale]
    body = _LOOSE_ENDS[locale].sub("", text[:-1] if ended else text)
    end = text[-1:] if ended else point
    return f"{body[:1].upper()}{body[1:]}{end}" if body else ""
