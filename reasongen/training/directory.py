"""Writes what a training run leaves behind: a Hugging Face directory with weights, tokenizer, template and recipe, or a
PEFT adapter with what binds it to its base.

The recipe names every stage that led to the weights (settings, digests of what was learnt from, what was measured).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig, LlamaForCausalLM

from reasongen.config import EngineSettings
from reasongen.engine.adapter import BASE_FILE, weights_digest
from reasongen.engine.load import load, read_json
from reasongen.errors import ModelError
from reasongen.evaluation.grammar import load_grammar
from reasongen.training.settings import FinetuneSettings, TrainSettings

COMMAND = "python jobs/train.py --config conf/train.yaml"
TEMPLATE = "prompt_template.yaml"
_OF_THE_BASE = ("*.json", "*.jinja", "*.model", "merges.txt", "vocab.txt")  # config and tokenizer travel unchanged
_NOT_OF_THE_BASE = ("recipe.json", "evaluation.json", "metrics.json", "trainer_state.json")


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
    low = LlamaForCausalLM(model.config).to(torch.bfloat16)
    low.load_state_dict(model.state_dict())
    low.generation_config = GenerationConfig(
        do_sample=True, bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    with _in_place_of(settings.out) as fresh:
        low.save_pretrained(fresh)
        tokenizer.save_pretrained(fresh)
        shutil.copyfile(settings.corpus.prompt_template, fresh / TEMPLATE)
        _write_json(fresh / "recipe.json", _recipe(settings, figures, millions(model)))


def save_finetuned(settings: FinetuneSettings, model: Any, template: Path, stage: dict[str, Any]) -> None:
    """Write what a night loads of a fine-tuned model: the whole directory, or the adapter where the base is frozen.

    `stage`: what the run did, for the recipe. Nothing in it but the recipe depends on the clock or on a path.
    """
    with _in_place_of(settings.out) as fresh:
        if hasattr(model, "peft_config"):
            _save_adapter(Path(settings.model), model, fresh)
        else:
            _save_whole(Path(settings.model), model, fresh)
        shutil.copyfile(template, fresh / TEMPLATE)
        command = f"python jobs/train.py --config conf/finetune/{settings.method.kind}.yaml"
        stages = [*stages_of(settings.model), stage]
        _write_json(
            fresh / "recipe.json",
            {"command": command, "parameters_millions": round(millions(model), 3), "stages": stages},
        )


def write_merged(engine: EngineSettings, folder: Path) -> None:
    """Writes base and LoRA adapter of these settings as one plain directory. Raises ModelError.

    Virtual tokens and prefixes are no weights of the base: such an adapter goes beside it, by engine.adapter.
    """
    loaded = load(engine.model_copy(update={"dtype": "float32", "device": "cpu"}))
    if loaded.lead or loaded.prefix:
        raise ModelError(
            f"{engine.adapter}: wanted a LoRA adapter, which goes into the weights; found virtual tokens or a prefix."
            " Set engine.adapter in the night's settings instead."
        )
    folder.mkdir(parents=True)
    _save_whole(Path(engine.model), loaded.model, folder)
    adapter = Path(str(engine.adapter))
    for name in (TEMPLATE, "recipe.json"):
        if (adapter / name).is_file():
            shutil.copyfile(adapter / name, folder / name)


def dtype_of(base: str | Path) -> torch.dtype:
    """The type that the weights of a directory are kept in."""
    config = read_json(Path(base, "config.json"))
    return getattr(torch, str(config.get("dtype") or config.get("torch_dtype") or "float32"))  # type: ignore[no-any-return]


def _save_whole(base: Path, model: Any, fresh: Path) -> None:
    model.to(dtype_of(base)).save_pretrained(fresh)
    for path in fresh.iterdir():
        if path.suffix == ".json" and not path.name.endswith(".index.json"):
            path.unlink()  # as the loading class wrote it; the base's own says what its tokens and defaults are
    for path in sorted({path for pattern in _OF_THE_BASE for path in base.glob(pattern)}):
        if path.name not in _NOT_OF_THE_BASE and not path.name.endswith(".index.json"):
            shutil.copyfile(path, fresh / path.name)


def _save_adapter(base: Path, model: Any, fresh: Path) -> None:
    model.save_pretrained(fresh, save_embedding_layers=False)
    (fresh / "README.md").unlink(missing_ok=True)
    config = read_json(fresh / "adapter_config.json") | {"base_model_name_or_path": ""}  # base.json tells
    # peft writes its sets in the order of Python's hashes, which no seed of ours decides.
    _write_json(
        fresh / "adapter_config.json",
        {key: sorted(value) if isinstance(value, list) else value for key, value in sorted(config.items())},
    )
    _write_json(fresh / BASE_FILE, {"weights": weights_digest(str(base))})


@contextmanager
def _in_place_of(out: str | Path) -> Iterator[Path]:
    """A new folder to fill, which then takes the place of `out` as a whole: no reader sees half."""
    place = Path(out)
    fresh, old = place.with_name(f".{place.name}.new"), place.with_name(f".{place.name}.old")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    yield fresh
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    fresh.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


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
