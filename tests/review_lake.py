"""A small queue written by hand, for the tests of the review page: what a night asks, without a night."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from reasongen.config import NightConfig, load_config
from reasongen.review import Waiting, add_waiting

ROOT = Path(__file__).resolve().parent.parent
NOON = datetime(2031, 5, 4, 12, tzinfo=UTC)
POLICY = "structural-2+policy-0123456789ab+01234567"
_DOUBT = pa.struct(
    [
        *[(name, pa.string()) for name in ("rule", "detail")],
        *[(name, pa.int32()) for name in ("mark", "at")],
        ("words", pa.string()),
        *[(name, pa.int32()) for name in ("start", "end")],
    ]
)
_OF_BOTH = [
    *[(name, pa.string()) for name in ("skeleton_hash", "locale", "policy_version")],
    ("doubts", pa.list_(_DOUBT)),
    ("frames", pa.list_(pa.string())),
]
_MOMENT = pa.timestamp("us", "UTC")
QUEUE = pa.schema(
    [
        *_OF_BOTH,
        *[(name, pa.string()) for name in ("scenario", "skeleton", "text", "run_id")],
        ("pairs", pa.int64()),
        ("night", pa.date32()),
        ("queued_at", _MOMENT),
    ]
)
DECISIONS = pa.schema(
    [
        *_OF_BOTH,
        *[(name, pa.string()) for name in ("decision", "edited", "label", "note", "reviewer")],
        ("decided_at", _MOMENT),
    ]
)
EVIDENCE = [{"f": "tag", "w": "durable", "a": "browse", "n": "few"}, {"f": "category", "a": "purchase", "n": "one"}]
FRAME = {"l": "en", "s": "recommendation", "c": "desk lamp", "k": "use", "w": ["plain"], "a": "color", "b": True}


def waiting(text: str, words: str, pairs: int, *, locale: str = "en", frames: int = 1, **changed: Any) -> Waiting:
    """A row whose doubt is about `words`."""
    start = text.index(words)
    doubt = {"rule": "R18_word", "detail": "version 1: human", "mark": 0, "at": start, "words": words}
    shown = [json.dumps(FRAME | {"l": locale, "c": f"desk lamp {n}", "e": EVIDENCE}) for n in range(frames)]
    row: dict[str, Any] = {
        "skeleton_hash": hashlib.sha256(text.encode()).hexdigest(),
        "locale": locale,
        "policy_version": POLICY,
        "scenario": "recommendation",
        "skeleton": text,
        "text": text,
        "frames": tuple(shown),
        "doubts": (doubt | {"start": start, "end": start + len(words)},),
        "pairs": pairs,
        "run_id": "2031-05-04-recommendation-000001",
        "night": date(2031, 5, 4),
        "queued_at": NOON,
    }
    return Waiting(**(row | changed))


def write_queue(root: Path, rows: Sequence[Waiting]) -> NightConfig:
    """Both tables below `root`, as a night leaves them; returns its settings."""
    write_deltalake(root / "review_queue", QUEUE.empty_table())
    write_deltalake(root / "review_decisions", DECISIONS.empty_table())
    add_waiting(str(root), rows)
    return load_config(ROOT / "conf" / "local.yaml", [f"root={root}", f"policies={ROOT}/conf/policies"])
