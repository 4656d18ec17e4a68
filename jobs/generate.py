"""Write tonight's reasons:  spark-submit jobs/generate.py --config conf/local.yaml --night 2026-03-02

Exit codes: 0 published, or nothing to do; 2 a fault in arguments, settings or tables; 3 the gate refused, the old night
stands; 4 a newer night or another run stands; anything else is a crash, and a retry helps.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reasongen.config import NightConfig, load_config
from reasongen.errors import EXIT_OK, EXIT_REFUSED, ReasongenError
from reasongen.pipeline import (
    MOST_PREVIEWED,
    generate_night,
    log_as_json,
    plan_night,
    preview_pairs,
    signalled,
    summary,
)
from reasongen.tables import open_spark


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--config", required=True, metavar="FILE", help="settings, YAML; `extends` names what it overlays"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override one setting; repeatable"
    )
    parser.add_argument("--night", metavar="YYYY-MM-DD", help="evidence lies before this date; default: today, UTC")
    parser.add_argument("--limit", metavar="PAIRS", help="only so many pairs, the same ones each time")
    parser.add_argument(
        "--dry-run", action="store_true", help="plan and cost; nothing is written outside the staging folder"
    )
    parser.add_argument(
        "--preview",
        type=int,
        metavar="PAIRS",
        help=f"evidence, prompt, samples and verdicts of some pairs (at most {MOST_PREVIEWED}); nothing is published",
    )
    parser.add_argument("--json", metavar="FILE", help="the summary as data")
    args = parser.parse_args(argv)
    if args.preview is not None and (args.dry_run or not 0 < args.preview <= MOST_PREVIEWED):
        parser.error(f"--preview: wanted 1 to {MOST_PREVIEWED} pairs, without --dry-run")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the night; returns the exit code."""
    args = arguments(argv)
    sets = [
        *args.set,
        *([f"night='{args.night}'"] if args.night else []),
        *([f"limit={args.limit}"] if args.limit else []),
    ]
    try:
        config = load_config(args.config, sets)
        with log_as_json(config.signals.log == "json", scenario=config.scenario), open_spark(config.spark) as spark:
            told, status = _told(spark, config, args)
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if args.json:
        Path(args.json).write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return EXIT_REFUSED if status == "refused" else EXIT_OK


def _told(spark: Any, config: NightConfig, args: argparse.Namespace) -> tuple[Any, str]:
    """Does what was asked and prints it; returns it as data, with its status."""
    if args.preview:
        previews = preview_pairs(spark, config, args.preview)
        print("\n\n".join(one.preview() for one in previews))
        return [one.as_json() for one in previews], "previewed"
    if args.dry_run:
        plan = plan_night(spark, config)
        print(summary(spark, plan.run, config), plan.text(), sep="\n")
        return plan.as_json(), plan.run.status
    with signalled(config) as signals:
        signals.run = run = generate_night(spark, config)
    print(summary(spark, run, config))
    return run.as_json(), run.status


if __name__ == "__main__":
    sys.exit(main())
