"""Does every step under the recorder:  strace … python recorded.py WORLD LAKE KEPT

At each mark all files of the lake get a second name below KEPT, since later steps may delete them; what a reader sees
after each step is written there too.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import days
from nights import local_session

from reasongen.pipeline import forgetting, night

WORLD, LAKE, KEPT = (Path(text).resolve() for text in sys.argv[1:4])


def mark(name: str) -> None:
    """All files of this moment; the folder `KEPT/number-name` is made last, and stands in the record."""
    number = len(list(KEPT.glob("??-*")))
    place = KEPT / f".{number:02d}"
    for file in (one for one in LAKE.rglob("*") if one.is_file()):
        copy = place / file.relative_to(LAKE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        os.link(file, copy)
    (KEPT / f"{number:02d}-{name}").mkdir()


def marking_before(module: Any, name: str) -> None:
    """What the function deletes is marked first."""
    real: Callable[..., Any] = getattr(module, name)

    def marked(*args: Any, **named: Any) -> Any:
        mark(f"before-{name}")
        return real(*args, **named)

    setattr(module, name, marked)


def main() -> None:
    """All steps, in their order."""
    marking_before(night, "_clean")
    marking_before(forgetting, "delete_folder")
    marking_before(forgetting, "delete_old_files")
    session = local_session(Path(tempfile.mkdtemp()))
    for step in days.STEPS:
        step.do(session, WORLD, LAKE)
        mark(step.name)
        days.readable(LAKE).write_parquet(KEPT.parent / f"{step.name}.reasons.parquet")
        days.samples(LAKE).write_parquet(KEPT.parent / f"{step.name}.samples.parquet")
    session.stop()


if __name__ == "__main__":
    main()
