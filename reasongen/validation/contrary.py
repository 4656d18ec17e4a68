"""The contrary of what the evidence says: said where it denies, denied where it says, and one of two opposites in the
place of the other (before opening, after opening)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reasongen.validation.gate import Finding
from reasongen.validation.lexicon import Lexicon
from reasongen.validation.licences import Licences
from reasongen.validation.licensing import Kind
from reasongen.validation.reading import Case, finding

_VERB_DENIED = {
    "en": re.compile(
        r"(?:'s)?(?: (?!and|or|but|with|for)[a-z]{2,12}){0,3}"
        r" (?:(?:is|are|was|does|do|can|will|has|have)(?:n't| not)|cannot|won't|can't|never|not|excluded"
        r"|sold (?:separately|apart))(?![a-z])"
    ),
    "zh": re.compile("[月日号]?(?:它|也|都|则|就|并|可|需|要|得){0,2}(?:不|未|没|勿|免|另[备购配])"),
}


@dataclass(frozen=True)
class Opposites:
    """The words of one language, compiled. `contrary`: word → those that say the contrary in its place."""

    locale: str
    contrary: Mapping[str, frozenset[str]]
    pattern: re.Pattern[str]


def opposites_of(licences: Licences) -> Opposites:
    """Compiled once per process."""
    contrary: dict[str, set[str]] = {}
    for row in licences.words.opposites:
        sides = [set(side.split()) for side in row.split("|")]
        for at, side in enumerate(sides):
            for word in side:
                contrary.setdefault(word, set()).update(*(other for number, other in enumerate(sides) if number != at))
    listed = "|".join(sorted(map(re.escape, contrary), key=len, reverse=True)) or "(?!)"
    whole = listed if licences.locale == "zh" else rf"(?<![a-z])(?:{listed})(?![a-z])"
    return Opposites(licences.locale, {word: frozenset(one) for word, one in contrary.items()}, re.compile(whole))


def polarity(case: Case, lexicon: Lexicon) -> Iterator[Finding]:
    """Said where every field of the item denies it, or denied where every field says it."""
    least = 2 if lexicon.locale == "zh" else 3
    for piece in case.pieces:
        said, denied = piece.said & case.grounds.item, piece.denied & case.grounds.item
        if piece.kind is Kind.OPEN or piece.end - piece.start < least or not said | denied:
            continue
        if piece.kind is Kind.NEUTRAL and not lexicon.grammar.isdisjoint(piece.keys):
            continue  # no tools are needed: "needs" tells nothing
        if case.tells_of_user(piece.start) and (piece.said | piece.denied) & ~(case.grounds.item | case.grounds.user):
            continue
        if piece.negated and said and not denied and piece.kind is Kind.LICENSED:
            yield finding("polarity", "human", piece.start, piece.end, "the evidence says it, the text denies it")
        elif not piece.negated and denied and not said and not _denied_behind(case, piece.end, lexicon.locale):
            yield finding("polarity", "block", piece.start, piece.end, "the evidence denies it, the text says it")


def _denied_behind(case: Case, at: int, locale: str) -> bool:
    """Whether the verb that follows denies what stands before it: lunch isn't part of it, 宠物不接待."""
    return _VERB_DENIED[locale].match(case.text.plain, at, case.clause_of(at - 1)[1]) is not None


def denials(case: Case, lexicon: Lexicon) -> Iterator[Finding]:
    """What a renderer filled from evidence, denied."""
    flags = lexicon.negation.denied(case.text.plain, whole=False) if case.filled else b""
    for start, end in case.filled if 1 in flags else ():
        if 1 in flags[start:end]:
            yield finding("polarity", "human", start, end, "the evidence says it, the text denies it")


def contraries(case: Case, opposites: Opposites) -> Iterator[Finding]:
    """Before opening, where the evidence says after opening; outside, where it says inside."""
    plain, texts = case.text.plain, case.grounds.own.texts
    for match in opposites.pattern.finditer(plain):
        if case.tells_of_user(match.start()):
            continue
        for before, behind in _beside(plain, match, opposites.locale):
            said = f"{before}{match.group()}{behind}"
            if any(said in text for text in texts):
                continue
            contrary = [f"{before}{other}{behind}" for other in opposites.contrary[match.group()]]
            if any(one in text for one in contrary for text in texts):
                yield finding("polarity", "human", *match.span(), "the evidence says the opposite")
                break


def _beside(plain: str, match: re.Match[str], locale: str) -> Iterator[tuple[str, str]]:
    """What stands right before an opposite, and right behind it: one Chinese character, one English word."""
    if locale == "zh":
        for at, side in ((match.start() - 1, 0), (match.end(), 1)):
            if 0 <= at < len(plain) and plain[at] >= "\u3007" and plain[at] not in "的了着一":
                yield (plain[at], "") if side == 0 else ("", plain[at])
        return
    if before := re.search(r"[a-z]{3,14}(?: (?:the|a|an|its))? $", plain[max(0, match.start() - 24) : match.start()]):
        yield before.group(), ""
    if behind := re.match(r" (?:(?:the|a|an|its) )?[a-z]{3,14}(?![a-z])", plain[match.end() : match.end() + 24]):
        yield "", behind.group()
