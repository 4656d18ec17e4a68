"""The model step: packed prompts into slots, then one token for every slot at a time; logits of last positions only.

What makes a row's bits its own: every product has at least MIN_ROWS rows (below that the CPU takes another kernel),
each row attends to its own keys in the order of their positions, and widths are whole grains.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from reasongen.engine.cache import Group, SlotCache, grains
from reasongen.engine.families import Block, Weights
from reasongen.engine.prefix import Packed

MIN_ROWS = 4
Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]  # layer, queries, keys, values: rows x heads x size each


class Decoder:
    """One lane's model: shared weights, own slots. Not safe between threads."""

    def __init__(self, weights: Weights, slots: int, longest: int) -> None:
        self._weights = weights
        self._width = grains(longest)
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
        width = grains(max(map(len, prompts)))
        new, last = len(packed.tokens), len(prompts[-1])
        spare = [0] * (MIN_ROWS - new)
        paths = self._tensor([path + [path[0]] * (width - len(path)) for path in packed.paths])
        asking = (paths - packed.carried).clamp(min=0)
        owners = self._tensor([row * width + place for row, place in packed.owners] + spare)
        into = self._cache.open(slots, [len(prompt) for prompt in prompts])

        def attend(layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            old_keys, old_values = self._cache.carried[layer]
            keys, values = torch.cat([old_keys, keys])[paths], torch.cat([old_values, values])[paths]
            self._cache.put(layer, into, keys, values)
            self._cache.carry(layer, keys[-1, :last], values[-1, :last])
            read = self._attention(queries[asking].transpose(1, 2), keys.transpose(1, 2), values.transpose(1, 2), None)
            return read.transpose(1, 2).flatten(2).flatten(0, 1)[owners]

        hidden = self._blocks(packed.tokens + spare, packed.positions + spare, attend)
        self._carried = prompts[-1]
        ends = [path[-1] - packed.carried for path in packed.paths]
        return self._logits(hidden[self._tensor(ends + ends[:1] * (MIN_ROWS - len(ends)))])

    def step(self, slots: Sequence[int], tokens: Sequence[int], positions: Sequence[int]) -> Tensor:
        """One more token for each of `slots`, at `positions`; logits as in `start`."""
        groups = self._cache.groups(slots, positions)
        places = torch.cat([group.places + start for group, start in zip(groups, _starts(groups), strict=True)])
        rows = torch.cat([group.rows for group in groups])
        spare = [0] * (MIN_ROWS - len(slots))
        owners = self._tensor([0] * (len(slots) + len(spare))).index_copy_(0, rows, places)

        def attend(layer: int, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
            read = []
            for group in groups:
                group.append(layer, keys, values)
                read.append(self._attention(queries[group.asking][:, :, None], *group.read(layer), group.seen))
            return torch.cat(read).flatten(1)[owners]

        return self._logits(self._blocks([*tokens, *spare], [*positions, *spare], attend))

    def close(self, slot: int, spoilt: bool) -> None:
        """Frees a slot; `spoilt`: its numbers were not finite."""
        self._cache.close(slot, spoilt)
        if spoilt:
            self._carried = ()

    def _attention(self, queries: Tensor, keys: Tensor, values: Tensor, seen: Tensor | None) -> Tensor:
        """All rows x heads x tokens x size; causal where `seen` is None."""
        grouped = self._weights.heads != self._weights.key_heads
        return scaled_dot_product_attention(
            queries, keys, values, attn_mask=seen, is_causal=seen is None, enable_gqa=grouped
        )

    def _blocks(self, tokens: Sequence[int], positions: Sequence[int], attend: Attend) -> Tensor:
        weights = self._weights
        where = self._tensor(positions)
        hidden = weights.tokens[self._tensor(tokens)]
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

    def _tensor(self, numbers: Sequence[int] | list[list[int]]) -> Tensor:
        return torch.tensor(numbers, device=self._weights.tokens.device)


def _starts(groups: Sequence[Group]) -> list[int]:
    """Where each group's places begin once all are laid side by side."""
    return [0, *accumulate(len(group.asking) for group in groups)][:-1]


def _rotary(weights: Weights, width: int) -> tuple[Tensor, Tensor]:
    """Cosine and signed sine, positions x head size: x * cosine + roll(x) * sine turns each pair (Su et al. 2021)."""
    if weights.frequencies is None:
        return weights.tokens, weights.tokens
    angles = torch.arange(width, device=weights.frequencies.device).float()[:, None] * weights.frequencies
    cosine, sine = angles.cos() * weights.rotary_scale, angles.sin() * weights.rotary_scale
    like = weights.tokens.dtype
    return torch.cat([cosine, cosine], 1).to(like), torch.cat([-sine, sine], 1).to(like)
