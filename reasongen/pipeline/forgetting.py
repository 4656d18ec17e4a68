"""Erases users: first the list that keeps them out, then one commit per table, then the files of older versions.

In this order a forgetting that is cut off is completed by the next one, and no night that begins meanwhile brings
anybody back. Nothing that is returned, printed or raised here holds a user's value.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from reasongen.config import NightConfig
from reasongen.errors import ConfigError, LeaseError
from reasongen.pipeline.exports import Exports
from reasongen.pipeline.ledger import scenario_of
from reasongen.pipeline.mending import mend
from reasongen.pipeline.receipt import Receipt, TableReceipt
from reasongen.pipeline.standing import still_running
from reasongen.schema import GENERATIONS, SUPPRESSIONS
from reasongen.secret import UserKey, load_key
from reasongen.serving.forgotten import Forgotten
from reasongen.tables import LEASES, Lease, Txn, create_if_missing, merge_changes, read_version, take_lease
from reasongen.tables.delta import delete_old_files, delete_rows, erase_rows
from reasongen.tables.folders import delete_folder
from reasongen.tables.holdings import (
    STAGING,
    Holding,
    holdings_below,
    input_holdings,
    log_files_naming,
    staged_people,
)
from reasongen.tables.suppression import LIST, Suppressed, read_suppressed

NOTE = "forget"


def forget_users(spark: SparkSession, config: NightConfig, users: Collection[str], *, dry_run: bool = False) -> Receipt:
    """Erases `users`, and completes what earlier forgettings had to leave for later.

    Who is erased already, everywhere, costs a look and no commit but the lease's. Raises ConfigError where no user or
    no key is given, or another key than the list's; LeaseError where another forgetting is at work: `users` are on the
    list then, and that is all.
    """
    wanted = _checked(users)
    if not dry_run:
        mend(config.root)
    listed = read_suppressed(spark, config.root, config.forget)  # another key stops here, before anything is written
    key = listed.key if listed else load_key(config.forget)
    return _Forgetting(spark, config, wanted, key, datetime.now(UTC)).run(dry_run=dry_run)


def erase_suppressed_since(
    spark: SparkSession, config: NightConfig, version: int | None, names: Collection[str]
) -> int:
    """Takes out of tables below the root whoever came onto the list after its `version`; returns the rows.

    For a writer that read the list before its commit: whoever was added between them is in the table again.
    """
    if read_version(f"{config.root}/{LIST}") == version:
        return 0
    listed = read_suppressed(spark, config.root, config.forget)
    if listed is None:
        return 0
    rows = 0
    for name in names:
        hashed = name == GENERATIONS.name
        holding = Holding(name, f"{config.root}/{name}", "`owner`" if hashed else "`user_id`", hashed)
        if found := holding.found(spark, listed):
            _erase(spark, holding, found)
            rows += sum(found.values())
    return rows


class Entry(NamedTuple):
    """A row of schema.SUPPRESSIONS."""

    user_hash: str
    key_id: str
    suppressed_at: datetime
    removed_at: datetime | None = None
    purged_at: datetime | None = None


@dataclass(frozen=True)
class _Forgetting:
    """One batch. `now` is one moment for all of it."""

    spark: SparkSession
    config: NightConfig
    users: tuple[str, ...] = field(repr=False)
    key: UserKey
    now: datetime

    def run(self, *, dry_run: bool) -> Receipt:
        """Suppress, look, remove, purge: in this order a night that the look missed has read the list."""
        scope = self._scope()
        new = sorted({self.key.hash_of(user) for user in self.users} - set(scope))
        scope |= {user: Entry(user, self.key.name, self.now) for user in new}
        receipt = Receipt(self.now, users=len(self.users), new=len(new))
        if new and not dry_run:
            self._write([scope[user] for user in new])
        with nullcontext() if dry_run else self._lease():
            return self._forget(receipt, scope, dry_run=dry_run)

    def _lease(self) -> Lease:
        """Of two at once, one would delete the files that the other reads. The list needs none: it is only added to."""
        try:
            return take_lease(f"{self.config.root}/{LEASES}/{NOTE}")
        except LeaseError as error:
            raise LeaseError(f"{error} They are on the list: no night gives them a reason from now on.") from None

    def _forget(self, receipt: Receipt, scope: dict[str, Entry], *, dry_run: bool) -> Receipt:
        batch = Suppressed(self.spark.createDataFrame([(user,) for user in scope], "user_hash string"), self.key)
        holdings = self._holdings(receipt)
        running = self._running(receipt)
        with ThreadPoolExecutor(len(holdings) + 1) as pool:  # a look waits for plans more than for data
            looks = pool.map(lambda holding: holding.found(self.spark, batch), holdings)
            staged = staged_people(self.spark, self.config.root, batch)
            found = {holding.name: rows for holding, rows in zip(holdings, looks, strict=True)}
        receipt.tables = {name: TableReceipt(sum(rows.values())) for name, rows in found.items()}
        # A night may go on from the evidence of one that died before it: what its scenario has staged is all its own.
        busy = {scenario_of(run) for run in running}
        receipt.staging = {run: rows for run, rows in staged.items() if scenario_of(run) not in busy}
        exports = Exports(self.config, Forgotten(frozenset(scope), self.key))
        receipt.exports = exports.naming()
        if not dry_run:
            still_open = self._remove(receipt, holdings, found, scope)
            with exports.held(receipt):
                self._purge(receipt, holdings, exports, still_open, scope)
            self._look_at_logs(receipt, holdings, found)
        return receipt

    def _scope(self) -> dict[str, Entry]:
        """Of the list: who is of this batch, and who is not purged yet."""
        if read_version(self._list) is None:
            return {}
        batch = self.spark.createDataFrame([(self.key.hash_of(user),) for user in self.users], "mine string")
        rows = self.spark.read.format("delta").load(self._list)
        joined = rows.join(F.broadcast(batch), F.col("user_hash") == F.col("mine"), how="left")
        chosen = joined.where(F.col("mine").isNotNull() | F.col("purged_at").isNull()).select(*SUPPRESSIONS.names)
        return {row["user_hash"]: Entry(*row[:2], *map(_utc, row[2:])) for row in chosen.collect()}

    def _remove(
        self, receipt: Receipt, holdings: list[Holding], found: dict[str, dict[str, int]], scope: dict[str, Entry]
    ) -> list[Entry]:
        """One commit for each table in which somebody stands; returns who has files of older versions left."""
        here = {who if holding.hashed else self.key.hash_of(who) for holding in holdings for who in found[holding.name]}
        here.discard("")  # nobody's in particular
        if back := [scope[user]._replace(purged_at=None) for user in sorted(here) if scope[user].purged_at]:
            self._write(back)  # a feed brought them back: cut off now, the next forgetting has to know
            scope |= {entry.user_hash: entry for entry in back}
        for holding in (one for one in holdings if found[one.name]):
            _erase(self.spark, holding, found[holding.name])
            receipt.tables[holding.name].state = "removed"
        for run in receipt.staging:
            delete_folder(self.spark, f"{self.config.root}/{STAGING}/{run}")
        receipt.state = "purged" if receipt.staging else "unchanged"
        moment = datetime.now(UTC)
        still_open = [entry for entry in scope.values() if entry.purged_at is None]
        return [one._replace(removed_at=moment) if here or one.removed_at is None else one for one in still_open]

    def _purge(
        self,
        receipt: Receipt,
        holdings: list[Holding],
        exports: Exports,
        still_open: list[Entry],
        scope: dict[str, Entry],
    ) -> None:
        """Deletes the files of older versions, unless somebody may need them; writes down which it was."""
        latest = max((entry.removed_at for entry in still_open if entry.removed_at), default=None)
        hours = self.config.forget.reader_hours
        if latest and hours and latest + timedelta(hours=hours) > datetime.now(UTC):
            receipt.wait_for("readers", latest + timedelta(hours=hours))
        if latest is None and not receipt.exports:
            return
        if receipt.waits_for:
            receipt.state = "removed"
            if changed := [entry for entry in still_open if entry != scope[entry.user_hash]]:
                self._write(changed)
            return
        exports.erase(receipt)
        if latest is None:
            return
        delete_old_files(self.spark, [holding.path for holding in holdings], hours=hours)
        for holding in holdings:
            table = receipt.tables[holding.name]
            table.state, table.version = "purged", read_version(holding.path)
        self._write([entry._replace(purged_at=datetime.now(UTC)) for entry in still_open])
        receipt.state = "purged"

    def _look_at_logs(self, receipt: Receipt, holdings: list[Holding], found: dict[str, dict[str, int]]) -> None:
        users = {user for holding in holdings if not holding.hashed for user in found[holding.name]} | set(self.users)
        for holding in holdings:
            receipt.tables[holding.name].log_files = log_files_naming(holding.path, users)

    @property
    def _list(self) -> str:
        return f"{self.config.root}/{LIST}"

    def _write(self, entries: list[Entry]) -> None:
        create_if_missing(self.spark, self._list, SUPPRESSIONS)
        changes = self.spark.createDataFrame(entries, SUPPRESSIONS.ddl)
        once = Txn(f"reasongen/{NOTE}/{uuid4()}", 0)
        merge_changes(changes, self._list, SUPPRESSIONS, txn=once, metadata=NOTE)

    def _holdings(self, receipt: Receipt) -> list[Holding]:
        """Where to look; what cannot be reached is put on the receipt."""
        inputs, others = input_holdings(self.spark, self.config.inputs)
        apart = [holding.path for holding in inputs]
        apart += [str(self.config.export_dir)] if self.config.export_dir else []
        below, unknown = holdings_below(self.spark, self.config.root, apart)
        reach = self.config.forget.inputs
        receipt.out_of_reach = {**others}
        receipt.out_of_reach |= {} if reach else {holding.name: "forget.inputs is false" for holding in inputs}
        receipt.out_of_reach |= dict.fromkeys(unknown, "no table of ours")
        if self.config.export.dir and not (self.config.export_dir and self.config.export_dir.is_dir()):
            receipt.out_of_reach["export.dir"] = "no such folder on this machine"
        return [*below, *(inputs if reach else [])]

    def _running(self, receipt: Receipt) -> set[str]:
        """Runs that may still write, and the moment at which the last of them counts as dead."""
        hours = timedelta(hours=self.config.forget.run_hours)
        alive = still_running(self.config.root, self.now - hours)
        for run_id, began in alive.items():
            receipt.wait_for(run_id, began.astimezone(UTC) + hours)
        return set(alive)


def _erase(spark: SparkSession, holding: Holding, found: Collection[str]) -> None:
    """One commit without the rows of `found`, in the words of `holding.who`."""
    gone = spark.createDataFrame([(who,) for who in found], "gone string")
    if not holding.hashed:
        erase_rows(gone, holding.path, holding.who, metadata=NOTE)
        return
    rows = spark.read.format("delta").load(holding.path)
    each = rows.select(*GENERATIONS.key, F.explode(F.split(holding.who.strip("`"), " ")).alias("gone"))
    keys = each.join(F.broadcast(gone), "gone", "left_semi").select(*GENERATIONS.key).distinct()
    delete_rows(keys, holding.path, metadata=NOTE)


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)


def read_users(file: str) -> list[str]:
    """Ids from a file, one a line; `-` is standard input. Raises ConfigError where it cannot be read as UTF-8."""
    try:
        told = _standard_input() if file == "-" else Path(file).read_bytes()
        # Not splitlines: an id may hold what else Python takes for the end of a line, and two others would be erased.
        return [line.removesuffix("\r") for line in told.decode("utf-8-sig").split("\n")]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"users: wanted ids in UTF-8, one a line, in {file}; found {type(error).__name__}.") from None


def _standard_input() -> bytes:
    """Under spark-submit Python reads a pipe to which nobody writes, for ever; what was meant is its parent's."""
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        return Path(f"/proc/{os.getppid()}/fd/0").read_bytes()
    return sys.stdin.buffer.read()


def _checked(users: Collection[str]) -> tuple[str, ...]:
    """The batch without repeats. Raises ConfigError, which names nobody."""
    chosen = tuple(dict.fromkeys(user for user in users if user.strip()))
    if not chosen:
        raise ConfigError("users: wanted at least one id; found none. Give --user ID, or --users FILE with one a line.")
    try:
        "".join(chosen).encode()
    except UnicodeEncodeError:
        raise ConfigError("users: wanted ids in UTF-8; found other bytes. Save the file as UTF-8.") from None
    return chosen
