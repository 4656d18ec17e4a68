"""Finds what prompts share at their beginning, so that a shared token is computed once. Holds no tensor.

Prompts come sorted, so each shares its longest prefix with the one before it: the sorted list is the trie, walked in
depth. A token is one *node*; a prompt is a *path* of nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

Tokens = tuple[int, ...]


@dataclass(slots=True)
class Packed:
    """Prompts as paths over nodes. Nodes below `carried` are those of an earlier prompt, whose keys are kept."""

    carried: int
    tokens: list[int] = field(default_factory=list)  # of each new node, in the order in which they are numbered
    positions: list[int] = field(default_factory=list)  # of each new node, from 0
    owners: list[tuple[int, int]] = field(default_factory=list)  # (row, position) that first asked for each new node
    paths: list[list[int]] = field(default_factory=list)  # per row: the node at each of its positions


def shared_length(one: Tokens, other: Tokens) -> int:
    """How many tokens two prompts have in common at their beginning."""
    most = min(len(one), len(other))
    return next((place for place in range(most) if one[place] != other[place]), most)


def pack(prompts: Sequence[Tokens], carried: Tokens = ()) -> Packed:
    """Sorted prompts, none empty, to nodes; `carried` is the prompt before the first one, already computed.

    The last token of every path is a new node, even where `carried` holds it: only what is computed now has logits.
    Works on unsorted prompts too and then shares less.
    """
    packed = Packed(len(carried))
    before, path = carried, list(range(len(carried)))
    for row, prompt in enumerate(prompts):
        path = path[: shared_length(before, prompt)]
        if len(path) == len(prompt) and path[-1] < packed.carried:
            path.pop()
        for position in range(len(path), len(prompt)):
            path.append(packed.carried + len(packed.tokens))
            packed.tokens.append(prompt[position])
            packed.positions.append(position)
            packed.owners.append((row, position))
        packed.paths.append(path)
        before, path = prompt, list(path)
    return packed
