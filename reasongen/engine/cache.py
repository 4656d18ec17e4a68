"""Keys and values of the rows being written, and those of the prompt that was read last. Knows no weights.

A step reads what is stored, and a core reads keys much slower than it multiplies: so short rows stand in a narrow
tier, and a row that has filled its place moves once into a tier of twice the width. A place's old numbers stay until
they are written over: the attention's mask hides them.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NARROWEST = 32  # tokens
FEWEST = 8  # places of a tier in use
GRAIN = 16  # tokens; every width read is a whole multiple


def grains(tokens: int) -> int:
    """`tokens`, rounded up to whole grains."""
    return -(-tokens // GRAIN) * GRAIN


class Tier:
    """Places of one width, at most `most`. keys, values: per layer, places x key heads x width x head size."""

    def __init__(self, layers: int, most: int, heads: int, width: int, size: int, like: Tensor) -> None:
        self.keys = [like.new_zeros(0, heads, width, size) for _ in range(layers)]
        self.values = [like.new_zeros(0, heads, width, size) for _ in range(layers)]
        self.width = width
        self._most = most
        self._free: list[int] = []  # a heap

    def take(self) -> int:
        """The lowest free place, so that a step reads few; memory is taken when places are, and doubled."""
        if not self._free:
            have = len(self.keys[0])
            more = min(max(FEWEST, have), self._most - have)
            # zeros, not empty: a mask times what was never written must not be a NaN
            self.keys = [torch.cat([one, one.new_zeros(more, *one.shape[1:])]) for one in self.keys]
            self.values = [torch.cat([one, one.new_zeros(more, *one.shape[1:])]) for one in self.values]
            self._free = list(range(have, have + more))
        return heapq.heappop(self._free)

    def give_back(self, place: int) -> None:
        """A place that was taken is free again."""
        heapq.heappush(self._free, place)


@dataclass(frozen=True)
class Group:
    """The rows of one step that stand in one tier."""

    tier: Tier
    rows: Tensor  # their numbers in the step
    places: Tensor
    positions: Tensor  # where each row's newest token goes
    asking: Tensor  # per place up to the highest in use: the row that stands there; any row where none does
    seen: Tensor  # places x 1 x 1 x width, true for keys that the place's row may read

    def append(self, layer: int, keys: Tensor, values: Tensor) -> None:
        """The newest tokens of a step; keys, values: rows x heads x size."""
        self.tier.keys[layer][self.places, :, self.positions] = keys[self.rows]
        self.tier.values[layer][self.places, :, self.positions] = values[self.rows]

    def read(self, layer: int) -> tuple[Tensor, Tensor]:
        """Views: places x heads x width x size."""
        places, width = len(self.asking), self.seen.shape[3]
        return self.tier.keys[layer][:places, :, :width], self.tier.values[layer][:places, :, :width]


class SlotCache:
    """One place for each slot in use. `width`: tokens of the longest row, prompt and text."""

    def __init__(self, layers: int, slots: int, heads: int, width: int, size: int, like: Tensor) -> None:
        widths = [min(NARROWEST, grains(width))]
        while widths[-1] < width:
            widths.append(min(2 * widths[-1], grains(width)))
        self._tiers = [Tier(layers, slots, heads, one, size, like) for one in widths]
        self._at: dict[int, tuple[int, int]] = {}  # slot: tier, place
        self._device = like.device
        self.carried: list[tuple[Tensor, Tensor]] = [(like.new_zeros(0, heads, size),) * 2 for _ in range(layers)]

    def open(self, slots: Sequence[int], lengths: Sequence[int]) -> list[tuple[Tier, Tensor, Tensor]]:
        """Places for prompts, with room for one token more: per tier, which prompts and where."""
        for slot, length in zip(slots, lengths, strict=True):
            self._take(slot, length)
        return [(tier, rows, places) for tier, rows, places, _ in self._by_tier(slots)]

    def put(self, layer: int, into: Sequence[tuple[Tier, Tensor, Tensor]], keys: Tensor, values: Tensor) -> None:
        """Prompts into their places; keys, values: prompts x width x heads x size."""
        for tier, rows, places in into:
            width = min(keys.shape[1], tier.width)
            for store, new in ((tier.keys[layer], keys), (tier.values[layer], values)):
                store[:, :, :width].index_copy_(0, places, new[rows, :width].transpose(1, 2))

    def carry(self, layer: int, keys: Tensor, values: Tensor) -> None:
        """Keeps a copy of one prompt; keys, values: tokens x heads x size."""
        self.carried[layer] = (keys.clone(), values.clone())

    def groups(self, slots: Sequence[int], positions: Sequence[int]) -> list[Group]:
        """Makes room for one token at `positions` of each slot, and says where the rows of the step stand."""
        for slot, position in zip(slots, positions, strict=True):
            if position >= self._tiers[self._at[slot][0]].width:
                self._widen(slot, position)
        return [self._group(*one, positions) for one in self._by_tier(slots)]

    def close(self, slot: int, spoilt: bool = False) -> None:
        """Frees a slot's place. What is `spoilt` is emptied: not every number would stop at the next row's mask."""
        number, place = self._at.pop(slot)
        tier = self._tiers[number]
        tier.give_back(place)
        if spoilt:
            for store in (*tier.keys, *tier.values):
                store[place].zero_()
            self.carried = [(keys[:0], values[:0]) for keys, values in self.carried]

    def _take(self, slot: int, position: int) -> tuple[Tier, int]:
        number = next(n for n, tier in enumerate(self._tiers) if position < tier.width)
        self._at[slot] = number, self._tiers[number].take()
        return self._tiers[number], self._at[slot][1]

    def _widen(self, slot: int, position: int) -> None:
        old, place = self._tiers[self._at[slot][0]], self._at[slot][1]
        new, target = self._take(slot, position)
        for before, after in zip((*old.keys, *old.values), (*new.keys, *new.values), strict=True):
            after[target, :, : old.width] = before[place]
        old.give_back(place)

    def _by_tier(self, slots: Sequence[int]) -> list[tuple[Tier, Tensor, Tensor, list[int]]]:
        """Per tier in use: which of `slots`, by their number here, in which places; the numbers as a list too."""
        found = []
        for number, tier in enumerate(self._tiers):
            rows = [row for row, slot in enumerate(slots) if self._at[slot][0] == number]
            if rows:
                places = [self._at[slots[row]][1] for row in rows]
                found.append((tier, self._tensor(rows), self._tensor(places), rows))
        return found

    def _group(self, tier: Tier, rows: Tensor, places: Tensor, numbers: list[int], positions: Sequence[int]) -> Group:
        at = self._tensor([positions[row] for row in numbers])
        count = int(places.max()) + 1
        asking = places.new_zeros(count).index_copy_(0, places, rows)
        last = places.new_zeros(count).index_copy_(0, places, at)
        width = grains(int(at.max()) + 1)
        seen = torch.arange(width, device=self._device) <= last[:, None]
        return Group(tier, rows, places, at, asking, seen[:, None, None, :])

    def _tensor(self, numbers: list[int]) -> Tensor:
        return torch.tensor(numbers, device=self._device)
