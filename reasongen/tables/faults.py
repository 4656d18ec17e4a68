"""The words of every fault of a whole table: what was wanted, what was found, where, and what to do.

A message may hold names of columns, counts and Spark's error class; never a value of a row.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from reasongen.config import SourceSettings
from reasongen.errors import Fault
from reasongen.schema import LOCALES, Column, Table

if TYPE_CHECKING:
    from reasongen.tables.sources import SourceFrame


def missing_table(source: SourceSettings, table: Table, condition: str) -> Fault:
    """Nothing stands there, or not in that format or version."""
    version = "" if source.version is None else f", version {source.version}"
    found = f"nothing that can be read at {source.path or source.table} ({condition})"
    return Fault(table.name, f"a {source.format} table{version}", found, f"Check `inputs.{table.name}`.")


def unreadable(source: SourceFrame, condition: str) -> Fault:
    """Its head could be read, its rows not."""
    remedy = f"Check its files, and `inputs.{source.table.name}.filter` if there is one."
    return Fault(source.where(), "rows that can be read", condition, remedy)


def missing_column(source: SourceFrame, column: Column) -> Fault:
    """A column that the table lacks; names the nearest one that it has."""
    theirs = source.settings.columns.get(column.name, column.name)
    near = difflib.get_close_matches(theirs, source.names, n=1, cutoff=0.6)
    found = f"no column `{theirs}`" + (f"; did you mean `{near[0]}`?" if near else "")
    key = f"inputs.{source.table.name}.columns.{column.name}"
    return Fault(source.where(column.name), column.type, found, f"Name theirs: `{key}: {near[0] if near else '…'}`.")


def mistyped_column(source: SourceFrame, column: Column, found: str) -> Fault:
    """A column whose values cannot be read as our type."""
    table, theirs = source.table.name, source.settings.columns.get(column.name, column.name)
    if theirs.startswith("="):
        remedy = f"Correct the expression in `inputs.{table}.columns.{column.name}`"
    else:
        cast = f'`inputs.{table}.columns.{column.name}: "=try_cast({theirs} as {column.type})"`'
        remedy = f"Cast it in the feed, or map {cast}"
    pin = f", or pin `inputs.{table}.version: {source.version - 1}`" if source.version else ""
    return Fault(source.where(column.name), column.type, found, f"{remedy}{pin}.")


def not_ours(source: SourceFrame, name: str) -> Fault:
    """The column map speaks of a column that we do not have."""
    near = difflib.get_close_matches(name, source.table.names, n=1)
    found = f"`{name}`" + (f"; did you mean `{near[0]}`?" if near else "")
    return Fault(f"inputs.{source.table.name}.columns", f"columns of {source.table.name}", found, "Correct the name.")


def bad_filter(source: SourceFrame, key: str, condition: str) -> Fault:
    """`filter` or `partition` is not SQL over the table's columns."""
    return _bad_sql(source, f"inputs.{source.table.name}.{key}", condition)


def bad_expression(source: SourceFrame, column: Column, condition: str) -> Fault:
    """A mapped expression is not SQL over the table's columns."""
    return _bad_sql(source, f"inputs.{source.table.name}.columns.{column.name}", condition)


def _bad_sql(source: SourceFrame, where: str, condition: str) -> Fault:
    return Fault(where, "SQL over the table's own columns", condition, f"It has: {', '.join(source.names)}.")


def empty_table(source: SourceFrame, unreadable_rows: int) -> Fault:
    """No row, none after filter and partition, or none that can be read."""
    name, chosen = source.table.name, [key for key in ("partition", "filter") if getattr(source.settings, key)]
    after = f" after `{'` and `'.join(f'inputs.{name}.{key}' for key in chosen)}`" if chosen else ""
    found = f"{unreadable_rows} rows, all malformed" if unreadable_rows else f"no row{after}"
    remedy = f"Wait for the feed, or change `inputs.{name}`."
    return Fault(source.where(), "at least one row", found, remedy)


def duplicate_keys(source: SourceFrame, keys: int, rows: int) -> Fault:
    """More than one row for a key. The remedy is a query that shows them."""
    theirs = [source.settings.columns.get(name, name).removeprefix("=") for name in source.table.key]
    present = [text for text, name in zip(theirs, source.table.key, strict=True) if name in source.columns]
    listed = ", ".join(present)
    show = f"SELECT {listed}, count(*) FROM {source.table.name} GROUP BY {listed} HAVING count(*) > 1"
    found = f"{keys} {'key' if keys == 1 else 'keys'} with {rows} rows"
    wanted = f"one row for each {', '.join(source.table.key)}"
    return Fault(source.where(), wanted, found, f"They show in `{show}`; keep one row of each.")


def stale_events(source: SourceFrame, age_days: float | None, max_days: int) -> Fault:
    """The newest event lies too far before the night."""
    found = "none before it" if age_days is None else f"{age_days:.1f} days"
    remedy = "Repair the feed, choose another night, or raise `inputs.max_event_age_days`."
    return Fault(source.where("ts"), f"a newest event at most {max_days} days before the night", found, remedy)


def unknown_locales(source: SourceFrame, locales: tuple[str, ...]) -> Fault:
    """No item speaks a language that the night writes."""
    remedy = "Map the column `inputs.items.columns.locale`, for example `\"='zh'\"`."
    return Fault(source.where("locale"), f"one of {', '.join(locales)}", "other values in every row", remedy)


def unknown_setting_locales(unknown: list[str]) -> Fault:
    """The settings ask for a language that cannot be written."""
    return Fault("locales", f"some of {', '.join(LOCALES)}", ", ".join(unknown), "Correct the setting.")
