"""Samples that only a person can pass, as the queue gets them: with no user in them. Pure, in an executor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from reasongen.prompts import Frame, Literals, Renderer
from reasongen.validation import Verdict
from reasongen.validation.reviewed import doubts_key, doubts_of, without_user

DOUBT = pa.struct(
    [
        ("rule", pa.string()),
        ("detail", pa.string()),
        ("mark", pa.int32()),
        ("at", pa.int32()),
        ("words", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
    ]
)
DOUBTED = pa.struct(
    [(name, pa.string()) for name in ("skeleton", "text", "frame", "key")] + [("doubts", pa.list_(DOUBT))]
)


def doubted(
    refused: Iterable[tuple[int | None, str, Verdict]],
    skeletons: Mapping[int, str],
    renderer: Renderer,
    frame: Frame,
    literals: Literals,
) -> list[dict[str, Any]]:
    """Rows of DOUBTED: the samples among `refused` that nothing but doubts about their own words kept back.

    None where the frame shows literals: its texts are written for one pair, and hold what a user looked at.
    """
    if frame.literals is not None:
        return []
    found: dict[str, dict[str, Any]] = {}
    for number, _, verdict in refused:
        if number is None or any(one.action != "human" for one in verdict.failures):
            continue
        skeleton = skeletons[number]
        rendered = renderer.fill(skeleton, frame, literals)
        if doubts := doubts_of(verdict.failures, rendered):
            text, spans = without_user(rendered, doubts)
            told = [
                one._asdict() | {"start": start, "end": end} for one, (start, end) in zip(doubts, spans, strict=True)
            ]
            about = {"skeleton": skeleton, "text": text, "frame": frame.to_json(), "key": doubts_key(doubts)}
            found[skeleton] = {**about, "doubts": told}
    return list(found.values())
