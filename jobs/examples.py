"""Make what a model is taught from labelled reasons:  spark-submit jobs/examples.py --config conf/references.yaml

Joins the `references` of the settings with what was known of each pair at the label's time, as a night would; puts
marks in the place of literals; cuts each label down to what its evidence bears. Writes the table `examples` below the
root: `jobs/train.py` and `jobs/evaluate.py` read it without Spark.
Exit codes: 0 written; 2 a fault in arguments, settings or tables, and nothing was written; anything else is a crash.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from reasongen.config import ExampleConfig, load_settings
from reasongen.errors import EXIT_OK, ReasongenError
from reasongen.pipeline import make_examples
from reasongen.tables import open_spark


def main(argv: Sequence[str] | None = None) -> int:
    """Makes the examples; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True, metavar="FILE", help="settings with `references`, YAML")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override one setting; repeatable"
    )
    parser.add_argument("--json", metavar="FILE", help="the counts as data")
    args = parser.parse_args(argv)
    try:
        config = load_settings(ExampleConfig, args.config, args.set)
        with open_spark(config.spark) as spark:
            made = make_examples(spark, config)
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(made.text())
    if args.json:
        Path(args.json).write_text(json.dumps(made.as_json(), indent=1) + "\n", encoding="utf-8")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
