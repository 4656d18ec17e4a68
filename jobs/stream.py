"""Reasons between two nights:  spark-submit jobs/stream.py --config my.yaml

Users with a new row in `candidates` or `events` (Delta tables) get their reasons by the road of the night: its lease,
its verdict, its gate, into the same table; the night that follows finds them and changes nothing. Without --every it
ends once everything that is there has been read. Killed and started again it goes on where it was.
Exit codes: 0 done, or nothing new; 2 a fault in arguments, settings or tables; 3 the gate refused a batch, which is
read again at the next start; 4 a night is at work (with --every it waits); anything else is a crash: a retry helps.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from reasongen.config import load_config
from reasongen.errors import EXIT_OK, EXIT_REFUSED, ReasongenError
from reasongen.pipeline import stream_changes
from reasongen.tables import open_spark


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, metavar="FILE", help="the night's settings, YAML")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override one setting; repeatable"
    )
    parser.add_argument(
        "--night", metavar="YYYY-MM-DD", help="the night that it works towards; default: the one that ends today"
    )
    parser.add_argument("--every", type=float, metavar="SECONDS", help="go on, and look so often")
    parser.add_argument("--json", metavar="FILE", help="the runs as data")
    args = parser.parse_args(argv)
    if args.every is not None and args.every <= 0:
        parser.error("--every: wanted seconds above 0")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    """Streams; returns the exit code."""
    args = arguments(argv)
    try:
        config = load_config(args.config, [*args.set, *([f"night='{args.night}'"] if args.night else [])])
        with open_spark(config.spark) as spark:
            done = stream_changes(spark, config, every=args.every)
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    for run in done.runs:
        told = ", ".join(f"{count:,} {name}" for name, count in run.pairs.items() if count)
        print(f"{run.run_id}: {run.status}, {told}")
    if not done.runs:
        print("nothing new")
    if args.json:
        Path(args.json).write_text(json.dumps(done.as_json(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return EXIT_REFUSED if done.refused else EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
