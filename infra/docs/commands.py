"""The options of every job, as its own argparse has them; the job itself is not run."""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

from words import cell, code, plain, prose, table


class _FoundError(Exception):
    """Carries a parser out of a job before it reads the command line."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        super().__init__()
        self.parser = parser


def load(job: Path) -> ModuleType:
    """A job as a module: importing it does nothing."""
    spec = importlib.util.spec_from_file_location(f"job_{job.stem}", job)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parser_of(job: Path) -> argparse.ArgumentParser | None:
    """The parser with which the job reads its command line; None for one that has none."""
    module = load(job)

    def found(self: argparse.ArgumentParser, *_: object, **__: object) -> None:
        raise _FoundError(self)

    with (
        patch.object(argparse.ArgumentParser, "parse_args", found),
        patch.object(argparse.ArgumentParser, "parse_known_args", found),
    ):
        try:
            module.main([])
        except _FoundError as told:
            return told.parser
    return None


def options_of(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every option and place of a parser but --help."""
    return (action for action in parser._actions if not isinstance(action, argparse._HelpAction))


def exit_codes(docstring: str) -> str:
    """What a job's docstring says of its exit codes."""
    found = re.search(r"[Ee]xit(?: codes)?: (.*?)(?:\n\n|\n {2,}|\Z)", docstring, re.S)
    return " ".join(found[1].split()) if found else ""


def page(root: Path) -> str:
    """The reference of all jobs."""
    jobs = sorted((root / "jobs").glob("*.py"))
    return "\n\n".join([_HEAD, *(_section(job) for job in jobs)]) + "\n"


def _section(job: Path) -> str:
    parser = parser_of(job)
    doc = inspect.cleandoc((parser.description if parser else load(job).__doc__) or "")
    head, _, rest = doc.partition("\n\n") if "\n\n" in doc else doc.partition("\n")
    parts = [f"## {job.stem}"]
    for line in head.split("\n"):
        said, colon, command = line.partition(":  ")
        parts += [plain(said) + "."] if colon else [plain(line)]
        parts += [f"```text\n{command.strip()}\n```"] if command else []
    parts.append(prose(rest))
    if parser is not None:
        parts.append(table(("option", "what it says", "default"), map(_row, options_of(parser))))
    return "\n\n".join(part for part in parts if part)


def _row(action: argparse.Action) -> tuple[str, str, str]:
    shown = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    value = "" if action.nargs == 0 else f" {shown}"
    name = ", ".join(f"{option}{value}" for option in action.option_strings) or str(shown)
    default = action.default if action.default not in (None, False, [], argparse.SUPPRESS) else None
    told = "required" if action.required and action.option_strings else "" if default is None else code(_place(default))
    many = "; repeatable" if type(action).__name__ in ("_AppendAction", "_ExtendAction") else ""
    said = cell((action.help or "").replace("%%", "%"))
    return code(name), said + ("" if "repeatable" in said else many), told


def _place(default: object) -> str:
    """A default as text; a path of this machine as one of the checkout."""
    return str(default).removeprefix(f"{Path(__file__).resolve().parents[2]}/")


_HEAD = """# Commands

Each verb is one file in `jobs/`. This page is made from the programs themselves each time it is built.

Jobs that need Spark run under `spark-submit`, with Delta's jars given by `--jars` or by the cluster. On one machine
`python jobs/….py` starts Spark by itself, with the jars that `spark.jars` of the settings names. `--help` of each job
says what stands here. What the numbers mean: [exit codes](exit-codes.md)."""
