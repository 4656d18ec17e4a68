"""Reads a lake's tables for a page: Delta by deltalake, aggregated by DuckDB within a bounded memory. Writes nothing.

No Spark, so that a page costs seconds on any machine that sees the tables; no row of millions ever reaches Python.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from reasongen.config import SourceSettings

MEMORY = "1GB"
"""What DuckDB may hold; what is larger goes to a folder that is removed afterwards."""
_READERS = {
    "jsonl": "read_json(?, format='newline_delimited', ignore_errors=true, maximum_object_size=67108864, columns={})",
    "csv": "read_csv(?, header=true, all_varchar=true, ignore_errors=true, strict_mode=false)",
    "parquet": "read_parquet(?)",
}


class Lake:
    """Named views of Delta tables and of the items, and queries over them."""

    def __init__(self, root: str, connection: duckdb.DuckDBPyConnection) -> None:
        self.root = root
        self._connection = connection

    def view(self, table: str, version: int | None = None, name: str | None = None) -> bool:
        """Names a table, at a version or as it stands, for queries; False where there is no such table, or where the
        files of that version are deleted."""
        path = f"{self.root}/{table}"
        if not DeltaTable.is_deltatable(path):
            return False
        try:
            dataset = DeltaTable(path, version=version).to_pyarrow_dataset()
            dataset.count_rows()  # looks at every file's footer: one that is gone is found here
        except (DeltaError, OSError):
            return False
        self._connection.register(name or table, dataset)
        return True

    def rows(self, sql: str, **given: Any) -> list[dict[str, Any]]:
        """The answer, one dictionary for each row; `given` are the `$names` of the query."""
        answer = self._connection.execute(sql, given or None)
        names = [column[0] for column in answer.description or ()]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    def one(self, sql: str, **given: Any) -> dict[str, Any]:
        """The only row."""
        return self.rows(sql, **given)[0]

    def runs(self, scenario: str) -> list[dict[str, Any]]:
        """The rows of `runs` but those of streams, in the order of their tokens; none where there is no such table."""
        path = f"{self.root}/runs"
        if not DeltaTable.is_deltatable(path):
            return []
        import pyarrow.dataset as ds

        mine = DeltaTable(path).to_pyarrow_dataset().to_table(filter=ds.field("scenario") == scenario)
        rows = [row for row in mine.to_pylist(maps_as_pydicts="lossy") if row.get("kind") != "stream"]
        return sorted(rows, key=lambda row: row["token"])

    def items(self, source: SourceSettings) -> bool:
        """The view `items` (item_id, title, category): the team's own words, not cleaned. False, and an empty view,
        where only Spark can read them: a table of a catalogue, or a column that is a SQL expression."""
        names = {name: source.columns.get(name, name) for name in ("item_id", "title", "category")}
        empty = "SELECT NULL::VARCHAR AS item_id, NULL::VARCHAR AS title, NULL::VARCHAR AS category WHERE false"
        told = ", ".join(f"CAST({_quoted(theirs)} AS VARCHAR) AS {name}" for name, theirs in names.items())
        try:
            if source.path is None or any(theirs.startswith("=") for theirs in names.values()):
                raise OSError("only Spark reads this")
            found = f"SELECT {told} FROM ({self._source(source, list(names.values()))})"
            once = "SELECT item_id, any_value(left(title, 200)) AS title, any_value(category) AS category"
            self._connection.execute(f"CREATE TEMP TABLE items AS {once} FROM ({found}) GROUP BY item_id")
        except (duckdb.Error, DeltaError, OSError):
            self._connection.execute(f"CREATE TEMP TABLE items AS {empty}")
            return False
        return True

    def _source(self, source: SourceSettings, columns: list[str]) -> str:
        path = str(source.path)
        if source.format == "delta":
            self._connection.register("item_rows", DeltaTable(path, version=source.version).to_pyarrow_dataset())
            return "SELECT * FROM item_rows"
        place = f"{path}/**/*.{source.format}" if Path(path).is_dir() else path
        fields = ", ".join(f"{_quoted(name)}: 'VARCHAR'" for name in columns)
        reader = _READERS[source.format].replace("{}", "{" + fields + "}")
        return "SELECT * FROM " + reader.replace("?", "'" + place.replace("'", "''") + "'")


@contextmanager
def open_lake(root: str) -> Iterator[Lake]:
    """The lake, for as long as a page takes."""
    with TemporaryDirectory() as spill, duckdb.connect() as connection:
        connection.execute(f"SET memory_limit='{MEMORY}'")
        connection.execute(f"SET temp_directory='{spill}'")
        connection.execute("SET TimeZone='UTC'")
        yield Lake(root, connection)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
