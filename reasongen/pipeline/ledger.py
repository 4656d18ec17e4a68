"""What a run did, as data: one row of `runs`, and the same as JSON. Counts rows that were written, nothing else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

import reasongen
from reasongen.errors import ConservationError
from reasongen.schema import RUNS

VERSION = "0.1.0"
_TRIES = 5
STREAM = "stream"
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
    policy_version: str = ""
    renderer_version: str = ""
    kind: str = "night"

    def row(self) -> dict[str, Any]:
        """The row of `runs`."""
        return {name: getattr(self, name) for name in RUNS.names}

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

    def warnings(self) -> list[dict[str, Any]]:
        """The expectations that did not hold and only warn, as `gate` tells them."""
        checks = json.loads(self.gate)["checks"] if self.gate else []
        return [check for check in checks if check.get("verdict") == "warned"]

    def check_conservation(self) -> None:
        """Every candidate is in exactly one class. Raises ConservationError with both sums."""
        ends = sum(self.pairs.get(name, 0) for name in CLASSES)
        ends += sum(n for name, n in self.pairs.items() if name.startswith(("skipped.", "rejected.")))
        if ends != self.pairs["candidates"]:
            raise ConservationError(
                f"ConservationError: wanted {self.pairs['candidates']} candidates in the classes of run {self.run_id};"
                f" found {ends}: {self.pairs}. Nothing was published."
            )


def record_run(path: str, run: Run) -> None:
    """Writes the row of the run as it is now, in the place of its last one. Not by Spark: one row costs milliseconds.

    Raises CommitFailedError where others wrote `runs` at every try.
    """
    for tries_left in reversed(range(_TRIES)):
        table = DeltaTable(path)
        row = pa.Table.from_pylist([run.row()], pa.schema(table.schema().to_arrow()))
        merge = table.merge(row, "old.run_id = new.run_id", source_alias="new", target_alias="old")
        try:
            merge.when_matched_update_all().when_not_matched_insert_all().execute()
        except CommitFailedError:  # another scenario's run, at the same moment
            if not tries_left:
                raise
        else:
            return


@cache
def scenario_of(run_id: str) -> str:
    """The scenario of a run: NIGHT-SCENARIO-TOKEN."""
    return run_id[11:].rpartition("-")[0]


def code_version() -> str:
    """Version of the package and the first 12 digits of a digest over its sources."""
    root = Path(next(iter(reasongen.__path__)))
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{VERSION}+{digest.hexdigest()[:12]}"
