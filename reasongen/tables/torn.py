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
    """Looks at the last commit of every table below `root`; returns the files set aside, as paths below it."""
    if "://" in root:
        return []
    logs = [log for pattern in ("*/_delta_log", "*/*/_delta_log") for log in sorted(Path(root).glob(pattern))]
    torn = [last for log in logs if (last := _last(log)) is not None and not _whole(last)]
    for commit in torn:
        version = commit.stem
        for told_of in (f".{commit.name}.crc", f"{version}.crc", f".{version}.crc.crc"):
            commit.with_name(told_of).unlink(missing_ok=True)  # checksums that the next commit would not match
        commit.rename(commit.with_name(ASIDE + commit.name))
    return [str(commit.relative_to(root)) for commit in torn]


def _last(log: Path) -> Path | None:
    return max((file for file in log.iterdir() if _COMMIT.fullmatch(file.name)), default=None)


def _whole(commit: Path) -> bool:
    """A line of JSON for each action, and at least one."""
    try:
        return bool([json.loads(line) for line in commit.read_bytes().splitlines()])
    except ValueError:
        return False
