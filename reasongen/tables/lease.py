"""One run at a time per target and scenario: who holds it, and under which fencing token. Knows no Spark and no night.

The lease is the one row of a Delta table of its own. Taking, renewing and releasing it is an UPDATE of that row, so of
two that try at once one fails at its commit. Whoever holds it renews it while it works; a holder that died on this
machine is seen at once, one on another machine after `seconds` without a renewal. A holder that was only asleep may
wake and go on: its token is then below the fence in the table that it wants to write, and Delta skips its commit.
"""

from __future__ import annotations

import platform
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any

import psutil
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, QueryBuilder, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from reasongen.errors import LeaseError

LEASES = "leases"
"""The folder below the root with one lease for each scenario, and that of forgettings."""
HELD, FREE = "held", "free"
_SCHEMA = pa.schema(
    [
        pa.field("token", pa.int64(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("host", pa.string(), nullable=False),
        pa.field("pid", pa.int64(), nullable=False),
        pa.field("process_began", pa.float64(), nullable=False),
        pa.field("renewed_at", pa.timestamp("us", "UTC"), nullable=False),
    ]
)
_TRIES = 5
LEASE_SECONDS = 600.0
"""A holder on another machine is taken for dead after so long without a sign; far above a pause of the JVM."""


@dataclass
class Lease:
    """A lease that is held; a context that renews it in the background and releases it at its end.

    `token` is above every token before it. `taken_over`: the holder before did not release it, and may still be alive.
    """

    path: str
    token: int
    seconds: float
    taken_over: bool
    _done: threading.Event = field(default_factory=threading.Event, repr=False)
    _renewer: threading.Thread | None = field(default=None, repr=False)

    def __enter__(self) -> Lease:
        self._renewer = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._renewer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._done.set()
        if self._renewer is not None:
            self._renewer.join()
        with suppress(DeltaError):  # it runs out by itself; an error here would hide the one that ended the run
            self._update(state=FREE)

    def check(self) -> None:
        """Raises LeaseError where a later run has taken the lease: this one was too slow, or asleep."""
        found = _read(self.path)
        if found is None or found["token"] != self.token:
            raise LeaseError(
                f"LeaseError: wanted the lease {self.path} under token {self.token}; found"
                f" {found and found['token']}. A later run has this night; this one stops and writes nothing more."
            )

    def _renew(self) -> None:
        """A renewal that fails is tried again at the next; `check` tells whether the lease is lost."""
        while not self._done.wait(self.seconds / 4):
            with suppress(DeltaError, OSError):
                self._update(renewed_at=datetime.now(UTC))

    def _update(self, **values: Any) -> None:
        DeltaTable(self.path).update(new_values=values, predicate=f"token = {self.token}")


def take_lease(path: str, *, seconds: float = LEASE_SECONDS, above: int = 0) -> Lease:
    """The lease at `path`, with a token above `above` and above all before it.

    Raises LeaseError where another run holds it: one that renewed it within `seconds` and, if it ran on this machine,
    whose process is there.
    """
    for _ in range(_TRIES):
        found = _read(path)
        if found is None:
            if _made(path, above + 1):
                return Lease(path, above + 1, seconds, taken_over=False)
            continue
        if _alive(found, seconds):
            raise LeaseError(
                f"LeaseError: wanted the lease {path}; found it held by process {found['pid']} on {found['host']},"
                f" renewed at {found['renewed_at']:%Y-%m-%d %H:%M:%S} UTC. Let that run end, or try again"
                f" {seconds:.0f} s after it died."
            )
        token = max(found["token"], above) + 1
        if _taken(path, found["token"], token):
            return Lease(path, token, seconds, taken_over=found["state"] == HELD)
    raise LeaseError(f"LeaseError: wanted the lease {path}; found {_TRIES} others that took it first. Try again later.")


def has_ended(path: str, token: int) -> bool:
    """Whether the run under that token of the lease at `path` writes no more: it released the lease, a later one took
    it, or its process is gone from this machine. False where nobody can know."""
    found = _read(path)
    if found is None or found["token"] != token:
        return found is not None and found["token"] > token
    here = found["host"] == platform.node()
    return found["state"] == FREE or (here and not _running(found["pid"], found["process_began"]))


FENCE = "fence"
"""What its commit says of itself."""


def fence(path: str, app_id: str, version: int) -> None:
    """Lets no write of `app_id` up to `version` into the Delta table at `path` any more: one commit without a row."""
    table = DeltaTable(path)
    properties = CommitProperties({"userMetadata": FENCE}, app_transactions=[Transaction(app_id, version)])
    table.create_write_transaction(
        actions=[], mode="append", schema=table.schema(), partition_by=[], commit_properties=properties
    )


def _read(path: str) -> dict[str, Any] | None:
    if not DeltaTable.is_deltatable(path):
        return None
    # By Delta's own query engine: reading through pyarrow leaves threads that may abort the process at its exit.
    found = QueryBuilder().register("lease", DeltaTable(path)).execute("SELECT * FROM lease").read_all()
    return dict(pa.table(found).to_pylist()[0])


def _alive(found: dict[str, Any], seconds: float) -> bool:
    if found["state"] != HELD:
        return False
    if found["host"] == platform.node() and not _running(found["pid"], found["process_began"]):
        return False
    # A time far ahead is that of a clock which has since been put back: it must not hold the lease for ever.
    silent: timedelta = datetime.now(UTC) - found["renewed_at"]
    return abs(silent) < timedelta(seconds=seconds)


def _running(pid: int, began: float) -> bool:
    """The same process, not another one that got its number."""
    try:
        return bool(abs(psutil.Process(pid).create_time() - began) < 1)
    except psutil.NoSuchProcess:
        return False


def _mine(token: int) -> dict[str, Any]:
    me = psutil.Process()
    process = {"host": platform.node(), "pid": me.pid, "process_began": me.create_time()}
    return {"token": token, "state": HELD, **process, "renewed_at": datetime.now(UTC)}


def _made(path: str, token: int) -> bool:
    # Without a retry: of two that make it at once, delta-rs would lay the second's row behind the first's as version 1,
    # whatever the mode says, and both would hold it.
    once = CommitProperties(max_commit_retries=0)
    try:
        write_deltalake(path, pa.Table.from_pylist([_mine(token)], _SCHEMA), mode="error", commit_properties=once)
    except DeltaError:
        if not DeltaTable.is_deltatable(path):
            raise
        return False
    return True


def _taken(path: str, old: int, new: int) -> bool:
    try:
        done = DeltaTable(path).update(new_values=_mine(new), predicate=f"token = {old}")
    except CommitFailedError:
        return False
    return bool(done["num_updated_rows"] == 1)
