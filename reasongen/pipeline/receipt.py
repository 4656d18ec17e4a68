"""What a forgetting did, as data and as text: counts, states, versions. Holds no id, no hash and no text of a user."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

UNREADABLE = -1
"""Rows of a folder that nobody could count."""


@dataclass
class TableReceipt:
    """One table. `log_files`: files of its log that still name somebody; None where the log is out of reach."""

    rows: int
    state: str = "nothing there"
    version: int | None = None
    log_files: int | None = 0


@dataclass
class Receipt:
    """One batch. `state`: planned, unchanged (all of it was done before), removed (no reader of a newest version finds
    them; files of older versions wait) or purged.

    `staging`, `exports`: run folder, exported set to rows, -1 where nobody could count. `waits_for`: live runs,
    declared readers, an export.
    """

    at: datetime
    users: int
    new: int = 0
    state: str = "planned"
    tables: dict[str, TableReceipt] = field(default_factory=dict)
    staging: dict[str, int] = field(default_factory=dict)
    exports: dict[str, int] = field(default_factory=dict)
    out_of_reach: dict[str, str] = field(default_factory=dict)
    waits_for: list[str] = field(default_factory=list)
    purge_after: datetime | None = None

    def wait_for(self, what: str, until: datetime) -> None:
        """Nothing is purged before `until`, unless `what` ends earlier."""
        self.waits_for.append(what)
        self.purge_after = max(until, self.purge_after or until)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "at": self.at.isoformat(),
            "state": self.state,
            "users": self.users,
            "new_users": self.new,
            "tables": {name: self._table(table) for name, table in self.tables.items()},
            "staging": self.staging,
            "exports": self.exports,
            "out_of_reach": self.out_of_reach,
            "waits_for": self.waits_for,
            "purge_after": self.purge_after.isoformat() if self.purge_after else None,
        }

    def _table(self, table: TableReceipt) -> dict[str, Any]:
        lost = f"versions before {table.version} cannot be read any more" if table.state == "purged" else None
        return {"rows": table.rows, "state": table.state, "lost": lost, "log_files_naming_them": table.log_files}

    def text(self) -> str:
        """At most one screen."""
        lines = [f"forget: {self.state}; {self.users} users, {self.new} of them new"]
        for name, told in ((name, self._table(table)) for name, table in self.tables.items()):
            lost = f", {told['lost']}" if told["lost"] else ""
            lines.append(f"  {name}: {told['rows']:,} rows, {told['state']}{lost}{_log(told['log_files_naming_them'])}")
        if self.staging:
            lines.append(f"  staging of {len(self.staging)} runs: {', '.join(self.staging)}")
        if self.exports:
            lines.append(f"  {len(self.exports)} exported sets: {', '.join(self.exports)}")
        lines += [f"  {name}: out of reach ({why})" for name, why in self.out_of_reach.items()]
        if self.waits_for:
            until = f"{self.purge_after:%Y-%m-%d %H:%M} UTC" if self.purge_after else ""
            lines.append(f"  purge waits for {', '.join(self.waits_for)}, {until} at the latest: then run this again")
        return "\n".join(lines)


def _log(files: int | None) -> str:
    if files is None:
        return ", log not looked at"
    return f", {files} files of its log name them until the log's retention ends" if files else ""
