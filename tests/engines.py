"""What the tests of the engine share: tiny models with random weights, rows, and a run over them."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from reasongen.config import EngineSettings
from reasongen.engine import INPUT, MASK, OUTPUT, Mask, engine_here

WORDS = [
    "tent",
    "stove",
    "light",
    "rain",
    "wool",
    "few",
    "many",
    "bought",
    "帐篷",
    "轻",
    "防水",
    "买过",
    "看过",
    "三顶",
]
END = "<end>"
KINDS = ("llama", "gpt2", "qwen2", "qwen3")
MEMBERS = (*(("torch", kind) for kind in KINDS), *(("transformers", kind) for kind in ("llama", "gpt2", "qwen2")))
Row = tuple[str, str | None, str | None, int]


def make_model(folder: Path, kind: str, seed: int = 0) -> Path:
    import torch
    import transformers as hf
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    core = Tokenizer(models.BPE())
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<pad>", END], initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator([" ".join(WORDS)] * 4, trainer)
    tokenizer = hf.PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", eos_token=END)
    size = len(tokenizer)
    ends: dict[str, Any] = {"vocab_size": size, "eos_token_id": 1, "bos_token_id": None, "pad_token_id": 0}
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2}
    wide: dict[str, Any] = {**shape, "intermediate_size": 64, "max_position_embeddings": 256}
    torch.manual_seed(seed)
    model = {
        "llama": lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**ends, **wide)),
        "qwen2": lambda: hf.Qwen2ForCausalLM(hf.Qwen2Config(**ends, **wide)),
        "qwen3": lambda: hf.Qwen3ForCausalLM(
            hf.Qwen3Config(**ends, **{**wide, "num_attention_heads": 4, "head_dim": 16, "tie_word_embeddings": True})
        ),
        "gpt2": lambda: hf.GPT2LMHeadModel(hf.GPT2Config(**ends, n_embd=32, n_layer=2, n_head=2, n_positions=256)),
    }[kind]()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(4)  # away from the uniform distribution, so that a text says something of its prompt
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_adapter(base: Path, folder: Path) -> Path:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    adapted.save_pretrained(folder)
    return folder


def real(home: Path, backend: str = "torch", **other: Any) -> EngineSettings:
    plain: dict[str, Any] = {
        "device": "cpu",
        "threads": 1,
        "batch_rows": 8,
        "max_new_tokens": 12,
        "temperature": 1.0,
        **other,
    }
    return EngineSettings(backend=backend, model=str(home), **plain)


def scripted(**other: Any) -> EngineSettings:
    return EngineSettings(backend="scripted", **other)


def frame(number: int, locale: str = "zh", rows: int = 2) -> str:
    facets = [{"f": "tag", "w": "轻", "a": "browse", "n": "one"}, {"f": "brand", "a": "purchase", "n": "few"}]
    head = {"l": locale, "s": "recommendation", "c": f"tent{number}", "k": "use", "w": ["轻", "防水"][: number % 3]}
    shown = {**head, "a": "材质" if number % 2 else "", "b": number % 5 > 0, "e": facets[:rows]}
    return json.dumps({key: value for key, value in shown.items() if value or key == "e"}, ensure_ascii=False)


def rows_of(count: int, seed: int = 3) -> list[Row]:
    draw = random.Random(seed)
    made = []
    for number in range(count):
        prompt = " ".join(draw.choice(WORDS) for _ in range(draw.randint(1, 25)))
        key = hashlib.sha256(f"{number} {prompt}".encode()).hexdigest()
        made.append((key, prompt, frame(number, ("zh", "en")[number % 2], number % 3), number % 2))
    return made


def in_batches(
    rows: Sequence[Row], size: int = 1000, masks: Callable[[Row], Mask | None] | None = None
) -> Iterator[pa.RecordBatch]:
    schema = INPUT if masks is None else INPUT.append(MASK)
    for first in range(0, len(rows), size):
        part = rows[first : first + size]
        columns: list[Any] = list(zip(*part, strict=True))
        if masks is not None:
            columns.append([mask and mask.to_json() for mask in map(masks, part)])
        arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def written(
    settings: EngineSettings,
    rows: Sequence[Row],
    size: int = 1000,
    masks: Callable[[Row], Mask | None] | None = None,
) -> dict[tuple[str, int], tuple[Any, ...]]:
    """(prompt_hash, sample) to text, finish_reason, tokens_in, tokens_out, logprob."""
    batches = list(engine_here(settings).generate(in_batches(rows, size, masks)))
    assert all(batch.schema == OUTPUT for batch in batches)
    found = [row for batch in batches for row in batch.to_pylist()]
    assert sorted((r["prompt_hash"], r["sample"]) for r in found) == sorted((r[0], r[3]) for r in rows)
    names = ("text", "finish_reason", "tokens_in", "tokens_out", "logprob")
    return {(r["prompt_hash"], r["sample"]): tuple(r[name] for name in names) for r in found}
