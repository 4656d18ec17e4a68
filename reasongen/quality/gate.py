"""The gate in front of a publish: Great Expectations over the aggregates of the written, pinned staged version."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path

from pyspark.sql import DataFrame

from reasongen.evaluation.usual import usual
from reasongen.quality.measuring import Measured, Past, Told, measure
from reasongen.quality.suites import Expectation, Suite, Window, filled

LOG = logging.getLogger(__name__)

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

HELD, WARNED, REFUSED, UNJUDGED = "held", "warned", "refused", "unjudged"


@dataclass(frozen=True)
class Check:
    """What became of one expectation. `verdict`: held, warned, refused, or unjudged, where there is nothing yet to
    compare with; `found`: a number, never a value of a row; `usable`: later nights may be compared with it."""

    suite: str
    name: str
    severity: str
    wanted: str
    found: float | None
    verdict: str
    look: str
    parts: dict[str, float] | None
    usable: bool

    @property
    def passed(self) -> bool:
        """Whether nothing is to be said of it."""
        return self.verdict in (HELD, UNJUDGED)

    def line(self) -> str:
        """For a log."""
        return f"{self.name}: wanted {self.wanted}, found {self.found}; look: {self.look}"


@dataclass(frozen=True)
class GateResult:
    """The verdict on one staged version: each expectation with what it wanted and saw."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether the night may be published."""
        return not self.refusals

    @property
    def refusals(self) -> list[Check]:
        """Failed expectations that block."""
        return [check for check in self.checks if check.verdict == REFUSED]

    @property
    def warnings(self) -> list[Check]:
        """Failed expectations that only warn."""
        return [check for check in self.checks if check.verdict == WARNED]

    def to_json(self) -> str:
        """For the `runs` table."""
        told = [{**asdict(check), "passed": check.passed} for check in self.checks]
        for one in told:
            del one["parts"], one["usable"]
        return json.dumps({"passed": self.passed, "checks": told}, ensure_ascii=False)


@dataclass(frozen=True)
class _Question:
    """One expectation of tonight: what it sees and its bounds; no bounds: the reason why it cannot be judged."""

    suite: str
    name: str
    asked: Expectation
    seen: Measured
    found: float | None
    bounds: tuple[float, float] | None
    why: str = ""
    usable: bool = True


def check_staged(
    staged: DataFrame, suites: Sequence[Suite], told: Told, past: Past | None, docs: Path | None = None
) -> GateResult:
    """Judge the staged reasons of a run.

    In: `staged`, read at its pinned version (columns of schema.STAGED); `told`: counts of the night, settings of the
    gate and places that the suites name; `past`: what the last nights had, None for a part of a night, which is
    compared with nothing; `docs`: where Great Expectations writes its pages.
    """
    seen, sizes = measure(staged, suites, told)
    questions = [
        _question(suite, name, one, seen[name], sizes[suite.table], told, past)
        for suite in suites
        for name, one in suite.expectations.items()
    ]
    held = _expect(questions, docs)
    return GateResult(tuple(_check(one, held.get(one.name), told) for one in questions))


def _question(
    suite: Suite, name: str, asked: Expectation, seen: Measured, size: float, told: Told, past: Past | None
) -> _Question:
    number = seen.number if seen.parts is None else None
    if not asked.compares:
        low, high = (
            edge if one is None else float(filled(one, told)) for one, edge in ((asked.min, 0), (asked.max, inf))
        )
        return _Question(suite.table, name, asked, seen, number or 0.0, (low, high))
    window, before = suite.window, [] if past is None else list(past.get(name, ()))
    usable = past is not None and size >= window.least and seen != Measured(None)
    if why := _nothing_to_say(window, before, size, seen, past):
        return _Question(suite.table, name, asked, seen, number, None, why, usable)
    if asked.drift is None:
        moved = _distance(seen.parts or {}, [one.parts or {} for one in before])
        return _Question(suite.table, name, asked, seen, moved, (0.0, float(filled(asked.max or 0, told))))
    middle, spread = usual([one.number for one in before if one.number is not None])
    reach = asked.drift
    wide = max(reach.deviations * spread, reach.relative * abs(middle), reach.absolute)
    return _Question(suite.table, name, asked, seen, number, (middle - wide, middle + wide))


def _nothing_to_say(window: Window, before: Sequence[Measured], size: float, seen: Measured, past: Past | None) -> str:
    if past is None:
        return "a whole night"
    if size < window.least or seen == Measured(None):
        return f"at least {window.least:,} rows"
    if len(before) < window.warm_up:
        return f"{window.warm_up} nights before ({len(before)} so far)"
    return ""


def _distance(tonight: Mapping[str, float], before: Sequence[Mapping[str, float]]) -> float:
    """Total variation between tonight's shares and the mean of those before: the part of the rows that moved."""
    names = {name for one in (tonight, *before) for name in one}
    return sum(abs(tonight.get(n, 0) - sum(one.get(n, 0) for one in before) / len(before)) for n in names) / 2


def _check(one: _Question, held: bool | None, told: Told) -> Check:
    failed = REFUSED if one.asked.severity == "block" else WARNED
    verdict = UNJUDGED if held is None else HELD if held else failed
    return Check(
        suite=one.suite,
        name=one.name,
        severity=one.asked.severity,
        wanted=one.why if one.bounds is None else _words(*one.bounds),
        found=None if one.found is None else round(one.found, 4),
        verdict=verdict,
        look=filled(one.asked.look, told),
        parts=one.seen.parts,
        usable=one.usable,
    )


def _expect(questions: Sequence[_Question], docs: Path | None) -> dict[str, bool]:
    """Asks Great Expectations: a suite and a frame of one row for each table. Expectations over a column's largest
    value, since these show in its pages what was seen: an aggregate."""
    import great_expectations as gx  # here, since it imports for seconds
    import pandas as pd

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_pandas("night")
    found: dict[str, bool] = {}
    if docs is not None:
        store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.absolute())}
        context.add_data_docs_site("night", {"class_name": "SiteBuilder", "store_backend": store})
    for table in dict.fromkeys(one.suite for one in questions):
        suite, row = context.suites.add(gx.ExpectationSuite(name=table)), {}
        for one in questions:
            if one.suite == table and one.bounds is not None and one.found is not None:
                low, high = one.bounds
                row[one.name] = one.found
                limits = {"min_value": low, **({} if high == inf else {"max_value": high})}
                severity = "critical" if one.asked.severity == "block" else "warning"
                asked = gx.expectations.ExpectColumnMaxToBeBetween(column=one.name, severity=severity, **limits)
                suite.add_expectation(asked)
        if not row:
            continue
        batch = source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("one row of aggregates")
        asks = context.validation_definitions.add(gx.ValidationDefinition(name=table, data=batch, suite=suite))
        results = asks.run(batch_parameters={"dataframe": pd.DataFrame([row])}, result_format="BASIC").results
        found |= {one.expectation_config.kwargs["column"]: bool(one.success) for one in results}
    if docs is not None:
        try:
            context.build_data_docs(site_names=["night"])
        except OSError as error:  # pages are for people; what they show stands in the table too
            LOG.warning("gate: wanted to write pages below %s; found %s", docs, type(error).__name__)
    return found


def _words(low: float, high: float) -> str:
    low, high = round(low, 4), round(high, 4)
    if low == high:
        return f"{low:g}"
    return f"at least {low:g}" if high == inf else f"{low:g} to {high:g}"
