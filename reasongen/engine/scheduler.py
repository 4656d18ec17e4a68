"""Decides which row stands in which slot, and when waiting rows take the free ones. Holds no tensor and no text.

A lane is one core with its own slots; all lanes take from one `Waiting`. Nothing here can change what a row says: that
is the model's business, and the model computes each row by itself.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from reasongen.engine.guard import Guard
from reasongen.engine.intake import Row

REFILL = 8  # a lane asks for rows when one slot in so many is free: a prompt alone is a slow product of few rows


class Waiting:
    """Rows that no lane has taken yet, in the order in which they came. Safe between threads."""

    def __init__(self) -> None:
        self._rows: deque[Row] = deque()
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, rows: Iterable[Row]) -> None:
        """Adds rows behind the others."""
        with self._changed:
            self._rows.extend(rows)
            self._changed.notify_all()

    def close(self, drop: bool = False) -> None:
        """Nothing will come any more; with `drop`, what waits is given up too."""
        with self._changed:
            self._closed = True
            if drop:
                self._rows.clear()
            self._changed.notify_all()

    def take(self, count: int, tokens: int, wait: bool) -> list[Row]:
        """At most `count` rows, of which the longest times their number is at most `tokens`; but one, if there is one.

        With `wait`, an empty answer means that nothing will come any more.
        """
        with self._changed:
            while wait and not self._rows and not self._closed:
                self._changed.wait()
            taken: list[Row] = []
            longest = 0
            while self._rows and len(taken) < count:
                longest = max(longest, len(self._rows[0].tokens))
                if taken and longest * (len(taken) + 1) > tokens:
                    break
                taken.append(self._rows.popleft())
            return taken


@dataclass(slots=True)
class Seat:
    """A row that is being written: its new tokens so far and their log-probability. key: seeds its draws; guard: holds
    it to its mask."""

    row: Row
    key: int = 0
    guard: Guard | None = None
    ids: list[int] = field(default_factory=list)
    logprob: float = 0.0
    broken: bool = False

    @property
    def position(self) -> int:
        """Of the newest token, counted from 0 at the prompt's first: where its keys go in the next step."""
        return len(self.row.tokens) + len(self.ids) - 1


class Slots:
    """The slots of one lane. `most`: new tokens of a row; `ends`: the ids that end it."""

    def __init__(self, count: int, most: int, ends: tuple[int, ...]) -> None:
        self.seats: list[Seat | None] = [None] * count
        self._most, self._ends = most, frozenset(ends)

    @property
    def busy(self) -> bool:
        """Whether any slot is in use."""
        return any(self.seats)

    def live(self) -> list[tuple[int, Seat]]:
        """The slots in use and who sits there, in order."""
        return [(slot, seat) for slot, seat in enumerate(self.seats) if seat]

    def wanted(self) -> int:
        """How many rows to ask for now: all free slots, or none while they are few."""
        free = self.seats.count(None)
        return free if free * REFILL >= len(self.seats) else 0

    def admit(self, seats: Iterable[Seat]) -> list[int]:
        """Gives each row the lowest free slot; these slots, in the order of the rows. Raises ValueError if none is."""
        free = (slot for slot, seat in enumerate(self.seats) if seat is None)
        taken = []
        for seat in seats:
            slot = next(free, None)
            if slot is None:
                raise ValueError(f"wanted a free slot for each row; all {len(self.seats)} are in use")
            self.seats[slot] = seat
            taken.append(slot)
        return taken

    def record(self, slot: int, token: int, logprob: float, sick: bool) -> Seat | None:
        """Notes the next token of a slot; the row if that was its last, and then its slot is free."""
        seat = self.seats[slot]
        if seat is None:
            raise ValueError(f"slot {slot}: wanted a row; found none")
        if sick:
            seat.broken = True
        else:
            seat.ids.append(token)
            seat.logprob += logprob
            if seat.guard is not None:
                seat.guard.take(token)
        if not (sick or token in self._ends or len(seat.ids) == self._most):
            return None
        self.seats[slot] = None
        return seat
