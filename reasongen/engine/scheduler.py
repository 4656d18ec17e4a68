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
    """A row that is being written: its new tokens so far and their log-probability. keys: each seeds the draws of one
    try; guard: holds it to its mask."""

    row: Row
    keys: tuple[int, ...] = (0,)
    guard: Guard | None = None
    ids: list[int] = field(default_factory=list)
    logprob: float = 0.0
    broken: bool = False
    banned: bool = False
    tried: int = 0

    @property
    def key(self) -> int:
        """Of the try that is being made."""
        return self.keys[self.tried]

    @property
    def newest(self) -> int:
        """The token that is read next: the last one written, or the prompt's last where the text is begun again."""
        return self.ids[-1] if self.ids else self.row.tokens[-1]

    @property
    def position(self) -> int:
        """Of the newest token, counted from 0 at the prompt's first: where its keys go in the next step."""
        return len(self.row.tokens) + len(self.ids) - 1

    def begin_again(self) -> bool:
        """Gives the text up for another one, by the draws of the next try; whether there is one."""
        if self.tried + 1 == len(self.keys):
            return False
        self.tried, self.guard = self.tried + 1, self.row.guard()
        self.ids, self.logprob = [], 0.0
        return True


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
        """Notes the next token of a slot; the row if that was its last, and then its slot is free. Where the row's mask
        bans the token, the text is begun again, or given up if that was the last try."""
        seat = self.seats[slot]
        if seat is None:
            raise ValueError(f"slot {slot}: wanted a row; found none")
        if sick:
            seat.broken = True
        elif seat.guard is not None and not seat.guard.take(token):
            seat.banned = not seat.begin_again()
            if not seat.banned:
                return None
        else:
            seat.ids.append(token)
            seat.logprob += logprob
        if not (sick or seat.banned or token in self._ends or len(seat.ids) == self._most):
            return None
        self.seats[slot] = None
        return seat
