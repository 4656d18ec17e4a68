"""Train the default model:  python jobs/train.py --config conf/train.yaml --set out=models/mine
Exit: 0 trained; 2 a fault in arguments or settings; anything else a crash."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reasongen.config import load_settings
from reasongen.errors import ReasongenError
from reasongen.training.settings import TrainSettings
from reasongen.training.train import train


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the settings say; print and optionally write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="conf/train.yaml", help="YAML file of settings")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting; repeatable")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        settings = load_settings(TrainSettings, options.config, options.set)
        figures = train(settings)
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    summary = {**asdict(figures), "losses": figures.losses[-1:], "out": settings.out}
    if options.json:
        Path(options.json).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
