"""Whether tonight's tables have come:  python infra/airflow/ready.py --config conf/local.yaml --night 2026-03-02

A light look, without Spark: every input at a path of this machine is there, and the events, where they are a Delta
table, hold one of the day before the night. What it cannot see (a table by its name, a path elsewhere, a time that is
an expression) it leaves to the contract, and says so. Exit codes: 0 yes; 75 not yet; 2 a fault in arguments or
settings; anything else is a crash, and a retry helps.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from glob import glob
from pathlib import Path
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from reasongen.config import InputSettings, load_config
from reasongen.errors import EXIT_OK, ReasongenError
from reasongen.serving.lake import dataset_of

NOT_YET = 75
DAY = timedelta(days=1)


def missing(inputs: InputSettings, night: date) -> Iterator[str]:
    """What has not come yet, a line each. Paths are those of the settings, relative to the current folder."""
    for name in ("events", "items", "candidates", "users"):
        source = getattr(inputs, name)
        if source is None:
            continue
        if source.path is None or "://" in source.path:
            print(f"{name}: left to the contract: {source.table or source.path}")
        elif not glob(source.path):
            yield f"{name}: nothing at {source.path}"
        elif name == "events" and source.format == "delta" and source.version is None:
            begin = datetime.combine(night, time(), ZoneInfo(inputs.timezone)).astimezone(UTC)
            yield from _stale(source.path, source.columns.get("ts", "ts"), begin)


def _stale(path: str, column: str, begin: datetime) -> Iterator[str]:
    """Asks for one row of the day before `begin`, not for the newest: a faulty feed may hold rows of next year. Files
    whose statistics exclude that day are not read."""
    try:
        table = DeltaTable(path)
        rows = dataset_of(table, path)
        kind = rows.schema.field(column).type
        mapped = table.metadata().configuration.get("delta.columnMapping.mode", "none") != "none"
        if mapped or not pa.types.is_timestamp(kind):  # of mapped columns pyarrow would read nulls, without an error
            raise ValueError(column)
    except (DeltaError, KeyError, ValueError, NotImplementedError) as error:
        print(f"events: age left to the contract: {type(error).__name__}")
        return
    since, until = (pa.scalar(at if kind.tz else at.replace(tzinfo=None), kind) for at in (begin - DAY, begin))
    of_the_day = (ds.field(column) >= since) & (ds.field(column) < until)
    if rows.scanner(columns=[column], filter=of_the_day).head(1).num_rows == 0:
        yield f"events: none from {begin - DAY:%Y-%m-%d %H:%M} to {begin:%Y-%m-%d %H:%M} UTC"


def main(argv: Sequence[str] | None = None) -> int:
    """Looks once; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, metavar="FILE", help="settings, YAML")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting; repeatable")
    parser.add_argument("--night", required=True, type=date.fromisoformat, metavar="YYYY-MM-DD")
    options = parser.parse_args(argv)
    try:
        lacking = list(missing(load_config(options.config, options.set).inputs, options.night))
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print("\n".join(lacking) or "all there")
    return NOT_YET if lacking else EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
