"""What earlier runs left: a finished night, or the evidence of a killed attempt.

Reads `runs` by a reader that is not Spark, so that a night with nothing to do costs seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import SparkSession

from reasongen.errors import HistoryError, LeaseError
from reasongen.pipeline.ledger import STREAM, Run
from reasongen.pipeline.preparing import Prepared, prepared_in
from reasongen.pipeline.progress import say
from reasongen.tables import LEASES, has_ended

DONE = ("published", "unchanged")
ROLLED_BACK = "rolled_back"
_COLUMNS = (
    "run_id, night, scenario, token, status, inputs, config_digest, code_version, model_version, pairs, codes, prompts,"
    " delta_version, tokens_in, tokens_out, seconds, device, started_at"
)


@dataclass(frozen=True)
class PastRuns:
    """Every night and rollback of one scenario so far, the newest first, as rows of `runs`. What a stream did between
    them is no night: the next one looks for itself. `last_token`: the highest of any run; 0 before the first."""

    rows: tuple[Mapping[str, Any], ...]
    last_token: int = 0

    def refuse_older(self, night: date) -> None:
        """Raises LeaseError where a newer night than `night` stands published; one that was rolled back does not."""
        stands = next((row["night"] for row in self.rows if row["status"] in (*DONE, ROLLED_BACK)), night)
        if stands > night:
            raise LeaseError(
                f"LeaseError: wanted to publish the night {night}; found {stands} already published. Nothing was done."
            )

    def that_left(self, night: date) -> Mapping[str, Any]:
        """The last finished run of that night. Raises HistoryError where there is none."""
        for row in self.rows:
            if row["night"] == night and row["status"] in DONE and row["delta_version"] is not None:
                return row
        known = sorted({f"{row['night']}" for row in self.rows if row["status"] in DONE}, reverse=True)
        raise HistoryError(
            f"HistoryError: wanted what the night {night} left in reasons; found no finished run of it, but of"
            f" {', '.join(known[:10]) or 'no night'}. Give one of these."
        )

    def finished(self, run: Run, reasons_version: int | None) -> Mapping[str, Any] | None:
        """The last finished run, where it did what `run` is asked to do and nobody has written `reasons` since."""
        last = next((row for row in self.rows if row["status"] in DONE), None)
        if last is None or not _same(last, run) or last["delta_version"] != reasons_version:
            return None
        return last

    def evidence(self, spark: SparkSession, run: Run, root: str) -> Prepared | None:
        """What an attempt that did not finish has prepared, where it stood on the same inputs and settings."""
        for row in self.rows:
            if row["status"] in DONE:
                return None  # its staging is gone, and so is what came before
            if _same(row, run) and (found := prepared_in(spark, f"{root}/staging/{row['run_id']}")) is not None:
                say(f"evidence: that of {row['run_id']} is used, which had the same tables and settings")
                return found
        return None


def past_runs(path: str, scenario: str) -> PastRuns:
    """The runs that `runs` at `path` knows of; none where there is no such table."""
    if not DeltaTable.is_deltatable(path):
        return PastRuns(())
    table = DeltaTable(path)
    kind = "kind" if any(one.name == "kind" for one in table.schema().fields) else "NULL AS kind"  # an older lake
    found = QueryBuilder().register("runs", table).execute(f"SELECT {_COLUMNS}, {kind} FROM runs").read_all()
    rows = [row for row in pa.table(found).to_pylist() if row["scenario"] == scenario]
    nights = sorted((row for row in rows if row["kind"] != STREAM), key=lambda row: -row["token"])
    return PastRuns(tuple(nights), max((row["token"] for row in rows), default=0))


def still_running(root: str, since: datetime) -> dict[str, datetime]:
    """Runs of any scenario below `root` that began after `since`, did not end, and may still write; each with its
    beginning. A run that died on another machine counts until a later one of its scenario began."""
    path = f"{root}/runs"
    if not DeltaTable.is_deltatable(path):
        return {}
    asked = "SELECT run_id, scenario, token, started_at FROM runs WHERE status = 'started'"
    found = pa.table(QueryBuilder().register("runs", DeltaTable(path)).execute(asked).read_all()).to_pylist()
    return {
        row["run_id"]: row["started_at"]
        for row in found
        if row["started_at"] > since and not has_ended(f"{root}/{LEASES}/{row['scenario']}", row["token"])
    }


def _same(row: Mapping[str, Any], run: Run) -> bool:
    asked = (run.night, run.inputs, run.config_digest, run.code_version, run.model_version)
    stood = (row["night"], dict(row["inputs"]), row["config_digest"], row["code_version"], row["model_version"])
    return asked == stood
