"""What a text tells the user of themselves: acts, possessions, interests. Each must rest on the events or the tags."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from reasongen.validation.acts import ANY_TIME, Act, ActReader, done, happened
from reasongen.validation.gate import Finding
from reasongen.validation.licensing import Kind
from reasongen.validation.reading import Case, finding
from reasongen.validation.words import Negation


def user_acts(case: Case) -> Iterator[Finding]:
    """Acts of another kind than the events', another count, another time."""
    events = case.record.events
    bare = [when for when in case.whens if when.most < ANY_TIME]
    if bare and not case.acts:
        yield finding("time", "human", bare[0].start, bare[0].end, "wanted an act that it is the time of")
    for act, named in zip(case.acts, case.named, strict=True):
        did = done(act, events, named or range(len(events)))
        if not named and _tells_of_item(case, act):
            yield finding("act", "human", act.start, act.end, "wanted an event with what the text names")
            continue
        if not did:
            yield finding("act", "block", act.start, act.end, "wanted an event of this kind")
            continue
        if _named_besides(case, act, did):
            yield finding("act", "human", act.start, act.end, "wanted an event of this kind for each thing named")
            continue
        turns = [turn for turn in case.turns if _asked_of(case, act, turn[0])]
        often = [number for number in did if all(least <= events[number].count <= most for _, _, least, most in turns)]
        if not often:
            yield finding("count", "block", turns[0][0], turns[0][1], "wanted the count of the event")
            continue
        whens = [when for when in case.whens if _asked_of(case, act, when.start)]
        if whens and not any(all(happened(events[number], when) for when in whens) for number in often):
            yield finding(
                "time",
                "block" if whens[0].exact else "human",
                whens[0].start,
                whens[0].end,
                "wanted the time of the event",
            )


def _asked_of(case: Case, act: Act, at: int) -> bool:
    """Whether a time or a count belongs to the act: that of its own clause, and that of a clause without any act."""
    clause = case.clause_of(at)
    return clause == act.clause or all(other.clause != clause for other in case.acts)


def _named_besides(case: Case, act: Act, did: Sequence[int]) -> bool:
    """Whether the only act of a clause names a further thing that is not among those it was done with: you bought the
    teapot and the toaster."""
    if sum(other.clause == act.clause for other in case.acts) > 1:
        return False
    start, end = act.clause
    keys = {key for one in case.pieces if start <= one.start < end and one.kind is not Kind.OPEN for key in one.keys}
    nouns = [_nouns(head, keys) for head in case.grounds.heads]
    mine = frozenset().union(*(nouns[number] for number in did))
    others = (nouns[number] for number in range(len(nouns)) if number not in did)
    return bool(mine) and any(not mine & own and not any(map(case.grounds.item_says, own)) for own in others if own)


def _nouns(head: frozenset[str], keys: set[str]) -> frozenset[str]:
    """Those of the keys that name what a title is about."""
    han = tuple(one for one in head if one >= "\u3007")
    return frozenset(key for key in keys if key in head or (han and key.endswith(han)))


def lives(case: Case, acts: ActReader, conditions: re.Pattern[str]) -> Iterator[Finding]:
    """Where the user lives, with whom, how they are: nothing in a shop tells it, unless a word of theirs is beside."""
    theirs = case.grounds.user | sum(case.grounds.events)
    for match in acts.life.finditer(case.text.plain):
        start, end = case.clause_of(match.start())
        if conditions.search(case.text.plain, start, match.start()) or case.tells_of_user(match.start()):
            continue
        near = [one for one in case.pieces if start <= one.start < end and one.kind is Kind.LICENSED]
        if not any((one.said | one.denied) & theirs for one in near):
            yield finding("life", "human", *match.span(), "wanted an act or a tag that tells it")


def unseen(case: Case, acts: ActReader) -> Iterator[Finding]:
    """Habits and moods: an act shows what was done, not that it always is, nor how it was liked."""
    for match in acts.unseen.finditer(case.text.plain):
        yield finding("act", "human", *match.span(), "wanted an event that tells it")


def circumstances(case: Case, acts: ActReader) -> Iterator[Finding]:
    """For whom, with whom, where or how something was done. To whom it was passed on is the act itself."""
    for act in case.acts:
        match = None if "share" in act.kinds else acts.circumstances.search(case.text.plain, *act.clause)
        if match and not any(one.said and match.start() <= one.start < match.end() for one in case.pieces):
            yield finding("others", "human", *match.span(), "wanted an event that tells it")


def _tells_of_item(case: Case, act: Act) -> bool:
    """Whether the act's clause names what only the item bears: you bought *this*."""
    theirs = case.grounds.user | sum(case.grounds.events)
    start, end = act.clause
    inside = [one for one in case.pieces if start <= one.start < end and one.kind is Kind.LICENSED]
    return any(not (one.said | one.denied) & theirs for one in inside)


def interests(case: Case, acts: ActReader, conditions: re.Pattern[str]) -> Iterator[Finding]:
    """You like camping: a tag of the user or an event speaks of it."""
    theirs = case.grounds.user | sum(case.grounds.events)
    for match in acts.interest.finditer(case.text.plain):
        start, end = case.clause_of(match.start())
        if conditions.search(case.text.plain, start, end):
            continue
        near = [one for one in case.pieces if start <= one.start < end and one.kind is not Kind.OPEN]
        if not any((one.said | one.denied) & theirs for one in near):
            yield finding("interest", "human", *match.span(), "wanted a tag or an event that speaks of it")


def misquoted(case: Case, negation: Negation) -> Iterator[Finding]:
    """You wrote that it was not sweet, where the comment says that it was: what a comment says or denies, turned round.

    Asked where the one denies and the other does not; a denial's reach differs with the words around it."""
    for act, named in zip(case.acts, case.named, strict=True):
        if "comment" not in act.kinds:
            continue
        numbers = [one for one in named or range(len(case.record.events)) if case.record.events[one].text]
        theirs = sum(case.grounds.events[one] for one in numbers)
        comment_denies = any(negation.marks.search(case.record.events[one].text.lower()) for one in numbers)
        text_denies = negation.marks.search(case.text.plain, *act.clause) is not None
        if comment_denies == text_denies:
            continue
        for piece in case.pieces:
            if not act.end <= piece.start < act.clause[1] or piece.kind is Kind.OPEN:
                continue
            if any(not case.grounds.heads[one].isdisjoint(piece.keys) for one in numbers):
                continue  # a pan that nothing can be stewed in is a pan
            said, denied = piece.said & theirs, piece.denied & theirs
            if piece.negated and said and not denied:
                yield finding("polarity", "human", piece.start, piece.end, "the comment says it, the text denies it")
            elif not piece.negated and denied and not said:
                yield finding("polarity", "block", piece.start, piece.end, "the comment denies it, the text says it")
