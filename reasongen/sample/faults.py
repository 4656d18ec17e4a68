"""Breaks whole tables of the sample world, one way per name: what a contract must find before a night begins."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from reasongen.sample.behaviour import EVENT_SCHEMA, MICROS, midnight
from reasongen.sample.settings import WorldSettings

STALE = timedelta(days=30)


@dataclass(frozen=True)
class Tables:
    """The four tables as they will be written; `events` one table per commit, `candidates` None: not written at all."""

    events: tuple[pa.Table, ...]
    items: tuple[bytes, ...]
    candidates: pa.Table | None
    users: tuple[str, ...]


def _duplicate_items(tables: Tables, settings: WorldSettings) -> Tables:
    whole = [line for line in tables.items if _item_id(line) is not None]
    return replace(tables, items=(*tables.items, *whole[:2]))


def _item_id(line: bytes) -> str | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row["item_id"] if row["title"] and row["title"].strip() else None


def _duplicate_users(tables: Tables, settings: WorldSettings) -> Tables:
    whole = [line for line in tables.users if line.startswith("u") and line.count(",") == 3]
    return replace(tables, users=(*tables.users, *whole[:2]))


def _duplicate_candidates(tables: Tables, settings: WorldSettings) -> Tables:
    if tables.candidates is None:
        return tables
    again = tables.candidates.filter(pc.equal(tables.candidates["rank"], 2)).slice(0, 3)
    return replace(tables, candidates=pa.concat_tables([tables.candidates, again]))


def _empty_candidates(tables: Tables, settings: WorldSettings) -> Tables:
    return replace(tables, candidates=tables.candidates and tables.candidates.schema.empty_table())


def _missing_column(tables: Tables, settings: WorldSettings) -> Tables:
    """`item_id` of candidates under another name."""
    return replace(tables, candidates=tables.candidates and tables.candidates.rename_columns({"item_id": "itemid"}))


def _mistyped_column(tables: Tables, settings: WorldSettings) -> Tables:
    """`ts` of events as words."""
    at = EVENT_SCHEMA.get_field_index("ts")
    return replace(tables, events=tuple(e.set_column(at, "ts", e["ts"].cast(pa.string())) for e in tables.events))


def _stale_events(tables: Tables, settings: WorldSettings) -> Tables:
    """Nothing newer than 30 days before the night."""
    last = pa.scalar((midnight(settings) - int(STALE.total_seconds())) * MICROS, EVENT_SCHEMA.field("ts").type)
    return replace(tables, events=tuple(e.filter(pc.less(e["ts"], last)) for e in tables.events))


FAULTS: Mapping[str, Callable[[Tables, WorldSettings], Tables]] = {
    "duplicate_items": _duplicate_items,
    "duplicate_users": _duplicate_users,
    "duplicate_candidates": _duplicate_candidates,
    "empty_candidates": _empty_candidates,
    "missing_column": _missing_column,
    "stale_events": _stale_events,
    "mistyped_column": _mistyped_column,
    "missing_candidates": lambda tables, settings: replace(tables, candidates=None),
}
"""In the order in which they are planted, so that each still finds the columns it needs."""


def plant(tables: Tables, settings: WorldSettings) -> Tables:
    """The tables with every fault that `settings.faults` names."""
    for name, fault in FAULTS.items():
        if name in settings.faults:
            tables = fault(tables, settings)
    return tables
