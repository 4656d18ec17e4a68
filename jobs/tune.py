"""Look for better settings of a fine-tuning:  python jobs/tune.py --config conf/tune.yaml

The same command goes on with a search that was cut off; more `trials` make it longer; several at once share the work.
Exit codes: 0 the best stands in `out`; 2 a fault in arguments, settings, base or examples; anything else is a crash,
and a retry goes on.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reasongen.config import load_settings
from reasongen.errors import EXIT_OK, ReasongenError
from reasongen.training.tune import TuneSettings, tune


def main(argv: Sequence[str] | None = None) -> int:
    """Searches; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="conf/tune.yaml", metavar="FILE", help="base, space and study, YAML")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override one setting; repeatable"
    )
    parser.add_argument("--json", metavar="FILE", help="the best as data")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        best = tune(load_settings(TuneSettings, args.config, args.set))
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if args.json:
        Path(args.json).write_text(json.dumps(best, indent=1) + "\n", encoding="utf-8")
    told = ", ".join(f"{name} {value}" for name, value in best["values"].items())
    trials = ", ".join(f"{count} {state}" for state, count in best["trials"].items())
    print(f"best       validation loss {best['validation_loss']:.4f}: {told}\ntrials     {trials}")
    print(f"settings   {best['out']}    use them: python jobs/train.py --config {best['out']}")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
