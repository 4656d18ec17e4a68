"""Gathers what one night's page tells from the tables: counts, texts, the figures of its pictures. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from reasongen.config import NightConfig
from reasongen.report import readings
from reasongen.report.lake import Lake
from reasongen.report.nights import DONE, ROLLED_BACK, Night, Row, night_of
from reasongen.report.refusals import refusals


@dataclass(frozen=True)
class Texts:
    """What is told of the reasons of a night. `counts`: rows, shown, texts."""

    counts: Mapping[str, int]
    read: Mapping[str, Sequence[readings.Reading]]
    variety: Sequence[Mapping[str, Any]]
    lengths: Mapping[str, Sequence[Mapping[str, Any]]]
    openings: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Facts:
    """All that a page tells. `stand`: reasons that a reader finds now, and the newest night among them; `texts` None:
    the reasons of that night are not kept, or it made none; `with_items`: the items' titles and categories are known;
    `shared_by`: users who must share what is shown.
    """

    scenario: str
    root: str
    night: Night
    stand: tuple[int, date | None]
    texts: Texts | None
    refused: Mapping[str, Any] | None
    with_items: bool
    shared_by: int

    @property
    def run(self) -> Row | None:
        """The run that the page tells of."""
        return self.night.run

    @property
    def status(self) -> str:
        """Of that run; missing where no run of the night is on record."""
        return str(self.run["status"]) if self.run else "missing"


def collect(lake: Lake, config: NightConfig, night: date, run_id: str | None = None) -> Facts:
    """The facts of a night, or of one run at it."""
    runs = lake.runs(config.scenario)
    told = night_of(runs, night, run_id)
    with_items = lake.items(config.inputs.items)
    stand = _stand(lake, config.scenario)
    run = told.run
    done = run is not None and run["status"] in DONE
    # Its own version of the reasons: the newest one too, where a forgetting or a withdrawal came after the last night.
    last = max((row["token"] for row in runs if row["status"] in (*DONE, ROLLED_BACK)), default=0)
    kept = lake.view("reasons", run["delta_version"] if run is not None and done and run["token"] < last else None)
    texts = _texts(lake, config) if done and kept else None
    refused = None
    if run is not None and kept and lake.view("quarantine") and lake.view("generations"):
        refused = refusals(lake, run["run_id"], config.forget.shared_by)
    shared_by = config.forget.shared_by
    return Facts(config.scenario, config.root, told, stand, texts, refused, with_items, shared_by)


def _stand(lake: Lake, scenario: str) -> tuple[int, date | None]:
    if not lake.view("reasons"):
        return (0, None)
    row = lake.one("SELECT count(*) AS n, max(night) AS newest FROM reasons WHERE scenario = $s", s=scenario)
    return (row["n"], row["newest"])


def _texts(lake: Lake, config: NightConfig) -> Texts:
    scenario, k = config.scenario, config.forget.shared_by
    counts = readings.prepare(lake, scenario, k)
    variety = readings.variety(lake, scenario)
    lengths = {row["locale"]: readings.lengths(lake, scenario, row["locale"]) for row in variety}
    begun = readings.openings(lake, scenario, k) if lake.view("generations") else []
    return Texts(counts, readings.to_read(lake), variety, lengths, begun)
