"""Write the sample world:  python jobs/sample_world.py --config conf/world.yaml --out .local/world
Exit: 0 written, or already there; 2 a fault in arguments, settings or words; anything else a crash."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from reasongen.errors import ReasongenError
from reasongen.sample import load_world_settings, write_world


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; argparse itself exits with 2 on a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, help="settings of the world, YAML")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting, e.g. users=500")
    parser.add_argument("--out", required=True, help="folder of the world; replaced if it holds another world")
    parser.add_argument("--json", help="file for the counts as data")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    options = arguments(argv)
    try:
        written = write_world(load_world_settings(options.config, options.set), options.out)
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if options.json:
        Path(options.json).write_text(json.dumps(written.facts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    print(written.summary())
    return 0


if __name__ == "__main__":
    sys.exit(main())
