"""Put back an earlier night:  spark-submit jobs/rollback.py --config conf/local.yaml --night 2026-03-01 --dry-run

One commit brings `reasons` to what that night left for the scenario of the settings, less users who were forgotten,
took back their consent or are minors, items gone from the catalogue, expired reasons, what was withdrawn, and what
today's verdict refuses. The next night makes its own reasons again: mend first what was wrong with it.
Exit codes: 0 done, or nothing to do; 2 a fault in arguments, settings or tables, a night that was never published, or
one whose version is gone; 3 fewer reasons than `gate.min_rows` would stand; 4 another run works on this scenario;
anything else is a crash, and a retry helps.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from reasongen.config import load_config
from reasongen.errors import EXIT_OK, EXIT_REFUSED, ReasongenError
from reasongen.pipeline import roll_back
from reasongen.tables import open_spark


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, metavar="FILE", help="the night's settings, YAML")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override one setting; repeatable"
    )
    parser.add_argument(
        "--night", required=True, type=date.fromisoformat, metavar="YYYY-MM-DD", help="the night to put back"
    )
    parser.add_argument("--dry-run", action="store_true", help="count what would change; reasons stay as they are")
    parser.add_argument("--json", metavar="FILE", help="the receipt as data")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Rolls back; returns the exit code."""
    args = arguments(argv)
    try:
        config = load_config(args.config, args.set)
        with open_spark(config.spark) as spark:
            done = roll_back(spark, config, args.night, dry_run=args.dry_run)
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(done.text())
    if args.json:
        Path(args.json).write_text(json.dumps(done.as_json(), indent=1) + "\n", encoding="utf-8")
    return EXIT_REFUSED if done.state == "refused" else EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
