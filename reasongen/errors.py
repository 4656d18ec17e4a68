"""Every error that reasongen raises on purpose: one root, each also the builtin that a caller would expect.

A fault of a *row* is never an exception here: it becomes a code in a table. What stands here stops a run.
The message says what was wanted, what was found, where, and what to do; it holds no value from a user's row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

EXIT_OK = 0
EXIT_FAULT = 2
EXIT_REFUSED = 3
EXIT_LEASE = 4


class ReasongenError(Exception):
    """Root of all errors below. `exit_code` is what a job returns for it (design: 2 a retry is useless)."""

    exit_code = EXIT_FAULT


class ConfigError(ReasongenError, ValueError):
    """A setting, argument or file of settings is wrong; found before anything is read or written."""


class ModelError(ReasongenError, RuntimeError):
    """A model directory cannot be used: missing, unsafe, or made for something else."""


class SchemaError(ReasongenError, TypeError):
    """A table of ours has another shape than this version writes; found before anything is written."""


class ExportError(ReasongenError, ValueError):
    """A set of exported changes cannot be used: damaged, of another table, or not what the store has to be given."""


class LeaseError(ReasongenError, RuntimeError):
    """Another run holds this night, or a newer night stands: later, or never."""

    exit_code = EXIT_LEASE


class HistoryError(ReasongenError, LookupError):
    """What an earlier night left cannot be read any more, or there was no such night."""


class MachineError(ReasongenError, RuntimeError):
    """This machine failed, not a row: a retry on another one helps. Exits as a crash would."""

    exit_code = 1


@dataclass(frozen=True)
class Fault:
    """One thing wrong with one table. `where` is a table or `table.column`."""

    where: str
    wanted: str
    found: str
    remedy: str

    def __str__(self) -> str:
        return f"  {self.where}: wanted {self.wanted}; found {self.found}. {self.remedy}"


class ContractError(ReasongenError, ValueError):
    """The input tables break their contract. Lists every fault at once; raised before any token is spent.

    `faults` goes to `Exception.__init__`, so that the error survives pickling between processes.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(tuple(faults))
        self.faults = tuple(faults)

    @property
    def stopped(self) -> str:
        """What the faults kept from happening."""
        return "stopped before generation (0 tokens spent)"

    def __str__(self) -> str:
        noun = "fault" if len(self.faults) == 1 else "faults"
        head = f"{type(self).__name__}: {len(self.faults)} {noun} in the input tables, {self.stopped}"
        return "\n".join([head, *(str(fault) for fault in self.faults)])


class ReadingError(ContractError):
    """The tables of an experiment break their contract. Lists every fault at once; raised before anything is
    counted."""

    @property
    def stopped(self) -> str:
        """What the faults kept from happening."""
        return "nothing was counted"


class ConservationError(ReasongenError, AssertionError):
    """The classes of a run do not add up to its candidates: nothing was published."""

    exit_code = 1
