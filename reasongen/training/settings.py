"""Settings of a training run: frozen, typed, checked at birth (conf/train.yaml)."""

from __future__ import annotations

from pydantic import Field, model_validator

from reasongen.config import Settings


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
