"""Which of two things a text means, where its words alone would be licensed: this item, or one that the user met.

"The steel kettle you viewed" says steel of the kettle in the history, "this lamp" says lamp of the item. A word that
the wrong one bears licenses nothing there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from reasongen.validation.acts import Act
from reasongen.validation.fields import REMEMBERED
from reasongen.validation.gate import Finding
from reasongen.validation.licences import Licences, one_of
from reasongen.validation.licensing import Kind, Piece
from reasongen.validation.normal import normalise
from reasongen.validation.reading import Case, finding
from reasongen.validation.words import clauses, keys_of, words_of

# Where a clause turns to the item.
_TURNS = re.compile(r" - |(?<![a-z])(?:this|these|it|its|here|there|so|which|while)(?![a-z])|[这此本它—]")
# Attributes of the whole: a part may share them.
_WHOLE = re.compile(
    "material|fabric|colou?r|flavou?r|scent|size|weight|type|style|origin|finish|材质|材料|面料|颜色|口味|香型"
)
_VALUE = re.compile("[a-z]{3,14}|[\u4e00-\u9fff]{2,8}")
_ARTICLES = ("the", "a", "an", "that", "的", "那", "那款")
_SECOND = re.compile(r" and (?=(?:its|the|an?) )")  # begins what is told of another part


@dataclass(frozen=True)
class Pointing:
    """The words of one language, compiled: see `licences.Words` and `licences.Acts`, whose names these are.

    `this` ends where the item's noun begins; `copula` where what is said of a subject begins; `slots` stand between an
    attribute's name and its value, `as_slots` between the value and the name; `binders` between
    two words that are told of one part; `address` tells that a clause speaks of its reader;
    `borne` between a noun and the act that it is the object of; `generic` begins a clause about all of a kind.
    """

    locale: str
    this: re.Pattern[str]
    copula: re.Pattern[str]
    itself: re.Pattern[str]
    slots: re.Pattern[str]
    as_slots: re.Pattern[str]
    binders: re.Pattern[str]
    address: re.Pattern[str]
    borne: re.Pattern[str]
    generic: str


def pointing_of(licences: Licences) -> Pointing:
    """Compiled once per process."""
    words, acts, locale = licences.words, licences.acts, licences.locale
    ended = "(?:" + "|".join(f"(?:{one})" for one in words.this) + ") *$"
    before = "" if locale == "zh" else "(?<![a-z0-9])"
    return Pointing(
        locale,
        re.compile(before + ended),
        one_of(words.copula, locale),
        re.compile("|".join(f"(?:{one})" for one in acts.itself) or "(?!)"),
        re.compile("|".join(f"(?:{one})" for one in words.slots) or "(?!)"),
        re.compile("|".join(f"(?:{one})" for one in words.as_slots) or "(?!)"),
        re.compile("|".join(f"(?:{one})" for one in words.binders) or "(?!)"),
        one_of(words.address, locale),
        re.compile("|".join(f"(?:{one})" for one in words.borne) or "(?!)"),
        "|".join(f"(?:{one})" for one in words.generic) or "(?!)",
    )


def nouns(case: Case, pointing: Pointing) -> Iterator[Finding]:
    """This lamp, where the item is a puzzle and a lamp stands in the history or among the user's tags."""
    for at, piece in enumerate(case.pieces):
        mask = piece.said | piece.denied
        if not mask or mask & case.grounds.item or not _thing(case, piece):
            continue
        start, end = case.clause_of(piece.start)
        met = _names(case, piece, range(len(case.record.events)))
        if case.grounds.item_says(met):
            continue
        alone = met and mask & case.grounds.user and not pointing.address.search(case.text.plain, start, end)
        if alone or _is_this(case, at, pointing):
            yield finding("swap", "human", piece.start, piece.end, "only another item bears it")


def acts_on_this(case: Case, pointing: Pointing) -> Iterator[Finding]:
    """You bought this: no event is one with the item itself, which nobody recommends to whom it was for."""
    for act in case.acts:
        if pointing.itself.match(case.text.plain, act.end):
            yield finding("act", "human", act.start, act.end, "wanted an event with this item itself")


def told_of_other(case: Case, pointing: Pointing) -> Iterator[Finding]:
    """What only the item bears, told of the thing that an act names: between the act and its noun, and behind an "is"
    whose subject that thing is."""
    own = case.grounds.item
    for act, named in zip(case.acts, case.named, strict=True):
        theirs = sum(case.grounds.events[number] for number in named)
        for piece in (*_object(case, act, named), *_predicate(case, act, named, pointing)):
            mask = piece.said | piece.denied
            if piece.kind is not Kind.LICENSED or not mask & own or mask & (theirs | case.grounds.user):
                continue
            if not case.grounds.of(case.text.plain[piece.start : piece.end].strip("的"))[0] & theirs:
                yield finding("swap", "human", piece.start, piece.end, "the event's thing does not bear it")


def slots(case: Case, pointing: Pointing) -> Iterator[Finding]:
    """An attribute of the item told with the value of another: colour 210 g."""
    plain = case.text.plain
    attributes = case.record.item.attributes
    if not any(name.lower() in plain for name in attributes):
        return
    rows = [(normalise(name).plain, normalise(value).plain) for name, value in attributes.items()]
    for name, own in rows:
        others = [value for _, value in rows if value and value not in own and own not in value]
        words = _of_parts(name, own, rows)
        for at in (match.start() for match in re.finditer(re.escape(name), plain)) if name else ():
            if any(len(longer) > len(name) and plain.startswith(longer, at) for longer, _ in rows):
                continue
            link = pointing.slots.match(plain, at + len(name))
            behind = link.end() if link else at + len(name)
            before = pointing.as_slots.search(plain, max(0, at - 24), at)
            told = any(
                plain.startswith(value, behind) or (before and plain.endswith(value, 0, before.start()))
                for value in others
            )
            right_before = re.split("[ ,.;-]", plain[:at].rstrip(" -的"))[-1]
            zh = pointing.locale == "zh"
            if told or any(right_before.endswith(word) if zh else right_before == word for word in words):
                yield finding("attribute", "human", at, at + len(name), "wanted the value of this attribute")


def _of_parts(name: str, own: str, rows: Sequence[tuple[str, str]]) -> list[str]:
    """Words that other attributes have of other parts: a steel hook beside a canvas pouch is no canvas hook."""
    if _WHOLE.search(name):
        return []
    values = [value for part, value in rows if value not in own and own not in value and not _WHOLE.search(part)]
    return [word for value in values for word in _VALUE.findall(value) if word not in own and word not in name]


def generic(case: Case, pointing: Pointing) -> Iterator[Finding]:
    """A cookbook is used every day: said of the kind, where evidence tells of one."""
    noun = re.split("[/ ]", case.record.item.category.lower())[-1]
    if not noun or noun not in case.text.plain:
        return
    for start, end in case.clauses:
        match = _of_the_kind(pointing.generic, noun).match(case.text.plain, start, end)
        if match and not any(act.clause == (start, end) for act in case.acts):
            yield finding("general", "human", *match.span(), "wanted evidence of all of them")


@lru_cache(maxsize=REMEMBERED)
def _of_the_kind(pattern: str, noun: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("NOUN", re.escape(noun)))


def crossed(case: Case, pointing: Pointing) -> Iterator[Finding]:
    """A gel heel, where the evidence tells of a cork heel and a gel lace: what a text tells of one part in one breath
    must stand in one clause of the item's texts. Asked of words that those alone bear."""
    told = sum(1 << number for number, name in enumerate(case.grounds.fields) if name == "item.description")
    noun = case.record.item.category.rpartition("/")[2].lower() or "\0"  # what the item is tells nothing of a part
    content = [one for one in case.pieces if one.kind is Kind.LICENSED and _letters(case, one)]
    for at, (first, second) in enumerate(pairwise(content)):
        if noun in _letters(case, first) or noun in _letters(case, second):
            continue
        if first.said != told or second.said != told or case.clause_of(first.start) != case.clause_of(second.start):
            continue
        if at + 2 < len(content) and _adjacent(case.text.plain, second, content[at + 2]):
            continue  # two properties of what follows: a soft silicone light
        between = case.text.plain[first.end : second.start]
        if pointing.binders.fullmatch(between) and not _together(case, first, second):
            yield finding("part", "human", first.start, second.end, "wanted evidence that says both of one thing")


def _together(case: Case, first: Piece, second: Piece) -> bool:
    """Whether one clause of the item's title or description bears both; true where a synonym bears one."""
    keys = [(set(one.keys), _letters(case, one)) for one in (first, second)]
    sets = [told for text in case.grounds.own.texts[:2] for told in _clause_words(text)]
    borne = [[not own.isdisjoint(words) or letters in clause for words, clause in sets] for own, letters in keys]
    return not (any(borne[0]) and any(borne[1])) or any(a and b for a, b in zip(*borne, strict=True))


def _letters(case: Case, piece: Piece) -> str:
    """The piece without the particles that a row of Chinese letters may begin or end with."""
    return case.text.plain[piece.start : piece.end].strip("的它这其是用为")


@lru_cache(maxsize=REMEMBERED)
def _clause_words(text: str) -> tuple[tuple[frozenset[str], str], ...]:
    """The clauses of a normal text, each as the keys of its words and as it stands."""
    parts = [part for start, end in clauses(text) for part in _SECOND.split(text[start:end])]
    return tuple((frozenset(key for word in words_of(part) for key in word.keys), part) for part in parts)


def _thing(case: Case, piece: Piece) -> bool:
    """Whether the piece names a thing: the noun of an event's title or kind, or a tag of the user."""
    tags = {key for tag in case.record.user.tags for key in (tag, *keys_of(tag.lower().rpartition(" ")[2])[1])}
    return not tags.isdisjoint(_keys(case, piece)) or bool(_names(case, piece, range(len(case.record.events))))


def _is_this(case: Case, at: int, pointing: Pointing) -> bool:
    """Whether a noun is told of the item: what describes it stands before it piece by piece, and before that, this."""
    plain, start = case.text.plain, case.pieces[at].start
    first = case.clause_of(start)[0]
    for piece in reversed(case.pieces[:at]):
        if pointing.this.search(plain, first, start):
            return True
        particle = pointing.locale == "zh" and plain[piece.start : piece.end] == "的"
        if (
            plain[piece.end : start].strip(" -的")
            or not (piece.said or piece.denied or particle)
            or piece.start < first
        ):
            return False
        start = piece.start
    return pointing.this.search(plain, first, start) is not None


def _object(case: Case, act: Act, named: Sequence[int]) -> list[Piece]:
    """What describes the noun of an act's event, between the act and that noun; empty where anything else stands
    there."""
    found: list[Piece] = []
    for piece in case.pieces:
        if piece.start < act.end:
            continue
        if piece.start >= act.clause[1]:
            return []
        if _names(case, piece, named):
            return found
        if piece.said or piece.denied:
            found.append(piece)
        elif case.text.plain[piece.start : piece.end] not in (("的",) if found else _ARTICLES):
            return []
    return []


def _predicate(case: Case, act: Act, named: Sequence[int], pointing: Pointing) -> list[Piece]:
    """What is said of an event's thing: "the tent you viewed is green", "green is the tent you viewed", "the green tent
    you viewed"."""
    plain = case.text.plain
    start, end = act.clause
    inside = [piece for piece in case.pieces if start <= piece.start < end]
    before = [at for at, piece in enumerate(inside) if piece.end <= act.start and _names(case, piece, named)]
    found: list[Piece] = []
    if before and pointing.borne.fullmatch(plain, inside[before[-1]].end, act.start):
        first = before[-1]
        while (
            first
            and (inside[first - 1].said or inside[first - 1].denied)
            and _adjacent(plain, *inside[first - 1 : first + 1])
        ):
            first -= 1
        described = inside[first : before[-1]]
        if not pointing.this.search(plain, start, described[0].start if described else inside[before[-1]].start):
            found += described
    for match in pointing.copula.finditer(plain, start, end):
        subject = [piece for piece in inside if piece.end <= match.start() and _names(case, piece, named)]
        if not subject or act.start > match.start() or _TURNS.search(plain, start, match.start()):
            continue
        turned = _TURNS.search(plain, match.end(), end)
        last = turned.start() if turned else end
        return found + [piece for piece in inside if match.end() <= piece.start < last]
    return found


def _adjacent(plain: str, first: Piece, second: Piece) -> bool:
    return not plain[first.end : second.start].strip(" -的")


def _names(case: Case, piece: Piece, numbers: Iterable[int]) -> str:
    """The noun of one of these events that a piece is, or in Chinese ends in; empty where it is none."""
    keys = _keys(case, piece)
    for number in numbers:
        for head in _nouns_of(case.grounds.heads[number], case.record.events[number].category):
            if head in keys or (head >= "\u3007" and any(key.endswith(head) for key in keys)):
                return head
    return ""


@lru_cache(maxsize=REMEMBERED)
def _nouns_of(heads: frozenset[str], category: str) -> tuple[str, ...]:
    """What an event is about, by its title and its kind; the shortest first, 蒸锅 before 竹制蒸锅."""
    nouns = heads | {re.split("[/ ]", category.lower())[-1]}
    return tuple(sorted((one for one in nouns if one), key=lambda one: (len(one), one)))


def _keys(case: Case, piece: Piece) -> set[str]:
    return {case.text.plain[piece.start : piece.end], *piece.keys}
