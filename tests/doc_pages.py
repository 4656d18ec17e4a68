"""The pages of the documentation as blocks and commands, and a folder in which a page can be run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nights import ENVIRONMENT

ROOT = Path(__file__).resolve().parent.parent
FILES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]
MARK = "=== block"
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
_JOB = re.compile(r"((?:jobs|infra/airflow)/\w+\.py)((?:[^`\n|;)&]|`(?=\w))*)")


@dataclass(frozen=True)
class Block:
    """Commands of a page, and the lines that are to stand among what they print."""

    commands: str
    printed: tuple[str, ...] = ()

    @property
    def is_run(self) -> bool:
        """Whether a test runs it."""
        return not self.commands.startswith("# not run")


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        """Below the checkout."""
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        """With the lines of a command that goes on joined."""
        return self.path.read_text(encoding="utf-8").replace("\\\n", " ")

    @property
    def blocks(self) -> list[Block]:
        """Every block of commands; a block of text right behind one says what it prints."""
        found: list[Block] = []
        for language, inside in _FENCE.findall(self.path.read_text(encoding="utf-8")):
            if language == "sh":
                found.append(Block(inside))
            elif language == "text" and found:
                found[-1] = Block(found[-1].commands, tuple(line for line in inside.split("\n") if line.strip()))
        return found

    @property
    def jobs(self) -> Iterator[tuple[str, str]]:
        """Every job that the page names, with the words behind it."""
        yield from _JOB.findall(self.text)

    @property
    def code(self) -> list[str]:
        """What stands between backticks in its prose."""
        return re.findall(r"`([^`\n]+)`", _FENCE.sub("", self.text))


PAGES = [Page(path) for path in FILES]


def sandbox(folder: Path) -> Path:
    """A checkout of links, with a `.local` of its own."""
    (folder / ".local").mkdir(parents=True)
    for name in ("conf", "jobs", "models", "reasongen", "infra", ".venv"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".local" / "jars").symlink_to((ROOT / ".local" / "jars").resolve())
    return folder


def copied(done: Path, folder: Path) -> Path:
    """Another one that goes on from what a page left."""
    sandbox(folder)
    shutil.copytree(done / ".local" / "shop", folder / ".local" / "shop")
    return folder


def run_page(page: Page, folder: Path) -> list[str]:
    """Runs the blocks of a page in one shell; returns the lines that were not printed, each with its block's number.

    `…` in a line stands for anything; lines come in the order of the page, others may stand between them.
    """
    blocks = [block for block in page.blocks if block.is_run]
    script = "\n".join(f"echo '{MARK} {number}' >&2\n{block.commands}" for number, block in enumerate(blocks))
    begin = "source .venv/bin/activate\nexport PYSPARK_PYTHON=$PWD/.venv/bin/python\n"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", begin + script],
        cwd=folder,
        env={**os.environ, **ENVIRONMENT, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1500,
        check=False,
    )
    (folder / ".local" / f"{page.path.stem}.out").write_text(done.stdout, encoding="utf-8")
    assert done.returncode == 0, f"{page.name}: exit {done.returncode}\n{done.stdout[-3000:]}"
    said = re.split(rf"^{MARK} \d+$", done.stdout, flags=re.M)[1:]
    assert len(said) == len(blocks)
    missed = zip(blocks, said, strict=True)
    return [f"block {n}: {line}" for n, (block, text) in enumerate(missed) for line in _missing(block.printed, text)]


def _missing(wanted: tuple[str, ...], said: str) -> Iterator[str]:
    lines = iter(said.split("\n"))
    for line in wanted:
        pattern = re.compile(".*".join(re.escape(part) for part in line.rstrip().split("…")))
        if not any(pattern.fullmatch(found.rstrip()) for found in lines):
            yield line
            lines = iter(said.split("\n"))
