"""What a table is: columns with types and meanings, a key, what may stand in statistics. Holds no table itself."""

from __future__ import annotations

from dataclasses import dataclass

ACTIONS = ("browse", "click", "comment", "share", "cart", "purchase")
"""Acts of a user, weakest first: the position is the strength by which evidence speaks of the strongest act."""

LOCALES = ("zh", "en")

SHARED_BY = 3
"""Users who must share what a person who is none of them is shown; fewer could be told apart by who knows them."""


@dataclass(frozen=True)
class Column:
    """One column. `doc` says the unit and what null means; `required` columns must exist in an input."""

    name: str
    type: str
    doc: str
    required: bool = True


@dataclass(frozen=True)
class Table:
    """A table: its `key` is unique; `people` says that rows speak of persons (then no id or text in statistics)."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    people: bool = False
    checks: tuple[tuple[str, str], ...] = ()
    statistics: tuple[str, ...] = ()
    partition_by: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return [column.name for column in self.columns]

    @property
    def ddl(self) -> str:
        """The Spark DDL of all columns."""
        return ", ".join(f"`{column.name}` {column.type}" for column in self.columns)
