"""Chooses a token from logits by counter-based noise: a function of (prompt_hash, sample, seed), step and token id.

Gumbel-max (Maddison et al. 2014, "A* Sampling"): the largest of logit + Gumbel noise is a draw from the softmax. The
noise is splitmix64 (Steele et al. 2014) in 64-bit integers, so position, neighbours and order cannot enter it. Knows no
model and no text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def _signed(value: int) -> int:
    """A 64-bit pattern as torch's int64 holds it."""
    return value - (1 << 64) if value >= 1 << 63 else value


_GOLDEN = _signed(0x9E3779B97F4A7C15)
_STEP = _signed(0xD1B54A32D192ED03)
_MIX_1 = _signed(0xBF58476D1CE4E5B9)
_MIX_2 = _signed(0x94D049BB133111EB)
_HEAD = 64  # candidates looked at first: nearly every nucleus of a trained model lies within


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn. temperature 0 is greedy; top_k 0 and top_p 1 cut nothing; cuts use the tempered softmax."""

    temperature: float
    top_k: int
    top_p: float
    seed: int


def row_keys(prompt_hashes: Sequence[str], samples: Sequence[int], seed: int) -> Tensor:
    """One int64 per row, from its prompt's hash, its sample's number and the seed."""
    keys = []
    for prompt_hash, sample in zip(prompt_hashes, samples, strict=True):
        digest = hashlib.sha256(f"{prompt_hash}\n{sample}\n{seed}".encode("utf-8", "replace")).digest()
        keys.append(int.from_bytes(digest[:8], "little", signed=True))
    return torch.tensor(keys, dtype=torch.int64)


def _mix(z: Tensor) -> Tensor:
    """splitmix64's finaliser. torch shifts arithmetically, so the sign bits are masked off."""
    z = (z ^ ((z >> 30) & ((1 << 34) - 1))) * _MIX_1
    z = (z ^ ((z >> 27) & ((1 << 37) - 1))) * _MIX_2
    return z ^ ((z >> 31) & ((1 << 33) - 1))


def gumbel(keys: Tensor, step: int, tokens: Tensor) -> Tensor:
    """Standard Gumbel noise, float64, shaped as `tokens` (rows x ids, or one row of ids for all). keys: one per row."""
    rows = _mix(keys + _signed((step + 1) * _STEP % (1 << 64)))
    bits = _mix(rows[:, None] + (tokens + 1) * _GOLDEN)
    uniform = (((bits >> 11) & ((1 << 53) - 1)).to(torch.float64) + 0.5) * 2.0**-53
    return -torch.log(-torch.log(uniform))


def choose(logits: Tensor, keys: Tensor, step: int, how: Sampling) -> Tensor:
    """The next token of each row, int64. logits: rows x vocabulary, finite; keys: one int64 per row."""
    logits = logits.float()
    if how.temperature == 0:
        return _lowest_of_largest(logits)
    logits = logits / how.temperature
    size = logits.shape[1]
    if how.top_k == 0 and how.top_p >= 1:
        tokens = torch.arange(size, device=logits.device)[None, :]
        return (logits.double() + gumbel(keys, step, tokens)).argmax(1)
    return _choose_cut(logits, keys, step, how, min(size, max(_HEAD, how.top_k + 1)))


def _choose_cut(logits: Tensor, keys: Tensor, step: int, how: Sampling, head: int) -> Tensor:
    """Looks at the `head` largest logits only; rows whose cut lies beyond are done again on all of them.

    Which way a row goes depends on that row alone, and both ways give the same token.
    """
    values, tokens = logits.topk(head, dim=1)
    floor = _floor(logits, values, how)
    noisy = values.double() + gumbel(keys, step, tokens)
    chosen = tokens.gather(1, noisy.masked_fill(values < floor, -torch.inf).argmax(1, keepdim=True)).squeeze(1)
    beyond = (floor <= values[:, -1:]).squeeze(1)
    if head < logits.shape[1] and bool(beyond.any()):
        chosen[beyond] = _choose_cut(logits[beyond], keys[beyond], step, how, logits.shape[1])
    return chosen


def _floor(logits: Tensor, values: Tensor, how: Sampling) -> Tensor:
    """The smallest logit of each row that may be drawn (rows x 1). Equal logits stand or fall together."""
    floor = values[:, -1:]
    if 0 < how.top_k < values.shape[1]:
        floor = values[:, how.top_k - 1 : how.top_k]
    if how.top_p < 1:
        allowed = values.double().masked_fill(values < floor, -torch.inf)
        whole = logits.logsumexp(1, keepdim=True) if how.top_k == 0 else allowed.logsumexp(1, keepdim=True)
        shares = (allowed - whole).exp()
        before = shares.cumsum(1) - shares
        last = (before < how.top_p).sum(1, keepdim=True).clamp(min=1) - 1
        floor = torch.maximum(floor, values.gather(1, last))
    return floor


def _lowest_of_largest(logits: Tensor) -> Tensor:
    """argmax that takes the lowest id of equals on every device: bfloat16 logits often tie."""
    tokens = torch.arange(logits.shape[1], device=logits.device)
    return torch.where(logits == logits.amax(1, keepdim=True), tokens, logits.shape[1]).amin(1)
