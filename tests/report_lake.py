"""A small lake written by hand, for the tests of the report: what a night leaves, without a night."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from reasongen.config import NightConfig, load_config

ROOT = Path(__file__).resolve().parent.parent
NIGHT = date(2026, 3, 2)
SCENARIO = "recommendation"
_COUNTS = pa.map_(pa.string(), pa.int64())
_MOMENT = pa.timestamp("us", "UTC")
_SPAN = pa.list_(
    pa.struct([("start", pa.int32()), ("end", pa.int32()), ("evidence", pa.string()), ("mark", pa.string())])
)
_EVIDENCE = pa.list_(
    pa.struct(
        [
            *[(name, pa.string()) for name in ("id", "facet", "word", "action")],
            ("items", pa.int32()),
            *[(name, pa.string()) for name in ("item_id", "title", "value")],
            ("last_ts", _MOMENT),
        ]
    )
)
_FAILURE = pa.list_(
    pa.struct([("rule", pa.string()), ("start", pa.int32()), ("end", pa.int32()), ("detail", pa.string())])
)
_SPECIAL: Mapping[str, pa.DataType] = {
    "night": pa.date32(),
    "claims": _SPAN,
    "evidence": _EVIDENCE,
    "failures": _FAILURE,
    **dict.fromkeys(("generated_at", "started_at", "ended_at"), _MOMENT),
    **dict.fromkeys(("pairs", "codes", "prompts"), _COUNTS),
    "inputs": pa.map_(pa.string(), pa.string()),
    "seconds": pa.map_(pa.string(), pa.float64()),
    **dict.fromkeys(("token", "samples", "tokens_in", "tokens_out", "model_loads", "delta_version"), pa.int64()),
    "sample": pa.int32(),
}
_PAIRS = {"candidates": 12, "published": 8, "fallback": 1, "skipped.minor": 2, "rejected.unknown_item": 1}


def run_row(night: date = NIGHT, token: int = 1, **changed: Any) -> dict[str, Any]:
    """A row of `runs`: a published night unless `changed` says otherwise."""
    began = datetime(night.year, night.month, night.day, 2, tzinfo=UTC)
    checks = [{"name": "fallback_share", "wanted": "0 to 0.1", "found": 0.08, "passed": True}]
    row = {
        "run_id": f"{night}-{SCENARIO}-{token:06d}",
        "night": night,
        "scenario": SCENARIO,
        "token": token,
        "status": "published",
        "started_at": began,
        "ended_at": began.replace(minute=9),
        "inputs": {"events": str(token), "items": "jsonl:abc"},
        "config_digest": "c" * 64,
        "code_version": "0.1.0+aa",
        "model_version": "m" * 64,
        "pairs": _PAIRS,
        "codes": {"events.null_ts": 7},
        "prompts": {"distinct": 6, "generated": 6, "reused": 0},
        "samples": 6,
        "tokens_in": 600,
        "tokens_out": 90,
        "seconds": {"contract": 12.0, "generate": 88.5},
        "model_loads": 1,
        "device": "cpu/float32",
        "gate": json.dumps({"passed": True, "checks": checks}),
        "delta_version": 0,
    }
    return row | changed


def claim(text: str, words: str, evidence: str, mark: str) -> dict[str, Any]:
    """The claim that `words` makes in `text`."""
    start = text.index(words)
    return {"start": start, "end": start + len(words), "evidence": evidence, "mark": mark}


def reason_rows(
    users: Sequence[str], text: str, *, skeleton: str, claims: Sequence[Any] = (), **changed: Any
) -> list[dict[str, Any]]:
    """The same reason for each of these users, with one row of evidence; `changed` replaces columns."""
    fact = {"id": "e1", "facet": "tag", "word": "waterproof", "action": "browse", "items": 1, "title": "Secret tent"}
    row = {
        "scenario": SCENARIO,
        "item_id": "i1",
        "reason": text,
        "evidence": [fact],
        "claims": list(claims),
        "source": "model",
        "skeleton_hash": hashlib.sha256(skeleton.encode()).hexdigest(),
        "model_version": "m",
        "decode_hash": "d",
        "prompt_hash": f"p {skeleton}",
        "locale": "en",
        "night": NIGHT,
        "generated_at": datetime(2026, 3, 2, 2, tzinfo=UTC),
        "run_id": f"{NIGHT}-{SCENARIO}-000001",
    }
    return [row | changed | {"user_id": user} for user in users]


def sample_row(skeleton: str, sample: int = 0) -> dict[str, Any]:
    """The row of `generations` that `reason_rows` rests on."""
    return {
        "prompt_hash": f"p {skeleton}",
        "model_version": "m",
        "decode_hash": "d",
        "sample": sample,
        "text": skeleton,
        "owner": None,
    }


def write_lake(root: Path, **tables: Sequence[Mapping[str, Any]]) -> None:
    """Adds one commit to each table; the columns are those that its rows have."""
    for name, rows in tables.items():
        fields = [(column, _SPECIAL.get(column, pa.string())) for column in rows[0]]
        write_deltalake(root / name, pa.Table.from_pylist(list(rows), pa.schema(fields)), mode="append")


def config_over(root: Path, items: Path, *sets: str) -> NightConfig:
    """Settings whose lake is `root` and whose items are the JSON lines at `items`; no night is named."""
    given = [f"root={root}", f"inputs.items.path={items}", "night=null", "forget.shared_by=3"]
    return load_config(ROOT / "conf" / "local.yaml", [*given, *sets])
