"""What the tests of fine-tuning share: labelled pairs as a Parquet file, tiny bases, settings for a run in a second."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from engines import make_model

from reasongen.config import load_settings
from reasongen.evaluation.grammar import load_grammar
from reasongen.prompts.template import load_template
from reasongen.schema import EXAMPLES
from reasongen.training.corpus import examples
from reasongen.training.settings import FinetuneSettings

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "conf" / "prompts" / "reference.yaml"
FAMILIES = ("llama", "qwen2", "gpt2")
METHODS = ("full", "top", "lora", "prompt", "prefix")
BRIEF = (
    "threads=1",
    "device=cpu",
    "tracking=none",
    "method.tokens=3",
    "method.rank=2",
    "train.batch=4",
    "train.warmup=0",
    "train.max_steps=2",
    "train.eval_steps=2",
    "train.save_steps=2",
    "train.log_steps=1",
)


def lesson(number: int, split: str, frame: str, target: str | None, **other: Any) -> dict[str, Any]:
    """One row of the table `examples`."""
    row = dict.fromkeys(EXAMPLES.names) | {"user_id": f"u{number}", "item_id": f"i{number:05d}", "split": split}
    row |= {"locale": "en", "template": load_template(TEMPLATE).key, "frame": frame, "literals": "{}"}
    return row | {"reason": target or "nothing", "target": target} | other


def lessons(train: int, validation: int, seed: int = 5, language: str = "en") -> Iterator[dict[str, Any]]:
    """Rows that the grammar of the corpus wrote."""
    grammar = load_grammar(ROOT / "conf" / "corpus" / f"{language}.yaml")
    for number, one in enumerate(examples(grammar, seed, train + validation)):
        split = "train" if number < train else "validation"
        yield lesson(number, split, one.frame.to_json(), one.reason, locale=language)


def write(path: Path, rows: Any) -> Path:
    """The rows as one Parquet file."""
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


def make_base(folder: Path, family: str) -> Path:
    """A tiny random model with the template that travels with it."""
    make_model(folder, family)
    shutil.copy(TEMPLATE, folder / "prompt_template.yaml")
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    """What a night would load: every file but the recipe, which holds seconds."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "recipe.json"}


def brief(base: Path, pairs: Path, out: Path, method: str = "full", *sets: str) -> FinetuneSettings:
    """The method's own file, cut to two steps on the CPU."""
    places = (f"model={base}", f"examples={pairs}", f"out={out}", *(["method.layers=1"] if method == "top" else []))
    return load_settings(FinetuneSettings, ROOT / "conf" / "finetune" / f"{method}.yaml", [*BRIEF, *places, *sets])
