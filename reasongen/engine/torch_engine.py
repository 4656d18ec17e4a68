"""Our own continuous batching on torch behind the engine's door: Llama, Qwen2, Qwen3 and GPT-2.

Prompts are sorted by their tokens and read without padding, what they share once; a finished row leaves its slot at
once and a waiting one takes it. On a CPU in float32 a row's text and log-probability are its own to the last bit,
whatever the neighbours, the order, the slots and the lanes: each lane is one core, and `decoder.py` says what else it
takes. Knows neither frames nor marks.
"""

from __future__ import annotations

import queue
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import psutil
import pyarrow as pa
import torch

from reasongen.engine.decoder import MIN_ROWS, Decoder
from reasongen.engine.door import new_engine_id
from reasongen.engine.families import weights_of
from reasongen.engine.intake import Intake, Row, Written, longest_prompt
from reasongen.engine.lane import Lane
from reasongen.engine.load import CORES, load
from reasongen.engine.sampling import Sampling
from reasongen.engine.scheduler import Slots, Waiting
from reasongen.errors import MachineError, ModelError

if TYPE_CHECKING:
    from reasongen.config import EngineSettings

WINDOW = 4096  # rows sorted together: more share more, and wait longer for the first answer


class TorchEngine:
    """One loaded model. Raises ModelError or MachineError at birth; a fault of a row is a code in its finish_reason."""

    def __init__(self, settings: EngineSettings) -> None:
        began = time.monotonic()
        loaded = load(settings)
        self._settings, self._ends = settings, loaded.ends
        self._how = Sampling(settings.temperature, settings.top_k, settings.top_p, settings.seed)
        if loaded.prefix:
            raise ModelError(
                f"{settings.adapter}: wanted LoRA or prompt tuning for engine.backend torch; found a prefix."
                " Set engine.backend: transformers."
            )
        self._weights = weights_of(loaded.model, settings.model)
        self._slots = max(MIN_ROWS, settings.batch_rows)
        self._lanes = 1
        if loaded.device.type == "cpu":
            self._lanes = settings.threads or CORES
            torch.set_num_threads(1)
        self.engine_id = new_engine_id()
        self._longest = longest_prompt(settings, loaded.positions)
        self._intake = Intake(loaded.tokenizer, loaded.ends, self._longest, self.engine_id, loaded.lead)
        used = psutil.Process().memory_info().rss >> 20
        print(
            f"engine {self.engine_id}: {loaded.device}, {settings.dtype}, {loaded.parameters:,} parameters,"
            f" {self._lanes} lane(s) of {self._slots} slots, loaded in {time.monotonic() - began:.1f} s,"
            f" {used} MB resident",
            file=sys.stderr,
            flush=True,
        )

    def generate(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Samples in the order in which they are finished. Holds at most two windows of rows besides those in slots."""
        waiting = Waiting()
        done: queue.SimpleQueue[list[Written]] = queue.SimpleQueue()
        with ThreadPoolExecutor(self._lanes, thread_name_prefix="engine") as pool:
            lanes = [pool.submit(self._lane, waiting, done) for _ in range(self._lanes)]
            for lane in lanes:
                lane.add_done_callback(lambda _: done.put([]))  # wakes whoever waits for it
            try:
                for window in self._windows(batches):
                    if isinstance(window, pa.RecordBatch):
                        yield window
                        continue
                    waiting.put(window)
                    while len(waiting) > WINDOW:
                        yield from self._finished(done, lanes, wait=True)
                    yield from self._finished(done, lanes, wait=False)
                waiting.close()
                while not all(lane.done() for lane in lanes):
                    yield from self._finished(done, lanes, wait=True)
                yield from self._finished(done, lanes, wait=False)
            finally:
                waiting.close(drop=True)

    def _windows(self, batches: Iterator[pa.RecordBatch]) -> Iterator[list[Row] | pa.RecordBatch]:
        """Rows in sorted windows, and the rows that cannot be written as output."""
        window: list[Row] = []
        for batch in batches:
            rows, faults = self._intake.read(batch)
            window += rows
            if faults is not None:
                yield faults
            if len(window) >= WINDOW:
                yield sorted(window, key=lambda row: row.tokens)
                window = []
        if window:
            yield sorted(window, key=lambda row: row.tokens)

    def _lane(self, waiting: Waiting, done: queue.SimpleQueue[list[Written]]) -> None:
        """Runs one lane to its end, on its own slots."""
        try:
            with torch.inference_mode():
                decoder = Decoder(self._weights, self._slots, self._longest + self._settings.max_new_tokens)
            slots = Slots(self._slots, self._settings.max_new_tokens, self._ends)
            Lane(decoder, slots, self._how).run(waiting, done.put)
        except torch.OutOfMemoryError as error:
            message = f"engine.batch_rows: {self._slots} rows do not fit the memory. Halve it."
            raise MachineError(message) from error

    def _finished(
        self, done: queue.SimpleQueue[list[Written]], lanes: list[Future[None]], wait: bool
    ) -> Iterator[pa.RecordBatch]:
        """What the lanes have finished since, as one batch. Raises what ended a lane."""
        written = list(done.get()) if wait else []
        while not done.empty():
            written += done.get()
        for lane in lanes:
            if lane.done():
                lane.result()
        if written:
            yield self._intake.write(written)
