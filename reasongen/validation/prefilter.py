"""Which of many patterns may stand in a text? One pass for the words that they need; then those patterns alone.

Each pattern is given to RE2 without its lookarounds, which can only match more: what it does not find is not there.
One automaton of all patterns together would grow with every new text (counted gaps multiply), so RE2's filter looks
for the strings that a pattern cannot do without, and asks the patterns of those it finds one by one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import re2

_READ_OTHERWISE = re.compile(r"\{,|\\[dDwWsSbB]|\[\[:")  # by RE2: {,3} as it stands, classes as ASCII alone
MAX_CHARS = 2000  # a longer text is matched exactly by every pattern: the automaton might run out of memory on it


class Prefilter:
    """Patterns by their place in the list that it is made of. Texts are in small letters, as normal texts are."""

    def __init__(self, patterns: Sequence[str]) -> None:
        options = re2.Options()
        options.log_errors = False
        self._every = range(len(patterns))
        self._always: list[int] = []
        self._numbers: list[int] = []
        self._filter = re2.Filter()
        for number, pattern in enumerate(patterns):
            if _READ_OTHERWISE.search(pattern):
                self._always.append(number)
                continue
            try:
                self._filter.Add(without_lookarounds(pattern), options)
                self._numbers.append(number)
            except re2.error:
                self._always.append(number)
        if self._numbers:
            self._filter.Compile()

    def possible(self, text: str) -> Sequence[int]:
        """Numbers of the patterns that may match, and of those that RE2 cannot read as `re` does, in no order."""
        if len(text) > MAX_CHARS:
            return self._every
        if not self._numbers:
            return self._always
        return [*self._always, *(self._numbers[one] for one in self._filter.Match(text) or ())]


def without_lookarounds(pattern: str) -> str:
    """The pattern with every (?!…), (?=…), (?<!…) and (?<=…) taken out."""
    kept: list[str] = []
    at = 0
    while at < len(pattern):
        if pattern.startswith(("(?!", "(?=", "(?<!", "(?<="), at):
            at = _closed(pattern, at)
        else:
            end = _token_end(pattern, at)
            kept.append(pattern[at:end])
            at = end
    return "".join(kept)


def _token_end(pattern: str, at: int) -> int:
    """The end of an escape, of a character class, or of one character."""
    if pattern[at] == "\\":
        return at + 2
    if pattern[at] != "[":
        return at + 1
    at += 2 if pattern[at + 1] == "^" else 1
    at += pattern[at] == "]"
    while pattern[at] != "]":
        at += 2 if pattern[at] == "\\" else 1
    return at + 1


def _closed(pattern: str, at: int) -> int:
    """The end of the group that opens at a place."""
    depth = 0
    while True:
        end = _token_end(pattern, at)
        depth += (pattern[at] == "(") - (pattern[at] == ")")
        at = end
        if depth == 0:
            return at
