"""The page of an experiment: what was found and whether it may be believed, first; then effects with their intervals,
how they came to be over time, users by arm, policies that never ran, and every row that was left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from reasongen.report.page import Picture, environment
from reasongen.report.pictures import band
from reasongen.report.words import Said, plain, say

SPACE = "\u00a0"
_WIDEST = 3.0
"""Times the last day's bounds: what earlier days show beyond is cut off in a picture."""


class Code(NamedTuple):
    """Rows of a table under one code. `counts`: these are used."""

    code: str
    means: Said
    rows: int
    share: float
    counts: bool


def render_experiment(figures: Mapping[str, Any]) -> str:
    """One file of HTML. `figures`: as `jobs/experiment.py --json` writes them."""
    metrics = figures["metrics"]
    return environment().get_template("experiment.html.j2").render(
        figures=figures,
        blocked=figures["status"] == "blocked",
        leads=list(_leads(figures)),
        metrics=metrics,
        pictures={name: list(_pictures(name, metric)) for name, metric in metrics.items()},
        codes={table: _codes(codes) for table, codes in figures["codes"].items()},
        level=percent(figures["level"], 0),
        percent=percent,
        lift=lift,
        between=between,
        p=p_value,
        told_p=told_p,
    )  # fmt: skip


def percent(value: float | None, digits: int = 2) -> str:
    """A share in percent, no break before the sign."""
    return "–" if value is None else f"{100 * value:.{digits}f}{SPACE}%"


def lift(value: float | None) -> str:
    """A relative change with its sign."""
    return "–" if value is None else f"{100 * value:+.1f}{SPACE}%".replace("-", "−")


def between(bounds: Sequence[float] | None, form: Any = lift) -> str:
    """Both bounds; the sign of percent stands once."""
    if bounds is None:
        return "–"
    low, high = (form(one) for one in bounds)
    return f"[{low.removesuffix(f'{SPACE}%')}, {high}]"


def p_value(value: float | None) -> str:
    """p with two digits that count."""
    if value is None:
        return "–"
    return "< 0.0001" if value < 0.0001 else f"{value:.2g}" if value < 0.1 else f"{value:.2f}"


def told_p(value: float | None) -> str:
    """p within a sentence."""
    told = p_value(value)
    return f"p {told}" if told.startswith("<") else f"p = {told}"


def _leads(figures: Mapping[str, Any]) -> Iterator[Said]:
    """The first lines: of the metric that decides, each arm; and whether that may be believed."""
    if figures["status"] == "blocked":
        yield say("experiment.lead_blocked", p=told_p(figures["balance"]["p"]))
        return
    name, metric = next(iter(figures["metrics"].items()))
    kind = say(f"experiment.kind_{metric['kind']}") + say("experiment.join") + say(f"experiment.per_{metric['per']}")
    called = plain(f"{name} (") + kind + plain(")")
    for one in sorted(metric["effects"], key=lambda one: one["finding"] not in ("better", "worse")):
        told: dict[str, Any] = {
            "arm": one["arm"],
            "metric": called,
            "control": figures["control"],
            "lift": lift(one["lift"]),
        }
        told |= {
            "bounds": between(one["lift_always"]),
            "value": percent(one["value"]),
            "was": percent(one["control_value"]),
        }
        yield say(f"experiment.lead_{one['finding']}", **told)
    if not metric["effects"]:
        yield say("experiment.lead_nobody")
    yield say("experiment.believe", p=told_p(figures["balance"]["p"]), level=percent(figures["level"], 0))


def _pictures(name: str, metric: Mapping[str, Any]) -> Iterator[Picture]:
    """One for each arm that has an interval on at least two days."""
    for arm, path in metric["path"].items():
        told = [point for point in path if point["always"] is not None]
        if len(told) < 2:
            continue
        rows = [
            {
                "x": point["day"][5:],
                "value": point["lift"],
                "low": point["always"][0],
                "high": point["always"][1],
                "inner_low": point["fixed"][0],
                "inner_high": point["fixed"][1],
            }
            for point in told
        ]
        most = _WIDEST * max(abs(rows[-1]["low"]), abs(rows[-1]["high"]))
        low, high = (max(min(row["low"] for row in rows), -most), min(max(row["high"] for row in rows), most))
        last = told[-1]
        facts = {"day": last["day"], "lift": lift(last["lift"]), "bounds": between(last["always"])}
        key = (say("experiment.key_value"), say("experiment.key_always"), say("experiment.key_fixed"))
        caption = say("experiment.path", arm=arm, metric=name)
        yield Picture(Markup(band(rows, low, high)), caption, say("experiment.path_told", **facts), key)


def _codes(codes: Mapping[str, int]) -> list[Code]:
    whole = sum(codes.values())
    return [
        Code(code, _means(code), rows, rows / whole if whole else 0.0, code == "counted")
        for code, rows in codes.items()
    ]


def _means(code: str) -> Said:
    """A code in words; of feedback whose exposure is left out, why that is."""
    if code.startswith("exposure_"):
        return say("experiment_code.exposure") + plain(": ") + say(f"experiment_code.{code.removeprefix('exposure_')}")
    return say(f"experiment_code.{code}")
