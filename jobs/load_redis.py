"""Bring exported sets into a Redis:  python jobs/load_redis.py .local/lake/exports --redis 127.0.0.1:6379

Applies, in order and once each, the sets that the store lacks; a store that begins takes the newest full one. A load
that was killed is completed by the next. Keys, and how to read them:
reasongen/serving/store.py. Exit codes: 0 done, or
nothing to do; 2 no chain of sets leads on, a damaged set, a fault in arguments; 4 another load has begun; anything else
is a crash, and a retry helps.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from reasongen.errors import EXIT_OK, ReasongenError
from reasongen.serving import connect, load_sets

PASSWORD = "env:REASONGEN_REDIS_PASSWORD"


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="where the sets stand: export.dir of the settings")
    parser.add_argument(
        "--redis", required=True, metavar="HOST:PORT", help="or redis:// or rediss:// (TLS) and /DATABASE; no password"
    )
    parser.add_argument(
        "--password",
        default=PASSWORD,
        metavar="PLACE",
        help=f"env:NAME or file:PATH (default: {PASSWORD}); may be empty",
    )
    parser.add_argument("--json", metavar="FILE", help="what was done, as data")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Loads; returns the exit code."""
    args = arguments(argv)
    try:
        with connect(args.redis, args.password) as client:
            done = load_sets(args.folder, client)
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(done.text())
    if args.json:
        Path(args.json).write_text(json.dumps(done.as_json(), indent=1) + "\n", encoding="utf-8")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
