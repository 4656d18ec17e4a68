"""Writes a night's page and the index of all nights into a folder. A page replaces the one of its name, in one move."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from reasongen.config import NightConfig
from reasongen.errors import ConfigError
from reasongen.report.collect import collect
from reasongen.report.lake import open_lake
from reasongen.report.nights import DONE, Row, deciding, reasons_of
from reasongen.report.page import Line, render_index, render_page

FOLDER = "report"
"""Below the root, where no other folder is given."""
INDEX = "index.html"


@dataclass(frozen=True)
class Written:
    """What was written. `status`: of the run that the page tells of; missing: the night has none."""

    night: date
    status: str
    run_id: str | None
    page: str
    index: str

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {**self.__dict__, "night": self.night.isoformat()}

    def text(self) -> str:
        """One line."""
        return f"report {self.night}: {self.status}, {self.page}"


def write_report(config: NightConfig, run_id: str | None = None, out: str | None = None) -> Written:
    """The page of `config.night` (without one: the newest night on record), or of one run, and the index.

    Raises ConfigError where there is neither a night nor a run, no such run, or no folder to write to.
    """
    folder = _folder(config, out)
    with open_lake(config.root) as lake:
        runs = lake.runs(config.scenario)
        night = _night(config, runs, run_id)
        facts = collect(lake, config, night, run_id)
    page = folder / f"{run_id or f'{night}-{config.scenario}'}.html"
    _replace(page, render_page(facts))
    index = folder / INDEX
    _replace(index, render_index(_lines(runs, folder, config.scenario), config.scenario))
    return Written(night, facts.status, facts.run["run_id"] if facts.run else None, str(page), str(index))


def _night(config: NightConfig, runs: list[dict[str, Any]], run_id: str | None) -> date:
    if run_id is not None:
        found: list[date] = [row["night"] for row in runs if row["run_id"] == run_id]
        if not found:
            known = ", ".join(row["run_id"] for row in runs[-3:]) or "none"
            raise ConfigError(f"--run: wanted a run of scenario {config.scenario}; found no {run_id}; newest: {known}.")
        return found[0]
    if config.night is not None:
        return config.night
    if not runs:
        raise ConfigError(
            f"--night: wanted a night on record in {config.root}/runs; found none of scenario {config.scenario}."
            " Give --night YYYY-MM-DD."
        )
    return max(date.fromisoformat(str(row["night"])) for row in runs)


def _folder(config: NightConfig, out: str | None) -> Path:
    place = out or f"{config.root}/{FOLDER}"
    if "://" in place:
        raise ConfigError(f"--out: wanted a folder of this machine; found {place}. Give --out DIR.")
    folder = Path(place)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out: wanted a folder to write to at {place}; found {type(error).__name__}.") from error
    return folder


def _replace(path: Path, text: str) -> None:
    """Whole or not at all: somebody may be reading."""
    half = path.with_name(f".{path.name}.{os.getpid()}")
    half.write_text(text, encoding="utf-8")
    half.replace(path)


def _lines(runs: list[dict[str, Any]], folder: Path, scenario: str) -> list[Line]:
    """Nights on record, and nights that have a page without a run."""
    pages = {
        date.fromisoformat(found[1]): path.name
        for path in folder.glob(f"*-{scenario}.html")
        if (found := re.fullmatch(rf"(\d{{4}}-\d\d-\d\d)-{re.escape(scenario)}\.html", path.name))
    }
    lines = []
    for night in sorted({*pages, *(row["night"] for row in runs)}, reverse=True):
        run: Row | None = deciding([row for row in runs if row["night"] == night])
        done = run is not None and run["status"] in DONE
        counts = (reasons_of(run), run["pairs"].get("candidates", 0)) if run is not None and done else (None, None)
        lines.append(Line(night, run["status"] if run else "missing", counts[0], counts[1], pages.get(night)))
    return lines
