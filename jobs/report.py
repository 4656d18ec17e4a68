"""Write a night's page for people:  python jobs/report.py --config conf/local.yaml --night 2026-03-02 --out pages

One file that opens anywhere, and an index of all nights; no Spark, no model. Exit codes: 0 written, whatever became of
the night; 2 a fault in arguments or settings; anything else is a crash, and a retry helps.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reasongen.config import load_config
from reasongen.errors import EXIT_OK, ReasongenError
from reasongen.report import write_report


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, metavar="FILE", help="settings, YAML")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override one setting; repeatable"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--night", metavar="YYYY-MM-DD", help="default: that of the settings, or the newest on record")
    which.add_argument("--run", metavar="RUN_ID", help="tell of this run instead of the one that decided its night")
    parser.add_argument("--out", metavar="DIR", help="where the pages go; default: report below the root")
    parser.add_argument("--json", metavar="FILE", help="what was written, as data")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the page; returns the exit code."""
    args = arguments(argv)
    try:
        config = load_config(args.config, [*args.set, *([f"night='{args.night}'"] if args.night else [])])
        written = write_report(config, args.run, args.out)
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(written.text())
    if args.json:
        Path(args.json).write_text(json.dumps(written.as_json(), indent=1) + "\n", encoding="utf-8")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
