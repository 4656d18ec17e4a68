"""The night's figures:  python benchmarks/night.py [--only NAME …] [--rounds N] [--nights N] [--json FILE]

scale     10 times the pairs and events; everything but the engine against a bare Spark job
skew      a hot item and a heavy user against the even case
prompts   distinct prompts per pair by budget and template; prompts that a new day changes
memory    peak memory of driver and executor on a cluster of one
second    a night with nothing new
days      --nights of one per cent changes: seconds, samples, and what the lake weighs then
lookup    one user's reasons, before and after maintenance
variety   skeletons and openings of the last `make generate`, and what its model's corpus holds of them
first     where the last `make generate` spent its seconds

Data are made below .local/bench on first use. Each figure runs in a process of its own, since a Spark session is one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NAMES = ("scale", "skew", "prompts", "memory", "second", "days", "lookup", "variety", "first")
HERE = Path(__file__).resolve().parent


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the figures; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME", help="one figure; repeatable")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds whose median counts")
    parser.add_argument("--nights", type=int, default=60, help="of days: how many, each about a minute")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures as data, beside what it held before")
    args = parser.parse_args(argv)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    names = args.only or NAMES
    if len(names) == 1:
        figures = _measure(names[0], args.nights if names[0] == "days" else args.rounds)
        _print(names[0], figures)
        if args.json:
            _keep(args.json, names[0], figures)
        return 0
    codes = [_child(name, args) for name in names]
    return max(codes)


def _measure(name: str, rounds: int) -> dict[str, Any]:
    from days import days
    from figures import FIGURES
    from lookup import lookup
    from memory import memory
    from variety import night_variety

    return {**FIGURES, "days": days, "lookup": lookup, "memory": memory, "variety": night_variety}[name](rounds)


def _child(name: str, args: argparse.Namespace) -> int:
    told = [sys.executable, str(HERE / "night.py"), "--only", name, "--rounds", str(args.rounds)]
    told += ["--nights", str(args.nights), *(["--json", str(args.json)] if args.json else [])]
    return subprocess.run(told, check=False).returncode


def _print(name: str, figures: dict[str, Any]) -> None:
    print(f"\n{name}")
    for label, value in figures.items():
        rows = value.items() if isinstance(value, dict) else [("", value)]
        for part, one in rows:
            shown = f"{one:.2f}" if isinstance(one, float) else str(one)
            print(f"  {' '.join(filter(None, (label, part))):<62} {shown}", flush=True)


def _keep(file: Path, name: str, figures: dict[str, Any]) -> None:
    known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    known[name] = figures
    file.write_text(json.dumps(known, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
