"""What the engines are timed on: prompts as a night makes them, and what this machine could do at best. No Spark."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import torch
from transformers import AutoConfig

from reasongen.engine import INPUT
from reasongen.engine.prefix import pack
from reasongen.evaluation.grammar import Grammar, load_grammar
from reasongen.prompts import Frame
from reasongen.prompts.template import load_template
from reasongen.training.corpus import sample_frame

ROOT = Path(__file__).resolve().parent.parent
PER_ITEM = (1, 4, 8, 12)  # prompts that show one item: then a sorted window shares about half of its prompt tokens
Prompt = tuple[str, str]  # prompt_hash, text


def prompts(count: int, model: str, seed: int = 0) -> list[Prompt]:
    """Distinct prompts of the model's template in both languages, at most two rows of evidence, in no order."""
    template = load_template(Path(model) / "prompt_template.yaml")
    return _distinct(count, seed, template.render)


def frames(count: int, seed: int = 0) -> list[Prompt]:
    """The frames of such prompts, as JSON, with their hashes."""
    return _distinct(count, seed, Frame.to_json)


def _distinct(count: int, seed: int, text_of: Callable[[Frame], str]) -> list[Prompt]:
    rng = random.Random(seed)
    grammars = [load_grammar(ROOT / "conf" / "corpus" / f"{language}.yaml") for language in ("zh", "en")]
    made: dict[str, str] = {}
    while len(made) < count:
        grammar = rng.choice(grammars)
        item = _frame(grammar, rng)
        for _ in range(rng.choice(PER_ITEM)):
            text = text_of(replace(item, evidence=_frame(grammar, rng).evidence))
            made[hashlib.sha256(text.encode()).hexdigest()] = text
    rows = list(made.items())[:count]
    rng.shuffle(rows)
    return rows


def _frame(grammar: Grammar, rng: random.Random) -> Frame:
    while True:
        frame = sample_frame(grammar, rng)
        if len(frame.evidence) <= 2:
            return frame


def in_batches(rows: list[Prompt], size: int, sample: int = 0) -> Iterator[pa.RecordBatch]:
    """Batches of the engine's input; every row asks for the sample of this number."""
    for first in range(0, len(rows), size):
        part = rows[first : first + size]
        columns = [[key for key, _ in part], [text for _, text in part], [None] * len(part), [sample] * len(part)]
        arrays = [pa.array(column, field.type) for column, field in zip(columns, INPUT, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=INPUT)


def best_flops() -> float:
    """float32 operations a second of one core, in the best of some large products."""
    a, b = torch.randn(768, 768), torch.randn(768, 768)
    return 2 * 768**3 / _least(lambda: torch.mm(a, b))


def best_bandwidth() -> float:
    """Bytes a second that one core reads, in the best of some sums."""
    wide = torch.ones(1 << 26)
    return wide.numel() * 4 / _least(lambda: wide.sum())


def _least(work: Callable[[], object]) -> float:
    torch.set_num_threads(1)
    seconds = []
    for _ in range(40):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def bound(model: str, prompt_ids: list[tuple[int, ...]], written: int, slots: int) -> float:
    """Seconds below which one core cannot read these prompts and write `written` tokens, sharing all beginnings.

    Products at the best rate for what is read; for each step the slower of reading all weights and multiplying by them.
    Attention, its keys and values, and the draw of a token are left out.
    """
    config = AutoConfig.from_pretrained(model)
    hidden, heads = config.hidden_size, config.num_attention_heads
    size = getattr(config, "head_dim", None) or hidden // heads
    attention = hidden * size * 2 * (heads + config.num_key_value_heads)
    blocks = config.num_hidden_layers * (attention + 3 * hidden * config.intermediate_size)
    whole = blocks + hidden * config.vocab_size
    flops, bandwidth = best_flops(), best_bandwidth()
    reading = 2 * (blocks * len(pack(sorted(prompt_ids)).tokens) + hidden * config.vocab_size * len(prompt_ids)) / flops
    rows = written - len(prompt_ids)  # the first token of each row comes from reading
    return reading + rows / slots * max(4 * whole / bandwidth, 2 * whole * slots / flops)
