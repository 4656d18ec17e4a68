"""What stands in `reasons`, judged again from the tables alone: python benchmarks/published.py [--root R] [--items F]

Not the night's own way: each text as a reader sees it is held against its catalogue row and its evidence column, by
the verdict of jobs/check_texts.py; filled spans are held against the row that they name.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reasongen.evaluation.skeletons import wilson
from reasongen.validation.claims import Claim
from reasongen.validation.record import Event, Item, Record, User
from reasongen.validation.texts import load_text_judge
from reasongen.validation.words import words_of

ROOT = Path(__file__).resolve().parents[1]
Row = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the figures; 2 where there is no table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT / ".local" / "lake")
    parser.add_argument("--items", type=Path, default=ROOT / ".local" / "world" / "items.jsonl")
    parser.add_argument("--show", type=int, default=3, help="texts shown for each rule")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    options = parser.parse_args(argv)
    if not (options.root / "reasons").is_dir() or not options.items.is_file():
        print(f"published: wanted {options.root}/reasons and {options.items}; run `make generate`", file=sys.stderr)
        return 2
    rows = pl.read_delta(str(options.root / "reasons")).sort("user_id", "item_id", "scenario").to_dicts()
    figures, examples = judged(rows, catalogue(options.items))
    figures |= variety(rows)
    for name, figure in figures.items():
        print(f"{name:52} {figure}")
    for rule, texts in examples.items():
        for text in texts[: options.show]:
            print(f"  {rule}: {text}")
    if options.json:
        Path(options.json).write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 0


def catalogue(path: Path) -> dict[str, Item]:
    """item_id → row; the sample world's file has its dirt: lines that are none are left out."""
    items = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
            items[row["item_id"]] = Item.model_validate(row)
        except (ValueError, KeyError):
            continue
    return items


def judged(rows: Sequence[Row], items: dict[str, Item]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """How many published reasons a second look would stop, by rule, and those texts."""
    judge = load_text_judge(ROOT / "conf")
    rules: Counter[str] = Counter()
    texts: dict[str, list[str]] = {}
    stopped = unnamed = 0
    for row in rows:
        verdict = judge.check(record(row, items), bound=list(bound(row)))
        stopping = [one for one in verdict.findings if one.action != "label"]
        stopped += bool(stopping)
        for rule in {one.rule for one in stopping}:
            rules[rule] += 1
            texts.setdefault(rule, []).append(row["reason"])
        item = items.get(row["item_id"], Item())
        unnamed += sum(not named(row, claim, item) for claim in row["claims"])
    low, high = wilson(stopped, len(rows))
    figures: dict[str, Any] = {
        "published reasons": len(rows),
        "stopped by a second look": f"{stopped} = {stopped / max(1, len(rows)):.2%} ({low:.2%} to {high:.2%})",
        "with a word that nothing licenses": rules["R18_word"],
        "filled spans that do not stand in their row": unnamed,
    }
    return figures | {f"  {rule}": count for rule, count in sorted(rules.items())}, texts


def record(row: Row, items: dict[str, Item]) -> Record:
    """The reason with all that the tables say: the whole catalogue row, each evidence row, and in what the newest item
    of that row agrees with this one, by the catalogue."""
    item = items.get(row["item_id"], Item())
    events = tuple(
        Event(
            event=one["action"],
            title=one["title"] or "",
            category=item.category if one["facet"] == "category" else "",
            count=one["items"],
            text=" ".join(filter(None, (one["word"], one["value"]))),
            same=agreeing(item, items.get(one["item_id"], Item())),
        )
        for one in row["evidence"]
    )
    given = {"text": row["reason"], "locale": row["locale"], "scenario": row["scenario"]}
    return Record.model_construct(**given, item=item, events=events, user=User())


def agreeing(item: Item, other: Item) -> frozenset[str]:
    """Of brand and category, those that both items have and write alike."""
    pairs = {"brand": (item.brand, other.brand), "category": (item.category, other.category)}
    return frozenset(name for name, (one, two) in pairs.items() if one and two and _plain(one) == _plain(two))


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def bound(row: Row) -> Iterator[Claim]:
    """The spans that the night filled."""
    for one in row["claims"]:
        source = "item" if one["evidence"] == "i" else f"event.{int(one['evidence'][1:]) - 1}"
        yield Claim(one["start"], one["end"], source)


def named(row: Row, claim: Row, item: Item) -> bool:
    """Whether a filled title, brand, word or value stands in the row that its mark names; other forms are worded."""
    said = row["reason"][claim["start"] : claim["end"]]
    if claim["evidence"] == "i":
        stated = {
            "[i.title]": [item.title],
            "[i.brand]": [item.brand or ""],
            "[i.word1]": item.tags,
            "[i.word2]": item.tags,
            "[i.attr]": list(item.attributes.values()),
            "[i.name]": list(item.attributes),
        }.get(claim["mark"])
    else:
        one = row["evidence"][int(claim["evidence"][1:]) - 1]
        form = claim["mark"].split(".")[1].rstrip("]")
        stated = [one[form] or ""] if form in ("title", "value", "word") else None
    return stated is None or any(_letters(said) <= _letters(one) for one in stated)


def _letters(text: str) -> set[str]:
    """Words of Latin letters and digits, single characters of the rest: short titles drop words, and may be cut."""
    plain = re.sub(r"<[^<>]*>|&[a-z]+;", " ", text.lower())
    plain = re.sub(r"[^\w\s]", "", plain)  # what a dirty title hides between its letters too
    latin = {word.form for word in words_of(plain)} if plain.isascii() else set()
    return latin or {letter for letter in plain if letter.isalnum()}


def variety(rows: Sequence[Row]) -> dict[str, Any]:
    """Of the texts as they are read: distinct pairs of neighbouring words, and the commonest opening."""
    pairs: list[tuple[str, str]] = []
    openings: Counter[str] = Counter()
    for row in rows:
        words = row["reason"].split() if row["locale"] == "en" else list(row["reason"])
        pairs += pairwise(words)
        openings[" ".join(words[:3]) if row["locale"] == "en" else "".join(words[:6])] += 1
    most, often = openings.most_common(1)[0] if openings else ("", 0)
    return {
        "distinct-2": f"{len(set(pairs)) / max(1, len(pairs)):.3f}",
        "commonest opening": f"{often / max(1, len(rows)):.1%} ({most})",
    }


if __name__ == "__main__":
    sys.exit(main())
