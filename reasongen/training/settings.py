"""Settings of a training run: frozen, typed, checked at birth (conf/train.yaml, conf/finetune/*.yaml)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from reasongen.config import Settings, load_settings, read_plain


class CorpusSettings(Settings):
    """Which grammars write how many examples, in which prompts."""

    grammars: tuple[str, ...]
    prompt_template: str
    examples: int = Field(ge=1)


class TokenizerSettings(Settings):
    """Size of the vocabulary and of the sample it is learnt from."""

    vocab_size: int = Field(ge=500, le=65_536)
    sample: int = Field(ge=1)


class ModelSettings(Settings):
    """Shape of the Llama that is trained."""

    hidden: int = Field(ge=8)
    layers: int = Field(ge=1)
    heads: int = Field(ge=1)
    mlp: int = Field(ge=8)
    max_positions: int = Field(ge=32)

    @model_validator(mode="after")
    def _whole_heads(self) -> ModelSettings:
        if self.hidden % (2 * self.heads):
            raise ValueError("hidden: wanted a multiple of 2 x heads")
        return self


class LoopSettings(Settings):
    """The loop: batch, budget, rates, saving."""

    batch: int = Field(ge=1)
    minutes: float = Field(gt=0)
    max_steps: int = Field(ge=0)
    learning_rate: float = Field(gt=0)
    vector_rate: float = Field(gt=0)
    warmup: int = Field(ge=0)
    floor: float = Field(ge=0, le=1)
    weight_decay: float = Field(ge=0)
    clip: float = Field(gt=0)
    save_minutes: float = Field(gt=0)
    log_steps: int = Field(ge=1)
    init: str | None = None


class TrainSettings(Settings):
    """Everything of conf/train.yaml."""

    seed: int
    threads: int = Field(ge=1)
    out: str
    corpus: CorpusSettings
    tokenizer: TokenizerSettings
    model: ModelSettings
    train: LoopSettings


class MethodSettings(Settings):
    """Which weights learn. top reads layers; lora layers, rank, alpha, targets; prompt and prefix tokens."""

    kind: Literal["full", "top", "lora", "prompt", "prefix"]
    layers: int = Field(0, ge=0)
    rank: int = Field(8, ge=1)
    alpha: int = Field(16, ge=1)
    targets: tuple[str, ...] | None = None
    tokens: int = Field(16, ge=1)

    @model_validator(mode="after")
    def _some_layers(self) -> MethodSettings:
        if self.kind == "top" and not self.layers:
            raise ValueError("layers: kind top wants at least 1")
        return self

    @property
    def adapter(self) -> bool:
        """Whether the base stays as it is and an adapter is written."""
        return self.kind not in ("full", "top")

    @property
    def virtual(self) -> int:
        """Positions that the method itself takes."""
        return self.tokens if self.kind in ("prompt", "prefix") else 0


class FinetuneLoopSettings(Settings):
    """The loop over labelled pairs: optimiser, rates, budget, when to look and to save."""

    optimizer: Literal["adamw", "sgd"]
    learning_rate: float = Field(gt=0)
    schedule: Literal[
        "linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup", "inverse_sqrt"
    ]
    warmup: int = Field(ge=0)
    weight_decay: float = Field(ge=0)
    clip: float = Field(ge=0)
    dropout: float = Field(ge=0, lt=1)
    label_smoothing: float = Field(ge=0, lt=1)
    epochs: float = Field(gt=0)
    max_steps: int = Field(ge=0)
    batch: int = Field(ge=1)
    accumulation: int = Field(ge=1)
    bf16: bool = False
    patience: int = Field(ge=0)
    eval_steps: int = Field(ge=1)
    save_steps: int = Field(ge=1)
    log_steps: int = Field(ge=1)

    @model_validator(mode="after")
    def _best_is_saved(self) -> FinetuneLoopSettings:
        if self.patience and self.save_steps != self.eval_steps:
            raise ValueError("save_steps: with patience, wanted the same as eval_steps, so that the best is saved")
        return self


class FinetuneSettings(Settings):
    """Everything of conf/finetune/*.yaml."""

    seed: int
    threads: int = Field(ge=1)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    out: str
    examples: str
    few_shot: int | None = Field(None, ge=1)
    model: str
    template: str | None = None
    method: MethodSettings
    train: FinetuneLoopSettings
    tracking: Literal["tensorboard", "none", "wandb"] = "tensorboard"
    tracking_dir: str = ".local/tracking"

    @model_validator(mode="after")
    def _base_stays(self) -> FinetuneSettings:
        if Path(self.out).resolve() == Path(self.model).resolve():
            raise ValueError("out: wanted another folder than model, which a run that goes on still needs")
        return self


def load_training(path: str | Path, sets: Sequence[str] = ()) -> TrainSettings | FinetuneSettings:
    """Settings of the run that a file asks for: with `examples` it goes on from a model, else it starts from nothing.

    Raises ConfigError.
    """
    if "examples" in read_plain(path, sets):
        return load_settings(FinetuneSettings, path, sets)
    return load_settings(TrainSettings, path, sets)
