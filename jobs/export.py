"""Give a store what changed:  python jobs/export.py --config conf/local.yaml

Writes what changed and what went in `reasons` since the last export as one set below `export.dir`: the first time
everything, with nothing new nothing. Needs no Spark. `jobs/load_redis.py` brings the sets into a Redis. Exit codes: 0
done, or nothing to do; 2 a fault in arguments, settings or sets; 4 another export or a forgetting works there; anything
else is a crash, and a retry helps.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from reasongen.config import load_config
from reasongen.errors import EXIT_OK, ReasongenError
from reasongen.serving import export_changes


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, metavar="FILE", help="settings, YAML")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override one setting; repeatable"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--since", type=int, metavar="VERSION", help="of reasons; default: the newest one exported")
    what.add_argument("--full", action="store_true", help="every row, for a store that begins")
    parser.add_argument("--json", metavar="FILE", help="what was done, as data")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Exports; returns the exit code."""
    args = arguments(argv)
    try:
        config = load_config(args.config, args.set)
        done = export_changes(config, since=args.since, full=args.full)
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(done.text())
    if args.json:
        Path(args.json).write_text(json.dumps(done.as_json(), indent=1) + "\n", encoding="utf-8")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
