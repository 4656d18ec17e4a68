"""Docstrings, comments and cells as Markdown. Knows no table, job or setting."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_COLUMNS = re.compile(r"^\s|\S {2,}\S")


def plain(text: str) -> str:
    """Text that Markdown shows as it is written; what stands between backticks stays code."""
    parts = re.split(r"(`[^`\n]+`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*_<>\[\]\\])", r"\\\1", part) for part in parts)


def cell(text: str) -> str:
    """The same inside a table."""
    return " ".join(plain(text).replace("|", "\\|").split())


def code(text: str) -> str:
    """A word of code inside a table; nothing where there is none."""
    return f"`{text.replace('|', chr(92) + '|')}`" if text else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells are Markdown already."""
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


def prose(docstring: str) -> str:
    """A docstring as paragraphs; a paragraph that is drawn in columns stays as it was drawn."""
    paragraphs = [part.strip("\n") for part in re.split(r"\n\s*\n", docstring.strip("\n"))]
    return "\n\n".join(_drawn(one) if _is_drawn(one) else plain(one) for one in paragraphs if one.strip())


def _is_drawn(paragraph: str) -> bool:
    lines = paragraph.split("\n")
    return len(lines) > 1 and sum(bool(_COLUMNS.search(line)) for line in lines) > len(lines) / 2


def _drawn(paragraph: str) -> str:
    return f"```text\n{paragraph}\n```"
