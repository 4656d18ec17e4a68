"""How one pair came to its words:  spark-submit jobs/explain.py --config conf/local.yaml --user u0001234 --item i00366

From the input rows to the reason that stands, each step with its versions, and why the other samples lost. It tells
about a user on standard output, and writes nothing but what --json asks for. Exit codes: 0 told; 2 a fault in arguments
or settings, or nothing is known of the pair; anything else is a crash, and a retry helps.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from reasongen.config import load_config
from reasongen.errors import EXIT_OK, ReasongenError
from reasongen.pipeline import explain_pair
from reasongen.tables import open_spark


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, metavar="FILE", help="settings, YAML")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override one setting; repeatable"
    )
    parser.add_argument("--user", required=True, metavar="ID", help="to whom; a process list shows it")
    parser.add_argument("--item", required=True, metavar="ID", help="what")
    parser.add_argument("--run", metavar="RUN_ID", help="as of this run; default: the last finished one")
    parser.add_argument("--json", metavar="FILE", help="all of it as data; - is standard output, in place of the text")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Explains; returns the exit code."""
    args = arguments(argv)
    try:
        config = load_config(args.config, args.set)
        with open_spark(config.spark) as spark:
            told = explain_pair(spark, config, args.user, args.item, args.run)
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    data = json.dumps(told.as_json(), ensure_ascii=False, indent=1)
    print(data if args.json == "-" else told.text())
    if args.json not in (None, "-"):
        Path(args.json).write_text(data + "\n", encoding="utf-8")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
