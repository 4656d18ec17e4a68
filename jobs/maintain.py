"""Keep the tables small and quick to look up:  spark-submit jobs/maintain.py --config conf/local.yaml

Takes out samples and refused texts that have had their time (`retention`), sorts `reasons` by user, removes the files
that no version of the last days holds, prints what each table takes. Safe beside readers and beside a night: a table
that somebody writes meanwhile is left for the next time.
Exit codes: 0 done; 2 a fault in arguments or settings; anything else is a crash, and a retry helps.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from reasongen.config import load_config
from reasongen.errors import EXIT_OK, ReasongenError
from reasongen.pipeline import maintain_tables
from reasongen.tables import open_spark


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, metavar="FILE", help="the night's settings; `root` is what counts")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override one setting; repeatable"
    )
    parser.add_argument(
        "--keep-hours",
        type=float,
        default=168.0,
        help="what a version of so many hours holds stays (default: 168)",
    )
    parser.add_argument("--json", metavar="FILE", help="the sizes as data")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Maintains the tables; returns the exit code."""
    args = arguments(argv)
    try:
        config = load_config(args.config, args.set)
        with open_spark(config.spark) as spark:
            told = maintain_tables(
                spark, config.root, keep_hours=args.keep_hours, retention=config.retention, forget=config.forget
            )
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    for name, row in told.items():
        print(f"{name:12} " + ", ".join(f"{value:,} {what.replace('_', ' ')}" for what, value in row.items()))
    if args.json:
        Path(args.json).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
