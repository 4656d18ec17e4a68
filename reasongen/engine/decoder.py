"""The model step: packed prompts into slots, then one token for every slot at a time; logits of last positions only.

What makes a row's bits its own: every product has at least MIN_ROWS rows (below that the CPU takes another kernel),
each row attends to its own keys in the order of their positions, and widths are whole multiples of GRAIN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from reasongen.engine.cache import SlotCache
from reasongen.engine.families import Block, Weights
from reasongen.engine.prefix import Packed

MIN_ROWS = 4
GRAIN = 16  # tokens
Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]  # layer, queries, keys, values: rows x heads x size each


class Decoder:
    """One lane's model: shared weights, own slots. Not safe between threads."""

    def __init__(self, weights: Weights, slots: int, longest: int) -> None:
        self._weights = weights
        self._width = _grains(longest)
        like = weights.tokens
        self._cache = SlotCache(len(weights.blocks), slots, weights.key_heads, self._width, weights.head_size, like)
        self._carried: tuple[int, ...] = ()
        self._cosine, self._sine = _rotary(weights, self._width)

    @property
    def carried(self) -> tuple[int, ...]:
        """The prompt whose keys are kept: `pack` may share with it."""
        return self._carried

    def start(self, prompts: Sequence[tuple[int, ...]], packed: Packed, slots: Sequence[int]) -> Tensor:
        """Reads prompts into their slots; logits after each, and then rows of no meaning up to MIN_ROWS.

        `packed` carries `self.carried`.
        """
        device = self._weights.tokens.device
        width = _grains(max(map(len, prompts)))
        new, last = len(packed.tokens), len(prompts[-1])
        spare = max(0, MIN_ROWS - new)
        paths = torch.tensor([path + [path[0]] * (width - len(path)) for path in packed.paths], device=device)
        owners = torch.tensor([row * width + place for row, place in packed.owners] + [0] * spare, device=device)
        where = torch.tensor(slots, device=device)

        def attend(layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            old_keys, old_values = self._cache.carried[layer]
            keys, values = torch.cat([old_keys, keys])[paths], torch.cat([old_values, values])[paths]
            self._cache.put(layer, where, keys, values, last)
            asked = queries[(paths - packed.carried).clamp(min=0)]
            read = self._attention(asked, keys.transpose(1, 2), values.transpose(1, 2), None)
            return read.flatten(0, 1)[owners]

        hidden = self._blocks(packed.tokens + [0] * spare, packed.positions + [0] * spare, attend)
        self._carried = prompts[-1]
        ends = [path[-1] - packed.carried for path in packed.paths]
        return self._logits(hidden[torch.tensor(ends + ends[:1] * (MIN_ROWS - len(ends)), device=device)])

    def step(self, tokens: Sequence[int], positions: Sequence[int]) -> Tensor:
        """One more token each for the first slots (a free one takes any, at position 0): slots x vocabulary."""
        device = self._weights.tokens.device
        rows = len(tokens)
        width = _grains(max(positions) + 1)
        where = torch.tensor(positions, device=device)
        places = (torch.arange(rows, device=device), where)
        seen = (torch.arange(width, device=device) <= where[:, None])[:, None, None, :]

        def attend(layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            self._cache.append(layer, places, keys, values)
            return self._attention(queries[:, None], *self._cache.read(layer, rows, width), seen)[:, 0]

        return self._logits(self._blocks(tokens, positions, attend))

    def move(self, moves: Sequence[tuple[int, int]]) -> None:
        """Copies slots: (from, to)."""
        self._cache.move(moves, self._width)

    def clear(self, slot: int) -> None:
        """Empties a slot whose numbers were not finite."""
        self._cache.clear(slot)
        self._carried = ()

    def _attention(self, queries: Tensor, keys: Tensor, values: Tensor, seen: Tensor | None) -> Tensor:
        """queries: rows x asked x heads x size; keys, values: rows x heads x width x size; causal without `seen`."""
        grouped = self._weights.heads != self._weights.key_heads
        asked = queries.transpose(1, 2)
        read = scaled_dot_product_attention(
            asked, keys, values, attn_mask=seen, is_causal=seen is None, enable_gqa=grouped
        )
        return read.transpose(1, 2).flatten(2)

    def _blocks(self, tokens: Sequence[int], positions: Sequence[int], attend: Attend) -> Tensor:
        weights, device = self._weights, self._weights.tokens.device
        where = torch.tensor(positions, device=device)
        hidden = weights.tokens[torch.tensor(tokens, device=device)]
        if weights.places is not None:
            hidden = hidden + weights.places[where]
        turn = (self._cosine[where][:, None], self._sine[where][:, None]) if weights.frequencies is not None else None
        for layer, block in enumerate(weights.blocks):
            read = attend(layer, *self._heads(block, block.first_norm(hidden), turn))
            hidden = hidden + block.out(read)
            hidden = hidden + block.down(self._gate(block.up(block.second_norm(hidden))))
        return hidden

    def _heads(self, block: Block, x: Tensor, turn: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor, Tensor]:
        weights = self._weights
        heads, key_heads = weights.heads, weights.key_heads
        split = block.qkv(x).view(len(x), heads + 2 * key_heads, weights.head_size)
        turned, values = split[:, : heads + key_heads], split[:, heads + key_heads :]
        if block.query_norm is not None and block.key_norm is not None:
            turned = torch.cat([block.query_norm(turned[:, :heads]), block.key_norm(turned[:, heads:])], 1)
        if turn is not None:
            turned = turned * turn[0] + turned.roll(weights.head_size // 2, -1) * turn[1]
        return turned[:, :heads], turned[:, heads:], values

    def _gate(self, x: Tensor) -> Tensor:
        if not self._weights.gated:
            return self._weights.activation(x)
        gate, up = x.chunk(2, -1)
        return self._weights.activation(gate) * up

    def _logits(self, hidden: Tensor) -> Tensor:
        return self._weights.head(self._weights.last_norm(hidden))


def _grains(tokens: int) -> int:
    return -(-tokens // GRAIN) * GRAIN


def _rotary(weights: Weights, width: int) -> tuple[Tensor, Tensor]:
    """Cosine and signed sine, positions x head size: x * cosine + roll(x) * sine turns each pair (Su et al. 2021)."""
    if weights.frequencies is None:
        return weights.tokens, weights.tokens
    angles = torch.arange(width, device=weights.frequencies.device).float()[:, None] * weights.frequencies
    cosine, sine = angles.cos() * weights.rotary_scale, angles.sin() * weights.rotary_scale
    like = weights.tokens.dtype
    return torch.cat([cosine, cosine], 1).to(like), torch.cat([-sine, sine], 1).to(like)
