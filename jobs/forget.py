"""Erase users, for good:  spark-submit jobs/forget.py --config conf/local.yaml --users ids.txt --json receipt.json

Takes them out of every table below the root and, where `forget.inputs` says so, out of the Delta inputs; no later night
brings them back. Files of older versions are deleted at once, or wait for a running night: run it again then.
`--users -` reads standard input. Exit codes: 0 done, or nothing to do; 2 a fault in arguments or settings; 4 another
forgetting is at work; anything else is a crash. After 4 and a crash a retry helps.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from reasongen.config import load_config
from reasongen.errors import EXIT_OK, ReasongenError
from reasongen.pipeline import forget_users, read_users
from reasongen.tables import open_spark


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line. A fault of it is told without its values: they may be ids."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--config", required=True, metavar="FILE", help="settings, YAML")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override one setting; repeatable"
    )
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--user", nargs="+", action="extend", metavar="ID", help="whom to forget; a process list shows it")
    who.add_argument("--users", metavar="FILE", help="the same, one id a line; - is standard input")
    parser.add_argument("--dry-run", action="store_true", help="count what would go; nothing is written")
    parser.add_argument("--json", metavar="FILE", help="the receipt as data; it names nobody")
    args, unknown = parser.parse_known_args(argv)
    if unknown:
        parser.error(f"{len(unknown)} words that are no options of this job")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Forgets; returns the exit code."""
    args = arguments(argv)
    try:
        config = load_config(args.config, args.set)
        users = args.user or read_users(args.users)
        with open_spark(config.spark) as spark:
            receipt = forget_users(spark, config, users, dry_run=args.dry_run)
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(receipt.text())
    if args.json:
        Path(args.json).write_text(json.dumps(receipt.as_json(), indent=1) + "\n", encoding="utf-8")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
