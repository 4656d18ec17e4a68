"""Take reasons down, for good:  spark-submit jobs/withdraw.py --config conf/local.yaml --term "miracle cure"

One commit, no night; later nights write another text or a fallback in their place, or no reason for a withdrawn item.
`--rule` asks the rule as its files say it now: edit or add them first. Exit codes: 0 done, or nothing to do; 2 a fault
in arguments, settings or tables; anything else is a crash, and a retry helps.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from reasongen.config import load_config
from reasongen.errors import EXIT_OK, ReasongenError
from reasongen.pipeline import withdraw
from reasongen.tables import open_spark


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, metavar="FILE", help="settings, YAML")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override one setting; repeatable"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--item", metavar="ID", help="every reason for this item; it gets none any more")
    what.add_argument("--term", metavar="TEXT", help="every reason with these words; case and width make no difference")
    what.add_argument("--reason", metavar="SKELETON_HASH", help="every reason with this skeleton, from reasons")
    what.add_argument("--rule", metavar="RULE_ID", help="every reason that this rule of the policy refuses today")
    parser.add_argument("--dry-run", action="store_true", help="count what would go; nothing is written")
    parser.add_argument("--json", metavar="FILE", help="what was done, as data")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Withdraws; returns the exit code."""
    args = arguments(argv)
    kind = next(kind for kind in ("item", "term", "reason", "rule") if getattr(args, kind) is not None)
    try:
        config = load_config(args.config, args.set)
        with open_spark(config.spark) as spark:
            done = withdraw(spark, config, kind, getattr(args, kind), dry_run=args.dry_run)
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(done.text())
    if args.json:
        Path(args.json).write_text(json.dumps(done.as_json(), indent=1) + "\n", encoding="utf-8")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
