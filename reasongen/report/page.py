"""Facts in, a page of HTML out: one file that asks for nothing outside itself. Everything from tables is escaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reasongen.report.collect import Facts
from reasongen.report.lead import lead
from reasongen.report.nights import (
    DONE,
    WARM_UP,
    WINDOW,
    Row,
    changes,
    drift,
    funnel,
    gate_of,
    reasons_of,
)
from reasongen.report.pictures import bars, lines
from reasongen.report.readings import Reading
from reasongen.report.words import Said, known, number, plain, say, share, span

TREND = 30
"""Nights of the trend."""


class Picture(NamedTuple):
    """A drawing with its caption, what it shows in a sentence for who cannot see it, and what its inks mean."""

    svg: Markup
    caption: Said
    told: Said
    key: tuple[Said, ...] = ()


class Line(NamedTuple):
    """A night of the index. `reasons` and `candidates`: None where it published none; `page`: the file beside it."""

    night: date
    status: str
    reasons: int | None
    candidates: int | None
    page: str | None


def render_page(facts: Facts) -> str:
    """The night's page."""
    run = facts.run
    steps = funnel(run) if run is not None and run["pairs"] else []
    night = facts.night
    return environment().get_template("night.html.j2").render(
        facts=facts,
        run=run,
        lead=lead(facts),
        k=facts.shared_by,
        steps=steps,
        most=steps[0].count if steps else 0,
        checks=gate_of(run) if run is not None else [],
        staged=f"{facts.root}/staging/{run['run_id']}/staged" if run is not None else "",
        changes=changes(run, night.last) if run is not None else [],
        drift=drift(run, night.before) if run is not None else None,
        window=len(night.before[-WINDOW:]),
        warm_up=WARM_UP,
        trend=_trend(_last_nights(facts)),
        lengths=_lengths(facts),
        by_category=_by_category(facts),
    )  # fmt: skip


def render_index(nights: Sequence[Line], scenario: str) -> str:
    """The list of nights, newest first, as given."""
    return environment().get_template("index.html.j2").render(nights=nights, scenario=scenario)


def _last_nights(facts: Facts) -> list[Row]:
    mine = [facts.run] if facts.run is not None and facts.status in DONE else []
    return [*facts.night.before, *mine][-TREND:]


def _trend(nights: Sequence[Row]) -> list[Picture]:
    """Three pictures over the nights; none where one night makes no trend."""
    if len(nights) < 2:
        return []
    rows = [_drawn(row) for row in nights]
    made = [row["new"] + row["changed"] + row["fallback"] for row in rows]
    minutes = [row["minutes"] for row in rows]
    ends = {"n": len(rows)}
    shares = {name: share(rows[-1][f"{name}_share"]) for name in ("fallback", "lost")}
    ranges = [{"low": min(one), "high": max(one), "now": one[-1]} for one in (made, minutes)]
    return [
        _picture("reasons", bars, rows, ("new", "changed", "fallback"), ends | ranges[0]),
        _picture("losses", lines, rows, ("fallback_share", "lost_share"), ends | shares),
        _picture("seconds", bars, rows, ("minutes",), ends | ranges[1]),
    ]


def _picture(
    name: str,
    draw: Callable[..., str],
    rows: Sequence[Mapping[str, Any]],
    parts: Sequence[str],
    told: Mapping[str, Any],
) -> Picture:
    key = tuple(say(f"trend.{part}") for part in parts) if len(parts) > 1 else ()
    return Picture(Markup(draw(rows, parts)), say(f"trend.{name}"), say(f"trend.{name}_alt", **told), key)


def _drawn(row: Row) -> dict[str, Any]:
    pairs = row["pairs"]
    candidates = max(pairs.get("candidates", 0), 1)
    return {
        "x": f"{row['night']:%m-%d}",
        "new": pairs.get("published", 0),
        "changed": pairs.get("kept", 0) + pairs.get("re_rendered", 0),
        "fallback": pairs.get("fallback", 0),
        "fallback_share": pairs.get("fallback", 0) / candidates,
        "lost_share": (pairs.get("candidates", 0) - reasons_of(row)) / candidates,
        "minutes": sum(row["seconds"].values()) / 60,
    }


def _lengths(facts: Facts) -> list[Picture]:
    if facts.texts is None:
        return []
    pictures = []
    for row in facts.texts.variety:
        told = {"locale": row["locale"], "low": row["low"], "high": row["high"], "most": row["most"]}
        svg = Markup(bars(facts.texts.lengths[row["locale"]], ("n",)))
        caption = say("variety.lengths") + plain(f" · {row['locale']}")
        pictures.append(Picture(svg, caption, say("variety.lengths_alt", **told)))
    return pictures


def _by_category(facts: Facts) -> list[tuple[tuple[str, str], list[Reading]]]:
    if facts.texts is None:
        return []
    groups: dict[tuple[str, str], list[Reading]] = {}
    for one in facts.texts.read["by_category"]:
        groups.setdefault((one.locale, one.category or ""), []).append(one)
    return sorted(groups.items())


def _own(form: str, locale: str) -> Markup:
    """What stands for a user's own name or number, in the language of the text around it."""
    words = say(f"read.own_{form}")
    return words.zh if locale == "zh" else words.en


@cache
def environment() -> Environment:
    """The templates, with the words of both languages. Everything put into them is escaped."""
    folder = Path(__file__).parent / "templates"
    made = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"say": say, "known": known, "number": number, "share": share, "span": span, "own": _own}
    return made
