"""The figures of a comparison as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

COLUMNS = {
    "wording against label": ("bleu_label", "chrf_label", "rouge1_label", "rouge2_label", "rougeL_label"),
    "wording against target": ("bleu_target", "chrf_target", "rouge1_target", "rouge2_target", "rougeL_target"),
    "fit to the pair": ("lift_skeleton", "lift_filled", "gain_skeleton", "fmr", "fcr"),
    "truth": ("borne", "passed", "perplexity", "bits_per_character"),
    "variety": ("skeletons", "verbatim", "distinct1", "distinct2", "self_bleu", "openings", "usr", "div"),
    "form": ("length", "repetition"),
}
"""The groups of figures, in the order of table and page."""
COUNTS = ("skeletons",)
PLAIN = ("perplexity", "bits_per_character", "openings", "div", "length", *COUNTS)
"""Figures that are no shares; the others are told in percent."""
SURE = 0.05


def lines(figures: Mapping[str, Any]) -> Iterator[str]:
    """A table for each group, then the differences that one test alone calls sure."""
    yield (
        f"{figures['pairs']} pairs of {figures['split']} in {figures['prompts']} prompts; "
        f"{figures['without_target']} left out whose label no fact bears; "
        f"baselines from {figures['training_pairs']} training pairs"
    )
    width = max(len(name) for name in figures["writers"])
    for group, names in COLUMNS.items():
        yield ""
        yield from _table(group, names, figures["writers"], width)
    yield ""
    yield "differences with p < 0.05 (paired test of each alone; [95 % interval])"
    for one in figures["comparisons"]:
        if one["p"] < SURE:
            bounds = f"[{shown(one['figure'], one['low'])}, {shown(one['figure'], one['high'])}]"
            gap = shown(one["figure"], one["difference"])
            yield f"  {one['figure']:<14} {one['first']} - {one['second']}: {gap} {bounds} p = {one['p']:.3f}"


def shown(name: str, value: float | None) -> str:
    """A figure as table and page write it: shares in percent."""
    if value is None:
        return "–"
    if name in COUNTS:
        return f"{value:,.0f}"
    told = f"{value:.2f}" if name in PLAIN else f"{100 * value:.1f} %"
    return told.removeprefix("-") if not float(told.split()[0]) else told  # no minus before nothing


def value_of(writer: Mapping[str, Any], name: str) -> float | None:
    """A writer's figure, wherever it stands."""
    found: float | None = writer["figures"].get(name, writer.get(name))
    return found


def _table(group: str, names: Sequence[str], writers: Mapping[str, Any], width: int) -> Iterator[str]:
    yield f"{group}:"
    yield " " * (width + 2) + "".join(f"{name:>{max(len(name), 8) + 2}}" for name in names)
    for own, writer in writers.items():
        cells = (f"{shown(name, value_of(writer, name)):>{max(len(name), 8) + 2}}" for name in names)
        yield f"  {own:<{width}}" + "".join(cells)
