"""Where people stand: every Delta table below the root that names users, the input tables, the staging folders.

Found by looking, not by a list, so that a table which comes later is not forgotten. A message holds no user's value.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import InputSettings, SourceSettings
from reasongen.schema import INPUTS, Table
from reasongen.tables.folders import children
from reasongen.tables.lease import LEASES
from reasongen.tables.sources import theirs_of
from reasongen.tables.suppression import LIST, Suppressed, with_suppressed

STAGING = "staging"
REPORT = "report"
"""Pages for people. They hold nobody, by the rule of reasongen/report/readings.py, so nothing is looked for there."""
CHECKPOINTS = "_stream"
"""How far a stream has read its tables: their versions and files, nobody's rows."""
_STATISTICS_CHARS = 32  # what Delta keeps of a text in its statistics


@dataclass(frozen=True)
class Holding:
    """A Delta table with people in it. `who`: SQL over its columns, a text: a user id, or (`hashed`) keyed hashes of
    several users, a blank between. An empty one is anybody's: it goes with whoever is looked for."""

    name: str
    path: str
    who: str
    hashed: bool = False

    def found(self, spark: SparkSession, listed: Suppressed) -> dict[str, int]:
        """Those of the list who stand here, each with the number of rows (what two of them share counts twice): in the
        words of `who`."""
        return who_stands(spark.read.format("delta").load(self.path), self.who, listed, hashed=self.hashed)


def who_stands(rows: DataFrame, who: str, listed: Suppressed, *, hashed: bool = False) -> dict[str, int]:
    """As `Holding.found`, of any frame."""
    each = F.explode(F.split(F.expr(who), " ")) if hashed else F.expr(who)
    seen = rows.select(each.alias("user_id")).groupBy("user_id").agg(F.count(F.lit(1)).alias("rows"))
    if hashed:
        wanted = listed.hashes.select("user_hash").unionByName(_nobody_knows(listed.hashes))
        mine = seen.join(wanted, seen["user_id"] == wanted["user_hash"], how="left_semi")
    else:
        mine = with_suppressed(seen, listed).where("suppressed")
    return {row["user_id"]: row["rows"] for row in mine.select("user_id", "rows").collect()}


def _nobody_knows(hashes: DataFrame) -> DataFrame:
    """The empty hash, where anybody is looked for at all."""
    return hashes.limit(1).select(F.lit("").alias("user_hash"))


def holdings_below(spark: SparkSession, root: str, apart: Collection[str] = ()) -> tuple[list[Holding], list[str]]:
    """The tables directly below the root, and the names of folders that are none of ours and were not looked into.

    `apart`: paths of tables and folders that are looked at elsewhere.
    """
    from delta.tables import DeltaTable

    found: list[Holding] = []
    unknown: list[str] = []
    for name in children(spark, root):
        path = f"{root}/{name}"
        if name in (STAGING, LIST, LEASES, REPORT, CHECKPOINTS) or _absolute(path) in map(_absolute, apart):
            continue
        if not DeltaTable.isDeltaTable(spark, path):
            unknown.append(name)
            continue
        columns = spark.read.format("delta").load(path).columns
        if "user_id" in columns:
            found.append(Holding(name, path, "`user_id`"))
        elif "owner" in columns:
            found.append(Holding(name, path, "`owner`", hashed=True))
    return found, unknown


def input_holdings(spark: SparkSession, inputs: InputSettings) -> tuple[list[Holding], dict[str, str]]:
    """The input tables that name users: those in Delta, and the others by name with why they are out of reach."""
    found: list[Holding] = []
    others: dict[str, str] = {}
    for name, table in INPUTS.items():
        source: SourceSettings | None = getattr(inputs, name)
        if source is None or not table.people:
            continue
        if source.format != "delta":
            others[f"inputs.{name}"] = f"format {source.format}"
        elif (path := _place(spark, source)) is None:
            others[f"inputs.{name}"] = "no Delta table there"
        else:
            found.append(Holding(f"inputs.{name}", path, _who(source, table)))
    return found, others


def staged_people(spark: SparkSession, root: str, listed: Suppressed) -> dict[str, int]:
    """The run folders below staging in which somebody on the list stands, each with the number of rows.

    A folder that cannot be read was left by a run that died: nobody knows who is in it, so it counts as -1 rows.
    """
    found: dict[str, int] = {}
    for run in children(spark, f"{root}/{STAGING}"):
        for name in children(spark, f"{root}/{STAGING}/{run}"):
            rows = _staged_rows(spark, f"{root}/{STAGING}/{run}/{name}", listed)
            if rows:
                found[run] = -1 if rows < 0 or found.get(run, 0) < 0 else found.get(run, 0) + rows
    return found


def log_files_naming(path: str, users: Collection[str]) -> int | None:
    """Files of the table's log that still hold one of these ids; None on a file system that is not this machine's.

    Our own tables keep ids out of the log. A team's table may have statistics on them, or be partitioned by them: then
    they stay there until the log's own retention ends, whatever is erased from the table.
    """
    if "://" in path:
        return None
    heads = sorted({user[:_STATISTICS_CHARS] for user in users})
    if not heads:
        return 0
    named = re.compile(rb"(?<![\w-])(?:" + b"|".join(re.escape(head.encode()) for head in heads) + rb")(?![\w-])")
    return sum(1 for file in Path(path, "_delta_log").rglob("*") if file.is_file() and named.search(_told(file)))


def _told(file: Path) -> bytes:
    """What a file of the log says: a checkpoint is Parquet, and packed."""
    if file.suffix != ".parquet":
        return file.read_bytes()
    import pyarrow.parquet as pq

    return str(pq.read_table(file).to_pylist()).encode()


def _staged_rows(spark: SparkSession, path: str, listed: Suppressed) -> int:
    from delta.tables import DeltaTable

    form = "delta" if DeltaTable.isDeltaTable(spark, path) else "parquet"
    try:
        rows = spark.read.format(form).load(path)
        if "user_id" not in rows.columns:
            return 0
        return sum(who_stands(rows, "user_id", listed).values())
    except PySparkException:
        return -1


def _place(spark: SparkSession, source: SourceSettings) -> str | None:
    """Where a Delta input stands: a name of the catalogue is looked up; None where there is no such table."""
    from delta.tables import DeltaTable

    try:
        table = DeltaTable.forPath(spark, source.path) if source.path else DeltaTable.forName(spark, str(source.table))
        place = source.path or str(table.detail().select("location").collect()[0][0])
    except PySparkException:
        return None
    return re.sub("^file:(//)?(?=/)", "", place)


def _who(source: SourceSettings, table: Table) -> str:
    """Their column, or their expression, as text."""
    column = next(column for column in table.columns if column.name == "user_id")
    theirs = theirs_of(source, column)
    quoted = theirs[1:] if theirs.startswith("=") else "`" + theirs.replace("`", "``") + "`"
    return f"cast({quoted} as string)"


def _absolute(path: str) -> str:
    return path if "://" in path else str(Path(path).resolve())
