"""Judge a model on held-out frames:  python jobs/evaluate.py --config conf/evaluate.yaml --model models/default
Exit: 0 judged; 2 a fault in arguments, settings or model; anything else a crash."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reasongen.config import load_settings
from reasongen.errors import ReasongenError
from reasongen.training.exam import Answer, ExamSettings, examine


def main(argv: Sequence[str] | None = None) -> int:
    """Examine as the settings say; print the figures and some faulty reasons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="conf/evaluate.yaml", help="YAML file of settings")
    parser.add_argument("--model", help="model directory; goes before engine.model")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting; repeatable")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--answers", metavar="FILE", help="write every frame and reason there, as JSON lines")
    options = parser.parse_args(argv)
    sets = options.set + ([f"engine.model={options.model}"] if options.model else [])
    try:
        settings = load_settings(ExamSettings, options.config, sets)
        figures, answers = examine(settings)
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    for name, row in (*figures["languages"].items(), ("all", figures["all"])):
        verbatim = "not compared" if row["verbatim"] is None else f"{row['verbatim']:.1%}"
        print(
            f"{name}: {row['right']:.1%} of {row['reasons']} right "
            f"({row['right_low']:.1%} to {row['right_high']:.1%}), "
            f"{row['derivable']:.1%} derivable; {row['skeletons']} skeletons, {row['openings_per_1000']:.0f} openings "
            f"per 1,000, {verbatim} verbatim in the corpus; faults {row['faults']}"
        )
    _show(answers, settings.show)
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if options.answers:
        Path(options.answers).write_text("".join(_line(answer) for answer in answers), encoding="utf-8")
    return 0


def _show(answers: Sequence[Answer], count: int) -> None:
    shown: dict[str, int] = {}
    for answer in answers:
        locale = answer.frame.locale
        if answer.faults and shown.get(locale, 0) < count:
            shown[locale] = shown.get(locale, 0) + 1
            print(f"  {answer.text}\n    {'; '.join(answer.faults)}\n    {answer.frame.to_json()}")


def _line(answer: Answer) -> str:
    row = {"frame": answer.frame.shown, "text": answer.text, "faults": answer.faults, "derivable": answer.derivable}
    return json.dumps(row, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
