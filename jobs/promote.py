"""Let nights load a model, if it is good enough:  python jobs/promote.py --config conf/promote.yaml --model DIR

Registers the model (its LoRA merged in), measures it beside the current one on the same labelled pairs, and makes it
current where the gate of the settings lets it. Nights whose `engine.model` is the registry's `current` load it then.
Exit codes: 0 promoted, rolled back or listed; 2 a fault in arguments, settings, model or examples; 3 refused, and the
current model stays; anything else is a crash, and a retry helps.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reasongen.config import load_settings
from reasongen.errors import EXIT_OK, EXIT_REFUSED, ReasongenError
from reasongen.evaluation.table import lines
from reasongen.training.promoting import PromoteSettings, promote
from reasongen.training.registry import Registry


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--config", default="conf/promote.yaml", metavar="FILE", help="registry, gate, comparison; YAML"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override one setting; repeatable"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", metavar="DIR", help="the candidate, or the base of --adapter")
    what.add_argument("--rollback", action="store_true", help="back to the model before the current one")
    what.add_argument("--list", action="store_true", help="who came and went")
    parser.add_argument("--adapter", metavar="DIR", help="a LoRA adapter for --model")
    parser.add_argument("--json", metavar="FILE", help="the figures and the decision as data")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Promotes, rolls back or lists; returns the exit code."""
    args = arguments(argv)
    try:
        settings = load_settings(PromoteSettings, args.config, args.set)
        registry = Registry(settings.registry)
        if args.list:
            for row in registry.history():
                why = "; ".join(row["reasons"] or [])
                print(f"{row['at']:%Y-%m-%d %H:%M} {row['action']:<11} {row['folder']}  {why}".rstrip())
            return EXIT_OK
        if args.rollback:
            print(f"rolled back: nights load {registry.roll_back().name}")
            return EXIT_OK
        done = promote(settings, args.model, args.adapter)
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print("\n".join(lines(done.figures)))
    if args.json:
        told = {"folder": done.place.name, "refusals": done.refusals, "speed": done.speed, "figures": done.figures}
        Path(args.json).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    for refusal in done.refusals:
        print(f"refused: {refusal}")
    anew = done.before is None or done.before.name != done.place.name
    beside = f" in the place of {done.before.name}" if done.before and anew else ""
    out = "stays out" if anew else "is what nights load, and stays: go back with --rollback"
    print(f"promoted: nights load {done.place.name}{beside}" if done.promoted else f"{done.place.name} {out}")
    return EXIT_OK if done.promoted else EXIT_REFUSED


if __name__ == "__main__":
    sys.exit(main())
