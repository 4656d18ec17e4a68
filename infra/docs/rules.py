"""The rules of law as a list, from conf/policies: what each is about and where it comes from, not its words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from words import cell, code, plain, table


def page(root: Path) -> str:
    """One section for each rule, one row for each language."""
    files = sorted((root / "conf" / "policies").glob("*/*.yaml"), key=lambda file: (_number(file.stem), str(file)))
    found: dict[str, list[tuple[Path, Mapping[str, Any]]]] = {}
    for file in files:
        found.setdefault(file.stem, []).append((file, yaml.safe_load(file.read_text(encoding="utf-8"))))
    parts = [_HEAD]
    for name, rules in found.items():
        parts += [
            f"## {plain(name)}",
            table(("file", "version", "if it hits", "what it asks", "source"), map(_row, rules)),
        ]
        parts += [f"{rule['locale']}: {plain(_head(file, root))}" for file, rule in rules if _head(file, root)]
    return "\n\n".join(parts) + "\n"


def _number(stem: str) -> int:
    found = re.match(r"R(\d+)", stem)
    return int(found[1]) if found else 0


def _head(file: Path, root: Path) -> str:
    lines = file.read_text(encoding="utf-8").split("\n")
    head = []
    for line in lines:
        if not line.startswith("#"):
            break
        head.append(line.lstrip("# ").strip())
    return " ".join(head)


def _row(rule: tuple[Path, Mapping[str, Any]]) -> tuple[str, ...]:
    file, says = rule
    asked: dict[str, int] = {}
    for check in says.get("checks", []):
        size = next((len(check[key]) for key in ("terms", "patterns") if key in check), 1)
        asked[check["kind"]] = asked.get(check["kind"], 0) + size
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(asked.items()))
    return (
        code("/".join(file.parts[-2:])),
        str(says["version"]),
        cell(str(says["action"])),
        cell(told),
        cell(str(says["source"])),
    )


_HEAD = """# Rules of law

Each rule is one file in each language below `conf/policies/`. Their sources are partly second-hand: a lawyer confirms
them before launch. A text that a rule hits with `block`, `rewrite` or `human` is not shown; a hit of `label` alone
stops nothing. The words themselves stand in the files. How to add one:
[a rule, a licence, a language](../how-to/rules.md).

Numbers and prices, marks, claims and the rest of the verdict are code, not data: `reasongen/validation/`."""
