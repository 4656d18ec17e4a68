"""Draws a page's pictures as SVG, by Vega-Lite and without a browser: figures in, text out.

They hold numbers and dates but no words, so that one picture serves both languages; the caption beside it speaks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import vl_convert

WIDTH, HEIGHT = 320, 150  # of the plot; a telephone shows the whole picture without making it smaller
INKS = ("#1f5f8b", "#6fa8c9", "#d9a441")
"""New, changed or kept, plain sentence: apart in lightness too, for who sees no colours."""
_CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": "system-ui, 'Noto Sans', 'Noto Sans CJK SC', sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "currentColor",
        "titleColor": "currentColor",
        "domainColor": "#8a949e",
        "tickColor": "#8a949e",
        "gridColor": "#8a949e",
        "gridOpacity": 0.25,
        "labelFontSize": 12,
    },
}
_MOST_DATES = 6


def bars(rows: Sequence[Mapping[str, Any]], parts: Sequence[str], *, form: str = "~s") -> str:
    """Stacked bars, one for each row: `x` (a date or a number, in order) and a value for each of `parts`."""
    told = [
        {"x": row["x"], "part": number, "value": row[part]} for row in rows for number, part in enumerate(parts) if row
    ]
    y = {"field": "value", "type": "quantitative", "title": None, "axis": {"format": form, "tickCount": 4}}
    return _drawn(
        told,
        {"type": "bar", "width": {"band": 0.8}},
        {
            "x": _places([row["x"] for row in rows]),
            "y": y,
            "color": _inks("part", len(parts)),
            "order": {"field": "part"},
        },
    )


def lines(rows: Sequence[Mapping[str, Any]], parts: Sequence[str], *, form: str = ".1%") -> str:
    """A line for each of `parts` over the rows' `x`; each differs in its dashes too."""
    told = [{"x": row["x"], "part": number, "value": row[part]} for row in rows for number, part in enumerate(parts)]
    y = {"field": "value", "type": "quantitative", "title": None, "axis": {"format": form, "tickCount": 4}}
    dashes = {"field": "part", "type": "nominal", "legend": None}
    return _drawn(
        told,
        {"type": "line", "point": True},
        {"x": _places([row["x"] for row in rows]), "y": y, "color": _inks("part", len(parts)), "strokeDash": dashes},
    )


def _places(values: Sequence[Any]) -> dict[str, Any]:
    """The places of `x` in the order given, labelled so sparsely that no label meets another."""
    every = max(1, -(-len(values) // _MOST_DATES))
    shown = list(values)[::-every]
    return {
        "field": "x",
        "type": "ordinal",
        "sort": None,
        "title": None,
        "axis": {"values": shown, "labelAngle": 0, "labelOverlap": False},
    }


def _inks(field: str, count: int) -> dict[str, Any]:
    scale = {"domain": list(range(count)), "range": list(INKS[:count])}
    return {"field": field, "type": "nominal", "scale": scale, "legend": None}


def _drawn(values: list[dict[str, Any]], mark: dict[str, Any], encoding: dict[str, Any]) -> str:
    """The picture as an element of the page: hidden from a screen reader, to which the caption speaks."""
    spec = {"data": {"values": values}, "mark": mark, "encoding": encoding, "width": WIDTH, "height": HEIGHT}
    svg = vl_convert.vegalite_to_svg({**spec, "config": _CONFIG})
    return re.sub(r"^<svg ", '<svg aria-hidden="true" focusable="false" ', svg, count=1)
