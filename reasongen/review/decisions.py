"""What a decision is, and what many of them say together. Pure: knows no table and no page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from reasongen.validation import Reviewed
from reasongen.validation.reviewed import Accepted, Doubt, frame_key

Verb = Literal["accept", "refuse", "edit", "label"]
STRICTEST_FIRST: tuple[Verb, ...] = ("refuse", "edit", "accept")
"""Those that judge; a label says what kind of error it is, and leaves open whether the text may be shown."""
LABELS = ("none", "false", "not_supported", "unlawful", "tone", "grammar", "other")


@dataclass(frozen=True)
class Waiting:
    """A row of schema.REVIEW_QUEUE. `doubts` as they stand there: rule, detail, mark, at, words, start, end."""

    skeleton_hash: str
    locale: str
    policy_version: str
    scenario: str
    skeleton: str
    text: str
    frames: tuple[str, ...]
    doubts: tuple[Mapping[str, Any], ...]
    pairs: int
    run_id: str
    night: date
    queued_at: datetime

    @property
    def key(self) -> tuple[str, str, str]:
        """Of the row."""
        return self.skeleton_hash, self.locale, self.policy_version


@dataclass(frozen=True)
class Decision:
    """A row of schema.REVIEW_DECISIONS."""

    skeleton_hash: str
    locale: str
    policy_version: str
    decision: Verb
    doubts: tuple[Mapping[str, Any], ...]
    frames: tuple[str, ...]
    edited: str | None
    label: str | None
    note: str | None
    reviewer: str
    decided_at: datetime

    @property
    def key(self) -> tuple[str, str, str]:
        """Of the row that it is about."""
        return self.skeleton_hash, self.locale, self.policy_version

    @property
    def judges(self) -> bool:
        """Whether it says if the text may be shown."""
        return self.decision in STRICTEST_FIRST


def current(rows: Iterable[Waiting]) -> list[Waiting]:
    """Those of the rules that each scenario queued under last: an accept under earlier ones passes nothing any more."""
    rows, newest = list(rows), dict[str, Waiting]()
    for one in rows:
        if one.scenario not in newest or newest[one.scenario].queued_at < one.queued_at:
            newest[one.scenario] = one
    return [one for one in rows if one.policy_version == newest[one.scenario].policy_version]


def latest(decisions: Iterable[Decision]) -> dict[tuple[str, str], dict[str, Decision]]:
    """By (locale, skeleton_hash), then by reviewer: the last of hers that judges; of equal times, the strictest."""

    def order(one: Decision) -> tuple[datetime, int]:
        return one.decided_at, -STRICTEST_FIRST.index(one.decision)

    found: dict[tuple[str, str], dict[str, Decision]] = {}
    for one in decisions:
        if one.judges:
            mine = found.setdefault((one.locale, one.skeleton_hash), {})
            if one.reviewer not in mine or order(mine[one.reviewer]) < order(one):
                mine[one.reviewer] = one
    return found


def strictest(decisions: Iterable[Decision]) -> Verb | None:
    """What holds where these are the latest of their reviewers."""
    said = {one.decision for one in decisions}
    return next((verb for verb in STRICTEST_FIRST if verb in said), None)


def standing(
    decisions: Iterable[Decision], policy_version: str, withdrawn: Mapping[str, datetime] | None = None
) -> Reviewed:
    """What the decisions say to a night under these rules.

    A refuse holds under any rules; an accept under its own alone, where nobody is stricter, for what all who accepted
    were shown. `withdrawn`: rules that were withdrawn, and when: what was accepted before is doubted again.
    """
    accepted: dict[tuple[str, str], Accepted] = {}
    refused = set()
    known = latest(decisions)
    for place, mine in known.items():
        verb = strictest(mine.values())
        if verb == "refuse":
            refused.add(place)
        now = [one for one in mine.values() if one.policy_version == policy_version]
        if verb == "accept" and now:
            shown = [_accepted(one, withdrawn or {}) for one in now]
            doubts = frozenset.intersection(*(one.doubts for one in shown))
            accepted[place] = Accepted(doubts, frozenset.intersection(*(one.frames for one in shown)))
    return Reviewed(accepted, frozenset(refused), frozenset(known))


def doubt_of(row: Mapping[str, Any]) -> Doubt:
    """A doubt as it stands in a table, without its place in the example."""
    return Doubt(*(row[name] for name in Doubt._fields))


def _accepted(one: Decision, withdrawn: Mapping[str, datetime]) -> Accepted:
    held = [doubt_of(row) for row in one.doubts if withdrawn.get(row["rule"], one.decided_at) <= one.decided_at]
    return Accepted(frozenset(held), frozenset(map(frame_key, one.frames)))
