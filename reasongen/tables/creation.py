"""Our own Delta tables as the schema says: made with their comments and constraints, and an older one brought up to it.

Features stay those that every reader can read: no deletion vectors, no change feed, no column mapping. Tables that hold
people keep ids and texts out of the statistics in the log, where no erasure would reach them.
"""

from __future__ import annotations

import json

from delta.exceptions import MetadataChangedException
from deltalake import DeltaTable
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from reasongen.errors import SchemaError
from reasongen.schema import Table
from reasongen.tables.delta import absolute, read_version
from reasongen.tables.folders import delete_folder


def create_if_missing(spark: SparkSession, path: str, table: Table) -> None:
    """The empty table with a comment on every column, its properties and CHECK constraints.

    Where it stands: columns that the schema has gained since join it, null in the rows there, and nothing else is done.
    A creation that was cut off, before its first commit or its constraints, is completed. Raises SchemaError where a
    column has another type than the schema's: no type of ours has ever changed, so somebody else wrote there.
    """
    if read_version(path) is None:
        try:
            _create(spark, path, table)
        except AnalysisException as error:
            if "DELTA_TABLE_NOT_FOUND" not in str(error):
                raise
            # A creation died before its first commit: Spark takes the log without one for a table, and finds none.
            delete_folder(spark, f"{path}/_delta_log")
            _create(spark, path, table)
    there = DeltaTable(path)
    _add_columns(spark, there, path, table)
    present = there.metadata().configuration
    for name, sql in table.checks:
        if f"delta.constraints.{name}" not in present:
            spark.sql(f"ALTER TABLE delta.`{absolute(path)}` ADD CONSTRAINT {name} CHECK ({sql})")


def _create(spark: SparkSession, path: str, table: Table) -> None:
    from delta.tables import DeltaTable as SparkTable

    builder = SparkTable.createIfNotExists(spark).location(absolute(path))
    for column in table.columns:
        builder = builder.addColumn(column.name, column.type, comment=column.doc)
    for key, value in _properties(table).items():
        builder = builder.property(key, value)
    if table.partition_by:
        builder = builder.partitionedBy(*table.partition_by)
    builder.execute()


def _properties(table: Table) -> dict[str, str]:
    chosen = {"delta.enableDeletionVectors": "false", "delta.enableChangeDataFeed": "false"}
    counted = [name for name in table.statistics if name not in table.partition_by]
    if counted:
        chosen["delta.dataSkippingStatsColumns"] = ",".join(counted)
    elif table.people:
        chosen["delta.dataSkippingNumIndexedCols"] = "0"
    return chosen


def _add_columns(spark: SparkSession, there: DeltaTable, path: str, table: Table) -> None:
    """One commit for all that are missing; none where none is."""
    stands = StructType.fromJson(json.loads(there.schema().to_json()))
    found = {field.name: field.dataType.simpleString() for field in stands.fields}
    wanted = {column.name: column.type for column in table.columns}
    if other := [name for name in wanted if name in found and found[name] != _plain(wanted[name])]:
        told = ", ".join(f"{name} {found[name]}" for name in other)
        raise SchemaError(
            f"SchemaError: wanted {', '.join(f'{name} {_plain(wanted[name])}' for name in other)} in {path}; found"
            f" {told}. Another program wrote there: give the night another root, or put that table aside."
        )
    if new := [column for column in table.columns if column.name not in found]:
        told = ", ".join(f"`{one.name}` {one.type} COMMENT {_quoted(one.doc)}" for one in new)
        try:
            spark.sql(f"ALTER TABLE delta.`{absolute(path)}` ADD COLUMNS ({told})")
        except (AnalysisException, MetadataChangedException):
            # Another run of this version began at the same moment.
            if {one.name for one in new} - {field.name for field in DeltaTable(path).schema().fields}:
                raise


def _plain(ddl: str) -> str:
    """The type as Spark writes it."""
    return str(StructType.fromDDL(f"x {ddl}")["x"].dataType.simpleString())


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
