"""What a run did, as data: one row of `runs`, and the same as JSON. Counts rows that were written, nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import reasongen
from reasongen.errors import ConservationError, LeaseError
from reasongen.schema import RUNS
from reasongen.tables import Txn, append, merge_changes

VERSION = "0.1.0"
CLASSES = ("published", "fallback", "re_rendered", "kept", "quarantined")


@dataclass
class Run:
    """One attempt at one night. Filled in as the night goes; `row` is what `runs` holds of it."""

    run_id: str
    night: date
    scenario: str
    token: int
    status: str = "started"
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended_at: datetime | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    config_digest: str = ""
    code_version: str = ""
    model_version: str = ""
    pairs: dict[str, int] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    prompts: dict[str, int] = field(default_factory=dict)
    samples: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    model_loads: int = 0
    executors: int = 0
    device: str = ""
    gate: str = ""
    delta_version: int | None = None

    def row(self, spark: SparkSession) -> DataFrame:
        """The row of `runs`."""
        return spark.createDataFrame([tuple(getattr(self, name) for name in RUNS.names)], RUNS.ddl)

    def as_json(self) -> dict[str, Any]:
        """The summary of `--json`: counts nested by class and code."""
        nested: dict[str, Any] = {}
        for name, count in self.pairs.items():
            group, _, code = name.partition(".")
            if code:
                nested.setdefault(group, {})[code] = count
            else:
                nested[name] = count
        plain = {name: getattr(self, name) for name in RUNS.names if name not in ("pairs", "gate")}
        plain |= {"night": self.night.isoformat(), "started_at": self.started_at.isoformat()}
        plain["ended_at"] = self.ended_at.isoformat() if self.ended_at else None
        return {**plain, "pairs": nested, "prompts": self.prompts}

    def check_conservation(self) -> None:
        """Every candidate is in exactly one class. Raises ConservationError with both sums."""
        ends = sum(self.pairs.get(name, 0) for name in CLASSES)
        ends += sum(n for name, n in self.pairs.items() if name.startswith(("skipped.", "rejected.")))
        if ends != self.pairs["candidates"]:
            raise ConservationError(
                f"ConservationError: wanted {self.pairs['candidates']} candidates in the classes of run {self.run_id};"
                f" found {ends}: {self.pairs}. Nothing was published."
            )


def begin_run(spark: SparkSession, path: str, *, night: date, scenario: str) -> Run:
    """Takes the next token and writes the row `started`. Raises LeaseError where a newer night stands published."""
    mine = spark.read.format("delta").load(path).where(F.col("scenario") == scenario)
    newest, token = mine.agg(
        F.max(F.when(F.col("status").isin("published", "unchanged"), F.col("night"))), F.max("token")
    ).collect()[0]
    if newest is not None and newest > night:
        raise LeaseError(
            f"LeaseError: wanted to publish the night {night}; found {newest} already published. Nothing was done."
        )
    number = (token or 0) + 1
    run = Run(f"{night}-{scenario}-{number:06d}", night, scenario, number)
    append(run.row(spark), path, Txn(f"reasongen/runs/{run.run_id}", 0))
    return run


def end_run(spark: SparkSession, path: str, run: Run) -> None:
    """Replaces the row of the run by what it ended with."""
    run.ended_at = datetime.now(UTC)
    merge_changes(run.row(spark), path, RUNS, txn=Txn(f"reasongen/runs/{run.run_id}", 1), metadata=run.run_id)


@cache
def code_version() -> str:
    """Version of the package and the first 12 digits of a digest over its sources."""
    root = Path(next(iter(reasongen.__path__)))
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{VERSION}+{digest.hexdigest()[:12]}"
