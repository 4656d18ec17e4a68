"""Chooses a token from logits by counter-based noise: a function of (prompt_hash, sample, seed), step and token id.

Gumbel-max (Maddison et al. 2014, "A* Sampling"): the largest of logit + Gumbel noise is a draw from the softmax. The
noise is splitmix64 (Steele et al. 2014) in 64-bit integers, so position, neighbours and order cannot enter it. Knows no
model and no text.
"""

from __future__ import annotations

import hashlib
import math
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


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn. temperature 0 is greedy; top_k 0 and top_p 1 cut nothing; cuts use the tempered softmax."""

    temperature: float
    top_k: int
    top_p: float
    seed: int


def row_key(prompt_hash: str, sample: int, seed: int, again: int = 0) -> int:
    """64 bits, signed, from a prompt's hash, the number of its sample, the seed, and how often it was begun again."""
    named = f"{prompt_hash}\n{sample}\n{seed}" + (f"\n{again}" if again else "")
    return int.from_bytes(hashlib.sha256(named.encode("utf-8", "replace")).digest()[:8], "little", signed=True)


def row_keys(prompt_hashes: Sequence[str], samples: Sequence[int], seed: int, again: int = 0) -> Tensor:
    """One int64 per row."""
    keys = [row_key(*row, seed, again) for row in zip(prompt_hashes, samples, strict=True)]
    return torch.tensor(keys, dtype=torch.int64)


def _mix(z: Tensor) -> Tensor:
    """splitmix64's finaliser. torch shifts arithmetically, so the sign bits are masked off."""
    z = (z ^ ((z >> 30) & ((1 << 34) - 1))) * _MIX_1
    z = (z ^ ((z >> 27) & ((1 << 37) - 1))) * _MIX_2
    return z ^ ((z >> 31) & ((1 << 33) - 1))


def gumbel(keys: Tensor, steps: Tensor, tokens: Tensor) -> Tensor:
    """Standard Gumbel noise, float64, shaped as `tokens` (rows x ids, or one row of ids for all).

    keys, steps: one int64 per row; the products wrap around, as splitmix64 wants.
    """
    rows = _mix(keys + (steps + 1) * _STEP)
    bits = _mix(rows[:, None] + (tokens + 1) * _GOLDEN)
    uniform = (((bits >> 11) & ((1 << 53) - 1)).to(torch.float64) + 0.5) * 2.0**-53
    return -torch.log(-torch.log(uniform))


def draw(logits: Tensor, keys: Tensor, steps: Tensor, how: Sampling) -> tuple[Tensor, Tensor, Tensor]:
    """The next token of each row, its log-probability (temperature 1, uncut, float64), and whether the row is sick.

    logits: rows x vocabulary; a row that is not finite is sick, and its token says nothing. keys, steps: one int64 per
    row, steps counted from 0.
    """
    logits = logits.float()
    shares = logits.log_softmax(1)
    largest, chosen = shares.max(1)
    sick = ~largest.isfinite()
    if bool(sick.any()):
        logits = logits.masked_fill(sick[:, None], 0.0)
    # A temperature of at most 1 only makes the largest share larger: above the nucleus it is the only one, without tie.
    certain = largest.exp() >= max(how.top_p, 0.51)
    if how.temperature > 1 or how.temperature == 0 or how.top_k:
        certain = torch.zeros_like(certain)
    left = (~certain).nonzero().squeeze(1)
    if len(left):
        chosen[left] = choose(logits[left], keys[left], steps[left], how)
    return chosen, shares.gather(1, chosen[:, None]).squeeze(1).double(), sick


def choose(logits: Tensor, keys: Tensor, steps: Tensor, how: Sampling) -> Tensor:
    """The next token of each row, int64. logits: rows x vocabulary, finite; keys, steps: one int64 per row."""
    logits = logits.float()
    if how.temperature == 0:
        return _lowest_of_largest(logits)
    logits = logits / how.temperature
    if how.top_k == 0 and how.top_p >= 1:
        tokens = torch.arange(logits.shape[1], device=logits.device)[None, :]
        return (logits.double() + gumbel(keys, steps, tokens)).argmax(1)
    totals = logits.logsumexp(1, keepdim=True)
    values, tokens = _candidates(logits, totals, how)
    noisy = values.double() + gumbel(keys, steps, tokens)
    noisy = noisy.masked_fill(values < _floor(values, totals, how), -torch.inf)
    return tokens.gather(1, noisy.argmax(1, keepdim=True)).squeeze(1)


def _candidates(logits: Tensor, totals: Tensor, how: Sampling) -> tuple[Tensor, Tensor]:
    """Logits that the cuts may leave, largest first, and their tokens; rows x as many as the longest row has.

    The last token of a nucleus has at least (1 - top_p) / vocabulary: no smaller one makes up what is missing before
    it. Half of that is asked for, since totals are rounded.
    """
    size = logits.shape[1]
    if 0 < how.top_k < size:
        least = logits.topk(how.top_k, 1).values[:, -1:]
    else:
        least = totals + math.log((1 - how.top_p) / size / 2) if how.top_p < 1 else logits.amin(1, keepdim=True)
    rows, tokens = (logits >= least).nonzero(as_tuple=True)
    counts = torch.bincount(rows, minlength=len(logits))
    places = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[rows]
    width = int(counts.max())
    found = tokens.new_zeros(len(logits), width)
    found[rows, places] = tokens
    values = logits.new_full((len(logits), width), -torch.inf)
    values[rows, places] = logits[rows, tokens]
    values, order = values.sort(stable=True, dim=1, descending=True)
    return values, found.gather(1, order)


def _floor(values: Tensor, totals: Tensor, how: Sampling) -> Tensor:
    """The smallest logit of each row that may be drawn (rows x 1). Equal logits stand or fall together."""
    if how.top_p >= 1:
        return values.new_full((len(values), 1), -torch.inf)
    allowed = values.double()
    shares = (allowed - (allowed.logsumexp(1, keepdim=True) if how.top_k else totals)).exp()
    before = shares.cumsum(1) - shares
    last = (before < how.top_p).sum(1, keepdim=True).clamp(min=1) - 1
    return values.gather(1, last)


def _lowest_of_largest(logits: Tensor) -> Tensor:
    """argmax that takes the lowest id of equals on every device: bfloat16 logits often tie."""
    tokens = torch.arange(logits.shape[1], device=logits.device)
    return torch.where(logits == logits.amax(1, keepdim=True), tokens, logits.shape[1]).amin(1)
