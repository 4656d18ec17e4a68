"""Reads exposures, feedback and earlier counts as our columns, without Spark; lists what is wrong with whole tables.

Delta and Parquet are read by their types. JSON lines and CSV (with a header) are read as text: a line that cannot be
read counts as `malformed`. Text of a time is ISO 8601; without an offset it is UTC. Further columns are ignored. What
is wrong with single rows is no business of this module: `rows` gives them a code.
"""

from __future__ import annotations

import csv
import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from reasongen.config import SourceSettings
from reasongen.errors import Fault, ReadingError
from reasongen.experiments.settings import ExperimentInputs
from reasongen.schema import BEFORE, EXPOSURES, FEEDBACK, Column, Table
from reasongen.serving.lake import dataset_of

_TYPED = ("delta", "parquet")
_TIME = "datetime64[us, UTC]"


@dataclass(frozen=True)
class Given:
    """One table as read: our columns (those it lacks are all null), and lines that could not be read."""

    frame: pd.DataFrame
    malformed: int


@dataclass(frozen=True)
class Tables:
    """What an experiment stands on. `before` None: no such table is named."""

    exposures: Given
    feedback: Given
    before: Given | None


def read_tables(inputs: ExperimentInputs) -> Tables:
    """Raises ReadingError with all faults of all tables: missing, unreadable, empty, missing or mistyped columns."""
    faults: list[Fault] = []
    found: dict[str, Given] = {}
    for table in (EXPOSURES, FEEDBACK, BEFORE):
        source: SourceSettings | None = getattr(inputs, table.name)
        if source is not None:
            try:
                found[table.name] = _read(table, source)
            except ReadingError as error:
                faults += error.faults
    if faults:
        raise ReadingError(faults)
    return Tables(found["exposures"], found["feedback"], found.get("before"))


def _read(table: Table, source: SourceSettings) -> Given:
    rows, names, malformed = _typed(table, source) if source.format in _TYPED else _text(table, source)
    faults = [*_unknown_names(table, source), *_lacking(table, source, names)]
    if not faults and not len(rows):
        found = f"{malformed} rows, all malformed" if malformed else "no row"
        faults.append(
            Fault(table.name, "at least one row", found, f"Wait for the feed, or change `inputs.{table.name}`.")
        )
    columns: dict[str, Any] = {}
    for column in table.columns:
        theirs = source.columns.get(column.name, column.name)
        if theirs not in rows.column_names:
            columns[column.name] = _nothing(column, len(rows))
        elif (fitting := _fitting(column, rows.schema.field(theirs).type)) is not None:
            faults.append(Fault(f"{table.name}.{column.name}", column.type, f"{fitting} in `{theirs}`", "Cast it."))
        else:
            columns[column.name] = _as_ours(column, rows[theirs])
            if column.required and len(rows) and columns[column.name].isna().all():
                found = f"nothing that can be read as that in any row of `{theirs}`"
                faults.append(
                    Fault(f"{table.name}.{column.name}", column.type, found, "Correct the feed or the mapping.")
                )
    if faults:
        raise ReadingError(faults)
    return Given(pd.DataFrame(columns), malformed)


def _typed(table: Table, source: SourceSettings) -> tuple[pa.Table, list[str], int]:
    """The columns that we read, the names of all, and no malformed row."""
    path = str(source.path)
    try:
        if source.format == "parquet":
            dataset = ds.dataset(path, format="parquet", partitioning="hive")
        else:
            delta = DeltaTable(path, version=source.version)
            if refused := _unreadable(delta):
                raise ReadingError(
                    [Fault(table.name, "a table that every reader can read", refused, "Purge, drop them.")]
                )
            dataset = dataset_of(delta, path)
        wanted = [source.columns.get(column.name, column.name) for column in table.columns]
        names: list[str] = dataset.schema.names
        return dataset.to_table(columns=[name for name in dict.fromkeys(wanted) if name in names]), names, 0
    except (DeltaError, OSError, pa.ArrowException, ValueError) as error:
        if isinstance(error, ReadingError):
            raise
        raise ReadingError([_missing(table, source, type(error).__name__)]) from error


def _unreadable(delta: DeltaTable) -> str:
    found = set(delta.protocol().reader_features or ()) & {"deletionVectors"}
    if delta.metadata().configuration.get("delta.columnMapping.mode", "none") != "none":
        found.add("columnMapping")
    return ", ".join(sorted(found))


def _text(table: Table, source: SourceSettings) -> tuple[pa.Table, list[str], int]:
    """Every value as text: whole numbers as their digits, whatever else is no text as null."""
    rows: list[dict[str, str | None]] = []
    malformed = 0
    names: dict[str, None] = {}
    wanted = {source.columns.get(column.name, column.name) for column in table.columns}
    try:
        for row in _lines(Path(str(source.path)), source.format):
            if row is None:
                malformed += 1
                continue
            names |= dict.fromkeys(row)
            rows.append({name: _word(value) for name, value in row.items() if name in wanted})
    except OSError as error:
        raise ReadingError([_missing(table, source, type(error).__name__)]) from error
    columns = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names if name in wanted}
    return pa.table(columns), list(names), malformed


def _lines(path: Path, form: str) -> Iterator[dict[str, Any] | None]:
    """Rows of a file, or of the files of a folder by name; None for a line that is no row."""
    files = sorted(file for file in path.iterdir() if file.name[0] not in "_.") if path.is_dir() else [path]
    for file in files:
        with file.open(encoding="utf-8", errors="replace", newline="") as lines:
            if form == "csv":
                for row in csv.DictReader(lines):
                    yield None if None in row or None in row.values() else {k: v or None for k, v in row.items()}
            else:
                yield from (_object(line) for line in lines if line.strip())


def _object(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _word(value: Any) -> str | None:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")  # half a surrogate is no text in Arrow
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _fitting(column: Column, kind: pa.DataType) -> str | None:
    """Why a type cannot be read as ours; None where it can."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    fits = text or pa.types.is_null(kind)
    match column.type:
        case "string":
            fits = fits or pa.types.is_integer(kind)
        case "double":
            fits = fits or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        case "timestamp":
            fits = fits or pa.types.is_timestamp(kind) or pa.types.is_date(kind)
    return None if fits else str(kind)


def _as_ours(column: Column, values: pa.ChunkedArray) -> pd.Series:
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    kind = values.type
    made: pd.Series = pd.Series(dtype=object)
    if column.type == "string":
        words = values.cast(pa.string()).to_pandas().astype(object)
        made = words.where(words.notna() & (words != ""), None)
    elif column.type == "double":
        text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
        plain = values.cast(pa.string() if text else pa.float64())
        made = pd.to_numeric(plain.to_pandas(), errors="coerce").astype(float)
    elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        made = values.cast(pa.timestamp("us", "UTC"), safe=False).to_pandas().astype(_TIME)
    else:
        told = values.cast(pa.string()).to_pandas().astype(object)
        made = pd.to_datetime(told, format="ISO8601", errors="coerce", utc=True).astype(_TIME)
    return made


def _nothing(column: Column, rows: int) -> pd.Series:
    kinds = {"double": "float64", "timestamp": _TIME}
    return pd.Series([None] * rows, dtype=kinds.get(column.type, "object"))


def _missing(table: Table, source: SourceSettings, what: str) -> Fault:
    version = "" if source.version is None else f", version {source.version}"
    found = f"nothing that can be read at {source.path} ({what})"
    return Fault(table.name, f"a {source.format} table{version}", found, f"Check `inputs.{table.name}`.")


def _lacking(table: Table, source: SourceSettings, names: list[str]) -> Iterator[Fault]:
    for column in table.columns:
        theirs = source.columns.get(column.name, column.name)
        if theirs not in names and (column.required or column.name in source.columns) and names:
            near = difflib.get_close_matches(theirs, names, n=1, cutoff=0.6)
            found = f"no column `{theirs}`" + (f"; did you mean `{near[0]}`?" if near else "")
            key = f"inputs.{table.name}.columns.{column.name}"
            yield Fault(f"{table.name}.{column.name}", column.type, found, f"Name theirs: `{key}: …`.")


def _unknown_names(table: Table, source: SourceSettings) -> Iterator[Fault]:
    for name in source.columns:
        if name not in table.names:
            near = difflib.get_close_matches(name, table.names, n=1)
            found = f"`{name}`" + (f"; did you mean `{near[0]}`?" if near else "")
            yield Fault(f"inputs.{table.name}.columns", f"columns of {table.name}", found, "Correct the name.")
