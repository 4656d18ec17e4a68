"""What a night of each other domain came to: python benchmarks/scenarios.py [--json FILE], after `make domain NAME=…`

Reads what stands below .local; makes nothing. Lines of configuration are those of conf/scenarios/NAME.yaml and of the
folder beside it, but for the words of the sample tables, which stand in for a team's own.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reasongen.config import load_config
from reasongen.report.lake import open_lake
from reasongen.report.nights import ENDS, reasons_of
from reasongen.report.refusals import refusals

ROOT = Path(__file__).resolve().parents[1]
SCENARIOS = ROOT / "conf" / "scenarios"
SHOWN = 8
"""Rules shown of those that refused a text."""


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the figures; 2 where no domain's night stands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    options = parser.parse_args(argv)
    told = {path.stem: figures_of(path) for path in sorted(SCENARIOS.glob("*.yaml"))}
    for name, figures in told.items():
        print(name)
        for what, figure in figures.items():
            print(f"  {what:48} {figure}")
    if options.json:
        Path(options.json).write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 0 if any(len(figures) > 2 for figures in told.values()) else 2


def configuration(scenario: Path) -> list[Path]:
    """The files that make a domain: the night's, and its folder but for the words of the sample tables."""
    own = scenario.with_suffix("")
    return [scenario, *(path for path in sorted(own.rglob("*.yaml")) if path.parent != own / "world")]


def figures_of(scenario: Path) -> dict[str, Any]:
    """The lines, and what the newest night that published says."""
    words = sorted((scenario.with_suffix("") / "world").glob("*.yaml"))
    figures: dict[str, Any] = {
        "lines of configuration (at most 120)": _lines(configuration(scenario)),
        "lines of the sample tables' words": _lines(words),
    }
    config = load_config(scenario)
    with open_lake(config.root) as lake:
        runs = [run for run in lake.runs(config.scenario) if run["status"] == "published"]
        if not runs:
            return figures | {"no night": f"run `make domain NAME={scenario.stem}`"}
        run = runs[-1]
        figures |= counts(run, pl.read_delta(f"{config.root}/quarantine"), pl.read_delta(f"{config.root}/reasons"))
        for table in ("quarantine", "reasons", "generations"):
            lake.view(table)
        lake.items(config.inputs.items)
        rules = refusals(lake, run["run_id"])["rules"]
    return figures | {f"refused by {rule['rule']}, texts": rule["texts"] for rule in rules[:SHOWN]}


def counts(run: dict[str, Any], quarantine: pl.DataFrame, reasons: pl.DataFrame) -> dict[str, Any]:
    """Of one run, its refused texts and what stands. Shares are of the pairs that were to get a reason."""
    pairs, prompts = run["pairs"], run["prompts"]
    silent = pairs.get("quarantined", 0)
    asked = reasons_of(run) + silent
    refused = quarantine.filter((pl.col("run_id") == run["run_id"]) & (pl.col("sample") == 0))
    first = refused.select("user_id", "item_id").unique().height
    return {
        "backend": run["device"],
        "candidates": pairs["candidates"],
        **{name: pairs[name] for name in ENDS if pairs.get(name)},
        "without a reason (all samples and the fallback refused)": silent,
        **{name: n for name, n in sorted(pairs.items()) if n and name.split(".")[0] in ("skipped", "rejected")},
        "fallback share": round(pairs.get("fallback", 0) / asked, 4),
        "pairs whose first sample passes": round(1 - first / asked, 4),
        "reasons that tell of the user's acts": round(
            reasons.filter(pl.col("evidence").list.len() > 0).height / asked, 4
        ),
        "private items": run["codes"].get("items.private", 0),
        "distinct prompts a pair": round(prompts["distinct"] / asked, 3),
        "prompts generated / reused": f"{prompts.get('generated', 0)} / {prompts.get('reused', 0)}",
        "model loads": run["model_loads"],
        "seconds": round(sum(run["seconds"].values())),
    }


def _lines(paths: Sequence[Path]) -> int:
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)


if __name__ == "__main__":
    sys.exit(main())
