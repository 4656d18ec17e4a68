"""The page of a comparison of models on labelled pairs: figures, differences, and texts side by side.

Unlike a night's page it shows what single users did and were told: the pairs are those of a labelled table.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from reasongen.evaluation.labelled import LabelledPair
from reasongen.evaluation.scoring import MAIN
from reasongen.evaluation.table import COLUMNS, value_of
from reasongen.evaluation.table import shown as written
from reasongen.evaluation.truth import Told
from reasongen.report.page import environment
from reasongen.report.words import Said, say


class Cell(NamedTuple):
    """A figure and its interval, as written; `bounds` "" where there is none."""

    name: str
    value: str
    bounds: str


class Line(NamedTuple):
    """A row of a table: whose figures, what kind of writer, the figures."""

    name: str
    kind: str
    cells: list[Cell]


class Reading(NamedTuple):
    """One pair side by side. `facts` and `told` in the order of the page; told: writer, text, codes that refuse it."""

    locale: str
    facts: list[tuple[Said | None, str]]
    told: list[tuple[str, str, tuple[str, ...]]]


def render_comparison(
    figures: Mapping[str, Any],
    pairs: Sequence[LabelledPair],
    told: Mapping[str, Sequence[Told]],
    *,
    show: int,
    seed: int,
) -> str:
    """One file of HTML. `told`: the texts of each writer, in the order of the pairs."""
    return environment().get_template("compared.html.j2").render(
        figures=figures,
        writers=figures["writers"],
        leads=[_lead(figures, name) for name in figures["models"]],
        groups={group: _lines(figures["writers"], names) for group, names in COLUMNS.items()},
        means={group: [(name, _means(name)) for name in names] for group, names in COLUMNS.items()},
        segments=_segments(figures),
        columns=MAIN,
        models_apart=[one for one in figures["comparisons"] if one["second"] in figures["models"]],
        beside=[one for one in figures["comparisons"] if one["second"] not in figures["models"]],
        shown=shown,
        rules=sorted({rule for writer in figures["writers"].values() for rule in writer["refused"]}),
        readings=[_reading(pairs[at], told, at) for at in _drawn(pairs, show, seed)],
    )  # fmt: skip


def _lead(figures: Mapping[str, Any], name: str) -> list[Said]:
    """What a reader should know of one model first."""
    writer = figures["writers"][name]
    values = {
        key: shown(figure, value_of(writer, figure))
        for key, figure in (
            ("passed", "passed"), ("borne", "borne"), ("rouge", "rouge1_target"), ("lift", "lift_skeleton"),
        )
    }  # fmt: skip
    said = [say("compared.model", name=name, **values)]
    for one in figures["comparisons"]:
        if (one["first"], one["second"], one["figure"]) == (name, "nearest", "rouge1_target"):
            gap, low, high = (shown("rouge1_target", one[key]) for key in ("difference", "low", "high"))
            said.append(say("compared.beats", gap=gap, low=low, high=high))
    return said


def _lines(writers: Mapping[str, Any], names: Sequence[str]) -> list[Line]:
    return [Line(own, writer["kind"], [_cell(writer, name) for name in names]) for own, writer in writers.items()]


def _cell(writer: Mapping[str, Any], name: str) -> Cell:
    bounds = writer["intervals"].get(name)
    between = f"[{_bare(name, bounds[0])}, {_bare(name, bounds[1])}]" if bounds else ""
    return Cell(name, shown(name, value_of(writer, name)), between)


def shown(name: str, value: float | None) -> str:
    """As on a terminal, but no line breaks before the sign of percent."""
    return written(name, value).replace(" ", "\u00a0")


def _bare(name: str, value: float) -> str:
    """Without the sign of percent, which stands beside the figure."""
    return shown(name, value).removesuffix("\u00a0%")


def _means(name: str) -> Said:
    return say("figure_means." + name.removesuffix("_label").removesuffix("_target"))


def _segments(figures: Mapping[str, Any]) -> dict[str, list[tuple[str, int, Line]]]:
    """By kind of segment: its value, its pairs, and a writer's figures there; models, the nearest and the target."""
    chosen = [name for name in figures["writers"] if name in (*figures["models"], "nearest", "target")]
    found: dict[str, list[tuple[str, int, Line]]] = {}
    for kind, values in figures["writers"][chosen[0]]["segments"].items():
        for value, row in values.items():
            for name in chosen:
                mine = figures["writers"][name]["segments"][kind][value]
                cells = [Cell(figure, shown(figure, mine[figure]), "") for figure in MAIN]
                found.setdefault(kind, []).append((value, row["pairs"], Line(name, "", cells)))
    return found


def _drawn(pairs: Sequence[LabelledPair], show: int, seed: int) -> list[int]:
    """Places of the pairs to read: drawn by the seed, languages taking turns."""
    by_locale: dict[str, list[int]] = {}
    for at in random.Random(f"page {seed}").sample(range(len(pairs)), len(pairs)):
        by_locale.setdefault(pairs[at].locale, []).append(at)
    turns = [(turn, locale) for locale in sorted(by_locale) for turn in range(len(by_locale[locale]))]
    return [by_locale[locale][turn] for turn, locale in sorted(turns)][:show]


def _reading(pair: LabelledPair, told: Mapping[str, Sequence[Told]], at: int) -> Reading:
    first = ("label", "target")  # then who tried to write it
    order = [*first, *(name for name in told if name not in first)]
    rows = [(name, told[name][at].text, told[name][at].failures) for name in order]
    return Reading(pair.locale, list(_facts(pair)), rows)


def _facts(pair: LabelledPair) -> Iterator[tuple[Said | None, str]]:
    """The prompt's facts, hidden values in brackets."""
    frame, hidden = pair.frame, pair.literals
    brand = f" · {hidden.brand}" if frame.brand and hidden.brand else ""
    yield None, " · ".join(filter(None, (frame.noun, *frame.words))) + f" ({hidden.title}{brand})"
    if frame.attribute:
        yield None, frame.attribute + (f" ({hidden.attr})" if hidden.attr else "")
    for number, row in enumerate(frame.evidence):
        own = hidden.evidence[number] if number < len(hidden.evidence) else None
        value = f" {own.value}" if own and own.value else ""
        known = f" ({own.count} × {own.title}{value})" if own else ""
        yield say(f"read.act_{row.act}") + say(f"read.facet_{row.facet}"), f"{row.word}{known}"
    if not frame.evidence:
        yield say("compared.no_evidence"), ""
