"""Reads a team's table, in any of four formats, as our columns. Judges nothing: what is wrong is listed in `faults`.

Delta and Parquet are read by their types. JSON lines and CSV are read as text, line by line: a line that cannot be
read stays as a row with `malformed` true, bytes that are not UTF-8 become U+FFFD. CSV wants a header, `"` doubled
inside quotes, and no line break inside a field; an array is `a|b|c`, a map a JSON object or `name=value;name=value`.

`columns` maps our name to theirs, or to a SQL expression over their columns where it begins with `=`:
`ts: "=timestamp_seconds(seconds)"`. `filter` and `partition` are SQL over their columns (text in JSON lines and CSV).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import InputSettings, SourceSettings
from reasongen.errors import Fault
from reasongen.schema import INPUTS, Table
from reasongen.schema import Column as TableColumn
from reasongen.tables import faults
from reasongen.tables.columns import from_csv_text, from_json_text, from_typed, takes
from reasongen.tables.delta import read_version
from reasongen.tables.states import state_of

MALFORMED = "malformed"
CORRUPT = "_corrupt_record"
LOOKED_AT = 1000
"""Lines of a JSON lines file that are looked at for the names of its columns."""


@dataclass(frozen=True)
class Mapped:
    """One of our columns: what stands in theirs, and the same as our type (null where it cannot be read)."""

    given: Column
    value: Column


@dataclass(frozen=True)
class SourceFrame:
    """A table as it was found. `rows` are the chosen ones with the team's own columns; None where nothing can be read.

    `version` is the Delta version, pinned for the whole run; None for other formats. `names`: the team's columns.
    `state`: what `runs.inputs` says of this table; equal states hold equal rows.
    """

    table: Table
    settings: SourceSettings
    rows: DataFrame | None
    columns: Mapping[str, Mapped]
    names: tuple[str, ...]
    version: int | None
    faults: tuple[Fault, ...]
    state: str

    @property
    def typed(self) -> bool:
        """The format carries types."""
        return self.settings.format in ("delta", "parquet")

    def where(self, column: str | None = None) -> str:
        """Names the table, a column and the version in a message."""
        name = self.table.name if column is None else f"{self.table.name}.{column}"
        return name if self.version is None else f"{name} (version {self.version})"

    @property
    def malformed(self) -> Column:
        """Whether the line could not be read."""
        return F.lit(False) if self.typed else F.col(CORRUPT).isNotNull()

    @property
    def frame(self) -> DataFrame:
        """All of our columns, typed (a yes or no as its word), absent ones null, and `malformed`.

        Raises ValueError where nothing can be read.
        """
        if self.rows is None:
            raise ValueError(f"{self.where()}: nothing to read; check_contract says why")
        ours = [self._ours(column).alias(column.name) for column in self.table.columns]
        return self.rows.select(*ours, self.malformed.alias(MALFORMED))

    def _ours(self, column: TableColumn) -> Column:
        if column.name not in self.columns:
            return F.lit(None).cast(column.type)
        # A yes or no stays a word: `rows` counts the words that are neither.
        mapped = self.columns[column.name]
        return mapped.given.cast("string") if column.type == "boolean" else mapped.value


def read_sources(spark: SparkSession, inputs: InputSettings) -> dict[str, SourceFrame]:
    """Every input table that the settings name, by its name."""
    chosen = {name: getattr(inputs, name) for name in INPUTS}
    named = {name: source for name, source in chosen.items() if source is not None}
    with ThreadPoolExecutor(len(named)) as pool:
        read = pool.map(lambda name: read_source(spark, named[name], INPUTS[name]), named)
        return dict(zip(named, read, strict=True))


def read_source(spark: SparkSession, source: SourceSettings, table: Table) -> SourceFrame:
    """One input table, at one version. Starts small jobs only: a Delta version, a head of lines. Never raises for
    what the team's table is like."""
    try:
        rows, names, version = _open(spark, source, table)
    except PySparkException as error:
        return _unread(source, table, faults.missing_table(source, table, condition_of(error)))
    state = state_of(rows, source, version)
    read = SourceFrame(table, source, rows, {}, names, version, (), state)
    columns, found = _map_columns(read)
    chosen: DataFrame | None = rows
    for key, sql in (("partition", source.partition), ("filter", source.filter)):
        try:
            chosen = chosen if chosen is None or sql is None else chosen.where(sql)
        except PySparkException as error:
            found.append(faults.bad_filter(read, key, condition_of(error)))
            chosen = None
    return SourceFrame(table, source, chosen, columns, names, version, tuple(found), state)


def condition_of(error: PySparkException) -> str:
    """The name of Spark's error class: its text may hold a user's values."""
    return error.getCondition() or type(error).__name__


def _open(spark: SparkSession, source: SourceSettings, table: Table) -> tuple[DataFrame, tuple[str, ...], int | None]:
    path = str(source.path)
    if source.format == "delta":
        rows, version = _open_delta(spark, source)
        return rows, tuple(rows.columns), version
    if source.format == "parquet":
        rows = spark.read.parquet(path)
        return rows, tuple(rows.columns), None
    if source.format == "csv":
        # With pruning, a line is only as broken as the columns that a query happens to want.
        told = {"header": True, "escape": '"', "enforceSchema": False, "columnPruning": False}
        reader = spark.read.options(**told, columnNameOfCorruptRecord=CORRUPT)
        names = reader.csv(path).columns
        return reader.schema(_text_fields(names)).csv(path), tuple(names), None
    return _open_lines(spark, source, table)


def _open_lines(
    spark: SparkSession, source: SourceSettings, table: Table
) -> tuple[DataFrame, tuple[str, ...], int | None]:
    path = str(source.path)
    lines = spark.read.text(path).where(F.trim("value") != "")
    wanted = [name for name in (theirs_of(source, column) for column in table.columns) if not name.startswith("=")]
    seen = _json_names(lines)
    fields = _text_fields(list(dict.fromkeys([*seen, *wanted])))
    # Lines are decoded before they are parsed: the JSON reader gives up a whole line for one broken byte.
    parsed = F.from_json(F.make_valid_utf8("value"), fields, {"columnNameOfCorruptRecord": CORRUPT})
    return lines.select(parsed.alias("line")).select("line.*"), tuple(seen), None


def _text_fields(names: Sequence[str]) -> str:
    return ", ".join(f"{_quoted(name)} string" for name in (*names, CORRUPT))


def only_of(source: SourceFrame, users: DataFrame) -> SourceFrame:
    """The same table with the rows of some users (user_id); a table that names no user as it is."""
    if source.rows is None or not any(column.name == "user_id" for column in source.table.columns):
        return source
    some = users.select(F.col("user_id").alias("reasongen_user"))
    mine = source.rows.join(some, source.columns["user_id"].value == F.col("reasongen_user"), "left_semi")
    return replace(source, rows=mine)


def _open_delta(spark: SparkSession, source: SourceSettings) -> tuple[DataFrame, int]:
    from delta.tables import DeltaTable

    version = source.version
    if version is None and source.path is not None and "://" not in source.path:
        version = read_version(source.path)  # milliseconds, where Spark's history takes seconds in a fresh JVM
    if version is None:
        place = DeltaTable.forPath(spark, source.path) if source.path else DeltaTable.forName(spark, source.table)
        version = int(place.history(1).select("version").collect()[0][0])
    reader = spark.read.format("delta").option("versionAsOf", version)
    return (reader.load(source.path) if source.path else reader.table(str(source.table))), version


def _json_names(lines: DataFrame) -> list[str]:
    names: dict[str, None] = {}
    for row in lines.limit(LOOKED_AT).collect():
        try:
            value = json.loads(row[0])
        except ValueError:
            continue
        names |= dict.fromkeys(value if isinstance(value, dict) else ())
    return list(names)


def _map_columns(read: SourceFrame) -> tuple[dict[str, Mapped], list[Fault]]:
    columns: dict[str, Mapped] = {}
    wrong = [faults.not_ours(read, name) for name in read.settings.columns if name not in read.table.names]
    for column in read.table.columns:
        found = _map_column(read, column)
        if isinstance(found, Mapped):
            columns[column.name] = found
        elif found is not None:
            wrong.append(found)
    return columns, wrong


def _map_column(read: SourceFrame, column: TableColumn) -> Mapped | Fault | None:
    """Mapped, a fault, or None: an optional column that is absent."""
    theirs = theirs_of(read.settings, column)
    if read.rows is None or (not theirs.startswith("=") and theirs not in read.rows.columns):
        named = column.name in read.settings.columns
        return faults.missing_column(read, column) if column.required or named else None
    given = F.expr(theirs[1:]) if theirs.startswith("=") else F.col(_quoted(theirs))
    try:
        found = read.rows.select(given.alias("x")).schema["x"].dataType.simpleString()
    except PySparkException as error:
        return faults.bad_expression(read, column, condition_of(error))
    if found == "void":
        return Mapped(given, F.lit(None).cast(column.type))
    if read.typed or found != "string":
        accepted = takes(column.type, found)
        return (
            Mapped(given, from_typed(given, column.type)) if accepted else faults.mistyped_column(read, column, found)
        )
    reading: Callable[[Column, str], Column] = from_csv_text if read.settings.format == "csv" else from_json_text
    return Mapped(given, reading(given, column.type))


def theirs_of(source: SourceSettings, column: TableColumn) -> str:
    """What the settings call our column in the team's table."""
    return source.columns.get(column.name, column.name)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _unread(source: SourceSettings, table: Table, fault: Fault) -> SourceFrame:
    return SourceFrame(table, source, None, {}, (), source.version, (fault,), state_of(None, source, source.version))
