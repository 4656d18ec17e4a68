"""What a person took down stays down: words and skeletons that no reason may have, whatever the rules say."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

from reasongen.validation.case import Failure
from reasongen.validation.verdict import Verdict


def plain(text: str) -> str:
    """How a term and a text are compared: NFKC, so that full width hides nothing, and without case."""
    return unicodedata.normalize("NFKC", text).casefold()


@dataclass(frozen=True)
class Withdrawn:
    """`terms` in their `plain` form; `skeletons`: hashes as they stand in `reasons.skeleton_hash`."""

    terms: tuple[str, ...] = ()
    skeletons: frozenset[str] = frozenset()

    def failures(self, text: str, skeleton_hash: str) -> tuple[Failure, ...]:
        """One finding for each term that the text holds, and one for a withdrawn skeleton; it spans the whole text."""
        if not self.terms and not self.skeletons:
            return ()
        seen = plain(text)
        why = [f"term {number} of the withdrawals" for number, term in enumerate(self.terms) if term in seen]
        why += ["skeleton of a withdrawn reason"] * (skeleton_hash in self.skeletons)
        return tuple(Failure("withdrawn", 0, len(text), detail) for detail in why)


def unless_disliked(verdict: Verdict, text: str, skeleton_hash: str, disliked: Collection[str]) -> Verdict:
    """The verdict, unless the user said no to this sentence: `disliked` are hashes of such, for one user and item."""
    if not verdict.passed or skeleton_hash not in disliked:
        return verdict
    return Verdict(False, (Failure("disliked", 0, len(text), "the user said no to this sentence"),))
