"""Writes what a training run leaves behind: a Hugging Face directory with weights, tokenizer, template and recipe.

The recipe names every stage that led to the weights (settings, digests of the grammars, what was measured).
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, LlamaForCausalLM

from reasongen.evaluation.grammar import load_grammar
from reasongen.training.settings import TrainSettings

COMMAND = "python jobs/train.py --config conf/train.yaml"


@dataclass
class Figures:
    """What a run has done so far; it enters recipe.json."""

    steps: int = 0
    examples: int = 0
    tokens: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)

    def recent_loss(self, steps: int = 50) -> float:
        """Mean loss per learnt token of the last steps, in nats."""
        last = self.losses[-steps:]
        return sum(last) / max(len(last), 1)


def save(settings: TrainSettings, model: Any, tokenizer: Any, figures: Figures) -> None:
    """Write the directory: weights in bf16, tokenizer, template, recipe. Replaced as a whole: no reader sees half."""
    out = Path(settings.out)
    fresh = out.with_name(f".{out.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    low = LlamaForCausalLM(model.config).to(torch.bfloat16)
    low.load_state_dict(model.state_dict())
    low.generation_config = GenerationConfig(
        do_sample=True, bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    low.save_pretrained(fresh)
    tokenizer.save_pretrained(fresh)
    shutil.copyfile(settings.corpus.prompt_template, fresh / "prompt_template.yaml")
    recipe = json.dumps(_recipe(settings, figures, millions(model)), ensure_ascii=False, indent=1)
    (fresh / "recipe.json").write_text(recipe + "\n", encoding="utf-8")
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    fresh.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def stages_of(folder: str | Path) -> list[dict[str, Any]]:
    """The stages of a saved directory's recipe, first to last; none where it has no recipe."""
    path = Path(folder, "recipe.json")
    if not path.is_file():
        return []
    stages: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["stages"]
    return stages


def millions(model: Any) -> float:
    """Parameters of the model, in millions; tied ones count once."""
    return float(sum(p.numel() for p in model.parameters())) / 1e6


def _recipe(settings: TrainSettings, figures: Figures, parameters: float) -> dict[str, Any]:
    """What rebuilds the model, and what the runs measured."""
    stage = {
        "settings": settings.model_dump(mode="json", exclude={"out"}),
        "corpus_sha256": {Path(path).name: load_grammar(path).digest for path in settings.corpus.grammars},
        "steps": figures.steps,
        "examples": figures.examples,
        "tokens": figures.tokens,
        "minutes": round(figures.seconds / 60, 1),
        "loss": round(figures.recent_loss(), 4),
    }
    before = stages_of(settings.train.init) if settings.train.init else []
    return {"command": COMMAND, "parameters_millions": round(parameters, 3), "stages": [*before, stage]}
