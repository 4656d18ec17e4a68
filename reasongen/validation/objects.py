"""What an act of the user was done with: which of the events a text means, by the words of its clause or near it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from reasongen.validation.acts import ANY_KIND, ANY_TIME, OWNED, Act, ActReader, Turn, When
from reasongen.validation.grounds import Grounds
from reasongen.validation.licensing import Kind, Piece
from reasongen.validation.record import Record

_NEAR = 28  # characters in which what is owned follows


def named_events(
    act: Act,
    acts: Sequence[Act],
    clauses: Sequence[tuple[int, int]],
    pieces: Sequence[Piece],
    grounds: Grounds,
    reader: ActReader,
    plain: str,
) -> list[int]:
    """The events that an act names, best first: by its object, where other acts share its clause; else by its clause;
    else by the clause before or after; else none."""
    if any(other.clause == act.clause and other is not act for other in acts):
        found = _objects(act, acts, pieces, grounds, reader, plain)
        if found:
            return found
    at = clauses.index(act.clause) if act.clause in clauses else 0
    own = any(act.clause[0] <= one.start < act.clause[1] and one.kind is Kind.LICENSED for one in pieces)
    for near in (at,) if own else (at, at - 1, at + 1):  # a clause that names something names no other
        if 0 <= near < len(clauses):
            start, end = clauses[near]
            found = _best(_scores([one for one in pieces if start <= one.start < end], grounds))
            if found:
                return found
    return []


def _objects(
    act: Act, acts: Sequence[Act], pieces: Sequence[Piece], grounds: Grounds, reader: ActReader, plain: str
) -> list[int]:
    """The events named right behind the act, else before it, else further behind; never beyond another act."""
    first, last = _between(act, acts)
    behind = [one for one in pieces if act.end <= one.start < last]
    before = [one for one in pieces if first <= one.start < act.start]
    told = next((one for one in behind if _scores([one], grounds)), None)
    direct = told is not None and reader.objects.fullmatch(plain, act.end, told.start) is not None
    ways = (behind, before) if direct else (before, behind)
    return next((found for way in ways if (found := _best(_scores(way, grounds)))), [])


def _between(act: Act, acts: Sequence[Act]) -> tuple[int, int]:
    """The part of the act's clause that no other act parts from it."""
    first, last = act.clause
    for other in acts:
        if other.end <= act.start:
            first = max(first, other.end)
        elif other.start >= act.end:
            last = min(last, other.start)
    return first, last


def _best(scores: dict[int, float]) -> list[int]:
    most = max(scores.values(), default=0.0)
    return [number for number, score in scores.items() if score >= 0.6 * most] if most > 0 else []


def marked_event(
    act: Act, acts: Sequence[Act], marks: Sequence[tuple[int, int, int]], reader: ActReader, plain: str
) -> list[int]:
    """The event whose mark is the act's object: inside the act, right behind it, else before it, else behind.

    `marks`: (start, end, number of the event). A mark beyond another act is that one's. Empty where there is none.
    """
    first, last = _between(act, acts)
    inside = [number for start, end, number in marks if act.start <= start and end <= act.end]
    behind = [(start, number) for start, end, number in marks if act.end <= start and end <= last]
    before = [number for start, end, number in marks if first <= start and end <= act.start]
    direct = [number for start, number in behind[:1] if reader.objects.fullmatch(plain, act.end, start)]
    return inside or direct or before[-1:] or [number for _, number in behind[:1]]


def _scores(pieces: Sequence[Piece], grounds: Grounds) -> dict[int, float]:
    """How much of each event stands in the pieces: characters that no field of the item says count fully."""
    scores: dict[int, float] = {}
    han = [(number, nouns) for number, nouns in enumerate(map(_han, grounds.heads)) if nouns]
    for piece in pieces:
        if piece.kind is Kind.OPEN:
            continue
        mask = piece.said | piece.denied
        for number in grounds.event_of(mask):
            size = piece.end - piece.start
            head = 2.0 if grounds.heads[number] & set(piece.keys) else 1.0
            scores[number] = scores.get(number, 0.0) + size * head * (
                0.4 if mask & grounds.item or piece.kind is Kind.NEUTRAL else 1.0
            )
        for number, nouns in han:  # 音箱便携 in a row is the item's alone, yet names 音箱
            if not mask & grounds.events[number] and (key := next((k for k in piece.keys if k.startswith(nouns)), "")):
                scores[number] = scores.get(number, 0.0) + 0.4 * max(len(one) for one in nouns if key.startswith(one))
    return scores


def _han(head: frozenset[str]) -> tuple[str, ...]:
    """The Chinese nouns of a title, of two characters or more."""
    return tuple(one for one in head if one >= "\u3007" and len(one) > 1)


def possessions(
    reader: ActReader, plain: str, clauses: Sequence[tuple[int, int]], pieces: Sequence[Piece], grounds: Grounds
) -> Iterator[Act]:
    """Your lamp: an act of buying, where what follows is what an event, and not the item, is about."""
    for match in reader.possession.finditer(plain):
        clause = next((one for one in clauses if one[0] <= match.start() < one[1]), (0, len(plain)))
        for piece in pieces:
            if not match.end() <= piece.start < min(clause[1], match.end() + _NEAR) or piece.kind is not Kind.LICENSED:
                continue
            if any(map(grounds.item_says, piece.keys)):
                continue  # the item is one of that kind: "your coffee" may be this one
            if any(_about(piece, head) for head in grounds.heads):
                yield Act(match.start(), piece.end, OWNED, clause)
                break


def objects_before(
    acts: Sequence[Act], clauses: Sequence[tuple[int, int]], pieces: Sequence[Piece], grounds: Grounds
) -> frozenset[tuple[int, int]]:
    """Clauses whose words the act of the next clause takes up (basil seeds, bought five days ago): all that they say is
    borne by one event, at least one word by it alone, and the act's own clause says nothing of evidence."""
    found = set()
    for act in acts:
        at = clauses.index(act.clause) if act.clause in clauses else 0
        if not at or any(other.clause == clauses[at - 1] for other in acts):
            continue
        (first, last), (start, end) = clauses[at - 1], act.clause
        mine = [one for one in pieces if first <= one.start < last and one.kind is Kind.LICENSED]
        if any(start <= one.start < end and one.kind is Kind.LICENSED for one in pieces):
            continue
        alone = {
            number
            for one in mine
            if not (one.said | one.denied) & grounds.item
            for number in grounds.event_of(one.said | one.denied)
        }
        if any(all((one.said | one.denied) & grounds.events[number] for one in mine) for number in alone):
            found.add(clauses[at - 1])
    return frozenset(found)


def dated(
    whens: Sequence[When],
    turns: Sequence[Turn],
    acts: Sequence[Act],
    clauses: Sequence[tuple[int, int]],
    pieces: Sequence[Piece],
    grounds: Grounds,
) -> Iterator[Act]:
    """A thing of an event with a time or a count, and no verb that is known (three weeks ago, the straw hat): an act of
    whichever kind, whose time and count are asked of the event as those of any other."""
    told = {act.clause for act in acts}
    for start, end in [(one.start, one.end) for one in whens if one.most < ANY_TIME] + [one[:2] for one in turns]:
        clause = next((one for one in clauses if one[0] <= start < one[1]), None)
        if clause is None or clause in told:
            continue
        inside = [one for one in pieces if clause[0] <= one.start < clause[1] and one.kind is Kind.LICENSED]
        if any(_is_an_events(one, grounds) for one in inside):
            told.add(clause)
            yield Act(start, end, ANY_KIND, clause)


def quoted(
    record: Record,
    plain: str,
    conditions: re.Pattern[str],
    acts: Sequence[Act],
    clauses: Sequence[tuple[int, int]],
    pieces: Sequence[Piece],
    grounds: Grounds,
) -> Iterator[Act]:
    """The user's own words handed back as a question or a condition (too heavy? 嫌重的话): all that such a clause says
    is borne by one event that has a text, and something of it by that alone."""
    written = [bit for bit, event in zip(grounds.events, record.events, strict=True) if event.text]
    told = {act.clause for act in acts}
    for start, end in clauses if written else ():
        if (start, end) in told or not (plain.startswith("?", end) or conditions.search(plain, start, end)):
            continue
        masks = [one.said | one.denied for one in pieces if start <= one.start < end and one.kind is Kind.LICENSED]
        if any(not mask & grounds.item for mask in masks) and any(all(m & bit for m in masks) for bit in written):
            yield Act(start, start, ANY_KIND, (start, end))


def _is_an_events(piece: Piece, grounds: Grounds) -> bool:
    """Whether only an event bears the piece, or its title is about it and the item's is not."""
    if not (piece.said | piece.denied) & grounds.item:
        return bool(grounds.event_of(piece.said))
    return any(_about(piece, head) for head in grounds.heads) and not _about(piece, grounds.head)


def _about(piece: Piece, head: frozenset[str]) -> bool:
    return any(key in head or (key[:1] >= "\u3007" and key.endswith(tuple(head))) for key in piece.keys)
