"""How the queue stands and how far its reviewers agree, as a line and as data."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from reasongen.review.agreement import Agreement, agreement
from reasongen.review.decisions import current, latest, strictest
from reasongen.review.store import read_decisions, read_waiting


@dataclass(frozen=True)
class State:
    """Skeletons under the rules of today: `waiting` for a first person, and by what holds (accept, refuse, edit)."""

    waiting: int
    accept: int
    refuse: int
    edit: int
    reviewers: int
    agreement: Agreement

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)

    def text(self) -> str:
        """Two lines."""
        found = self.agreement
        alpha = "" if found.alpha is None else f", Krippendorff's alpha {found.alpha:.2f}"
        return (
            f"review: {self.waiting:,} wait; {self.accept:,} accepted, {self.refuse:,} refused, {self.edit:,} edited"
            f" by {self.reviewers:,} reviewers\n"
            f"  {found.skeletons:,} judged by two or more, {found.same:,} of them with one word{alpha}"
        )


def state_of(root: str) -> State:
    """The state of a lake's queue; all zero before the first night with something to ask."""
    decisions = read_decisions(root)
    judged = latest(decisions)
    said: Counter[str] = Counter()
    for row in current(read_waiting(root)):
        mine = judged.get((row.locale, row.skeleton_hash), {}).values()
        said[strictest(one for one in mine if one.policy_version == row.policy_version) or "waiting"] += 1
    counts = {name: said[name] for name in ("waiting", "accept", "refuse", "edit")}
    return State(**counts, reviewers=len({one.reviewer for one in decisions}), agreement=agreement(decisions))
