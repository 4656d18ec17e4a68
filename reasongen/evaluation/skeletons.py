"""Counts how varied reasons are: distinct skeletons, openings, and what stands word for word in the training corpus.

A skeleton is the text with its marks as they are. Pure: knows no model.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from reasongen.prompts.frame import MARK

_OPENING = {"zh": 6, "en": 3}  # characters, words; a mark counts as one


def skeleton(text: str) -> str:
    """The text with its marks, spaces at its ends and repeated spaces removed."""
    return " ".join(text.split())


def opening(text: str, locale: str) -> str:
    """The first 6 characters (zh) or 3 words (en) of the skeleton, each mark counting as one unit."""
    units: list[str] = []
    at = 0
    for match in MARK.finditer(text):
        units += _units(text[at : match.start()], locale)
        units.append(match.group(0))
        at = match.end()
    units += _units(text[at:], locale)
    return ("" if locale == "zh" else " ").join(units[: _OPENING[locale]])


@dataclass(frozen=True)
class Variety:
    """`openings_per_1000`: distinct openings in each thousand reasons, the mean over whole thousands (all, if fewer);
    `verbatim`: share of the distinct skeletons that stand in the training corpus."""

    reasons: int
    skeletons: int
    openings_per_1000: float
    verbatim: float


def variety(rows: Sequence[tuple[str, str]], corpus: Collection[str]) -> Variety:
    """Of (locale, text with marks) rows, against the skeletons of the training corpus."""
    distinct = {skeleton(text) for _, text in rows}
    blocks = [rows[at : at + 1000] for at in range(0, len(rows), 1000)]
    whole = [block for block in blocks if len(block) == 1000] or blocks[:1]
    openings = [len({opening(skeleton(text), locale) for locale, text in block}) for block in whole]
    known = sum(1 for text in distinct if text in corpus)
    mean = sum(openings) / len(openings) if openings else 0.0
    return Variety(len(rows), len(distinct), mean, known / len(distinct) if distinct else 0.0)


def wilson(right: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """The Wilson score interval of a share (95 % for the default z); (0, 1) for no observation."""
    if total == 0:
        return (0.0, 1.0)
    share = right / total
    centre = share + z * z / (2 * total)
    spread = z * ((share * (1 - share) + z * z / (4 * total)) / total) ** 0.5
    scale = 1 + z * z / total
    return (max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale))


def _units(text: str, locale: str) -> Iterable[str]:
    return text.split() if locale == "en" else [char for char in text if not char.isspace()]
