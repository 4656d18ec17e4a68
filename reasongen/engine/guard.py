"""Holds a row to its mask, token by token: whether a token may follow what the row has written so far.

A mask becomes finite automata over bytes (Aho and Corasick 1975), so a string is found however the tokens cut it: in
one token, over several, or in single bytes; rows share the automata. A guard says no to a token and offers no other: a
model that may not end a phrase as it began it writes half sentences that pass for whole ones (benchmarks/LOG.md). So
such a text is begun again, by other draws. Knows no torch.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reasongen.engine.mask import Mask
from reasongen.errors import ModelError

DEAD, ROOT, QUOTED = 0, 1, 2  # states of every automaton; from the first no byte leads away
_UPPER, _LOWER = slice(ord("A"), ord("Z") + 1), slice(ord("a"), ord("z") + 1)


class Automaton:
    """States over bytes. table: states x 256; `inner`: states in which a text may not end; spellings: bytes of every
    token, None for one that ends the text."""

    def __init__(
        self, table: NDArray[Any], start: int, inner: Collection[int], spellings: Sequence[bytes | None]
    ) -> None:
        self.start = start
        self._table, self._inner, self._spellings = table, frozenset(inner), spellings
        self.after = lru_cache(maxsize=1 << 16)(self._after)

    def _after(self, state: int, token: int) -> int:
        """The state that a token leads to; DEAD where it may not follow."""
        spelling = self._spellings[token] if token < len(self._spellings) else b""
        if spelling is None:
            return DEAD if state in self._inner else state
        for letter in spelling:
            state = int(self._table[state, letter])
        return state


Automata = tuple[Automaton, ...]


class Guard:
    """One row that is being written, held to all `automata` of its mask."""

    def __init__(self, automata: Automata) -> None:
        self._automata = automata
        self._states = [one.start for one in automata]

    def take(self, token: int) -> bool:
        """Notes the token that was drawn; whether it may stand there."""
        self._states = [one.after(state, token) for one, state in zip(self._automata, self._states, strict=True)]
        return DEAD not in self._states


class Guards:
    """Masks to automata for one tokenizer, each made once. Raises ModelError for a tokenizer whose tokens cannot be
    told byte by byte."""

    def __init__(self, tokenizer: Any, ends: Collection[int]) -> None:
        spelt = [None if token in ends else one for token, one in enumerate(spellings_of(tokenizer))]
        never = lru_cache(maxsize=64)(lambda banned, brackets: _never(banned, brackets, spelt))
        only = lru_cache(maxsize=1 << 10)(lambda allowed: _only(allowed, spelt))

        def automata(mask: Mask) -> Automata:
            """None at all where the mask bans nothing."""
            found = [never(group, mask.brackets) for group in mask.banned if group]
            return (*found, *([only(mask.allowed)] if mask.allowed else ()))

        self.of = lru_cache(maxsize=1 << 12)(automata)


def _never(banned: Sequence[str], brackets: tuple[int, int] | None, spelt: Sequence[bytes | None]) -> Automaton:
    """Dies at the last byte of any banned string; between brackets it looks away."""
    children: list[dict[int, int]] = [{}, {}, {}]
    whole: set[int] = set()
    for text in banned:
        state = ROOT
        for letter in text.encode().lower():
            if letter not in children[state]:
                children[state][letter] = len(children)
                children.append({})
            state = children[state][letter]
        whole.add(state)
    table = np.zeros((len(children), 256), np.min_scalar_type(len(children)))
    table[ROOT] = ROOT
    fallback = {ROOT: ROOT}
    waiting = deque([ROOT])
    while waiting:
        state = waiting.popleft()
        if state != ROOT:
            table[state] = table[fallback[state]]
        for letter, child in children[state].items():
            fallback[child] = ROOT if state == ROOT else int(table[fallback[state], letter])
            if fallback[child] in whole:
                whole.add(child)
            waiting.append(child)
        for letter, child in children[state].items():
            table[state, letter] = child
    table[np.isin(table, list(whole))] = DEAD
    table[DEAD] = DEAD
    table[:, _UPPER] = table[:, _LOWER]
    start = int(table[ROOT, ord(" ")]) or ROOT
    if brackets:
        table[ROOT:, brackets[0]] = QUOTED
        table[QUOTED] = QUOTED
        table[QUOTED, brackets[1]] = start
    return Automaton(table, start, (), spelt)


def _only(allowed: Sequence[str], spelt: Sequence[bytes | None]) -> Automaton:
    """Dies at the first byte that leaves every allowed string; all else stays at the root."""
    rows: list[dict[int, int]] = [{}, {}]
    for text in allowed:
        state = ROOT
        letters = text.encode()
        for letter in letters[:-1]:
            if letter not in rows[state]:
                rows[state][letter] = len(rows)
                rows.append({})
            state = rows[state][letter]
        rows[state][letters[-1]] = ROOT
    table = np.zeros((len(rows), 256), np.min_scalar_type(len(rows)))
    table[ROOT] = ROOT
    for state, row in enumerate(rows):
        for letter, child in row.items():
            table[state, letter] = child
    return Automaton(table, ROOT, range(ROOT + 1, len(rows)), spelt)


def spellings_of(tokenizer: Any) -> list[bytes]:
    """The bytes that each id of a tokenizer writes: byte-level BPE (GPT-2, Qwen) or with byte fallback (Llama 2)."""
    core = getattr(tokenizer, "backend_tokenizer", None)
    decoder = "" if core is None else json.dumps(json.loads(core.to_str())["decoder"])
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    added = {token: str(one) for token, one in tokenizer.added_tokens_decoder.items()}
    if '"ByteLevel"' in decoder:
        letters = {letter: bytes([value]) for value, letter in enumerate(_byte_letters())}

        def plain(token: str) -> bytes:
            return b"".join(letters.get(letter) or letter.encode() for letter in token)

    elif '"ByteFallback"' in decoder:

        def plain(token: str) -> bytes:
            if len(token) == 6 and token.startswith("<0x"):
                return bytes([int(token[3:5], 16)])
            return token.replace("\u2581", " ").encode()

    else:
        raise ModelError(
            "engine.mask: wanted a tokenizer of byte-level BPE or with byte fallback; found another, whose tokens are"
            " no bytes. Set engine.mask: false."
        )
    spelt = (added.get(token) for token in range(len(tokens)))
    return [plain(own or "") if text is None else text.encode() for own, text in zip(tokens, spelt, strict=True)]


def _byte_letters() -> list[str]:
    """The letter that stands for each byte in byte-level BPE (Radford et al. 2019): its own where it can be seen."""
    seen = {*range(33, 127), *range(161, 173), *range(174, 256)}
    hidden = (chr(256 + number) for number in range(256 - len(seen)))
    return [chr(value) if value in seen else next(hidden) for value in range(256)]
