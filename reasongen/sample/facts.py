"""Counts what a night must find in the sample world; written beside the tables as world.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from reasongen.sample.faults import Tables
from reasongen.sample.settings import WorldSettings

HARMLESS = frozenset(
    {"events.night_day", "events.contact", "items.stuffed_title", "items.instruction", "items.mark_lookalike"}
    | {"items.null_tags", "items.null_attributes", "items.null_price"}
)
"""Kinds that are odd and no fault: no night counts them."""
CODES = {"items.null_title": "items.no_title", "items.blank_title": "items.no_title"}
"""Kinds whose code has another name."""


def counts(
    settings: WorldSettings,
    tables: Tables,
    *,
    valid: Mapping[str, pa.Table],
    items: Mapping[str, list[str]],
    heavy_user: str | None,
) -> dict[str, Any]:
    """Rows per table, dirt per `table.kind`, and how the candidate pairs divide.

    `valid`: the events and candidates without dirt. `items`: kind of oddity to the ids of such items.
    """
    planted = settings.dirt.model_dump()
    dirt = {f"{table}.{kind}": count for table, kinds in planted.items() for kind, count in kinds.items()}
    return {
        "night": settings.night.isoformat(),
        "scenario": settings.scenario,
        "seed": settings.seed,
        "faults": list(settings.faults),
        "rows": {
            "events": sum(commit.num_rows for commit in tables.events),
            "items": len(tables.items),
            "candidates": 0 if tables.candidates is None else tables.candidates.num_rows,
            "users": len(tables.users),
        },
        "valid": {name: table.num_rows for name, table in valid.items()},
        "dirt": dirt,
        "codes": _codes(dirt),
        "odd_items": dict(items),
        "heavy_user": heavy_user,
        "pairs": _pairs(valid["candidates"], tables.users),
    }


def _codes(dirt: Mapping[str, int]) -> dict[str, int]:
    """What the night must count, `table.code` to rows; codes without a row are left out."""
    codes: Counter[str] = Counter()
    for kind, count in dirt.items():
        if kind not in HARMLESS and count:
            codes[CODES.get(kind, kind)] += count
    return dict(codes)


def _pairs(candidates: pa.Table, lines: tuple[str, ...]) -> dict[str, int]:
    """Valid pairs by what is known of their user."""
    rows = [line.split(",") for line in lines if line.count(",") == 3]
    consent = {row[0]: row[2] for row in rows}
    minors = {row[0] for row in rows if row[3] == "yes"}
    users = candidates["user_id"].to_pylist()
    return {
        "valid": len(users),
        "minor": sum(user in minors for user in users),
        "personal": sum(consent.get(user) == "true" and user not in minors for user in users),
        "without_consent": sum(consent.get(user) != "true" and user not in minors for user in users),
        "without_users_row": sum(user not in consent for user in users),
    }
