"""Keys and values of the rows being written, one slot each, and those of the prompt that was read last.

Knows no weights. A slot's old numbers stay until they are written over: the attention's mask hides them.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


class SlotCache:
    """Per layer: slots x key heads x width x head size, twice. `width`: tokens of the longest row, prompt and text."""

    def __init__(self, layers: int, slots: int, heads: int, width: int, size: int, like: Tensor) -> None:
        # zeros, not empty: a mask times what was never written must not be a NaN
        self.keys = [like.new_zeros(slots, heads, width, size) for _ in range(layers)]
        self.values = [like.new_zeros(slots, heads, width, size) for _ in range(layers)]
        self.carried: list[tuple[Tensor, Tensor]] = [(like.new_zeros(0, heads, size),) * 2 for _ in range(layers)]

    def put(self, layer: int, slots: Tensor, keys: Tensor, values: Tensor, last: int) -> None:
        """Prompts into their slots; keys, values: rows x width x heads x size. Keeps `last` tokens of the last row."""
        width = keys.shape[1]
        self.keys[layer][:, :, :width].index_copy_(0, slots, keys.transpose(1, 2))
        self.values[layer][:, :, :width].index_copy_(0, slots, values.transpose(1, 2))
        self.carried[layer] = (keys[-1, :last].clone(), values[-1, :last].clone())

    def append(self, layer: int, places: tuple[Tensor, Tensor], keys: Tensor, values: Tensor) -> None:
        """One token each for the first slots, at (slot, position); keys, values: rows x heads x size."""
        slots, positions = places
        self.keys[layer][slots, :, positions] = keys
        self.values[layer][slots, :, positions] = values

    def read(self, layer: int, slots: int, width: int) -> tuple[Tensor, Tensor]:
        """Views on the first `slots` slots: slots x heads x width x size."""
        return self.keys[layer][:slots, :, :width], self.values[layer][:slots, :, :width]

    def move(self, moves: Sequence[tuple[int, int]], width: int) -> None:
        """Copies slots, from and to, up to `width` tokens."""
        for tensor in (*self.keys, *self.values):
            for source, target in moves:
                tensor[target, :, :width] = tensor[source, :, :width]

    def clear(self, slot: int) -> None:
        """After a row whose numbers broke: what is not finite would get through the mask of the next one."""
        for tensor in (*self.keys, *self.values):
            tensor[slot].zero_()
        self.carried = [(keys[:0], values[:0]) for keys, values in self.carried]
