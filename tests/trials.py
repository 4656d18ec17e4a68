"""Small experiments for tests: settings, tables of a few rows, as files of any format."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from reasongen.experiments.reading import Given, Tables
from reasongen.experiments.settings import ExperimentSettings
from reasongen.schema import BEFORE, EXPOSURES, FEEDBACK, Table

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
TYPES = {"timestamp": "datetime64[us, UTC]", "double": "float64", "string": "object"}
CTR = {"kind": "click", "per": "exposure", "baseline": 0.06, "lift": 0.1}


def settings(**changed: Any) -> ExperimentSettings:
    """Two equal arms, none and model; CTR decides."""
    plain: dict[str, Any] = {
        "name": "trial",
        "salt": "trial",
        "arms": {"none": 1, "model": 1},
        "control": "none",
        "inputs": {"exposures": {"path": "exposures"}, "feedback": {"path": "feedback"}},
        "metrics": {"ctr": CTR},
        "as_of": START + timedelta(days=30),
    }
    return ExperimentSettings.model_validate(plain | changed)


def shown(
    user: str | None, item: str | None = "i1", hours: float | None = 0, arm: str | None = "none", **more: Any
) -> Any:
    """An exposure, `hours` after the start."""
    at = None if hours is None else START + timedelta(hours=hours)
    return {"user_id": user, "item_id": item, "arm": arm, "propensity": 0.5, "shown_at": at, **more}


def done(
    event: str | None, user: str | None, kind: str | None, hours: float | None, item: str | None = "i1", **more: Any
) -> Any:
    """Feedback, `hours` after the start."""
    at = None if hours is None else START + timedelta(hours=hours)
    return {"event_id": event, "user_id": user, "item_id": item, "kind": kind, "at": at, **more}


def given(table: Table, rows: list[dict[str, Any]], malformed: int = 0) -> Given:
    """Rows as the reader gives them."""
    columns = {
        column.name: pd.Series([row.get(column.name) for row in rows], dtype=TYPES[column.type])
        for column in table.columns
    }
    return Given(pd.DataFrame(columns), malformed)


def tables(exposures: list[Any], feedback: list[Any], before: list[Any] | None = None) -> Tables:
    """All three."""
    return Tables(
        given(EXPOSURES, exposures), given(FEEDBACK, feedback), None if before is None else given(BEFORE, before)
    )


def written(folder: Path, name: str, rows: list[dict[str, Any]], form: str) -> dict[str, str]:
    """A table of `rows` in some format; what `inputs` says of it."""
    path = folder / f"{name}.{form}"
    names = list(dict.fromkeys(column for row in rows for column in row))
    frame = pd.DataFrame(rows, columns=names)
    match form:
        case "parquet":
            frame.to_parquet(path)
        case "csv":
            frame.map(_text).to_csv(path, index=False)
        case "jsonl":
            path.write_text("".join(json.dumps(row, default=_text) + "\n" for row in rows), encoding="utf-8")
        case "delta":
            from deltalake import write_deltalake

            write_deltalake(str(path), frame)
    return {"path": str(path), "format": form}


def _text(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
