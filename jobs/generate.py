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

from reasongen.config import load_config
from reasongen.errors import EXIT_OK, EXIT_REFUSED, ReasongenError
from reasongen.pipeline import generate_night, plan_night, summary
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
    parser.add_argument("--json", metavar="FILE", help="the summary as data")
    return parser.parse_args(argv)


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
        with open_spark(config.spark) as spark:
            run = plan_night(spark, config) if args.dry_run else generate_night(spark, config)
            print(summary(spark, run, config))
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if args.json:
        Path(args.json).write_text(json.dumps(run.as_json(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return EXIT_REFUSED if run.status == "refused" else EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
