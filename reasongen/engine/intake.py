"""Arrow batches to rows of token ids, and written rows back to Arrow batches: the same for every backend with weights.

Knows no torch: a tokenizer is whatever turns a list of texts into lists of ids and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from reasongen.engine.door import OUTPUT, masks_of, texts_of
from reasongen.engine.guard import Automata, Guard, Guards
from reasongen.engine.mask import Mask
from reasongen.errors import ModelError

if TYPE_CHECKING:
    from reasongen.config import EngineSettings


TRIES = 4  # texts that are begun for a row under a mask, before it is a code


@dataclass(frozen=True, slots=True)
class Row:
    """One sample to write. `automata`: its mask; None where it may say anything."""

    prompt_hash: str
    sample: int
    tokens: tuple[int, ...]
    automata: Automata | None = None

    def guard(self) -> Guard | None:
        """What holds this row to its mask while it is being written, at its beginning."""
        return Guard(self.automata) if self.automata else None

    def tries(self, temperature: float) -> int:
        """How often its text may be begun: greedily, every try would be the first one over again."""
        return TRIES if self.automata and temperature > 0 else 1


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a row. ids: the new tokens, with the end mark if one came; broken: its logits were no numbers;
    banned: every try came to what its mask bans."""

    row: Row
    ids: Sequence[int]
    logprob: float
    broken: bool
    banned: bool = False


class Intake:
    """Reads prompts with one tokenizer and writes texts with it. `longest`: tokens of a prompt that fit; `lead`: what
    every prompt begins with, and is counted as a part of it."""

    def __init__(
        self, tokenizer: Any, ends: tuple[int, ...], longest: int, engine_id: str, lead: tuple[int, ...] = ()
    ) -> None:
        self._tokenizer, self._ends, self._longest, self._engine_id = tokenizer, ends, longest, engine_id
        self._lead = lead

    def read(self, batch: pa.RecordBatch) -> tuple[list[Row], pa.RecordBatch | None]:
        """The rows of a batch of INPUT that can be written, and those that cannot as a batch of OUTPUT."""
        hashes, prompts = texts_of(batch["prompt_hash"]), texts_of(batch["prompt"])
        encoded = self._tokenizer([prompt or "" for prompt in prompts])["input_ids"] if prompts else []
        rows: list[Row] = []
        faults: list[tuple[Any, ...]] = []
        columns = zip(hashes, prompts, batch["sample"].to_pylist(), encoded, masks_of(batch), strict=True)
        for key, prompt, sample, own, mask in columns:
            ids = (*self._lead, *own)
            code = self._fault(prompt, own, ids)
            automata = None
            if mask is not None and not code:
                try:
                    automata = self._guards.of(Mask.from_json(mask))
                except ValueError:
                    code = "error:bad_mask"
            if code:
                faults.append((key or "", sample, "", code, len(own), 0, None, self._engine_id))
            else:
                rows.append(Row(key or "", sample, ids, automata))
        return rows, _batch(faults) if faults else None

    @cached_property
    def _guards(self) -> Guards:
        """Made for the first mask: without one, nothing is spent on masks."""
        return Guards(self._tokenizer, self._ends)

    def write(self, written: Sequence[Written]) -> pa.RecordBatch:
        """A batch of OUTPUT; at least one row."""
        return _batch([self._out(one) for one in written])

    def _fault(self, prompt: str | None, own: list[int], ids: tuple[int, ...]) -> str | None:
        if not prompt or not own:
            return "error:no_prompt"
        return "error:prompt_too_long" if len(ids) > self._longest else None

    def _out(self, one: Written) -> tuple[Any, ...]:
        head, tokens_in = (one.row.prompt_hash, one.row.sample), len(one.row.tokens)
        if one.broken or one.banned:
            code = "error:not_finite" if one.broken else "error:banned"
            return (*head, "", code, tokens_in, 0, None, self._engine_id)
        ended = next((place for place, token in enumerate(one.ids) if token in self._ends), None)
        # Special tokens stay visible (a verdict refuses them), since a model's marks may be such tokens.
        text = self._tokenizer.decode(list(one.ids[:ended]), clean_up_tokenization_spaces=False).strip()
        spent = len(one.ids) if ended is None else ended + 1
        reason = "length" if ended is None else "stop"
        return (*head, text, reason, tokens_in, spent, one.logprob, self._engine_id)


def longest_prompt(settings: EngineSettings, positions: int | None) -> int:
    """Tokens; the model's positions bound it where they are fewer than the setting. Raises ModelError below one."""
    longest = settings.max_prompt_tokens
    if positions is not None:
        longest = min(longest, positions - settings.max_new_tokens)
    if longest < 1:
        raise ModelError(
            f"{settings.model}: wanted room for engine.max_new_tokens {settings.max_new_tokens}; found {positions}"
            " positions. Lower max_new_tokens."
        )
    return longest


def _batch(rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
    columns = [pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), OUTPUT, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=OUTPUT)
