"""A last commit or checkpoint that a loss of power tore is set aside, so that the table is again what it was before.

Both our writers put a whole file into the log at once, so one that is empty or cut off is no commit in the making. Left
there, a reader fails at it or, where it is empty, takes it for a version without a change; and a commit on top of it
would make the loss last. A checkpoint only repeats the commits before it, yet readers fail at one that is torn, and at
`_last_checkpoint` where it names one that is lost. Object stores tear nothing. Knows no Spark.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

_COMMIT = re.compile(r"\d{20}\.json")
_CHECKPOINT = re.compile(r"\d{20}\.checkpoint\.")
ASIDE = "_torn-"
"""What the name of a file that was set aside begins with; no reader takes it for a commit."""


def set_torn_aside(root: str) -> list[str]:
    """Looks at the last commit and checkpoint of every table below `root`; returns the files set aside, as paths below
    it.

    A torn checksum of a whole commit, and a torn hint, are deleted: they are not needed. A torn checkpoint stays where
    the commits before it are gone: then nothing else knows the table.
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
    torn += [checkpoint for log in logs for checkpoint in _checkpoints_aside(log)]
    return [str(file.relative_to(root)) for file in torn]


def _checkpoints_aside(log: Path) -> list[Path]:
    """Torn checkpoints that the commits can do without; and a hint that leads nowhere goes."""
    found = sorted(file for file in log.iterdir() if _CHECKPOINT.match(file.name))
    commits = {int(file.stem) for file in log.iterdir() if _COMMIT.fullmatch(file.name)}
    aside, first = [], 0  # the first commit that is needed to tell the table without the next checkpoint
    for checkpoint in found:
        version = int(checkpoint.name[:20])
        if checkpoint.suffix != ".parquet" or _whole_parquet(checkpoint):
            first = version + 1
        elif commits.issuperset(range(first, version + 1)):
            checkpoint.with_name(f".{checkpoint.name}.crc").unlink(missing_ok=True)
            checkpoint.rename(checkpoint.with_name(ASIDE + checkpoint.name))
            aside.append(checkpoint)
    hint = log / "_last_checkpoint"
    if hint.exists() and _hinted(hint) not in {int(file.name[:20]) for file in found if file not in aside}:
        hint.with_name(f".{hint.name}.crc").unlink(missing_ok=True)
        hint.unlink()
    return aside


def _hinted(hint: Path) -> int | None:
    """The version that the hint names; None where it is torn."""
    try:
        said = json.loads(hint.read_bytes())
        return int(said["version"])
    except (ValueError, TypeError, KeyError):
        return None


def _whole_parquet(file: Path) -> bool:
    """Its magic at both ends, and room for the footer that it announces."""
    size = file.stat().st_size
    if size < 12:
        return False
    with file.open("rb") as content:
        head = content.read(4)
        content.seek(size - 8)
        footer, tail = int.from_bytes(content.read(4), "little"), content.read(4)
    return head == tail == b"PAR1" and 0 < footer <= size - 12


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
