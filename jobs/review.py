"""Let people judge what rules could not:  python jobs/review.py --config conf/local.yaml

A page at http://127.0.0.1:8383/ over the queue of doubted sentences, until Ctrl-C; no Spark, no model. What is decided
counts from the next night on. Exit codes: 0 stopped, or told; 2 a fault in arguments or settings; anything else is a
crash, and a retry helps.
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
from reasongen.review import ReviewServer, state_of


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, metavar="FILE", help="settings, YAML")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override one setting; repeatable"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; where other machines reach it, reviewers need the token of review.token",
    )
    parser.add_argument("--port", type=int, default=8383, help="default: 8383; 0: any that is free")
    parser.add_argument("--state", action="store_true", help="tell how the queue stands, and how far people agree")
    parser.add_argument("--json", metavar="FILE", help="with --state: the same as data")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Serves the page, or tells; returns the exit code."""
    args = arguments(argv)
    try:
        config = load_config(args.config, args.set)
        if args.state:
            state = state_of(config.root)
            print(state.text())
            if args.json:
                Path(args.json).write_text(json.dumps(state.as_json(), indent=1) + "\n", encoding="utf-8")
            return EXIT_OK
        server = ReviewServer(config, args.host, args.port)
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    with server:
        print(f"review: {server.url} (Ctrl-C stops it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("review: stopped")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
