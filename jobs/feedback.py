"""Heed what users said of their reasons:  spark-submit jobs/feedback.py --config conf/local.yaml --json said.json

Reads `inputs.feedback`. A disliked or reported sentence goes at once and never comes back for that user and item; one
that `feedback.report_users` users reported goes for everybody. A night does the same at its start; run this as often as
feedback should tell. Exit codes: 0 done, or nothing to do; 2 a fault in arguments, settings or tables; anything else is
a crash, and a retry helps.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from reasongen.config import load_config
from reasongen.errors import EXIT_OK, ReasongenError
from reasongen.pipeline import take_feedback
from reasongen.tables import open_spark


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, metavar="FILE", help="settings, YAML")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override one setting; repeatable"
    )
    parser.add_argument("--dry-run", action="store_true", help="count what there is; nothing is written")
    parser.add_argument("--json", metavar="FILE", help="what was done, as data")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Heeds the feedback; returns the exit code."""
    args = arguments(argv)
    try:
        config = load_config(args.config, args.set)
        with open_spark(config.spark) as spark:
            done = take_feedback(spark, config, dry_run=args.dry_run)
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(done.text())
    if args.json:
        Path(args.json).write_text(json.dumps(done.as_json(), indent=1) + "\n", encoding="utf-8")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
