"""Asks a model through the engine's door: frames in, one text each out. Equal frames are one prompt, asked once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice

import pyarrow as pa

from reasongen.config import EngineSettings
from reasongen.engine.door import INPUT, engine_here
from reasongen.prompts.frame import Frame
from reasongen.prompts.template import PromptTemplate


def answers_of(engine: EngineSettings, template: PromptTemplate, frames: Sequence[Frame]) -> list[tuple[str, str]]:
    """Text and finish reason for each frame, in order. Raises ModelError and MachineError."""
    said: dict[str, tuple[str, str]] = {}
    for batch in engine_here(engine).generate(_batches(engine, template, frames)):
        for row in batch.to_pylist():
            said[row["prompt_hash"]] = (row["text"], row["finish_reason"])
    return [said[_hash(template, frame)] for frame in frames]


def _batches(engine: EngineSettings, template: PromptTemplate, frames: Sequence[Frame]) -> Iterator[pa.RecordBatch]:
    rows = iter({_hash(template, frame): frame for frame in frames}.items())
    while part := list(islice(rows, engine.batch_rows)):
        columns = [
            [key for key, _ in part],
            [template.render(frame, None) for _, frame in part],
            [frame.to_json() for _, frame in part],
            [0] * len(part),
        ]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, INPUT, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=INPUT)


def _hash(template: PromptTemplate, frame: Frame) -> str:
    return hashlib.sha256(f"{template.key}\n{frame.to_json()}".encode()).hexdigest()
