"""What changed between two versions of `reasons`, from the files in which they differ, on disk and not in memory.

A file that both versions hold is not read; a row that was merely written again (MERGE copies whole files, maintenance
all of them) is no change. DuckDB does the joins and sorts with MEMORY bytes and spills the rest below `work`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from reasongen.schema import DELETES, UPSERTS
from reasongen.serving.lake import Version

MEMORY = "512MB"
"""What DuckDB may take; Python, Arrow and the batches under way come on top."""
THREADS = 2
BATCH_ROWS = 50_000
"""Of a batch that is handed on."""
_SQL = {"string": "VARCHAR", "date": "DATE"}


@contextmanager
def changes(
    old: Version | None, new: Version, work: Path
) -> Iterator[tuple[Iterator[pa.RecordBatch], Iterator[pa.RecordBatch]]]:
    """Upserts (UPSERTS) and deletes (DELETES) that make `old` into `new`, each sorted by key; without `old` every row
    and no delete. To be read to their ends, one after the other. `work`: a folder for what does not fit into memory."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY,
        "threads": THREADS,
        "temp_directory": str(work),
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
    }
    with closing(duckdb.connect(str(work / "rows.duckdb"), config=settings)) as con:
        added = new.files - (old.files if old else frozenset())
        removed = old.files - new.files if old else frozenset()
        _keep(con, "added", new.rows(added))
        _keep(con, "removed", old.rows(removed) if old else None)
        keys = ", ".join(DELETES.names)
        same_key = " and ".join(f"o.{name} = n.{name}" for name in UPSERTS.key)
        same = " and ".join(f"o.{name} is not distinct from n.{name}" for name in UPSERTS.names)
        upserts = f"select * from added n where not exists (from removed o where {same_key} and {same}) order by {keys}"
        deletes = f"select {keys} from removed o where not exists (from added n where {same_key}) order by {keys}"
        yield _stream(con, upserts), _stream(con, deletes)


def _keep(con: duckdb.DuckDBPyConnection, name: str, rows: pa.RecordBatchReader | None) -> None:
    """A table on disk of UPSERTS' columns, filled from `rows`."""
    con.execute(f"create table {name} ({', '.join(f'{c.name} {_SQL[c.type]}' for c in UPSERTS.columns)})")
    if rows is not None:
        con.register("incoming", rows)
        con.execute(f"insert into {name} select {', '.join(UPSERTS.names)} from incoming")
        con.unregister("incoming")


def _stream(con: duckdb.DuckDBPyConnection, query: str) -> Iterator[pa.RecordBatch]:
    """Begins when it is read: a connection has one open result."""
    yield from con.sql(query).to_arrow_reader(BATCH_ROWS)
