"""Judge models, on held-out frames or on labelled pairs; exit: 0 judged; 2 a fault in settings or model; else a crash.
python jobs/evaluate.py --config conf/evaluate.yaml --model models/default                    held-out frames
python jobs/evaluate.py --config conf/evaluate_pairs.yaml --html page.html --json figures.json  labelled pairs"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reasongen.config import load_settings, read_plain
from reasongen.errors import ReasongenError
from reasongen.evaluation.table import lines
from reasongen.report.compared import render_comparison
from reasongen.training.comparison import ComparisonSettings, compare
from reasongen.training.exam import Answer, ExamSettings, examine


def main(argv: Sequence[str] | None = None) -> int:
    """Compare on labelled pairs where the settings name `examples`, else examine; print the figures."""
    options = _options(argv)
    try:
        on_pairs = "examples" in read_plain(options.config, options.set)
        figures = _compare(options) if on_pairs else _examine(options)
    except ReasongenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    if options.json:
        _write(options.json, json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="conf/evaluate.yaml", help="YAML file of settings")
    parser.add_argument("--model", help="model directory; goes before engine.model, or before models on pairs")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting; repeatable")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--answers", metavar="FILE", help="frames: write every frame and reason there, as JSON lines")
    parser.add_argument("--html", metavar="FILE", help="pairs: write a page there; it shows texts of labelled pairs")
    return parser.parse_args(argv)


def _compare(options: argparse.Namespace) -> dict[str, Any]:
    sets = options.set + ([f"models=[{{name: model, model: '{options.model}'}}]"] if options.model else [])
    settings = load_settings(ComparisonSettings, options.config, sets)
    found = compare(settings)
    print("\n".join(lines(found.figures)))
    if options.html:
        page = render_comparison(found.figures, found.pairs, found.told, show=settings.show, seed=settings.seed)
        _write(options.html, page)
    return found.figures


def _examine(options: argparse.Namespace) -> dict[str, Any]:
    sets = options.set + ([f"engine.model={options.model}"] if options.model else [])
    settings = load_settings(ExamSettings, options.config, sets)
    figures, answers = examine(settings)
    for name, row in (*figures["languages"].items(), ("all", figures["all"])):
        verbatim = "not compared" if row["verbatim"] is None else f"{row['verbatim']:.1%}"
        print(
            f"{name}: {row['right']:.1%} of {row['reasons']} right "
            f"({row['right_low']:.1%} to {row['right_high']:.1%}), "
            f"{row['derivable']:.1%} derivable; {row['skeletons']} skeletons, {row['openings_per_1000']:.0f} openings "
            f"per 1,000, {verbatim} verbatim in the corpus; faults {row['faults']}"
        )
    _show(answers, settings.show)
    if options.answers:
        _write(options.answers, "".join(_line(answer) for answer in answers))
    return figures


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


def _write(file: str, text: str) -> None:
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    Path(file).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
