"""What is done to the tables between nights: what has had its time goes, the rest is sorted or put together, emptied of
files that nobody can reach, measured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import ForgetSettings, RetentionSettings
from reasongen.errors import ConfigError
from reasongen.pipeline.mending import mend
from reasongen.pipeline.owning import count_anew
from reasongen.pipeline.progress import say
from reasongen.pipeline.standing import still_running
from reasongen.schema import DISLIKES, EXAMPLES, GENERATIONS, OUTPUTS, REVIEWS, SUPPRESSIONS, WITHDRAWALS
from reasongen.tables import (
    CONFLICTS,
    LEASES,
    children,
    compact,
    delete_rows,
    read_version,
    remove_unreachable,
    rewrite_sorted,
    size_of,
)

LOOKED_UP = ("reasons",)
"""Tables that are read one user at a time."""
LEAST_HOURS = 24.0
"""A night that has written files and not yet committed them must find them; so must a reader that began before it."""
_TABLES = {**OUTPUTS, **REVIEWS, **{table.name: table for table in (SUPPRESSIONS, WITHDRAWALS, DISLIKES, EXAMPLES)}}
_SAMPLE_OF = ("prompt_hash", "model_version", "decode_hash")


def maintain_tables(
    spark: SparkSession,
    root: str,
    *,
    keep_hours: float,
    retention: RetentionSettings | None = None,
    forget: ForgetSettings | None = None,
) -> dict[str, dict[str, int]]:
    """For each table that stands below `root`: version, files, bytes, rows, rows_removed, files_removed, rewritten
    (0 or 1).

    Raises ConfigError where `keep_hours` is less than a night and its readers need.
    """
    if keep_hours < LEAST_HOURS:
        raise ConfigError(
            f"keep-hours: wanted at least {LEAST_HOURS:.0f}; found {keep_hours:g}. Readers need the files."
        )
    mend(root)
    removed_rows = _expire(spark, root, retention or RetentionSettings(), forget or ForgetSettings())
    told: dict[str, dict[str, int]] = {}
    for name, table in _TABLES.items():
        path = f"{root}/{name}"
        if read_version(path) is None:
            continue
        try:
            rewritten = rewrite_sorted(spark, path, table) if name in LOOKED_UP else compact(spark, path)
        except CONFLICTS:
            say(f"maintain: {name} was written by somebody else meanwhile, and stays as it is until the next time")
            rewritten = False
        removed = remove_unreachable(path, keep_hours)
        size = size_of(path)
        told[name] = {
            "rows": size.rows,
            "files": size.files,
            "bytes": size.bytes,
            "version": size.version,
            "rows_removed": removed_rows.get(name, 0),
            "files_removed": removed,
            "rewritten": int(rewritten),
        }
    _tidy_leases(spark, root, keep_hours)
    return told


def _expire(spark: SparkSession, root: str, retention: RetentionSettings, forget: ForgetSettings) -> dict[str, int]:
    """Counts anew whose the samples are, and takes out those and the refused texts that have had their time; returns
    the rows of each table that were taken out.

    Not beside a running night: it counts on the samples that it saw when it was planned.
    """
    now = datetime.now(UTC)
    if running := still_running(root, now - timedelta(hours=LEAST_HOURS)):
        say(f"maintain: {', '.join(sorted(running))} is at work; samples and refused texts stay until the next time")
        return {}
    try:
        if moved := count_anew(spark, root, forget):
            say(f"maintain: {moved:,} samples have other owners, or none, by who shares them now")
    except CONFLICTS:
        say("maintain: generations was written by somebody else meanwhile; its owners stay until the next time")
    gone = {
        "generations": _unused(spark, root, now, retention),
        "quarantine": _refused_before(spark, root, now - timedelta(days=retention.quarantine_days)),
    }
    rows: dict[str, int] = {}
    for name, (keys, count) in ((name, found) for name, found in gone.items() if found is not None):
        if not count:
            continue
        try:
            delete_rows(keys, f"{root}/{name}", metadata="retention")
            rows[name] = count
        except CONFLICTS:
            say(f"maintain: {name} was written by somebody else meanwhile; nothing was taken out of it this time")
    return rows


def _unused(
    spark: SparkSession, root: str, now: datetime, retention: RetentionSettings
) -> tuple[DataFrame, int] | None:
    """Keys of older samples from whose prompt no reason that stands was made, nor fell back."""
    samples, reasons = _table(spark, f"{root}/generations"), _table(spark, f"{root}/reasons")
    if samples is None or reasons is None:
        return None
    days = F.when(F.col("owner").isNull(), retention.generations_days).otherwise(
        F.lit(min(retention.owned_days, retention.generations_days))
    )
    old = samples.where(F.col("generated_at") < F.lit(now) - F.make_dt_interval(days=days))
    keys = old.join(reasons.select(*_SAMPLE_OF).distinct(), list(_SAMPLE_OF), "left_anti").select(*GENERATIONS.key)
    return keys, keys.count()


def _refused_before(spark: SparkSession, root: str, before: datetime) -> tuple[DataFrame, int] | None:
    """Nights whose refused texts have had their time, and how many those are."""
    refused = _table(spark, f"{root}/quarantine")
    if refused is None:
        return None
    old = refused.where(F.col("night") < F.lit(before.date()))
    return old.select("night").distinct(), old.count()


def _table(spark: SparkSession, path: str) -> DataFrame | None:
    return None if read_version(path) is None else spark.read.format("delta").load(path)


def _tidy_leases(spark: SparkSession, root: str, keep_hours: float) -> None:
    """A lease is one row, renewed all night: each renewal leaves a file and a commit."""
    for scenario in children(spark, f"{root}/{LEASES}"):
        path = f"{root}/{LEASES}/{scenario}"
        if read_version(path) is None:
            continue
        remove_unreachable(path, keep_hours)
        DeltaTable(path).create_checkpoint()
        DeltaTable(path).cleanup_metadata()
