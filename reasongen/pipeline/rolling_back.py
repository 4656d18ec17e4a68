"""Puts back what an earlier night left in `reasons`, in one commit, less what nobody may see any more.

Rows come back as they were, with the run and the night that wrote them. The run that puts them back stands in `runs`
under the night that it put back: a later night sees that `reasons` is another table than the one it left, and makes its
own reasons from there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import NightConfig
from reasongen.errors import HistoryError, LeaseError
from reasongen.pipeline.disliking import erase_disliked
from reasongen.pipeline.forgetting import erase_suppressed_since
from reasongen.pipeline.ledger import Run, code_version, record_run
from reasongen.pipeline.mending import mend
from reasongen.pipeline.night import fence_sleeper
from reasongen.pipeline.preparing import stored
from reasongen.pipeline.publishing import KEY, leaving, publish_app, removals
from reasongen.pipeline.rejudging import Today, lists_now, read_today, with_left_out, without_suppressed
from reasongen.pipeline.standing import ROLLED_BACK, past_runs
from reasongen.pipeline.withdrawing import take_down_since
from reasongen.schema import OUTPUTS, REASONS
from reasongen.tables import (
    LEASES,
    Lease,
    Txn,
    count_by_independent_reader,
    merge_changes,
    read_at,
    read_version,
    take_lease,
    version_of_commit,
)
from reasongen.tables.folders import delete_folder, missing_files
from reasongen.tables.holdings import STAGING

KEEPERS = (
    "Files of a replaced version stay for the --keep-hours of jobs/maintain.py (168), unless a forgetting purged"
    " them; the log stays for delta.logRetentionDuration (30 days)."
)


@dataclass
class RolledBack:
    """What a rollback did, in counts. `state`: planned, unchanged (that night stands already), refused (fewer reasons
    than `gate.min_rows` would stand), or rolled_back.

    `put_back`: rows written, where nothing or something else stood. `kept`: rows that stood as they were. `removed`:
    rows taken out. `left_out`: rows of that night that nobody may see any more, by code.
    """

    night: date
    of_run: str
    of_version: int
    state: str = "planned"
    put_back: int = 0
    kept: int = 0
    removed: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    delta_version: int | None = None
    run_id: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {**asdict(self), "night": self.night.isoformat()}

    def text(self) -> str:
        """Three lines."""
        where = "" if self.delta_version is None else f"; reasons at version {self.delta_version}"
        codes = ", ".join(f"{rows:,} {code}" for code, rows in sorted(self.left_out.items())) or "none"
        return (
            f"rollback to {self.night} ({self.of_run}, version {self.of_version}): {self.state}{where}\n"
            f"  {self.put_back:,} rows put back, {self.kept:,} stood already, {self.removed:,} removed\n"
            f"  left out: {codes}"
        )

    @property
    def pairs(self) -> dict[str, int]:
        """For `runs`: every row of that night is in one class."""
        classes = {"put_back": self.put_back, "kept": self.kept}
        classes |= {f"left_out.{code}": rows for code, rows in self.left_out.items()}
        return {"candidates": sum(classes.values()), **classes, "removed": self.removed}


def roll_back(spark: SparkSession, config: NightConfig, night: date, *, dry_run: bool = False) -> RolledBack:
    """Puts back what the last finished run of `night` left of the settings' scenario; other scenarios stay as they are.

    Raises HistoryError where that night was never published or its version cannot be read any more, LeaseError where
    another run works on this scenario, ContractError where items or users cannot be read, ConfigError as a night does.
    """
    paths = {name: f"{config.root}/{name}" for name in OUTPUTS}
    if not dry_run:
        mend(config.root)
    past = past_runs(paths["runs"], config.scenario)
    left = past.that_left(night)
    _must_be_readable(spark, paths["reasons"], left)
    today = read_today(spark, config)
    if dry_run:
        return _Rollback(spark, config, paths["reasons"], left, today, f"rollback-{datetime.now(UTC):%H%M%S%f}").plan()
    place = f"{config.root}/{LEASES}/{config.scenario}"
    with take_lease(place, above=past.last_token) as lease:
        run = Run(f"{night}-{config.scenario}-{lease.token:06d}", night, config.scenario, lease.token, kind="rollback")
        if lease.taken_over:
            fence_sleeper(paths, run)
        left = past_runs(paths["runs"], config.scenario).that_left(night)
        run.inputs, run.code_version = dict(today.states), code_version()
        run.policy_version, run.renderer_version = today.judge.policy_version, today.judge.renderer.version
        record_run(paths["runs"], run)
        done = _Rollback(spark, config, paths["reasons"], left, today, run.run_id).commit(run, lease)
        run.status = ROLLED_BACK if done.state == "unchanged" else done.state
        run.pairs, run.delta_version, run.ended_at = done.pairs, done.delta_version, datetime.now(UTC)
        record_run(paths["runs"], run)
    return done


def _must_be_readable(spark: SparkSession, path: str, left: Mapping[str, Any]) -> None:
    """Raises HistoryError where log or files of the version are gone."""
    version = left["delta_version"]
    wanted = f"HistoryError: wanted version {version} of {path}, which run {left['run_id']} left; found"
    try:
        added = pa.table(DeltaTable(path, version=version).get_add_actions(flatten=True))
        files = [f"{path}/{name}" for name in added["path"].to_pylist()]  # delta-rs escapes the whole of a uri
        columns = read_at(spark, path, version).columns
    except (DeltaError, PySparkException) as error:
        raise HistoryError(f"{wanted} no log of it ({type(error).__name__}). {KEEPERS}") from None
    if gone := missing_files(spark, files):
        raise HistoryError(f"{wanted} {gone} of its {len(files)} files deleted. {KEEPERS}")
    if missing := [name for name in REASONS.names if name not in columns]:
        raise HistoryError(f"{wanted} it without {', '.join(missing)}: it was written before these columns were.")


@dataclass(frozen=True)
class _Rollback:
    """One rollback. `left`: the row of `runs` of what is put back; `name`: of its staging folder."""

    spark: SparkSession
    config: NightConfig
    path: str
    left: Mapping[str, Any]
    today: Today
    name: str

    @property
    def staging(self) -> str:
        """Where its steps are written."""
        return f"{self.config.root}/{STAGING}/{self.name}"

    def plan(self) -> RolledBack:
        """The counts alone."""
        try:
            return self._changes()[0]
        finally:
            delete_folder(self.spark, self.staging)

    def commit(self, run: Run, lease: Lease) -> RolledBack:
        """One commit of what differs from what stands, none where nothing does; then out with whoever came onto a list
        meanwhile, and with what was withdrawn."""
        try:
            done, changes = self._changes()
            done.run_id, done.delta_version = run.run_id, read_version(self.path)
            if done.put_back + done.kept < self.config.gate.min_rows:
                done.state = "refused"
                return done
            done.state = "unchanged"
            if done.put_back + done.removed:
                lease.check()
                done.delta_version, done.state = self._write(changes, done, lease.token), ROLLED_BACK
        finally:
            delete_folder(self.spark, self.staging)
        late = erase_suppressed_since(self.spark, self.config, self.today.lists[0], ("reasons",))
        late += take_down_since(self.spark, self.config, self.today.withdrawals)
        done.removed += late + erase_disliked(self.spark, self.config)
        return done

    def _changes(self) -> tuple[RolledBack, DataFrame]:
        """The counts, and the rows for `merge_changes`; both against one version of what stands."""
        old, stands = self._reasons(self.left["delta_version"]), self._reasons(DeltaTable(self.path).version())
        done = RolledBack(self.left["night"], self.left["run_id"], self.left["delta_version"])
        known = without_suppressed(old, self.today)  # of the others nothing is staged
        judged = stored(with_left_out(known, self.today), f"{self.staging}/judged")
        codes = {row["left_out"]: row["count"] for row in judged.groupBy("left_out").count().collect()}
        shown = codes.pop(None, 0)
        if suppressed := old.count() - shown - sum(codes.values()):
            codes["suppressed"] = suppressed
        done.left_out = codes
        good = judged.where(F.col("left_out").isNull()).select(*REASONS.names, F.struct(*REASONS.names).alias("row"))
        now = stands.select(*KEY, F.struct(*REASONS.names).alias("now"))
        differ = good.join(now, KEY, "left").where(~F.col("row").eqNullSafe(F.col("now")))
        back = stored(differ.select(*REASONS.names), f"{self.staging}/back")
        gone = stored(removals(stands, good), f"{self.staging}/gone")
        done.put_back, done.removed = back.count(), gone.count()
        done.kept = shown - done.put_back
        return done, back.withColumn("gone", F.lit(False)).unionByName(leaving(gone))

    def _write(self, changes: DataFrame, done: RolledBack, token: int) -> int:
        """Returns the version. Raises LeaseError where Delta skipped the write, or another reader counts other rows."""
        said: dict[str, Any] = {"run_id": done.run_id, "rollback": {"night": str(done.night), "run_id": done.of_run}}
        said |= {"inputs": dict(self.today.states), "pairs": done.pairs}
        txn = Txn(publish_app(self.config.scenario), token)
        note = json.dumps(said, sort_keys=True)
        merge_changes(changes, self.path, REASONS, txn=txn, metadata=note, remove_when="new.gone")
        version, wanted = version_of_commit(self.path, note), done.put_back + done.kept
        if version is None:
            raise LeaseError(
                f"LeaseError: wanted to write reasons under token {token}; found that a later run has this scenario."
                " Nothing was put back."
            )
        found = count_by_independent_reader(self.path, scenario=self.config.scenario, version=version)
        # Who is forgotten or what is withdrawn between our look and our commit is missing, and rightly so.
        if found != wanted and not (found < wanted and lists_now(self.config.root) != self.today.lists):
            raise LeaseError(
                f"LeaseError: wanted {wanted} rows of {self.config.scenario} in reasons version {version}; another"
                f" reader found {found}. Run the rollback again."
            )
        return version

    def _reasons(self, version: int) -> DataFrame:
        return read_at(self.spark, self.path, version).where(F.col("scenario") == self.config.scenario)
