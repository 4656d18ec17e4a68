"""Cuts a text into what the figures of evaluation count: English words, Chinese characters, marks.

Published figures cut at spaces, which makes one token of a Chinese sentence. So figures from here compare with each
other, not with tables of papers. Punctuation counts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from reasongen.prompts.frame import MARK

_HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_TOKEN = re.compile(rf"{MARK.pattern}|[{_HAN}]|[^\W_{_HAN}]+(?:['’][^\W_{_HAN}]+)*")


@lru_cache(maxsize=1 << 16)
def tokens(text: str) -> tuple[str, ...]:
    """Lower-case words, single Chinese characters and whole marks, in order."""
    return tuple(found.group(0) for found in _TOKEN.finditer(text.lower()))


def ngrams(text: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """Every run of `size` tokens; none where the text is shorter."""
    return [tuple(text[at : at + size]) for at in range(len(text) - size + 1)]


class Words:
    """The door that rouge-score asks for."""

    def tokenize(self, text: str) -> list[str]:
        """The tokens as a list."""
        return list(tokens(text))
