"""Train the second opinion on texts:  python jobs/train_opinion.py --config conf/opinion.yaml
Writes the weights that check_texts.py reads. A minute or two on one core; the same settings give the same weights.
Exit: 0 trained; 2 a fault in arguments, settings or sentences; anything else a crash."""

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
from reasongen.sample.planted import labelled_reasons, spared_reasons
from reasongen.training.opinion import OpinionSettings, train_opinion
from reasongen.validation.texts import load_text_judge

ROOT = Path(__file__).resolve().parents[1]


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the settings say; print and optionally write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="conf/opinion.yaml", help="YAML file of settings")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting; repeatable")
    parser.add_argument("--conf", default=str(ROOT / "conf"), help="folder with policies/, licences/, world/, opinion/")
    parser.add_argument("--spared", default=str(ROOT / "tests" / "cases" / "truth_cases.jsonl"), metavar="FILE",
                        help="JSON lines of labelled reasons, whose true ones must pass as well")  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        settings = load_settings(OpinionSettings, options.config, options.set)
        judge = load_text_judge(options.conf, opinion=False)
        source = labelled_reasons(options.conf, settings.seed)
        figures = train_opinion(settings, judge, source, spared_reasons(options.spared))
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if options.json:
        Path(options.json).write_text(json.dumps(asdict(figures), indent=1) + "\n", encoding="utf-8")
    print(json.dumps(asdict(figures)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
