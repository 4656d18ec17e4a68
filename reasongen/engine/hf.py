"""transformers' own batched generate behind the engine's door, so that a row's text depends on that row alone.

A row is left-padded to a bucket that its own length decides, always by at least one token, and computed in a batch of
always `batch_rows` rows (dummies fill it up): equal shapes take equal kernels, whatever the neighbours. Each batch runs
on one core, `threads` batches side by side: torch splits a product over two cores by position, and then the last bits
of a row depend on where it stands. Knows neither frames nor marks.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import psutil
import pyarrow as pa
import torch
from torch import Tensor
from transformers import DynamicCache, GenerationConfig, LogitsProcessor, LogitsProcessorList

from reasongen.engine.door import new_engine_id
from reasongen.engine.guard import Guard
from reasongen.engine.intake import TRIES, Intake, Row, Written, longest_prompt
from reasongen.engine.load import CORES, Loaded, load
from reasongen.engine.sampling import Sampling, draw, row_keys
from reasongen.errors import MachineError

if TYPE_CHECKING:
    from reasongen.config import EngineSettings

BUCKET = 16  # tokens; prompts of one bucket share a batch
MIN_ROWS = 4  # below it the CPU's matrix product takes another kernel, with other last bits


class Chooser(LogitsProcessor):  # type: ignore[misc]
    """Draws each row's next token and leaves generate's greedy search only that one. Keeps the log-probabilities.
    guards: for the first rows, what holds each to its mask; a row that meets what is banned there ends."""

    def __init__(
        self, keys: Tensor, ends: tuple[int, ...], start: int, how: Sampling, guards: Sequence[Guard | None] = ()
    ) -> None:
        self._keys, self._start, self._how, self._guards = keys, start, how, guards
        self._ends = torch.tensor(ends, device=keys.device)
        self._going = torch.ones_like(keys, dtype=torch.bool)
        self.logprobs = torch.zeros(len(keys), dtype=torch.float64, device=keys.device)
        self.broken = torch.zeros_like(self._going)  # rows whose logits were not finite
        self.banned = [False] * len(guards)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """scores: rows x vocabulary, the model's logits. Returns 0 at the chosen token, -inf elsewhere."""
        steps = torch.full_like(self._keys, input_ids.shape[1] - self._start)
        chosen, won, sick = draw(scores, self._keys, steps, self._how)
        self.broken |= sick & self._going  # such a row ends here with a code; the others go on
        self._going &= ~sick
        for row, guard in enumerate(self._guards):
            if guard is not None and self._going[row] and not guard.take(int(chosen[row])):
                self.banned[row], self._going[row] = True, False
        chosen = torch.where(self._going, chosen, self._ends[0])
        self.logprobs += torch.where(self._going, won, 0.0)
        self._going &= ~torch.isin(chosen, self._ends)
        return torch.full_like(scores, -torch.inf).scatter_(1, chosen[:, None], 0.0)


class TransformersEngine:
    """One loaded model. Raises ModelError or MachineError at birth; a fault of a row is a code in its finish_reason."""

    def __init__(self, settings: EngineSettings) -> None:
        began = time.monotonic()
        self._loaded: Loaded = load(settings)
        self._how = Sampling(settings.temperature, settings.top_k, settings.top_p, settings.seed)
        self._rows = max(MIN_ROWS, settings.batch_rows)
        self._new = settings.max_new_tokens
        self._lanes = 1
        if self._loaded.device.type == "cpu":
            self._lanes = settings.threads or CORES
            torch.set_num_threads(1)
        self.engine_id = new_engine_id()
        longest = longest_prompt(settings, self._loaded.positions)
        self._intake = Intake(self._loaded.tokenizer, self._loaded.ends, longest, self.engine_id, self._loaded.lead)
        print(self._first_line(settings, time.monotonic() - began), file=sys.stderr, flush=True)

    def _first_line(self, settings: EngineSettings, seconds: float) -> str:
        used = psutil.Process().memory_info().rss >> 20
        return (
            f"engine {self.engine_id}: {self._loaded.device}, {settings.dtype}, {self._loaded.parameters:,} parameters,"
            f" {self._lanes} lane(s) of {self._rows} rows, loaded in {seconds:.1f} s, {used} MB resident"
        )

    def generate(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Samples in the order in which their batches fill. Holds at most one open batch per bucket and lane."""
        waiting: deque[Future[pa.RecordBatch]] = deque()
        with ThreadPoolExecutor(self._lanes, thread_name_prefix="engine") as lanes:
            for work in self._full_batches(batches):
                if isinstance(work, pa.RecordBatch):
                    yield work
                    continue
                if len(waiting) > self._lanes:
                    yield waiting.popleft().result()
                waiting.append(lanes.submit(self._write, work))
            while waiting:
                yield waiting.popleft().result()

    def _full_batches(self, batches: Iterator[pa.RecordBatch]) -> Iterator[list[Row] | pa.RecordBatch]:
        """Rows of one bucket, `batch_rows` at a time and the rest at the end; rows that cannot be written as output."""
        open_rows: dict[int, list[Row]] = defaultdict(list)
        for batch in batches:
            rows, faults = self._intake.read(batch)
            for row in rows:
                bucket = (len(row.tokens) // BUCKET + 1) * BUCKET  # never full: without padding, another kernel
                open_rows[bucket].append(row)
                if len(open_rows[bucket]) == self._rows:
                    yield open_rows.pop(bucket)
            if faults is not None:
                yield faults
        yield from (open_rows[bucket] for bucket in sorted(open_rows))

    def _write(self, rows: list[Row]) -> pa.RecordBatch:
        """Runs one batch, and once more those rows whose text met what their mask bans. All rows share a bucket."""
        done: list[Written] = []
        for again in range(TRIES):
            try:
                with torch.inference_mode():
                    written, chooser = self._run(rows, again)
            except torch.OutOfMemoryError as error:
                raise MachineError(f"engine.batch_rows: {self._rows} rows do not fit the memory. Halve it.") from error
            facts = (chooser.logprobs.tolist(), chooser.broken.tolist(), chooser.banned)
            found = [Written(*row) for row in zip(rows, written, *facts, strict=False)]
            left = [one for one in found if one.banned and again + 1 < one.row.tries(self._how.temperature)]
            done += [one for one in found if one not in left]
            rows = [one.row for one in left]
            if not rows:
                break
        return self._intake.write(done)

    def _run(self, rows: list[Row], again: int) -> tuple[list[list[int]], Chooser]:
        """New token ids per row, and the chooser that drew them. Dummies repeat the first row and are cut off after."""
        filled = rows + [rows[0]] * (self._rows - len(rows))
        before, cache = self._seen_before(len(filled))
        width = before + (len(rows[0].tokens) // BUCKET + 1) * BUCKET
        ids = torch.tensor([[self._loaded.pad] * (width - len(row.tokens)) + list(row.tokens) for row in filled])
        mask = torch.tensor([[0] * (width - len(row.tokens)) + [1] * len(row.tokens) for row in filled])
        mask[:, :before] = 1  # generate leaves out as many ids as the cache has seen, whatever they are
        device = self._loaded.device
        keys = row_keys([row.prompt_hash for row in filled], [row.sample for row in filled], self._how.seed, again)
        guards = [row.guard() for row in rows]
        chooser = Chooser(keys.to(device), self._loaded.ends, width, self._how, guards)
        plan = GenerationConfig(
            do_sample=False,
            max_new_tokens=self._new,
            eos_token_id=list(self._loaded.ends),
            pad_token_id=self._loaded.pad,
        )
        written = self._loaded.model.generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            generation_config=plan,
            logits_processor=LogitsProcessorList([chooser]),
            **cache,
        )
        return written[: len(rows), width:].tolist(), chooser

    def _seen_before(self, rows: int) -> tuple[int, dict[str, DynamicCache]]:
        """How many tokens the model's prefix has, and the cache that holds it for each row; none without a prefix."""
        if not self._loaded.prefix:
            return 0, {}
        each = [
            (keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1)) for keys, values in self._loaded.prefix
        ]
        return each[0][0].shape[2], {"cache": DynamicCache(each)}
