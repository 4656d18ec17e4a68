"""Train the default model:  python jobs/train.py --config conf/train.yaml --set out=models/mine
Go on from a model with labelled pairs:  python jobs/train.py --config conf/finetune/lora.yaml --set examples=FILE
Exit: 0 trained; 2 a fault in arguments, settings, base or examples; anything else a crash.
A fine-tuning that crashed or was killed goes on where it was with the same command."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reasongen.errors import ReasongenError
from reasongen.training.finetune import finetune
from reasongen.training.settings import FinetuneSettings, load_training
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
        settings = load_training(options.config, options.set)
        figures = finetune(settings) if isinstance(settings, FinetuneSettings) else train(settings)
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    summary = {**asdict(figures), "out": settings.out}
    summary |= {"losses": summary["losses"][-1:]} if "losses" in summary else {}
    if options.json:
        Path(options.json).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(summary))
    return 0


if __name__ == "__main__":
    sys.exit(main())
