"""What a user would take instead of our engine, each set as a user would set it; all on one core, in float32.

A peer is built once (`None` where it is not installed) and writes all prompts each time it is called: seconds of it are
what is compared. They sample like the engine, but with their own noise.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from workload import ROOT, Prompt, in_batches

from reasongen.config import EngineSettings
from reasongen.engine.door import Engine, directory_digest
from reasongen.engine.hf import TransformersEngine
from reasongen.engine.load import load
from reasongen.engine.torch_engine import TorchEngine

Texts = list[list[int]]
Peer = Callable[[list[Prompt]], int]  # prompts in, number of new tokens out, end marks counted
CTRANSLATE2 = ROOT / ".local" / "ctranslate2"  # uv pip install --target .local/ctranslate2 --no-deps ctranslate2


def ours(settings: EngineSettings) -> Peer:
    """The engine of these settings, whichever backend they name."""
    engine: Engine = TorchEngine(settings) if settings.backend == "torch" else TransformersEngine(settings)

    def write(rows: list[Prompt]) -> int:
        batches = engine.generate(in_batches(rows, 2000))
        return sum(sum(batch["tokens_out"].to_pylist()) for batch in batches)

    return write


def generate(settings: EngineSettings, batch: int) -> Peer:
    """transformers' generate: sorted by length, padded on the left, `batch` prompts at a time."""
    loaded = load(settings)
    loaded.tokenizer.padding_side = "left"
    how = {"temperature": settings.temperature, "top_p": settings.top_p, "top_k": 0}

    def write(rows: list[Prompt]) -> int:
        tokens = 0
        ordered = sorted((text for _, text in rows), key=lambda text: len(loaded.tokenizer(text)["input_ids"]))
        for first in range(0, len(ordered), batch):
            asked = loaded.tokenizer(ordered[first : first + batch], return_tensors="pt", padding=True)
            with torch.inference_mode():
                made = loaded.model.generate(
                    input_ids=asked["input_ids"],
                    attention_mask=asked["attention_mask"],
                    do_sample=True,
                    max_new_tokens=settings.max_new_tokens,
                    eos_token_id=list(loaded.ends),
                    pad_token_id=loaded.pad,
                    **how,
                )
            new = made[:, asked["input_ids"].shape[1] :].tolist()
            loaded.tokenizer.batch_decode(new)
            tokens += sum(_spent(ids, loaded.ends) for ids in new)
        return tokens

    return write


def ctranslate2(settings: EngineSettings, batch: int, compute: str = "float32") -> Peer | None:
    """CTranslate2 on one core: it sorts by length itself; prompts are read at once, not token by token."""
    library = _ctranslate2()
    if library is None:
        return None
    loaded = load(settings)
    home = _converted(library, settings.model)
    generator = library.Generator(str(home), device="cpu", compute_type=compute, inter_threads=1, intra_threads=1)

    def write(rows: list[Prompt]) -> int:
        asked = [loaded.tokenizer.convert_ids_to_tokens(loaded.tokenizer(text)["input_ids"]) for _, text in rows]
        made = generator.generate_batch(
            asked,
            max_batch_size=batch,
            include_prompt_in_result=False,
            max_length=settings.max_new_tokens,
            sampling_topk=0,
            sampling_topp=settings.top_p,
            sampling_temperature=settings.temperature,
            end_token=list(loaded.ends),
            return_end_token=True,
        )
        ids = [one.sequences_ids[0] for one in made]
        loaded.tokenizer.batch_decode(ids)
        return sum(map(len, ids))

    return write


def _ctranslate2() -> Any:
    if CTRANSLATE2.is_dir() and str(CTRANSLATE2) not in sys.path:
        sys.path.append(str(CTRANSLATE2))
    try:
        return importlib.import_module("ctranslate2")
    except ImportError:
        return None


def _converted(library: Any, model: str) -> Path:
    """The directory in CTranslate2's own format, made once per digest."""
    home = ROOT / ".local" / "bench" / f"ctranslate2-{directory_digest(model)[:12]}"
    if not (home / "model.bin").exists():
        converters = importlib.import_module("ctranslate2.converters")
        converters.TransformersConverter(model).convert(str(home), force=True)
        stated = json.loads((home / "config.json").read_text(encoding="utf-8"))
        marks = {name: stated.get(name) or stated["eos_token"] for name in ("bos_token", "unk_token")}
        (home / "config.json").write_text(json.dumps({**stated, **marks}), encoding="utf-8")  # it wants them as texts
    return home


def _spent(ids: list[int], ends: tuple[int, ...]) -> int:
    return next((place + 1 for place, token in enumerate(ids) if token in ends), len(ids))
