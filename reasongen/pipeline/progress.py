"""Says on standard error, every few seconds, which stage works, how far it is and how long it may still take.

Plain lines, in a terminal and elsewhere: a night's log is read the next morning. No line holds a value from a row.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pyspark import SparkContext

SECONDS_BETWEEN_LINES = 5.0


_facts: dict[str, str] | None = None


@contextmanager
def log_as_json(as_json: bool, **facts: str) -> Iterator[None]:
    """Within, `say` writes objects with `facts`, `time` (UTC), `stage` where the line names one, and `message`."""
    global _facts
    before, _facts = _facts, facts if as_json else None
    try:
        yield
    finally:
        _facts = before


def say(line: str) -> None:
    """One line with the time of day, at once."""
    if _facts is None:
        print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)
        return
    stage, colon, message = line.partition(": ")
    told = {"stage": stage, "message": message} if colon and " " not in stage else {"message": line}
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    print(json.dumps({"time": now, **_facts, **told}, ensure_ascii=False), file=sys.stderr, flush=True)


def log_run(run_id: str) -> None:
    """From now on the lines as JSON name the run."""
    if _facts is not None:
        _facts["run_id"] = run_id


def span(seconds: float) -> str:
    """Seconds as `7 s` or `3 min 20 s`."""
    whole = round(seconds)
    return f"{whole} s" if whole < 100 else f"{whole // 60} min {whole % 60:02d} s"


def rate_line(done: int, total: int, seconds: float, unit: str) -> str:
    """`400 of 1,000 prompts, 40 %, 20/s, 30 s left`; knows nothing of the time left before the first is done."""
    share = f"{done:,} of {total:,} {unit}, {100 * done // max(total, 1)} %"
    if not done or seconds <= 0:
        return share
    rate = done / seconds
    speed = f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
    return f"{share}, {speed}, {span((total - done) / rate)} left"


@dataclass
class Stages:
    """Wall seconds of each stage, and the line that is printed while one works."""

    context: SparkContext
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, line: Callable[[], str] | None = None) -> Iterator[None]:
        """Times a stage; prints its state every few seconds: `line()`, or else what Spark works on."""
        began, stop = time.monotonic(), threading.Event()
        self.context.setJobGroup(f"reasongen {name}", name)
        ticker = threading.Thread(target=self._tick, args=(name, began, stop, line), daemon=True)
        ticker.start()
        try:
            yield
        finally:
            stop.set()
            ticker.join()
            taken = time.monotonic() - began
            self.seconds[name] = round(self.seconds.get(name, 0.0) + taken, 2)
        say(f"{name}: done in {span(taken)}")

    def _tick(self, name: str, began: float, stop: threading.Event, line: Callable[[], str] | None) -> None:
        while not stop.wait(SECONDS_BETWEEN_LINES):
            seconds = time.monotonic() - began
            try:
                state = line() if line else self._tasks()
            except Exception as error:  # a line less is no reason to end a night
                state = f"no progress to show ({type(error).__name__})"
            say(f"{name}: {state} ({span(seconds)} so far)")

    def _tasks(self) -> str:
        """Tasks of the Spark jobs that run now: jobs of other threads carry no group, so all are asked for."""
        tracker = self.context.statusTracker()
        known = [info for info in map(tracker.getStageInfo, tracker.getActiveStageIds()) if info]
        if not known:
            return "planning"
        names = ", ".join(f"Spark stage {info.stageId} {info.numCompletedTasks}/{info.numTasks}" for info in known)
        return f"{names} tasks"
