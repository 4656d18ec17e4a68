"""Cuts a person's reason down to what its evidence bears: falsehoods in the labels are what a model learns best.

Clauses that something speaks against are dropped; words that only describe what a mark names go alone. Knows little
grammar, so what is left may read stiffly, and a sentence that may mean something else without a clause goes whole.
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
_PARTS = {"en": (*".!?,;",), "zh": (*"。！？!?",)}  # marks that stay behind a clause that went
_LEADS_ON = re.compile(r"^(?:and|but|while|which|where|that|with|along with|as well as|for)\s+", re.IGNORECASE)
_LOOSE_ENDS = {
    "en": re.compile(r"(?:\s+(?:and|or|but|with|for|of|the|a|an|to|in|at|by|on|from))*[\s,;:]*$"),
    "zh": re.compile(r"[\s，；：、和与及]*$"),
}
# A sentence that keeps one of these needs all its clauses: what is denied, conceded or concluded may stand in another.
_NEEDS_ALL = {
    "en": re.compile(
        r"(?<![a-z])(?:not|no|nor|never|none|nothing|neither|either|both|between|cannot|[a-z]+n['’]t|without|unlike|instead"
        r"|rather|hardly|barely|scarcely|except|only|unless|until|if|whether|though|although|despite|however|because|since"
        r"|so|therefore|than|anything|far|almost|nearly|who|whoever|say|says|said|claims?|claimed|too(?= \[))(?![a-z])",
        re.IGNORECASE,
    ),
    "zh": re.compile(
        "不(?![妨错锈同少])|没|未|无(?![线论])|非(?!常)|除|只|仅|唯|虽|尽管|但|却|而是|如果|若|要是|假如|因为|由于|所以|因此"
        "|既然|与其|差点|勉强|几乎|据说|号称|谁|难道|哪里|比"
    ),
}
# What a clause takes back of the one before: dropped alone, more would be said than the label did.
_TAKES_BACK = {
    "en": re.compile(r"(?<![a-z])(?:except|only|unless|until|if|not at all|provided)(?![a-z])", re.IGNORECASE),
    "zh": re.compile("除|只|仅|唯|如果|若|要是|前提|才怪|可惜"),
}
# A word that waits for more: what hung on to it was its sense.
_WAITS = re.compile(
    r"(?<![a-z])(?:is|are|was|were|be|been|am|has|have|had|will|would|can|could|may|might|must|should|looked|clicked|tapped"
    r"|commented|picked|bought|ordered|viewed|shared|came|comes?|went|goes|got|gets?|made|makes?|very|more|most|less|as|also|just|even)$",
    re.IGNORECASE,
)
# Before words that only describe; and such as do more than describe.
_BEFORE_DESCRIBING = re.compile(r"(?:^|\s)(?:an?|the|this|its|their|your|some|of|with|has|in|for|from)$", re.IGNORECASE)
_NO_DESCRIBING = re.compile(
    r"(?:^|[ -])(?:an?|the|than|fake|faux|imitation|artificial|mock|pseudo|former|so-called|would-be|non)(?:[ -]|$)",
    re.IGNORECASE,
)
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
    """The clauses that may stay, sentence by sentence."""
    bounds = [0, *(match.start() for match in _BEGINS[locale].finditer(text)), len(text)]
    kept: list[str] = []
    sentence: list[tuple[int, int]] = []
    for start, end in pairwise(bounds):
        sentence.append((start, end))
        if text[start:end].rstrip().endswith(tuple(_SENTENCE_ENDS[locale])) or end == len(text):
            kept += _of_sentence(text, locale, found, sentence)
            sentence = []
    return kept


def _of_sentence(text: str, locale: str, found: Spans, spans: Spans) -> list[str]:
    """Its clauses that may stay; none where they would mean something else alone.

    An English one whose first clause goes, goes: the rest hangs on to it. So does what no mark parts from a clause
    that went.
    """
    kept: list[str] = []
    gone = False
    for start, end in spans:
        clause = text[start:end]
        mine = [(max(a, start) - start, min(b, end) - start) for a, b in found if a < end and b > start]
        left = _without_describing(clause, mine, locale) if mine else clause
        hangs_on = gone and locale == "en" and clause[:1] == " "
        gone = left is None or hangs_on
        if left is not None and not hangs_on:
            kept.append(left)
        elif _TAKES_BACK[locale].search(clause) or (locale == "en" and (not kept or _WAITS.search(kept[-1].rstrip()))):
            return []
        elif kept and (point := clause.rstrip()[-1:]) in _PARTS[locale]:
            kept[-1] = kept[-1].rstrip(" ,，；;、") + point + (" " if locale == "en" else "")
    whole = "".join(kept) == text[spans[0][0] : spans[-1][1]]
    return kept if whole or not _NEEDS_ALL[locale].search("".join(kept)) else []


def _without_describing(clause: str, found: Spans, locale: str) -> str | None:
    """An English clause without words that stand before a mark and describe it; None where a word is its sense."""
    if locale != "en":
        return None
    runs: list[tuple[int, int]] = []
    for start, end in sorted(found):  # words side by side describe as one
        if runs and not clause[runs[-1][1] : start].strip():
            runs[-1] = (runs[-1][0], max(end, runs[-1][1]))
        else:
            runs.append((start, end))
    for start, end in reversed(runs):
        word = clause[start:end]
        if not re.match(r"\s+\[", clause[end:]) or not re.fullmatch(r"[A-Za-z -]+", word):
            return None
        if _NO_DESCRIBING.search(word) or not _BEFORE_DESCRIBING.search(clause[:start].rstrip()):
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
