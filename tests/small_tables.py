"""Small input tables in every format, for the tests of tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from reasongen.config import InputSettings, SourceSettings
from reasongen.errors import ContractError
from reasongen.schema import INPUTS, Table
from reasongen.tables import (
    append,
    check_contract,
    clean_items,
    create_if_missing,
    night_start,
    read_source,
    read_sources,
)

NIGHT = date(2026, 3, 2)
BEGIN = night_start(NIGHT)
SCENARIO = "recommendation"
EVENT_DDL = "user_id string, item_id string, event string, ts timestamp"
CANDIDATE_DDL = "user_id string, item_id string, scenario string"


def put(spark: Any, root: Path, table: Table, rows: list[dict[str, Any]]) -> None:
    """Rows into a table of ours; columns that are not given are null."""
    create_if_missing(spark, f"{root}/{table.name}", table)
    whole = [tuple(row.get(name) for name in table.names) for row in rows]
    append(spark.createDataFrame(whole, table.ddl), f"{root}/{table.name}")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def delta(spark: Any, path: Path, rows: Sequence[tuple[Any, ...]], ddl: str) -> SourceSettings:
    spark.createDataFrame(rows, ddl).write.format("delta").mode("append").save(str(path))
    return SourceSettings(path=str(path))


def jsonl(path: Path, lines: Sequence[Mapping[str, Any] | bytes]) -> SourceSettings:
    raw = [line if isinstance(line, bytes) else json.dumps(line, ensure_ascii=False).encode() for line in lines]
    path.write_bytes(b"\n".join(raw) + b"\n")
    return SourceSettings(path=str(path), format="jsonl")


def csv(path: Path, text: str) -> SourceSettings:
    path.write_text(text, encoding="utf-8")
    return SourceSettings(path=str(path), format="csv")


def world(spark: Any, folder: Path, **changed: Any) -> InputSettings:
    """Four small sound tables, one in each format; `changed` replaces some."""
    sound: dict[str, Any] = {}
    if "events" not in changed:
        sound["events"] = delta(spark, folder / "events", [("u1", "i1", "click", at("2026-03-01"))], EVENT_DDL)
    if "items" not in changed:
        sound["items"] = jsonl(folder / "items.jsonl", [{"item_id": "i1", "title": "Lamp", "locale": "en"}])
    if "candidates" not in changed:
        path = str(folder / "candidates.parquet")
        spark.createDataFrame([("u1", "i1", SCENARIO)], CANDIDATE_DDL).write.parquet(path)
        sound["candidates"] = SourceSettings(path=path, format="parquet")
    if "users" not in changed:
        sound["users"] = csv(folder / "users.csv", "user_id,tags,personalise,minor\nu1,tea|maps,true,no\n")
    return InputSettings(**{**sound, **changed})


def faults(spark: Any, inputs: InputSettings, **asked: Any) -> list[str]:
    with pytest.raises(ContractError) as caught:
        check_contract(read_sources(spark, inputs), inputs, night=NIGHT, scenario=SCENARIO, **asked)
    return [str(fault) for fault in caught.value.faults]


def items_of(spark: Any, path: Path, lines: Sequence[Mapping[str, Any] | bytes], **settings: Any) -> dict[str, Any]:
    """Cleaned items by id."""
    frame = read_source(spark, jsonl(path, lines), INPUTS["items"]).frame
    return {row["item_id"]: row for row in clean_items(frame, **settings).collect()}
