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


def band(rows: Sequence[Mapping[str, Any]], low: float, high: float, *, form: str = "+.0%") -> str:
    """A line (`value`) in a band (`low` to `high`), with two dashed lines within it (`inner_low`, `inner_high`) and one
    at 0, over the rows' `x`. What leaves `low` to `high`, the range of the picture, is cut off there."""
    scale = {"domain": [low, high], "nice": False}
    axis = {"format": form, "tickCount": 5}

    def y(field: str) -> dict[str, Any]:
        return {"field": field, "type": "quantitative", "title": None, "axis": axis, "scale": scale}

    x, ink = _places([row["x"] for row in rows]), INKS[0]
    area = {"type": "area", "clip": True, "color": INKS[1], "opacity": 0.35}
    dashed = {"type": "line", "clip": True, "color": ink, "strokeDash": [4, 3], "strokeWidth": 1}
    layers = [
        {"mark": area, "encoding": {"x": x, "y": y("low"), "y2": {"field": "high"}}},
        {"mark": dashed, "encoding": {"x": x, "y": y("inner_low")}},
        {"mark": dashed, "encoding": {"x": x, "y": y("inner_high")}},
        {"mark": {"type": "line", "clip": True, "color": ink, "point": True}, "encoding": {"x": x, "y": y("value")}},
        {"mark": {"type": "rule", "color": "currentColor"}, "encoding": {"y": {"datum": 0, "type": "quantitative"}}},
    ]  # fmt: skip
    return _svg({"data": {"values": [dict(row) for row in rows]}, "layer": layers})


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
    return _svg({"data": {"values": values}, "mark": mark, "encoding": encoding})


def _svg(spec: Mapping[str, Any]) -> str:
    svg = vl_convert.vegalite_to_svg({**spec, "width": WIDTH, "height": HEIGHT, "config": _CONFIG})
    return re.sub(r"^<svg ", '<svg aria-hidden="true" focusable="false" ', svg, count=1)
