"""What does the second opinion add behind licensing? With and without it, on faults that it was never trained on.

python benchmarks/opinion.py [--pairs N] [--json FILE]

held: reasons and planted faults of sentences and categories that no training and no threshold saw (reasongen.sample);
own, shared: labelled cases of tests/cases and beside the checkout. Own true ones bounded the thresholds; shared ones
were never looked at.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reasongen.evaluation.skeletons import wilson
from reasongen.sample.planted import told_reasons
from reasongen.schema import LOCALES
from reasongen.validation.record import Record
from reasongen.validation.texts import TextJudge, load_text_judge

ROOT = Path(__file__).resolve().parents[1]
SEED = 29  # of the held-back texts
Case = tuple[Record, str]  # and the kind of its fault, "true" for none


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=2000, help="true reasons, and as many planted ones, per language")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    options = parser.parse_args(argv)
    with_it, without = load_text_judge(ROOT / "conf"), load_text_judge(ROOT / "conf", opinion=False)
    figures: dict[str, str] = {}
    for name, cases in (
        ("held", held_back(options.pairs)),
        ("own", labelled(ROOT / "tests" / "cases" / "truth_cases.jsonl")),
        ("shared", labelled(ROOT.parent / "shared" / "truth_cases.jsonl")),
    ):
        figures |= {f"{name} {row}": figure for row, figure in ablation(with_it, without, cases).items()}
    figures |= speed(with_it, without, [record for record, _ in held_back(300)])
    for row, figure in figures.items():
        print(f"{row:44} {figure}")
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def ablation(with_it: TextJudge, without: TextJudge, cases: Iterable[Case]) -> dict[str, str]:
    """Per language and kind: stopped without the second opinion, with it, and of what licensing passed."""
    rows: dict[tuple[str, str], list[tuple[bool, bool]]] = defaultdict(list)
    for record, kind in cases:
        before, after = without.check(record).outcome != "pass", with_it.check(record).outcome != "pass"
        assert after or not before, "a second opinion let pass what was stopped"
        for group in {kind, kind if kind == "true" else "planted"}:
            for locale in ("all", record.locale):
                rows[locale, group].append((before, after))
    figures = {}
    for (locale, kind), found in sorted(rows.items()):
        passed = [after for before, after in found if not before]
        figures[f"{locale}: {kind} stopped, licensing alone"] = _share([before for before, _ in found])
        figures[f"{locale}: {kind} stopped, with it"] = _share([after for _, after in found])
        figures[f"{locale}: {kind} stopped of what passed"] = _share(passed)
    return figures


def speed(with_it: TextJudge, without: TextJudge, records: Sequence[Record]) -> dict[str, str]:
    """Verdicts a second of one core, fields of evidence remembered; and what a verdict of a passed text costs more."""
    figures, seconds = {}, []
    for name, judge in (("with it", with_it), ("licensing alone", without)):
        for record in records:
            judge.check(record)
        best = min(_seconds(judge, records) for _ in range(5))
        seconds.append(best / len(records))
        figures[f"verdicts a second, {name}"] = f"{len(records) / best:,.0f}"
    return figures | {"ms a text that it adds": f"{1000 * (seconds[0] - seconds[1]):.3f}"}


def _seconds(judge: TextJudge, records: Sequence[Record]) -> float:
    start = time.process_time()
    for record in records:
        judge.check(record)
    return time.process_time() - start


def held_back(pairs: int) -> Iterable[Case]:
    """Reasons and faults of the split that no training and no threshold saw."""
    for locale in LOCALES:
        for told in told_reasons(ROOT / "conf", locale, "held", SEED, pairs):
            yield Record.model_validate(told.record), told.kind


def labelled(path: Path) -> list[Case]:
    """Labelled cases; none where the file is not there."""
    if not path.is_file():
        return []
    rows: list[dict[str, Any]] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(Record.model_validate(row), "true" if row["true"] else row["kind"]) for row in rows]


def _share(values: Sequence[bool]) -> str:
    low, high = wilson(sum(values), len(values))
    return f"{sum(values)}/{len(values)} = {sum(values) / max(1, len(values)):.1%} ({low:.1%} to {high:.1%})"


if __name__ == "__main__":
    sys.exit(main())
