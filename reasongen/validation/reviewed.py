"""What people decided of a skeleton: the doubts that an accept lifts, the skeletons that a refuse keeps down.

A doubt is a finding that asks for a person. It is told without the pair that it was found on, so that what one person
decided of an example holds for every pair with the same words. What a literal says is nobody's to lift here.
"""

from __future__ import annotations

import hashlib
import json
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from reasongen.prompts.frame import Frame
from reasongen.prompts.render import Claim, Rendered
from reasongen.validation.case import Failure

OF_CLAIMS = "R18_"
"""How the rules about evidence begin."""
_AN = re.compile(r"\b([Aa])n( ?)$")


class Doubt(NamedTuple):
    """`words`: the skeleton's own, `at` characters behind its `mark`-th mark (0: behind its beginning)."""

    rule: str
    detail: str
    mark: int
    at: int
    words: str

    @property
    def rests_on_evidence(self) -> bool:
        """Whether another frame may answer it otherwise; rules of the law read the words alone."""
        return self.rule.startswith(OF_CLAIMS)


@dataclass(frozen=True)
class Accepted:
    """What an accept lifts. `frames`: `frame_key`s of those that its reviewer saw."""

    doubts: frozenset[Doubt]
    frames: frozenset[str]


@dataclass(frozen=True)
class Reviewed:
    """Decisions that hold tonight, by (locale, skeleton_hash). `known`: skeletons that anybody ever judged."""

    accepted: Mapping[tuple[str, str], Accepted] = field(default_factory=dict)
    refused: frozenset[tuple[str, str]] = frozenset()
    known: frozenset[tuple[str, str]] = frozenset()

    def failures(self, text: str, locale: str, skeleton_hash: str) -> tuple[Failure, ...]:
        """One finding, over the whole text, for a skeleton that a person refused."""
        if (locale, skeleton_hash) not in self.refused:
            return ()
        return (Failure("reviewed", 0, len(text), "skeleton that a reviewer refused"),)

    def lifts(self, failures: Sequence[Failure], rendered: Rendered, skeleton_hash: str, frame: Frame) -> bool:
        """Whether every one of the failures is a doubt that was shown to who accepted this skeleton; a doubt about the
        evidence only on a frame that was shown too."""
        accepted = self.accepted.get((frame.locale, skeleton_hash))
        if accepted is None:
            return False
        doubts = doubts_of(failures, rendered)
        if not doubts or not accepted.doubts.issuperset(doubts):
            return False
        return frame_key(frame.to_json()) in accepted.frames or not any(one.rests_on_evidence for one in doubts)


def doubts_of(failures: Sequence[Failure], rendered: Rendered) -> tuple[Doubt, ...]:
    """The failures as doubts, in order. Empty where a person may lift nothing: there are none, one of them asks for
    something else than a person, or touches what a mark was filled with, or no words at all."""
    ends = [0, *(claim.end for claim in rendered.claims)]
    found = set()
    for one in failures:
        filled = any(one.start < claim.end and claim.start < one.end for claim in rendered.claims)
        if one.action != "human" or filled or one.start >= one.end:
            return ()
        mark = bisect_right(ends, one.start) - 1
        words = rendered.text[one.start : one.end]
        if any(one.end in (claim.start - 1, claim.start) for claim in rendered.claims if _is_own(claim)):
            words = _telling_nothing(words)
        found.add(Doubt(one.rule, one.detail, mark, one.start - ends[mark], words))
    return tuple(sorted(found))


def doubts_key(doubts: Sequence[Doubt]) -> str:
    """The same for the same doubts: 32 hex digits."""
    return hashlib.sha256(json.dumps(doubts, ensure_ascii=False).encode()).hexdigest()[:32]


def frame_key(frame: str) -> str:
    """A frame's canonical JSON in 16 bytes, hex: thousands of them travel to every executor."""
    return hashlib.sha256(frame.encode()).hexdigest()[:32]


def without_user(rendered: Rendered, doubts: Sequence[Doubt]) -> tuple[str, list[tuple[int, int]]]:
    """The text with everything that a user's behaviour filled in put back to its mark, and each doubt's span in it.
    An article before such a mark is "a", whichever it was."""
    text, ends, at = "", [0], 0
    for claim in rendered.claims:
        before, own = rendered.text[at : claim.start], _is_own(claim)
        text += _telling_nothing(before) if own else before
        text += claim.mark if own else rendered.text[claim.start : claim.end]
        ends.append(len(text))
        at = claim.end
    starts = [ends[one.mark] + one.at for one in doubts]
    spans = [(start, start + len(one.words)) for start, one in zip(starts, doubts, strict=True)]
    return text + rendered.text[at:], spans


def _is_own(claim: Claim) -> bool:
    """Whether a user's behaviour filled it."""
    return claim.evidence.startswith("e")


def _telling_nothing(before: str) -> str:
    """`before` with "a" for an "an" at its end: the article goes by what was filled in behind it, so it tells of it."""
    return _AN.sub(r"\1\2", before)
