"""What a text says of two things at once: whose a property is, what is the same, better, or because of what.

Asked of a text that was read already; each check is a function, and the words that it looks for are data.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from reasongen.validation.fields import MAX_GRAM, read_field
from reasongen.validation.gate import Finding
from reasongen.validation.lexicon import Lexicon
from reasongen.validation.licences import Licences, one_of
from reasongen.validation.licensing import Kind, Piece
from reasongen.validation.prefilter import Prefilter
from reasongen.validation.reading import Case, finding

_THIS_IS = re.compile(
    r"(?<![a-z])(?:this|these|it|they)(?: [a-z'-]{2,14}){0,3} (?:is|are|has|have|comes)(?![a-z])"
    r"|[这它][^,。是有]{0,8}(?:是|有|也是|也有)"
)


@dataclass(frozen=True)
class Relations:
    """The words of one language, compiled: see `licences.Words`, whose names these are."""

    beside: re.Pattern[str]
    additives: re.Pattern[str]
    itself: re.Pattern[str]
    same: Mapping[str, re.Pattern[str]]
    comparisons: re.Pattern[str]
    causes: re.Pattern[str]
    therefore: re.Pattern[str]
    others: re.Pattern[str]
    unborne: Mapping[str, re.Pattern[str]]
    asked: tuple[str, ...]
    prefilter: Prefilter

    def possible(self, plain: str) -> frozenset[str]:
        """Names of the patterns that may match a text: of `asked`."""
        return frozenset(self.asked[number] for number in self.prefilter.possible(plain))

    def says_same(self, plain: str, clause: tuple[int, int]) -> bool:
        """Whether a clause says that something is the same."""
        return any(pattern.search(plain, *clause) for pattern in self.same.values())


def relations_of(licences: Licences) -> Relations:
    """Compiled once per process."""
    words, locale = licences.words, licences.locale
    asked = {
        "comparisons": one_of(words.comparisons, locale),
        "causes": one_of(words.causes, locale),
        "therefore": one_of(words.therefore, locale),
        "others": one_of(words.others, locale),
        **{f"unborne {rule}": one_of(patterns, locale) for rule, patterns in words.unborne.items()},
        **{facet: one_of(patterns, locale) for facet, patterns in words.same.items()},
    }
    return Relations(
        one_of(words.relations, locale),
        one_of(words.additives, locale),
        re.compile("|".join(f"(?:{one})" for one in words.itself)),
        {facet: asked[facet] for facet in words.same},
        asked["comparisons"],
        asked["causes"],
        asked["therefore"],
        asked["others"],
        {rule: asked[f"unborne {rule}"] for rule in words.unborne},
        tuple(asked),
        Prefilter([pattern.pattern for pattern in asked.values()]),
    )


def swaps(case: Case, relations: Relations, lexicon: Lexicon) -> Iterator[Finding]:
    """Words that only another item bears, told of this one."""
    own, bound = case.grounds.item | case.grounds.user, case.bound()
    for piece in case.pieces:
        mask = piece.said | piece.denied
        if piece.kind is not Kind.LICENSED or mask & own:
            continue
        behind = _behind_this(case, piece, relations)
        if case.tells_of_user(piece.start) and not behind:
            continue
        if lexicon.locale == "zh" and _own_words(case.text.plain[piece.start : piece.end], case, own, lexicon):
            continue
        if behind or not _of_the_other(case, piece, relations, bound):
            yield finding("swap", "human", piece.start, piece.end, "only another item bears it")


def _behind_this(case: Case, piece: Piece, relations: Relations) -> bool:
    """Whether a clause that tells of the user has come to the item: you viewed a copper teapot and this kettle is
    copper."""
    start, end = case.clause_of(piece.start)
    last = max((act.end for act in case.acts if act.clause == (start, end)), default=end)
    for match in _THIS_IS.finditer(case.text.plain, last, piece.start):
        return relations.beside.search(case.text.plain, match.end(), piece.start) is None
    return False


def _own_words(letters: str, case: Case, own: int, lexicon: Lexicon) -> bool:
    """Whether Chinese letters that another item has in a row are words of this one, put together of two or more."""
    reached = [True] + [False] * len(letters)
    for end in range(1, len(letters) + 1):
        for start in range(max(0, end - MAX_GRAM), end):
            part = letters[start:end]
            if reached[start] and (case.grounds.of(part)[0] & own or part in lexicon.neutral):
                reached[end] = end - start > 1
                if reached[end]:
                    break
    return reached[-1]


def _of_the_other(case: Case, piece: Piece, relations: Relations, bound: set[int]) -> bool:
    """Whether the piece's clause names the other item itself (with the lamp), not only what it is like (red).

    A word that joins two things (with, beside) lets it be told of the other; one that adds (too, also) only names it.
    """
    clause = case.clause_of(piece.start)
    meant = set(case.grounds.event_of(piece.said | piece.denied))
    if relations.says_same(case.text.plain, clause):
        meant = {number for number in meant if _is_named(case, clause, number)}  # of the same brand as the red tent
        return bool(meant)
    meant &= bound
    beside = relations.beside.search(case.text.plain, *clause)
    if not beside and not relations.additives.search(case.text.plain, *clause):
        return False
    if any(_is_noun(piece, case, number) for number in meant):
        return not _itself(case, piece, clause, relations)
    return beside is not None and any(
        _is_noun(one, case, number) and not _itself(case, one, clause, relations)
        for one in case.pieces
        if clause[0] <= one.start < clause[1]
        for number in meant
    )


def _is_noun(piece: Piece, case: Case, number: int) -> bool:
    """Whether the piece is, or in Chinese ends in, the noun of an event's title."""
    heads = case.grounds.heads[number]
    if not heads.isdisjoint(piece.keys):
        return True
    han = tuple(one for one in heads if one >= "\u3007")
    return bool(han) and any(key.endswith(han) for key in piece.keys)


def _is_named(case: Case, clause: tuple[int, int], number: int) -> bool:
    return any(clause[0] <= one.start < clause[1] and _is_noun(one, case, number) for one in case.pieces)


def _itself(case: Case, noun: Piece, clause: tuple[int, int], relations: Relations) -> bool:
    """Whether what stands before a noun says that the item itself is meant: this lamp, or a lamp that opens it all."""
    return relations.itself.fullmatch(case.text.plain, clause[0], noun.start) is not None


def samenesses(case: Case, relations: Relations, possible: Collection[str]) -> Iterator[Finding]:
    """The same brand, the same kind: as that of an event which the text names, or of any where it names none."""
    for facet in relations.same.keys() & possible:
        for match in relations.same[facet].finditer(case.text.plain):
            clause = case.clause_of(match.start())
            events = _meant(case, match.end(), clause) or case.bound() or range(len(case.record.events))
            if not any(_agrees(case, number, facet) for number in events):
                yield finding("same", "human", *match.span(), f"wanted an event of the same {facet}")


def _meant(case: Case, at: int, clause: tuple[int, int]) -> set[int]:
    """The events that a clause names: by a mark behind a place or anywhere in it, by an act, by words that the item has
    not."""
    marked = [(start, number) for start, end, number in case.marks if clause[0] <= start and end <= clause[1]]
    if marked:
        return {min((one for one in marked if one[0] >= at), default=marked[-1])[1]}
    acts = zip(case.acts, case.named, strict=True)
    if found := {number for act, named in acts if act.clause == clause for number in named}:
        return found
    inside = [one.said for one in case.pieces if clause[0] <= one.start < clause[1] and one.kind is Kind.LICENSED]
    return {number for said in inside if not said & case.grounds.item for number in case.grounds.event_of(said)}


def _agrees(case: Case, number: int, facet: str) -> bool:
    item, event = case.record.item, case.record.events[number]
    if event.same is not None:
        return facet in event.same
    if facet == "brand":
        brand = (item.brand or "").lower()
        return bool(brand) and brand in f"{event.title} {event.text}".lower()
    if facet == "look":
        bit, title = case.grounds.events[number], f"{event.title} {event.text}".lower()
        said = next((field.said for own, field in case.grounds.other if own == bit), frozenset())
        shared = {
            key
            for key in said - case.grounds.heads[number]
            if len(key) > 1 and key in title and case.grounds.item_says(key)
        }
        return bool(shared)
    kinds = [one.rpartition("/")[2] for one in (item.category, event.category)]
    nouns = [key for key in case.grounds.heads[number] if case.grounds.item_says(key)]
    return bool(kinds[0] and kinds[0] == kinds[1]) or bool(nouns)


def comparisons(case: Case, relations: Relations, possible: Collection[str]) -> Iterator[Finding]:
    """Better, lighter, more than: no evidence compares, unless the item's own words do. Amounts are no comparisons,
    nor is what stands inside a name."""
    for match in relations.comparisons.finditer(case.text.plain) if "comparisons" in possible else ():
        near = [one for one in case.quantities if match.start() - 1 <= one.end and one.start <= match.end() + 6]
        amount = any(one.start < match.start() or match.end() < one.end for one in near)  # not half the weight of
        if not amount and not _in_a_name(case, match.start(), match.end()) and not _stands_in_item(case, match.group()):
            yield finding("comparison", "human", *match.span(), "wanted evidence that compares")


def _in_a_name(case: Case, start: int, end: int) -> bool:
    """Whether letters stand inside what one field has in a row: 知更堂 compares nothing."""
    run = [one for one in case.pieces if one.kind is Kind.LICENSED and one.start < end and start < one.end]
    whole = run and run[0].start <= start and end <= run[-1].end and all(a.end == b.start for a, b in pairwise(run))
    return (
        bool(whole)
        and run[-1].end - run[0].start > 2
        and any(all(one.said & bit for one in run) for bit in _bits(run[0].said))
    )


def _bits(mask: int) -> Iterator[int]:
    while mask:
        yield mask & -mask
        mask &= mask - 1


def causes(case: Case, relations: Relations, lexicon: Lexicon, possible: Collection[str]) -> Iterator[Finding]:
    """Promised effects on a person, and one fact of the item told as the cause of another."""
    for match in relations.causes.finditer(case.text.plain) if "causes" in possible else ():
        if not _stands_in_item(case, match.group()):
            yield finding("cause", "human", *match.span(), "wanted evidence of an effect")
    if "therefore" not in possible:
        return
    nouns = _nouns(case, lexicon)
    for match in relations.therefore.finditer(case.text.plain):
        if any(match.group() in text for text in case.grounds.own.texts):
            continue
        start, end = case.clause_of(match.start())
        at = case.clauses.index((start, end)) if (start, end) in case.clauses else 0
        first = case.clauses[at - 1] if at and match.start() - start < 2 else (start, match.start())
        parts = [first, (match.end(), end), *case.clauses[at + 1 : at + 2]]
        if sum(_tells_of_item(case, *part, nouns) for part in parts) > 1:
            yield finding("cause", "human", *match.span(), "wanted evidence that one follows from the other")


def _nouns(case: Case, lexicon: Lexicon) -> frozenset[str]:
    """What the item is: it tells nothing more of it."""
    item = case.record.item
    return read_field(lexicon, item.title).head | read_field(lexicon, item.category.rpartition("/")[2]).said


def _tells_of_item(case: Case, start: int, end: int, nouns: frozenset[str]) -> bool:
    """Whether a fact of the item stands there, and no act of the user."""
    if any(start <= act.start < end for act in case.acts):
        return False
    stated = any(start <= one.start < end and one.dimension != "count" for one in case.quantities)
    return stated or any(
        start <= one.start < end
        and one.kind is Kind.LICENSED
        and (one.said | one.denied) & case.grounds.item
        and nouns.isdisjoint(one.keys)
        for one in case.pieces
    )


def others(case: Case, relations: Relations, possible: Collection[str]) -> Iterator[Finding]:
    """What other people like, think or do: no evidence tells of them."""
    for match in relations.others.finditer(case.text.plain) if "others" in possible else ():
        yield finding("others", "human", *match.span(), "wanted evidence of other people")


def _stands_in_item(case: Case, said: str) -> bool:
    if any(said in text for text in case.grounds.own.texts):
        return True
    keys = said.split() if said.isascii() else [said]
    return all(map(case.grounds.item_says, keys))
