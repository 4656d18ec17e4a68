"""What is done to the tables between nights: sorted or put together, emptied of what nobody can reach, measured."""

from __future__ import annotations

from pyspark.sql import SparkSession

from reasongen.errors import ConfigError
from reasongen.pipeline.mending import mend
from reasongen.pipeline.progress import say
from reasongen.schema import OUTPUTS
from reasongen.tables import CONFLICTS, compact, read_version, remove_unreachable, rewrite_sorted, size_of

LOOKED_UP = ("reasons",)
"""Tables that are read one user at a time."""
LEAST_HOURS = 24.0
"""A night that has written files and not yet committed them must find them; so must a reader that began before it."""


def maintain_tables(spark: SparkSession, root: str, *, keep_hours: float) -> dict[str, dict[str, int]]:
    """For each table that stands below `root`: version, files, bytes, rows, files_removed, rewritten (0 or 1).

    Raises ConfigError where `keep_hours` is less than a night and its readers need.
    """
    if keep_hours < LEAST_HOURS:
        raise ConfigError(
            f"keep-hours: wanted at least {LEAST_HOURS:.0f}; found {keep_hours:g}. Readers need the files."
        )
    mend(root)
    told: dict[str, dict[str, int]] = {}
    for name, table in OUTPUTS.items():
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
            "files_removed": removed,
            "rewritten": int(rewritten),
        }
    return told
