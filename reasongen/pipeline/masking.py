"""From a frame to its mask: which marks a text may hold, and which strings it may not. Decides nothing by itself: the
frame knows its marks, `validation.forbidden` what the rules forbid, a person what was withdrawn."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from reasongen.engine import MASK_VERSION, Mask
from reasongen.prompts import Frame
from reasongen.validation.forbidden import FORBIDDEN_VERSION, Forbidden

NO_MASK = "none"
_REMEMBERED = 1 << 12


@dataclass(frozen=True)
class Masking:
    """The masks of one night; travels to the executors. `marks`: texts of this template hold marks (else the
    literals themselves, with digits and words of any kind); `withdrawn`: terms in their plain form."""

    forbidden: Forbidden
    marks: bool
    withdrawn: tuple[str, ...] = ()
    _known: dict[tuple[Any, ...], str] = field(default_factory=dict, init=False, compare=False, repr=False)

    @cached_property
    def version(self) -> str:
        """What stands in `generations.mask_version`: changes with what an engine makes of masks, with the code of
        `forbidden`, and with all that it reads."""
        licences = self.forbidden.licences
        parts = [self.marks, self.withdrawn, self.forbidden.policy.digest]
        parts += [licences[name].digest for name in sorted(licences)]
        return f"{MASK_VERSION}.{FORBIDDEN_VERSION}-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]}"

    def of(self, frame: Frame) -> str:
        """The mask of a frame, as the engine reads it. Few are distinct: frames of one shape and class share theirs."""
        lawless = (*self.forbidden.lawless(frame), *self.withdrawn)
        key = (frame.marks, self.forbidden.unborne(frame), lawless) if self.marks else (frozenset(), (), lawless)
        if key not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            marks, unborne, _ = key
            self._known[key] = Mask(tuple(sorted(marks)), (lawless, unborne)).to_json()
        return self._known[key]

    def __getstate__(self) -> dict[str, Any]:
        """Without what is remembered."""
        return {"forbidden": self.forbidden, "marks": self.marks, "withdrawn": self.withdrawn, "_known": {}}
