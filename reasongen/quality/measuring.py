"""The numbers that suites ask for, of one staged version, in one pass of Spark; and what earlier nights had for them.

Aggregates, because a suite over the rows themselves reads the table once per expectation and puts values of users into
its results.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import GateSettings
from reasongen.errors import ConfigError
from reasongen.quality.suites import COUNTS, Suite, filled
from reasongen.schema import STAGED

Told = Mapping[str, int | float | str]
_VALUES = 50  # of a column of shares at most


@dataclass(frozen=True)
class Measured:
    """What one expectation saw: a number, or the shares of the values (their sum is 1)."""

    number: float | None
    parts: dict[str, float] | None = None


Past = Mapping[str, Sequence[Measured]]
"""Name of an expectation → what the last nights had, the newest first."""


def measure(staged: DataFrame, suites: Sequence[Suite], told: Told) -> tuple[dict[str, Measured], dict[str, float]]:
    """What every expectation sees, and the size of each table."""
    row = staged.agg(*_columns(suites, told)).collect()[0].asDict(recursive=True)
    sizes: dict[str, float] = {suite.table: float(row.pop(f"size of {suite.table}") or 0) for suite in suites}
    return {name: _measured(value) for name, value in row.items()}, sizes


def check_suites(spark: SparkSession, suites: Sequence[Suite]) -> None:
    """Asks every expression of no rows at all. Raises ConfigError that names the expectation: before a token."""
    empty = spark.createDataFrame([], STAGED.ddl)
    told = {**dict.fromkeys(COUNTS, 0), **GateSettings().model_dump()}
    try:
        measure(empty, suites, told)
    except PySparkException:
        for suite in suites:
            for name, one in suite.expectations.items():
                _check_one(empty, suite.model_copy(update={"expectations": {name: one}}), told)
        raise


def _check_one(empty: DataFrame, suite: Suite, told: Told) -> None:
    try:
        measure(empty, [suite], told)
    except PySparkException as error:
        where = f"quality: {suite.table}.{next(iter(suite.expectations))}"
        said = str(error).strip().splitlines()[0]
        raise ConfigError(f"{where}: wanted SQL that no rows answer too (nullif, get); found {said}") from error


def past_nights(root: str, scenario: str, night: date, suites: Sequence[Suite]) -> Past:
    """What the nights before `night` had that were published: of each its last run, as `quality` tells."""
    tables = [f"{root}/{name}" for name in ("runs", "quality")]
    if not all(map(DeltaTable.is_deltatable, tables)):
        return {}
    asked = "SELECT q.* FROM quality q JOIN runs r ON q.run_id = r.run_id WHERE r.status IN ('published', 'unchanged')"
    query = QueryBuilder().register("runs", DeltaTable(tables[0])).register("quality", DeltaTable(tables[1]))
    rows = pa.table(query.execute(asked).read_all()).to_pylist()
    rows = [one for one in rows if one["scenario"] == scenario and one["night"] < night and one["usable"]]
    newest: dict[tuple[str, date], Any] = {}
    for one in sorted(rows, key=lambda one: str(one["run_id"])):
        newest[one["name"], one["night"]] = one
    found: dict[str, list[Measured]] = {}
    windows = {name: suite.window.nights for suite in suites for name in suite.expectations}
    for (name, _), one in sorted(newest.items(), key=lambda item: item[0][1], reverse=True):
        if len(found.setdefault(name, [])) < windows.get(name, 0):
            found[name].append(Measured(one["found"], dict(one["parts"]) if one["parts"] else None))
    return found


def _columns(suites: Sequence[Suite], told: Told) -> list[Column]:
    found = []
    for suite in suites:
        found.append(F.expr(filled(suite.window.size, told)).cast("double").alias(f"size of {suite.table}"))
        for name, one in suite.expectations.items():
            if one.measure is not None:
                found.append(F.expr(filled(one.measure, told)).cast("double").alias(name))
            else:
                value = f"coalesce(cast({filled(str(one.shares), told)} AS string), 'none')"
                found.append(F.expr(f"approx_top_k({value}, {_VALUES}, 1000)").alias(name))
    return found


def _measured(value: Any) -> Measured:
    if not isinstance(value, list):
        return Measured(None if value is None else float(value))
    total = sum(one["count"] for one in value)
    return Measured(None, None if not value else {one["item"]: one["count"] / total for one in value})
