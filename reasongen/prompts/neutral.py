"""Makes words from tables harmless: what a prompt, a mark or a control token is made of never survives in a value.

Knows nothing of what the words mean. An instruction inside a title stays a row of plain words.
"""

from __future__ import annotations

import re
from functools import lru_cache

WORD_CHARS = 24

# Invisible on screen: soft hyphen, zero width, bidirectional controls, fillers, variation selectors, tags, lone
# surrogates, private use, non-characters. They are dropped rather than spaced, so that a word cannot be split by them.
INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\uffff\ud800-\udfff\ue000-\uf8ff\U000e0000-\U000e0fff\U000f0000-\U0010ffff"
)
CONTROL = "\x00-\x1f\x7f-\x9f\u2028\u2029"

_INVISIBLE = re.compile(f"[{INVISIBLE}]+")
# The full-width twins go with them: a tokenizer that normalises (NFKC) would turn them back.
_SPACED = re.compile(rf"[{CONTROL}\s<>|\\`#＜＞｜＼｀＃]+")
_TWINS = str.maketrans(
    {
        **dict.fromkeys("[{［｛【〔〖⟦", "("),
        **dict.fromkeys("]}］｝】〕〗⟧", ")"),
        **dict.fromkeys('"＂', "'"),
        **dict.fromkeys("*＊", "×"),  # 24*28 cm is a size, not emphasis
        **dict.fromkeys("_~＿～", "-"),
    }
)
# What chat templates part turns with: whole, with the role that follows, or "im-start system" would be left to read.
TURN = r"(?i:<\|[^|<>]{0,40}\|>(?:\s*(?:system|user|assistant|developer|tool)\b)?|<</?SYS>>|\[/?INST\]|</?s>)"
"""A regular expression of Java's as well: the same cut is made in Spark, before the words come here."""
_TURN = re.compile(TURN)
_SAFE = re.compile(r"[^\W_]+(?: [^\W_]+)*")


@lru_cache(maxsize=1 << 16)
def neutral(value: str, limit: int = WORD_CHARS) -> str:
    """`value` without control tokens, brackets, controls and invisible characters, at most `limit` characters.

    Square and curly brackets become round ones, signs of emphasis a dash or a cross, the rest one space; may return "".
    """
    if len(value) <= limit and value.isascii() and _SAFE.fullmatch(value):
        return value
    text = _INVISIBLE.sub("", value[: 4 * limit])
    if "<" in text or "[" in text:
        text = _TURN.sub(" ", text)
    text = _SPACED.sub(" ", text).translate(_TWINS)
    return text[:limit].strip() if len(text) > limit else text.strip()
