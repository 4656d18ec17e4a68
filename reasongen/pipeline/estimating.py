"""What a night would cost, by the rates of the nights before it: tokens, and seconds of each stage."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

LOOK_BACK = 5
"""Nights whose rates count: machines and models change."""
_BY_PROMPT, _BY_PAIR = ("generate",), ("judge",)
_ONCE = ("retry", "gate", "publish", "archive", "review", "ledger")


@dataclass(frozen=True)
class Estimate:
    """`tokens_in`, `tokens_out`, `seconds` by stage; `nights`: the runs whose rates these are."""

    tokens_in: int
    tokens_out: int
    seconds: dict[str, float]
    nights: list[str]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)

    def text(self) -> str:
        """One line."""
        stages = ", ".join(f"{name} {seconds:.0f}" for name, seconds in self.seconds.items())
        total = sum(self.seconds.values())
        by = f"by the rates of {len(self.nights)} earlier night(s)"
        return f"{self.tokens_in:,} tokens in, {self.tokens_out:,} out, {total:,.0f} seconds ({stages}), {by}"


def estimate(
    past: Sequence[Mapping[str, Any]],
    *,
    model: str,
    device: str,
    prompts: int,
    pairs: int,
    measured: Mapping[str, float],
) -> Estimate | None:
    """What a night costs that generates `prompts` and judges `pairs`; None where no night of this model is on record.

    `past`: rows of `runs`, the newest first. `measured`: seconds of the stages that were just done. Rates are medians
    over the last LOOK_BACK nights that generated: tokens, generating and further samples go with the prompts, judging
    with the pairs (beside what a stage costs however little it does, where nights of other sizes tell), the rest is as
    it was. A night of another device tells nothing of this one's seconds.
    """
    made = [row for row in past if row["model_version"] == model and row["device"] == device and _made(row)][:LOOK_BACK]
    if not made:
        return None
    seconds = dict(measured)
    for stage in (*_BY_PROMPT, *_BY_PAIR, *_ONCE):
        told = [(row, dict(row["seconds"])[stage]) for row in made if stage in dict(row["seconds"])]
        if not told:
            continue
        if stage in _ONCE:
            each = statistics.median(took for _, took in told)
            seconds[stage] = each * (min(1.0, prompts / _typical(made)) if stage == "retry" else 1.0)
        else:
            of, now = (_made, prompts) if stage in _BY_PROMPT else (_judged, pairs)
            seconds[stage] = _at([(of(row), took) for row, took in told], now)
    tokens = [statistics.median(row[name] / _made(row) for row in made) for name in ("tokens_in", "tokens_out")]
    return Estimate(
        round(tokens[0] * prompts), round(tokens[1] * prompts), seconds, [str(row["run_id"]) for row in made]
    )


def _at(told: Sequence[tuple[float, float]], size: float) -> float:
    """Seconds at a size, by (size, seconds): on the line through them where one is twice another and the line makes
    sense, else in proportion."""
    sizes, seconds = zip(*told, strict=True)
    if max(sizes) >= 2 * min(sizes):
        slope, intercept = statistics.linear_regression(sizes, seconds)
        if slope >= 0 and intercept >= 0:
            return float(slope * size + intercept)
    return statistics.median(took / one for one, took in told) * size


def _made(row: Mapping[str, Any]) -> int:
    """Prompts that it generated: its further samples are part of what these cost."""
    return int(dict(row["prompts"] or {}).get("generated", 0))


def _judged(row: Mapping[str, Any]) -> int:
    pairs = dict(row["pairs"])
    return max(1, sum(int(pairs.get(name, 0)) for name in ("published", "fallback", "re_rendered", "quarantined")))


def _typical(made: Sequence[Mapping[str, Any]]) -> float:
    return max(1.0, statistics.median(_made(row) for row in made))
