"""Holds a row to its mask, token by token: which tokens of the vocabulary may follow what the row has written so far.

A mask becomes finite automata over bytes, so a string is found however the tokens cut it: in one token, over several,
or in single bytes. Per state one walk over the vocabulary says where each token leads; walks are remembered, and rows
share them. Knows no torch: a row of booleans goes to whoever draws (sampling.py). Automata after Aho and Corasick 1975;
one walk per state as in Willard and Louf 2023 (outlines).
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
REMEMBERED = 1 << 26  # bytes of walks that one automaton keeps
_UPPER, _LOWER = slice(ord("A"), ord("Z") + 1), slice(ord("a"), ord("z") + 1)


class Vocabulary:
    """The bytes of every token id; b"" for one that writes none. `ends`: ids that end a text."""

    def __init__(self, spellings: Sequence[bytes], ends: Collection[int]) -> None:
        count = len(spellings)
        plain = [b"" if token in ends else spelling for token, spelling in enumerate(spellings)]
        order = sorted(range(count), key=lambda token: -len(plain[token]))
        longest = max(map(len, plain), default=0)
        self.ends = np.array([token for token in sorted(ends) if token < count], np.int64)
        self._order = np.array(order, np.int64)
        letters = b"".join(plain[token].ljust(longest, b"\0") for token in order)
        self._letters = np.frombuffer(letters, np.uint8).reshape(count, longest).T.copy()
        lengths = np.array([len(plain[token]) for token in order], np.int64)
        self._longer = [int((lengths > place).sum()) for place in range(longest)]

    def __len__(self) -> int:
        return len(self._order)

    def walk(self, table: NDArray[Any], state: int) -> NDArray[np.int32]:
        """Where each token leads from a state. table: states x 256."""
        at = np.full(len(self), state, np.int32)
        for letters, count in zip(self._letters, self._longer, strict=True):
            at[:count] = table[at[:count], letters[:count]]
        found = np.empty_like(at)
        found[self._order] = at
        return found


class Automaton:
    """States over bytes, on one vocabulary. table: states x 256; `inner`: states in which a text may not end."""

    def __init__(self, table: NDArray[Any], start: int, inner: Collection[int], vocabulary: Vocabulary) -> None:
        self.start = start
        self._table, self._inner, self._vocabulary = table, frozenset(inner), vocabulary
        most = max(64, REMEMBERED // (5 * max(1, len(vocabulary))))
        self.after = lru_cache(maxsize=most)(self._after)

    def _after(self, state: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Per token the state that it leads to, and whether it may not follow."""
        leads = self._vocabulary.walk(self._table, state)
        banned = leads == DEAD
        if state in self._inner and int(banned.sum()) + len(self._vocabulary.ends) < len(banned):
            banned[self._vocabulary.ends] = True
        return leads, banned


Automata = tuple[Automaton, ...]


class Guard:
    """One row that is being written, held to all `automata` of its mask (at least one). An end mark may follow nearly
    everywhere, only not inside an allowed string, so something always may."""

    def __init__(self, automata: Automata) -> None:
        self._automata = automata
        self._states = [one.start for one in automata]

    def banned(self) -> NDArray[np.bool_]:
        """Per token of the vocabulary, true where it may not follow. Not to be written to."""
        first, *others = [one.after(state)[1] for one, state in zip(self._automata, self._states, strict=True)]
        for other in others:
            first = first | other
        return first

    def take(self, token: int) -> None:
        """Notes the token that was drawn."""
        for place, one in enumerate(self._automata):
            self._states[place] = int(one.after(self._states[place])[0][token])


class Guards:
    """Masks to automata on one tokenizer's vocabulary, each made once. Raises ModelError for a tokenizer whose tokens
    cannot be told byte by byte."""

    def __init__(self, tokenizer: Any, ends: Collection[int]) -> None:
        vocabulary = Vocabulary(spellings_of(tokenizer), ends)
        never = lru_cache(maxsize=64)(lambda banned, brackets: _never(banned, brackets, vocabulary))
        only = lru_cache(maxsize=1 << 10)(lambda allowed: _only(allowed, vocabulary))

        def automata(mask: Mask) -> Automata:
            """None at all where the mask bans nothing."""
            found = [never(group, mask.brackets) for group in mask.banned if group]
            return (*found, *([only(mask.allowed)] if mask.allowed else ()))

        self.of = lru_cache(maxsize=1 << 12)(automata)


def _never(banned: Sequence[str], brackets: tuple[int, int] | None, vocabulary: Vocabulary) -> Automaton:
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
    return Automaton(table, start, (), vocabulary)


def _only(allowed: Sequence[str], vocabulary: Vocabulary) -> Automaton:
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
    return Automaton(table, ROOT, range(ROOT + 1, len(rows)), vocabulary)


def spellings_of(tokenizer: Any) -> list[bytes]:
    """The bytes that each id of a tokenizer writes: byte-level BPE (GPT-2, Qwen) or with byte fallback (Llama 2)."""
    decoder = json.dumps(json.loads(tokenizer.backend_tokenizer.to_str())["decoder"])
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
