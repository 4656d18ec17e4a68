"""One core's loop: rows into free slots, one step for all slots, finished rows out. Knows neither text nor Arrow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from reasongen.engine.decoder import Decoder
from reasongen.engine.intake import Row, Written
from reasongen.engine.prefix import pack
from reasongen.engine.sampling import Sampling, draw, row_key
from reasongen.engine.scheduler import Seat, Slots, Waiting

PROMPT_TOKENS = 8192  # read at once, padding included


class Lane:
    """Writes the rows of `waiting` until none is left; each finished handful goes to `done`."""

    def __init__(self, decoder: Decoder, slots: Slots, how: Sampling) -> None:
        self._decoder, self._slots, self._how = decoder, slots, how

    def run(self, waiting: Waiting, done: Callable[[list[Written]], None]) -> None:
        """Returns when `waiting` is closed and empty and the last row has been written."""
        with torch.inference_mode():
            while True:
                finished = self._refill(waiting)
                if self._slots.busy:
                    finished += self._step()
                elif not finished:
                    return
                if finished:
                    done([_written(seat) for seat in finished])

    def _refill(self, waiting: Waiting) -> list[Seat]:
        """Takes rows for free slots and writes their first token. Rows that end with it."""
        count = self._slots.wanted()
        if not count:
            return []
        rows = waiting.take(count, PROMPT_TOKENS, wait=not self._slots.busy)
        finished = self._read(rows) if rows else []
        broken = [seat for seat in finished if seat.broken]
        if broken and len(rows) > 1:
            # What breaks behind a shared beginning breaks the beginning too, where both are read in one row.
            finished = [seat for seat in finished if not seat.broken]
            for seat in broken:
                finished += self._read([seat.row])
        return finished

    def _read(self, rows: Sequence[Row]) -> list[Seat]:
        """Puts rows into free slots and writes their first token. Rows that end with it."""
        slots = self._slots.admit(Seat(row, self._keys(row), row.guard()) for row in rows)
        prompts = [row.tokens for row in rows]
        logits = self._decoder.start(prompts, pack(prompts, self._decoder.carried), slots)
        return self._note(slots, logits)

    def _step(self) -> list[Seat]:
        """One token more for every row. Rows that end with it."""
        live = self._slots.live()
        seats = [seat for _, seat in live]
        slots = [slot for slot, _ in live]
        logits = self._decoder.step(slots, [seat.newest for seat in seats], [seat.position for seat in seats])
        return self._note(slots, logits)

    def _note(self, slots: Sequence[int], logits: torch.Tensor) -> list[Seat]:
        """Draws a token from each row of logits, for the slot at the same place; rows beyond `slots` do not count."""
        seats = [seat for seat in (self._slots.seats[slot] for slot in slots) if seat]
        spare = [0] * (len(logits) - len(seats))
        keys, steps = [seat.key for seat in seats] + spare, [len(seat.ids) for seat in seats] + spare
        at = torch.tensor([keys, steps], device=logits.device)
        drawn = draw(logits, at[0], at[1], self._how)
        finished = []
        for slot, token, logprob, sick in zip(slots, *(one.tolist() for one in drawn), strict=False):
            if seat := self._slots.record(slot, token, logprob, sick):
                self._decoder.close(slot, sick)
                finished.append(seat)
        return finished

    def _keys(self, row: Row) -> tuple[int, ...]:
        """One for each try that a row has."""
        tries = row.tries(self._how.temperature)
        return tuple(row_key(row.prompt_hash, row.sample, self._how.seed, again) for again in range(tries))


def _written(seat: Seat) -> Written:
    return Written(seat.row, seat.ids, seat.logprob, seat.broken, seat.banned)
