"""One text with its evidence, read once for all claim checks: clauses, quantities, acts, pieces. Holds no check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from reasongen.validation.acts import Act, Turn, When
from reasongen.validation.gate import Finding
from reasongen.validation.grounds import Grounds
from reasongen.validation.licensing import Piece
from reasongen.validation.normal import NormalText
from reasongen.validation.quantity import Quantity
from reasongen.validation.record import Record
from reasongen.validation.rules import Action


@dataclass
class Case:
    """Spans are of the normal text. `filled`: those that a renderer filled; `marks`: those of events, each with its
    number. `named`: for each act, the numbers of the events that its clause names. `objects`: clauses that hold nothing
    but what the act of the next clause was done with, or what was said in it."""

    text: NormalText
    record: Record
    grounds: Grounds
    filled: list[tuple[int, int]]
    marks: list[tuple[int, int, int]]
    clauses: list[tuple[int, int]]
    quantities: list[Quantity]
    acts: list[Act]
    whens: list[When]
    turns: list[Turn]
    pieces: list[Piece]
    named: list[list[int]]
    objects: frozenset[tuple[int, int]] = frozenset()

    def clause_of(self, at: int) -> tuple[int, int]:
        """The clause of a place; empty between clauses."""
        return next((one for one in self.clauses if one[0] <= at < one[1]), (at, at))

    def tells_of_user(self, at: int) -> bool:
        """Whether the clause of a place names an act of the user, or what that was done with."""
        clause = self.clause_of(at)
        return clause in self.objects or any(act.clause == clause for act in self.acts)

    def bound(self) -> set[int]:
        """Events that some act names."""
        return {number for numbers in self.named for number in numbers}


class Opinion(Protocol):
    """Asked of a text in which no check found anything: it may send it to a person, and can pass nothing."""

    def findings(self, case: Case) -> list[Finding]:
        """What it doubts, in characters of the normal text."""


def finding(kind: str, action: Action, start: int, end: int, detail: str) -> Finding:
    """A finding of a claim check, in characters of the normal text; `placed` leads back to the text as written."""
    return Finding(f"R18_{kind}", 1, action, start, end, detail)
