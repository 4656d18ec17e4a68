"""How true and lawful is what passes: labelled reasons against verdicts, by kind and language, with 95 % intervals.

python benchmarks/truth.py [--half tune|held|all] [--cases own|shared|copy|fresh] [--json FILE]

shared: truth_cases.jsonl and policy_cases.jsonl beside the checkout; own: those of tests/cases; copy: reasons of 50
items there by a copywriter who never saw the rules, livelier than the others; fresh: of 158 items by six writers who
saw neither rules nor verdicts, half of the reasons false in the item's own words. Halves are cut by the sha256 of the
item (reasons) or the sentence (rules): half of each language's items, of each rule's sentences; or as the cases say.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from opinion import ablation, held_back

from reasongen.evaluation.skeletons import wilson
from reasongen.validation.grounds import forget_fields
from reasongen.validation.record import Record
from reasongen.validation.texts import TextJudge, load_text_judge

ROOT = Path(__file__).resolve().parents[1]
STRICT = ("number", "unit", "user_fact", "brand")  # what of these passes is a falsehood told with a figure or a name
HOSTILE_KB = 100
HELD_PAIRS = 500  # per language, of faults that the second opinion was never trained on; benchmarks/opinion.py has more
ROUNDS = 5  # of the same texts: nothing remembers a text
Row = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the figures; 2 where the cases are not there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=("tune", "held", "all"), default="all")
    parser.add_argument("--cases", choices=("shared", "own", "copy", "fresh"), default="shared")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    options = parser.parse_args(argv)
    folder = ROOT.parent / "shared" if options.cases == "shared" else ROOT / "tests" / "cases"
    try:
        kind = options.cases if options.cases in ("copy", "fresh") else "truth"
        truth = _half(_rows(folder / f"{kind}_cases.jsonl"), options.half, _item, lambda row: row["locale"])
        policy = _rows(folder / "policy_cases.jsonl") if kind == "truth" else []
    except OSError as error:
        print(f"truth: wanted labelled cases in {folder}; found {type(error).__name__}", file=sys.stderr)
        return 2
    policy = _half(
        policy, options.half, lambda row: row["text"], lambda row: (row["lang"], row["rule"], row["violates"])
    )
    judge = load_text_judge(ROOT / "conf")
    figures = {"claims": claim_figures(judge, truth)}
    if policy:
        figures |= {
            "rules": rule_figures(judge, policy, rules_only=True),
            "rules and claims": rule_figures(judge, policy, rules_only=False),
        }
    figures |= {
        "cost": cost_figures(judge, truth),
        "opinion, cases": opinion_figures(judge, truth),
        "opinion, held": ablation(judge, load_text_judge(ROOT / "conf", opinion=False), held_back(HELD_PAIRS)),
    }
    for part, rows in figures.items():
        for name, figure in rows.items():
            print(f"{part:16} {name:46} {figure}")
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def claim_figures(judge: TextJudge, rows: Sequence[Row]) -> dict[str, str]:
    """Planted faults stopped, true reasons passed, refused and sent to review."""
    found = [(row, judge.check(Record.model_validate(row)).outcome) for row in rows]
    figures = {}
    for locale in ("all", "zh", "en"):
        here = [(row, outcome) for row, outcome in found if locale in ("all", row["locale"])]
        planted = [(row, outcome) for row, outcome in here if not row["true"]]
        true = [outcome for row, outcome in here if row["true"]]
        strict = [outcome for row, outcome in planted if row["kind"] in STRICT]
        figures[f"{locale}: planted stopped"] = _share(outcome != "pass" for _, outcome in planted)
        figures[f"{locale}: figures and names passed"] = _share(outcome == "pass" for outcome in strict)
        for outcome in ("pass", "review", "refuse"):
            figures[f"{locale}: true {outcome}"] = _share(one == outcome for one in true)
    for kind in sorted({row["kind"] for row, _ in found if not row["true"]}):
        for locale in ("zh", "en"):
            stopped = [
                o != "pass" for row, o in found if (row["kind"], row["locale"]) == (kind, locale) and not row["true"]
            ]
            figures[f"{locale}: {kind} stopped"] = _share(stopped)
    return figures


def opinion_figures(judge: TextJudge, rows: Sequence[Row]) -> dict[str, str]:
    """With and without the second opinion, by kind and language; `held` gives the same for our own held-back faults."""
    cases = [(Record.model_validate(row), "true" if row["true"] else row["kind"]) for row in rows]
    return ablation(judge, load_text_judge(ROOT / "conf", opinion=False), cases)


def rule_figures(judge: TextJudge, rows: Sequence[Row], *, rules_only: bool) -> dict[str, str]:
    """Violations stopped, lawful sentences refused and sent to review; facts of a case are given as attributes.

    R18 asks for evidence, not for a rule: with `rules_only` its sentences are left out. A sentence without evidence
    claims what nothing bears, so with claims its lawful ones may only be asked whether they are refused.
    """
    rows = [row for row in rows if not (rules_only and row["rule"].startswith("R18"))]
    found = [(row, judge.check(_record(row), rules_only=rules_only).outcome) for row in rows]
    figures = {}
    for locale in ("all", "zh", "en"):
        here = [(row, outcome) for row, outcome in found if locale in ("all", row["lang"])]
        lawful = [outcome for row, outcome in here if not row["violates"]]
        figures[f"{locale}: violations stopped"] = _share(outcome != "pass" for row, outcome in here if row["violates"])
        figures[f"{locale}: lawful refused"] = _share(outcome == "refuse" for outcome in lawful)
        figures[f"{locale}: lawful to review"] = _share(outcome == "review" for outcome in lawful)
    missed: dict[str, list[bool]] = defaultdict(list)
    for row, outcome in found:
        if row["violates"]:
            missed[row["rule"]].append(outcome != "pass")
    figures |= {f"{rule} stopped": _share(stopped) for rule, stopped in sorted(missed.items()) if not all(stopped)}
    return figures


def cost_figures(judge: TextJudge, rows: Sequence[Row]) -> dict[str, str]:
    """Verdicts a second of one core; hostile texts by kB. No text is remembered, but fields of evidence are (items come
    again with every user): one line is with them, one for evidence never seen."""
    records = [Record.model_validate(row) for row in rows] or [Record(text="a lamp", locale="en")]
    figures = {}
    for name, only in (("rules and claims", False), ("rules alone", True)):
        for record in records:
            judge.check(record, rules_only=only)
        seconds = _seconds(lambda only=only: [judge.check(record, rules_only=only) for record in records * ROUNDS])
        figures[f"verdicts a second, {name}"] = f"{ROUNDS * len(records) / seconds:,.0f}"
    figures["verdicts a second, evidence new"] = f"{len(records) / _seconds(lambda: _all_new(judge, records)):,.0f}"
    for name, piece in (
        ("letters", "a"),
        ("words", "no other lamp "),
        ("Chinese", "您的最"),
        ("digits", "1-"),
        ("marks", "{[<"),
    ):
        for locale in ("zh", "en"):
            text = piece * (HOSTILE_KB * 1000 // len(piece.encode()))
            record = Record(text=text, locale=locale)  # type: ignore[arg-type]
            figures[f"ms a kB of hostile {name}, {locale}"] = (
                f"{1000 * _seconds(lambda r=record: judge.check(r)) / HOSTILE_KB:.2f}"
            )
    return figures


def _all_new(judge: TextJudge, records: Sequence[Record]) -> None:
    for record in records:
        forget_fields()
        judge.check(record)


def _seconds(work: Callable[[], object]) -> float:
    """Seconds of one core: other work on the machine counts little."""
    start = time.process_time()
    work()
    return time.process_time() - start


def _share(values: Iterable[bool]) -> str:
    count = Counter(values)
    low, high = wilson(count[True], count.total())
    return f"{count[True]}/{count.total()} = {count[True] / max(1, count.total()):.1%} ({low:.1%} to {high:.1%})"


def _record(row: Row) -> Record:
    """A sentence with the facts of its note (`facts={…};`) as attributes, category, price and events of an item."""
    stated, events = {}, []
    if row["note"].startswith("facts="):
        facts, _ = json.JSONDecoder().raw_decode(row["note"].removeprefix("facts="))
        user = facts.pop("user", {})
        for name, kind in (("fav", "save"), ("viewed", "browse"), ("bought", "purchase")):
            events += [{"event": kind, "title": title, "days_ago": 1} for title in user.get(name, [])]
        for name, value in facts.items():
            stated |= value if isinstance(value, dict) else {name: value}
    item = {"category": stated.pop("category", ""), "price": stated.pop("price", None), "attributes": stated}
    return Record.model_validate({"text": row["text"], "locale": row["lang"], "item": item, "events": events})


def _rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _item(row: Row) -> str:
    return str(row["id"]).rsplit("-", 1)[0]


def _half(rows: list[Row], half: str, key: Callable[[Row], str], stratum: Callable[[Row], object]) -> list[Row]:
    """The half of the keys with the smaller hash in each stratum (tune), the others (held), or all."""
    if half == "all":
        return rows
    if rows and all("half" in row for row in rows):
        return [row for row in rows if row["half"] == half]
    keys: dict[object, set[str]] = defaultdict(set)
    for row in rows:
        keys[stratum(row)].add(key(row))
    tune = set()
    for names in keys.values():
        ranked = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
        tune |= set(ranked[: (len(ranked) + 1) // 2])
    return [row for row in rows if (key(row) in tune) == (half == "tune")]


if __name__ == "__main__":
    sys.exit(main())
