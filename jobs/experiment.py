"""What the feedback of an experiment says:  python jobs/experiment.py --config conf/experiment.yaml --html page.html
Exit: 0 read, or planned; 2 a fault in arguments, settings or tables; 3 users by arm do not fit the weights, so nothing
may be believed (page and figures are written); anything else a crash."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reasongen.config import load_settings
from reasongen.errors import EXIT_OK, EXIT_REFUSED, ReasongenError
from reasongen.experiments.planning import plans
from reasongen.experiments.sample import write_sample
from reasongen.experiments.settings import ExperimentSettings
from reasongen.experiments.study import study
from reasongen.experiments.telling import lines, plan_lines
from reasongen.report.experiment import render_experiment


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    options = _options(argv)
    try:
        settings = load_settings(ExperimentSettings, options.config, options.set)
        if options.plan:
            return _plan(settings, options.json)
        if options.sample:
            settings = write_sample(settings, options.sample)
        figures = study(settings)
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print("\n".join(lines(figures)))
    if options.json:
        _write(options.json, json.dumps(figures, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    if options.html:
        _write(options.html, render_experiment(figures))
    return EXIT_REFUSED if figures["status"] == "blocked" else EXIT_OK


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="conf/experiment.yaml", help="YAML file of settings")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting; repeatable")
    parser.add_argument(
        "--plan", action="store_true", help="before the start: users needed, smallest lift seen; reads no table"
    )
    parser.add_argument("--sample", metavar="DIR", help="write a small simulated experiment there, and read that")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--html", metavar="FILE", help="write the page there")
    return parser.parse_args(argv)


def _plan(settings: ExperimentSettings, file: str | None) -> int:
    found = plans(settings)
    print("\n".join(plan_lines(found, settings.metrics, settings.plan.users)))
    if file:
        told = {metric: {arm: vars(plan) for arm, plan in by_arm.items()} for metric, by_arm in found.items()}
        _write(file, json.dumps(told, indent=1) + "\n")
    return EXIT_OK


def _write(file: str, text: str) -> None:
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
