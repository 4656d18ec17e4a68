"""What the rows of `runs` say: which run a night's page tells of, its funnel, what differs from the night before.

Pure: rows in, plain values out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from reasongen.evaluation.usual import usual

DONE = ("published", "unchanged")
ROLLED_BACK, PUT_BACK = "rolled_back", "put_back"
MADE = ("published", "re_rendered", "fallback")
ENDS = (*MADE[:2], "kept", "fallback")
"""How a pair with a reason ends, in the order in which a page shows it."""
WINDOW, WARM_UP = 7, 3
"""Nights before that tonight is measured against, and how few of them say nothing yet."""
_VERSIONS = ("config_digest", "code_version", "model_version")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Night:
    """One night as its page sees it: the run it tells of, the other attempts at it, the nights before it, and the
    rollback after it that no published night has followed."""

    night: date
    run: Row | None
    attempts: tuple[Row, ...]
    before: tuple[Row, ...]
    rollback: Row | None = None

    @property
    def last(self) -> Row | None:
        """The finished run of the night before."""
        return self.before[-1] if self.before else None


@dataclass(frozen=True)
class Step:
    """A line of the funnel: `kind` is start, loss, rest or end; `code` says what of."""

    kind: str
    code: str
    count: int


def night_of(runs: Sequence[Row], night: date, run_id: str | None = None) -> Night:
    """What a night's page tells of. `runs`: in the order of their tokens; `run_id`: this run, not the deciding one."""
    attempts = tuple(row for row in runs if row["night"] == night)
    run = next((row for row in attempts if row["run_id"] == run_id), None) if run_id else deciding(attempts)
    nights = sorted({row["night"] for row in runs if row["night"] < night})
    told = [deciding([row for row in runs if row["night"] == one and row["status"] in DONE]) for one in nights]
    after = [row for row in runs if run is not None and row["token"] > run["token"]]
    changed = [row for row in after if row["status"] in ("published", ROLLED_BACK)]
    rollback = changed[-1] if changed and changed[-1]["status"] == ROLLED_BACK else None
    return Night(night, run, attempts, tuple(row for row in told if row is not None), rollback)


def deciding(attempts: Sequence[Row]) -> Row | None:
    """The run that made a night what it is: the newest, unless that one only found everything done already. A rollback
    puts back what another run made."""
    attempts = [row for row in attempts if PUT_BACK not in row["pairs"]]
    if not attempts:
        return None
    ended = [row for row in attempts if row["status"] not in ("unchanged", "started")]
    return attempts[-1] if attempts[-1]["status"] == "started" or not ended else ended[-1]


def reasons_of(run: Row) -> int:
    """Candidates with a reason after the run."""
    return sum(run["pairs"].get(name, 0) for name in ENDS)


def funnel(run: Row) -> list[Step]:
    """From the candidates to the reasons, every loss by its code; the lines add up."""
    pairs: Mapping[str, int] = run["pairs"]
    left = pairs.get("candidates", 0)
    steps = [Step("start", "candidates", left)]
    for group in ("rejected", "skipped", "quarantined"):
        losses = [(name, n) for name, n in pairs.items() if n and (name == group or name.startswith(f"{group}."))]
        for name, count in sorted(losses, key=lambda one: (-one[1], one[0])):
            steps.append(Step("loss", name, count))
            left -= count
    steps.append(Step("rest", "reasons", left))
    return steps + [Step("end", name, pairs[name]) for name in ENDS if pairs.get(name)]


def gate_of(run: Row) -> list[dict[str, Any]]:
    """Each check of the gate: name, wanted, found, passed, verdict, look (SQL); none where the run did not come so
    far. Runs of before there were warnings have no verdict in `runs`: what failed refused them."""
    checks = json.loads(run["gate"])["checks"] if run["gate"] else []
    return [{"verdict": "held" if check["passed"] else "refused", "look": "", **check} for check in checks]


def changes(run: Row, last: Row | None) -> list[tuple[str, str, str]]:
    """(what, before, now) of every input and version that differs from the night before."""
    if last is None:
        return []
    inputs = sorted({*run["inputs"], *last["inputs"]})
    found = [(f"inputs.{name}", last["inputs"].get(name, ""), run["inputs"].get(name, "")) for name in inputs]
    found += [(name, last[name], run[name]) for name in _VERSIONS]
    return [one for one in found if one[1] != one[2]]


def measures(run: Row) -> dict[str, float]:
    """What is watched from night to night; shares of the candidates unless the name says otherwise."""
    pairs, prompts = run["pairs"], run["prompts"]
    candidates = pairs.get("candidates", 0)
    if not candidates:
        return {}
    reasons = reasons_of(run)
    lost = {group: sum(n for name, n in pairs.items() if name.startswith(group)) for group in ("rejected", "skipped")}
    found = {
        "candidates": float(candidates),
        "fallback_share": pairs.get("fallback", 0) / candidates,
        "quarantined_share": pairs.get("quarantined", 0) / candidates,
        "kept_share": pairs.get("kept", 0) / candidates,
        **{f"{group}_share": count / candidates for group, count in lost.items()},
        "faulty_rows": float(sum(run["codes"].values())),
        "seconds": float(sum(run["seconds"].values())),
    }
    if reasons and prompts.get("distinct"):
        found["prompts_per_reason"] = prompts["distinct"] / reasons
        found["generated_share"] = prompts.get("generated", 0) / prompts["distinct"]
    if run["samples"]:
        found["tokens_per_sample"] = run["tokens_out"] / run["samples"]
    return found


@dataclass(frozen=True)
class Drift:
    """One measure tonight beside the nights before: their median, and how far from it is still usual."""

    name: str
    tonight: float
    usual: float
    reach: float

    @property
    def unusual(self) -> bool:
        """Farther from the median than three robust deviations, and than 5 % of it."""
        return abs(self.tonight - self.usual) > self.reach


def drift(run: Row, before: Sequence[Row]) -> list[Drift] | None:
    """Every measure against the last nights; None during the warm-up."""
    window = [measures(row) for row in before[-WINDOW:]]
    if len(window) < WARM_UP:
        return None
    found = []
    for name, tonight in measures(run).items():
        past = [one[name] for one in window if name in one]
        if len(past) >= WARM_UP:
            middle, spread = usual(past)
            found.append(Drift(name, tonight, middle, max(3 * spread, 0.05 * abs(middle), 0.001)))
    return found
