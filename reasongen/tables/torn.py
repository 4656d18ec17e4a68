"""A last commit that a loss of power tore is set aside: the table is again what it was before it. Knows no Spark.

Both our writers put a whole file into the log at once, so one that is empty or cut off is no commit in the making. Left
there, a reader fails at it or, where it is empty, takes it for a version without a change; and a commit on top of it
would make the loss last. Object stores tear nothing.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

_COMMIT = re.compile(r"\d{20}\.json")
ASIDE = "_torn-"
"""What the name of a file that was set aside begins with; no reader takes it for a commit."""


def set_torn_aside(root: str) -> list[str]:
    """Looks at the last commit of every table below `root`; returns the files set aside, as paths below it.

    A torn checksum of a whole commit is deleted: it is not needed.
    """
    if "://" in root:
        return []
    logs = [log for pattern in ("*/_delta_log", "*/*/_delta_log") for log in sorted(Path(root).glob(pattern))]
    last = [commit for log in logs if (commit := _last(log)) is not None]
    torn = [commit for commit in last if not _whole(commit)]
    for commit in last:
        if commit in torn or not _summed(commit):
            commit.with_name(f".{commit.name}.crc").unlink(missing_ok=True)
    for commit in torn:
        for told_of in (f"{commit.stem}.crc", f".{commit.stem}.crc.crc"):
            commit.with_name(told_of).unlink(missing_ok=True)  # the next commit of this number would not match them
        commit.rename(commit.with_name(ASIDE + commit.name))
    return [str(commit.relative_to(root)) for commit in torn]


def _last(log: Path) -> Path | None:
    return max((file for file in log.iterdir() if _COMMIT.fullmatch(file.name)), default=None)


def _summed(commit: Path) -> bool:
    """Whether the file of sums that Hadoop lays beside it is whole: eight bytes, and four for each 512 of the commit.
    Spark reads without one, and fails at one that was cut off."""
    sums = commit.with_name(f".{commit.name}.crc")
    return not sums.exists() or sums.stat().st_size == 8 + 4 * -(-commit.stat().st_size // 512)


def _whole(commit: Path) -> bool:
    """A line of JSON for each action, and at least one."""
    try:
        return bool([json.loads(line) for line in commit.read_bytes().splitlines()])
    except ValueError:
        return False
