"""Looks at the input tables as wholes before a token is spent, and reports every fault of all of them at once.

A fault of single rows is no business of this module: `rows` gives it a code.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import Column, Row
from pyspark.sql import functions as F

from reasongen.config import InputSettings
from reasongen.errors import ContractError, Fault
from reasongen.schema import LOCALES, Table
from reasongen.tables import faults
from reasongen.tables.sources import SourceFrame, condition_of
from reasongen.tables.text import locale_word

ROW_ERRORS = ("CAST_", "CANNOT_PARSE", "CONVERSION", "DATETIME", "DIVIDE_BY_ZERO", "FAILED_READ_FILE", "INVALID_")
"""Spark's error classes that speak of what stands in a table; any other one is the machine's, and a retry may help."""


@dataclass(frozen=True)
class ContractReport:
    """What the tables were when they were accepted. `states`: table to Delta version or format; `rows`: chosen rows."""

    states: Mapping[str, str]
    rows: Mapping[str, int]
    newest_event: datetime | None


def night_start(night: date, timezone: str = "UTC") -> datetime:
    """Midnight at which the night's date begins in `timezone`, in UTC: evidence lies before it."""
    return datetime.combine(night, time(), ZoneInfo(timezone)).astimezone(UTC)


def check_contract(
    sources: Mapping[str, SourceFrame],
    inputs: InputSettings,
    *,
    night: date,
    scenario: str,
    locales: Collection[str] = LOCALES,
) -> ContractReport:
    """Raises ContractError with all faults of all tables: missing, mistyped, empty, duplicate keys, stale, unknown
    locale. One aggregate per table; keys are compared as 64-bit hashes first, and exactly where two hashes are equal.
    """
    begin = night_start(night, inputs.timezone)
    asked = tuple(locales)
    found: list[Fault] = []
    if unknown := sorted(set(asked) - set(LOCALES)):
        found.append(faults.unknown_setting_locales(unknown))
    rows: dict[str, int] = {}
    newest: datetime | None = None
    measure = partial(_measured, begin=begin, scenario=scenario, locales=asked, default=inputs.default_locale)
    with ThreadPoolExecutor(len(sources) or 1) as pool:  # each table waits for plans and compilers more than for data
        measures = list(pool.map(measure, sources.values()))
    for (name, source), measured in zip(sources.items(), measures, strict=True):
        found += source.faults
        if isinstance(measured, Fault):
            found.append(measured)
        elif measured is not None:
            rows[name] = measured["rows"]
            newest = _utc(measured["newest"]) if name == "events" else newest
            found += _judged(source, measured, scenario=scenario)
            found += _judged_whole(source, measured, inputs, begin=begin, locales=asked)
    if found:
        raise ContractError(found)
    return ContractReport({name: source.state for name, source in sources.items()}, rows, newest)


def _measured(
    source: SourceFrame, *, begin: datetime, scenario: str, locales: tuple[str, ...], default: str
) -> Row | Fault | None:
    """The one aggregate of a table; None where there is nothing to read."""
    if source.rows is None or not source.columns:
        return None
    columns = source.columns
    sums = [F.count(F.lit(1)).alias("rows"), F.count_if(source.malformed).alias("malformed")]
    if not source.typed:
        for name, column in columns.items():
            sums.append(F.count(column.given).alias(f"given_{name}"))
            sums.append(F.count(column.value).alias(f"value_{name}"))
    if (key := _key(source, scenario)) is not None:
        complete = F.when(~F.exists(F.array(*key), lambda part: part.isNull()), F.xxhash64(*key))
        sums += [F.count(complete).alias("keyed"), F.count_distinct(complete).alias("keys")]
    ts = columns["ts"].value if "ts" in columns else F.lit(None).cast("timestamp")
    sums.append(F.max(F.when(ts < F.lit(begin + timedelta(days=1)), ts)).cast("double").alias("newest"))
    if source.table.name == "items" and "locale" in columns:
        known = locale_word(columns["locale"].value, default).isin(*locales)
        sums.append(F.count_if(known).alias("known_locale"))
    try:
        return source.rows.agg(*sums).collect()[0]
    except (PySparkException, Py4JJavaError) as error:
        if (condition := _rows_to_blame(error)) is None:
            raise
        return faults.unreadable(source, condition)


def _rows_to_blame(error: PySparkException | Py4JJavaError) -> str | None:
    if isinstance(error, PySparkException):
        named = [condition_of(error)]
    else:
        named = re.findall(r"\[([A-Z][A-Z_]+(?:\.[A-Z_]+)?)\]", str(error.java_exception))
    return next((name for name in named if name.startswith(ROW_ERRORS)), None)


def _key(source: SourceFrame, scenario: str) -> list[Column] | None:
    table: Table = source.table
    required = {column.name for column in table.columns if column.required}
    if not table.key or required & set(table.key) - set(source.columns):
        return None
    fill = {"scenario": F.lit(scenario)}
    values = [source.columns[n].value if n in source.columns else F.lit(None).cast("string") for n in table.key]
    return [F.coalesce(v, fill[n]) if n in fill else v for n, v in zip(table.key, values, strict=True)]


def _judged(source: SourceFrame, measured: Row, *, scenario: str) -> list[Fault]:
    """Faults that any table can have."""
    if measured["rows"] == measured["malformed"]:
        return [faults.empty_table(source, measured["malformed"])]
    found: list[Fault] = []
    told: dict[str, Any] = measured.asDict()
    for column in source.table.columns:
        given, value = told.get(f"given_{column.name}"), told.get(f"value_{column.name}")
        if given == 0 and column.required and source.settings.columns.get(column.name, column.name) not in source.names:
            found.append(faults.missing_column(source, column))
        elif given and value == 0:
            found.append(faults.mistyped_column(source, column, "text that cannot be read as that in any row"))
    if told.get("keyed", 0) > told.get("keys", 0) and (key := _key(source, scenario)) is not None:
        found += _duplicates(source, key)
    return found


def _duplicates(source: SourceFrame, key: list[Column]) -> list[Fault]:
    """Two equal hashes may be two keys: the keys themselves decide."""
    if source.rows is None:
        return []
    named = source.rows.select(*[part.alias(name) for part, name in zip(key, source.table.key, strict=True)])
    doubled = named.dropna().groupBy(*source.table.key).count().where("count > 1")
    keys, rows = doubled.agg(F.count(F.lit(1)), F.sum("count")).collect()[0]
    return [faults.duplicate_keys(source, keys, rows)] if keys else []


def _judged_whole(
    source: SourceFrame, measured: Row, inputs: InputSettings, *, begin: datetime, locales: tuple[str, ...]
) -> list[Fault]:
    """Faults that only events and items can have."""
    readable = measured["rows"] > measured["malformed"]
    if source.table.name == "events" and readable and "ts" in source.columns:
        newest = measured["newest"]
        given_but_unread = not source.typed and measured["value_ts"] == 0
        age = None if newest is None else (begin.timestamp() - newest) / 86_400
        if not given_but_unread and (age is None or age > inputs.max_event_age_days):
            return [faults.stale_events(source, age, inputs.max_event_age_days)]
    if source.table.name == "items" and readable and measured.asDict().get("known_locale") == 0:
        return [faults.unknown_locales(source, locales)]
    return []


def _utc(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
