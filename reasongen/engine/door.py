"""The engine's one door: what goes in and out, one engine per process, and the digests that name what it would write.

Knows no Spark and loads no weights by itself; `model_version` and `decode_hash` are cheap enough for a driver.
"""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import uuid
from collections.abc import Iterator
from functools import lru_cache
from os import getpid
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from reasongen.errors import ModelError

if TYPE_CHECKING:
    from reasongen.config import EngineSettings

INPUT = pa.schema(
    [
        pa.field("prompt_hash", pa.string(), nullable=False),
        pa.field("prompt", pa.string()),
        pa.field("frame", pa.string()),  # canonical JSON; only the scripted engine reads it
        pa.field("sample", pa.int32(), nullable=False),  # 0-based number of the sample of this prompt
    ]
)
MASK = pa.field("mask", pa.dictionary(pa.int32(), pa.string()))
"""A batch of INPUT may have this column too: Mask.to_json (engine/mask.py), or null where a row may say anything."""

OUTPUT = pa.schema(
    [
        pa.field("prompt_hash", pa.string(), nullable=False),
        pa.field("sample", pa.int32(), nullable=False),
        pa.field("text", pa.string(), nullable=False),  # with marks; "" where the row failed
        pa.field("finish_reason", pa.string(), nullable=False),  # stop | length | error:<code>
        pa.field("tokens_in", pa.int32(), nullable=False),  # without padding
        pa.field("tokens_out", pa.int32(), nullable=False),  # with the end mark
        pa.field("logprob", pa.float64()),  # natural log, the model's own (temperature 1, uncut); null if none
        pa.field("engine_id", pa.string(), nullable=False),  # new at every load: the ledger counts them
    ]
)

# What a Hugging Face directory may hold that changes a text. A README or a training log beside it does not.
_MODEL_FILES = ("*.safetensors", "*.json", "*.jinja", "*.yaml", "*.model", "merges.txt", "vocab.txt")
_NOT_MODEL_FILES = ("trainer_state.json", "recipe.json", "metrics.json", "evaluation.json", "recipe.yaml")


class Engine(Protocol):
    """Writes one sample per input row, in any order, with bounded memory. A row fault is a code, not an exception."""

    engine_id: str

    def generate(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Batches of INPUT, with or without MASK, to batches of OUTPUT; each (prompt_hash, sample) comes out once, as
        often as it went in. A mask that cannot be read is the code error:bad_mask; a row whose texts all came to what
        its mask bans, error:banned."""
        ...


_built: dict[str, Engine] = {}
_building = threading.Lock()


def engine_here(settings: EngineSettings) -> Engine:
    """The engine of this process, built on the first call. Other settings replace it: two models never stay in memory.

    Raises ModelError (a directory that cannot be used) and MachineError (this machine cannot run it).
    """
    key = json.dumps(settings.model_dump(mode="json", exclude={"samples", "slice_prompts", "mask"}), sort_keys=True)
    with _building:
        if key not in _built:
            _built.clear()
            _built[key] = _build(settings)
        return _built[key]


def _build(settings: EngineSettings) -> Engine:
    if settings.backend == "scripted":
        from reasongen.engine.scripted import ScriptedEngine

        return ScriptedEngine(settings)
    if settings.backend == "torch":
        from reasongen.engine.torch_engine import TorchEngine  # here, since it imports torch: seconds and 300 MB

        return TorchEngine(settings)
    from reasongen.engine.hf import TransformersEngine

    return TransformersEngine(settings)


def new_engine_id() -> str:
    """Unique per load; names the machine by a hash only."""
    machine = hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]
    return f"{machine}-{getpid()}-{uuid.uuid4().hex[:8]}"


def model_version(settings: EngineSettings) -> str:
    """Sha-256 over the contents of weights, tokenizer, template and adapter; for the scripted engine over its script.

    Raises ModelError where a directory is missing or holds nothing. Read once per (path, size, mtime).
    """
    if settings.backend == "scripted":
        from reasongen.engine.scripted import SCRIPT_DIGEST

        return SCRIPT_DIGEST
    parts = [("model", directory_digest(settings.model))]
    if settings.adapter is not None:
        parts.append(("adapter", directory_digest(settings.adapter)))
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def directory_digest(directory: str, patterns: tuple[str, ...] = _MODEL_FILES) -> str:
    """Sha-256 over names and contents of the files of one model or adapter directory that match `patterns`."""
    folder = Path(directory)
    if not folder.is_dir():
        raise ModelError(
            f"{directory}: wanted a local directory; found none there. Set engine.model or engine.adapter."
        )
    files = sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
    files = [path for path in files if path.name not in _NOT_MODEL_FILES]
    if not files:
        raise ModelError(f"{directory}: wanted model files ({', '.join(patterns)}); found none of them there.")
    named = [(path.name, _file_digest(str(path), path.stat().st_size, path.stat().st_mtime_ns)) for path in files]
    return hashlib.sha256(json.dumps(named).encode()).hexdigest()


@lru_cache(maxsize=256)
def _file_digest(path: str, size: int, mtime_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def decode_hash(settings: EngineSettings) -> str:
    """Sha-256 over the settings that change a sample, and nothing that only changes speed.

    `device` counts as it is set, since a driver cannot see what its executors have: pin it to `cpu` or `cuda` where
    machines of both kinds serve one table.
    """
    if settings.backend == "scripted":
        changing: dict[str, object] = {"seed": settings.seed, "fault_rate": settings.scripted.fault_rate}
    else:
        names = {"dtype", "temperature", "top_k", "top_p", "seed", "max_new_tokens", "max_prompt_tokens", "device"}
        changing = settings.model_dump(mode="json", include=names)
    plain = json.dumps({"backend": settings.backend, **changing}, sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()


def masks_of(batch: pa.RecordBatch) -> list[str | None]:
    """The column `mask` of a batch of INPUT; nulls where it has none."""
    found = batch.schema.get_field_index(MASK.name)
    return [None] * batch.num_rows if found < 0 else texts_of(batch.column(found).cast(pa.string()))


def texts_of(column: pa.Array) -> list[str | None]:
    """The strings of an Arrow column. Bytes that are no UTF-8 become U+FFFD, since one bad row must not end a batch."""
    try:
        texts: list[str | None] = column.to_pylist()
        return texts
    except UnicodeDecodeError:
        raw = column.cast(pa.binary(), safe=False).to_pylist()
        return [None if cell is None else cell.decode("utf-8", errors="replace") for cell in raw]
