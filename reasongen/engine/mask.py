"""What a text may not hold: strings that must not stand in it, and any but some that begin with a certain mark.

A mask is given with its prompt (column `mask`, see door.py). guard.py finds the first token that breaks it; the text is
then begun again, by other draws. Knows neither frames nor rules: whoever asks for a text says what it may not hold, and
still judges what comes back.
"""

from __future__ import annotations

import json
import re
import string
from dataclasses import dataclass
from functools import cached_property, lru_cache

MASK_VERSION = "1"  # rises with what an engine makes of a mask


@dataclass(frozen=True)
class Mask:
    """`banned`: groups of strings that a text may not hold outside of allowed ones; letters A to Z count as a to z. The
    beginning of a text, and what follows an allowed string, counts as following a space. What the groups mean is their
    union; each costs by itself, so what many prompts share stands in another one than what few do.

    `allowed`: strings that begin with one mark of punctuation and end with another, as [a.b] does, and hold neither
    between: the first may stand in a text only as the beginning of one of them. None: that rule does not hold.
    Raises ValueError where they are of another shape.
    """

    allowed: tuple[str, ...] = ()
    banned: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        every = [*self.allowed, *(one for group in self.banned for one in group)]
        if not all(isinstance(one, str) and one.strip() for one in every):
            raise ValueError("mask: wanted strings that are not blank; found another")
        for one in self.allowed:
            opener, closer = self.allowed[0][0], self.allowed[0][-1]
            whole = len(one) > 1 and (one[0], one[-1]) == (opener, closer) and opener != closer
            if not whole or not {opener, closer} <= set(string.punctuation) or {opener, closer} & set(one[1:-1]):
                raise ValueError("mask: wanted allowed strings between one pair of marks, as [a.b]; found another")
        "".join(every).encode()  # a lone surrogate is a ValueError too

    @property
    def brackets(self) -> tuple[int, int] | None:
        """The bytes with which every allowed string begins and ends."""
        return (ord(self.allowed[0][0]), ord(self.allowed[0][-1])) if self.allowed else None

    def to_json(self) -> str:
        """As it stands in the column: equal masks are equal texts."""
        return json.dumps({"allowed": self.allowed, "banned": self.banned}, ensure_ascii=False, separators=(",", ":"))

    @staticmethod
    @lru_cache(maxsize=1 << 12)
    def from_json(text: str) -> Mask:
        """Equal texts give one object. Raises ValueError for what is no mask."""
        read = json.loads(text)
        lists = [read.get("allowed"), read.get("banned")] if isinstance(read, dict) else [None]
        if not all(isinstance(one, list) for one in [*lists, *(lists[-1] or ())]):
            raise ValueError("mask: wanted a list allowed and a list of lists banned; found another shape")
        return Mask(tuple(read["allowed"]), tuple(map(tuple, read["banned"])))

    def permits(self, text: str) -> bool:
        """Whether a whole text keeps the mask: the meaning of it; guard.py tells at the earliest token."""
        pieces = self._whole.split(text) if self._whole else [text]
        if self.allowed and any(self.allowed[0][0] in piece for piece in pieces):
            return False
        seen = [f" {piece}".encode("utf-8", "surrogatepass").lower() for piece in pieces]
        return not any(term in piece for piece in seen for term in self._terms)

    @cached_property
    def _whole(self) -> re.Pattern[str] | None:
        return re.compile("|".join(map(re.escape, self.allowed))) if self.allowed else None

    @cached_property
    def _terms(self) -> tuple[bytes, ...]:
        return tuple(one.encode().lower() for group in self.banned for one in group)
