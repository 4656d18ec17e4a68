"""How likely a model finds the texts that it should have written: its perplexity on targets, given their prompts.

    perplexity = exp(sum of negative log-likelihoods / number of tokens), over all targets with their end marks

Only models with one tokenizer compare by it, since it is per token; bits per character compare any two.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from reasongen.config import EngineSettings
from reasongen.engine.load import Loaded, load

_ROWS = 16  # rows at once: the scores of a large vocabulary take more room than the model


@dataclass(frozen=True)
class Likelihood:
    """Of all targets together: nats, tokens with end marks, characters."""

    nats: float
    tokens: int
    characters: int

    @property
    def perplexity(self) -> float:
        """Per token."""
        return math.exp(self.nats / self.tokens)

    @property
    def bits_per_character(self) -> float:
        """Whatever the tokenizer."""
        return self.nats / math.log(2) / self.characters


def likelihood(settings: EngineSettings, rows: Sequence[tuple[str, str]]) -> Likelihood:
    """Of (prompt, target) rows under the model with its adapter. Raises ModelError and MachineError."""
    loaded = load(settings)
    coded = sorted((_encoded(loaded, *row) for row in rows), key=lambda row: len(row[0]))
    nats = sum(_nats(loaded, coded[at : at + _ROWS]) for at in range(0, len(coded), _ROWS))
    learnt = sum(len(ids) - prompt for ids, prompt in coded)
    del loaded
    gc.collect()  # the engine loads the same model next
    return Likelihood(nats, learnt, sum(len(target) for _, target in rows))


def _encoded(loaded: Loaded, prompt: str, target: str) -> tuple[list[int], int]:
    """Ids of prompt, target and end mark, and how many are the prompt: as training and the engine make them."""
    head: list[int] = loaded.tokenizer(prompt)["input_ids"]
    tail: list[int] = loaded.tokenizer(target, add_special_tokens=False)["input_ids"]
    return [*head, *tail, loaded.ends[0]], len(head)


def _nats(loaded: Loaded, rows: Sequence[tuple[list[int], int]]) -> float:
    """Negative log-likelihood of the targets' tokens; what follows a row's end is never attended to."""
    width = max(len(ids) for ids, _ in rows)
    first = min(prompt for _, prompt in rows) - 1  # the place that foretells the first token of a target
    ids = torch.tensor([row + [loaded.pad] * (width - len(row)) for row, _ in rows], device=loaded.device)
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row, _ in rows], device=loaded.device)
    with torch.inference_mode():
        scores = loaded.model(input_ids=ids, attention_mask=mask, logits_to_keep=width - first).logits.float()
    return sum(_of_row(scores[number], first, row, prompt) for number, (row, prompt) in enumerate(rows))


def _of_row(scores: Any, first: int, ids: list[int], prompt: int) -> float:
    wanted = torch.tensor(ids[prompt:], device=scores.device)
    foretold = scores[prompt - 1 - first : len(ids) - 1 - first]
    return float(torch.nn.functional.cross_entropy(foretold, wanted, reduction="sum"))
