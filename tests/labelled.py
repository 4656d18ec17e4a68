"""Labelled pairs for the tests of evaluation: written by the training corpus's own grammar, with made-up literals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reasongen.evaluation.grammar import load_grammar
from reasongen.evaluation.labelled import LabelledPair
from reasongen.prompts import Frame, Literals, Renderer, load_locales
from reasongen.training.corpus import Example, examples

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = "reference@1"
CONF = {
    "locale_files": str(ROOT / "conf" / "locales"),
    "policies": str(ROOT / "conf" / "policies"),
    "licences": str(ROOT / "conf" / "licences"),
}
RENDERER = Renderer(load_locales(ROOT / "conf" / "locales"))
NAMES = {
    "zh": ("山脊", "云杉", "北岸", "青石", "长风"),
    "en": ("Ridgewind", "Sprucely", "Northbank", "Bluestone", "Longfell"),
}
OPINIONS = {"zh": "我非常喜欢它的华丽。", "en": " I simply adore how luxurious it feels."}


def literals(frame: Frame, number: int) -> dict[str, Any]:
    """Hidden values that fit the frame, other ones for other numbers."""
    names = NAMES[frame.locale]
    name = names[number % len(names)]
    counts = {"one": 1, "few": 2 + number % 2, "many": 6 + number % 4}
    rows = [
        {
            "count": counts[row.size],
            "title": f"{names[(number + k) % len(names)]} {frame.noun}",
            "value": f"{10 + number + k} cm" if row.facet == "attribute" else "",
            "noun": frame.noun,
            "recent": number % 2 == 0,
        }
        for k, row in enumerate(frame.evidence, start=1)
    ]
    shown = {"title": f"{name} {frame.noun} {number}", "e": rows}
    return shown | ({"brand": name} if frame.brand else {}) | ({"attr": f"{20 + number} cm"} if frame.attribute else {})


def rows(train: int, validation: int, seed: int = 5) -> list[dict[str, Any]]:
    """Rows of the table `examples`, so many of each language, which take turns. A label is its target with the marks
    filled in, and in every third an opinion that no fact bears."""
    made = []
    grammars = [load_grammar(ROOT / "conf" / "corpus" / f"{name}.yaml") for name in NAMES]
    streams = [examples(grammar, seed, train + validation) for grammar in grammars]
    for number, one in enumerate(chain.from_iterable(zip(*streams, strict=True))):
        split = "train" if number < 2 * train else "validation"
        made.append(row(one, number, split))
    return made


def row(example: Example, number: int, split: str) -> dict[str, Any]:
    """One row."""
    frame, hidden = example.frame, literals(example.frame, number)
    reason = RENDERER.fill(example.reason, frame, Literals.from_dict(hidden)).text
    reason += OPINIONS[frame.locale] if number % 3 == 0 else ""
    return {
        "user_id": f"u{number}",
        "item_id": f"i{number}",
        "split": split,
        "locale": frame.locale,
        "template": TEMPLATE,
        "frame": frame.to_json(),
        "literals": json.dumps(hidden, ensure_ascii=False),
        "reason": reason,
        "target": example.reason,
    }


def write(path: Path, given: Sequence[dict[str, Any]]) -> Path:
    """A Parquet file that read_labelled takes."""
    schema = pa.schema([(name, pa.string()) for name in given[0]])
    pq.write_table(pa.Table.from_pylist(list(given), schema), path)
    return path


def pair(target: str, reason: str, frame: Frame, hidden: dict[str, Any] | None = None) -> LabelledPair:
    """One pair by hand."""
    known = Literals.from_dict(hidden or {})
    return LabelledPair("u", "i", "validation", frame.locale, TEMPLATE, frame, known, reason, target)
