"""The gate in front of a publish: Great Expectations over one row of aggregates of the written, pinned staged version.

Aggregates, because a suite over the rows themselves reads the table once per expectation and puts values of users into
its results; here Spark reads the version once, and no result holds more than a number.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from reasongen.config import GateSettings

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")


@dataclass(frozen=True)
class GateResult:
    """The verdict on one staged version: each check with what it wanted and saw."""

    checks: tuple[dict[str, Any], ...]

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check["passed"] for check in self.checks)

    def to_json(self) -> str:
        """For the `runs` table."""
        return json.dumps({"passed": self.passed, "checks": self.checks}, ensure_ascii=False)

    def refusals(self) -> list[str]:
        """One line per failed check."""
        return [f"{c['name']}: wanted {c['wanted']}, found {c['found']}" for c in self.checks if not c["passed"]]


def check_staged(staged: DataFrame, settings: GateSettings, *, expected: int, kept: int = 0) -> GateResult:
    """Judge the staged reasons of a run.

    In: `staged`, read at its pinned version (columns of schema.STAGED); `expected`: the pairs that must stand in it,
    counted elsewhere; `kept`: pairs whose published reason stands unchanged (they dilute the shares).
    """
    row = staged.agg(*_aggregates()).first()
    assert row is not None
    seen = {name: (0 if value is None else value) for name, value in row.asDict().items()}
    night = max(seen["rows"] + kept, 1)
    seen["fallback_share"] = seen.pop("fallbacks") / night
    seen["quarantined_share"] = seen.pop("quarantined") / night
    bounds: dict[str, tuple[float, float]] = {
        "rows": (expected, expected),
        "doubled_keys": (0, 0),
        "null_keys": (0, 0),
        "passed_without_reason": (0, 0),
        "reason_without_pass": (0, 0),
        "unfilled_marks": (0, 0),
        "personal_without_consent": (0, 0),
        "longest": (0, settings.max_chars),
        "fallback_share": (0, settings.max_fallback_share),
        "quarantined_share": (0, settings.max_quarantined_share),
        "pairs": (settings.min_rows, float("inf")),
    }
    return _expect({**seen, "pairs": seen["rows"] + kept}, bounds)


def _aggregates() -> list[Any]:
    key = F.struct("user_id", "item_id", "scenario")
    has_reason = F.length(F.coalesce("reason", F.lit(""))) > 0
    passed, personal = (F.coalesce(name, F.lit(False)) for name in ("passed", "personal"))  # unknown is no
    return [
        F.count("*").alias("rows"),
        (F.count("*") - F.count_distinct(key)).alias("doubled_keys"),
        F.count_if(F.col("user_id").isNull() | F.col("item_id").isNull() | F.col("scenario").isNull()).alias(
            "null_keys"
        ),
        F.count_if(passed & ~has_reason).alias("passed_without_reason"),
        F.count_if(~passed & has_reason).alias("reason_without_pass"),
        F.count_if(F.col("reason").rlike(r"\[[ie][1-4]?\.")).alias("unfilled_marks"),
        F.count_if(~personal & (F.size("evidence") > 0)).alias("personal_without_consent"),
        F.max(F.length("reason")).alias("longest"),
        F.count_if(F.col("source") == "fallback").alias("fallbacks"),
        F.count_if(~passed).alias("quarantined"),
    ]


def _expect(seen: dict[str, Any], bounds: dict[str, tuple[float, float]]) -> GateResult:
    import great_expectations as gx  # here, since it imports for seconds
    import pandas as pd

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    suite = gx.ExpectationSuite(name="staged reasons")
    for name, (low, high) in bounds.items():
        limits = {"min_value": low, **({} if high == float("inf") else {"max_value": high})}
        suite.add_expectation(gx.expectations.ExpectColumnValuesToBeBetween(column=name, **limits))
    asset = context.data_sources.add_pandas("staged").add_dataframe_asset("aggregates")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": pd.DataFrame([seen])})
    results = batch.validate(suite, result_format="BOOLEAN_ONLY").results
    verdicts = {result.expectation_config.kwargs["column"]: bool(result.success) for result in results}
    return GateResult(
        tuple(
            {"name": name, "wanted": _words(low, high), "found": round(float(seen[name]), 4), "passed": verdicts[name]}
            for name, (low, high) in bounds.items()
        )
    )


def _words(low: float, high: float) -> str:
    if low == high:
        return f"{low:g}"
    return f"at least {low:g}" if high == float("inf") else f"{low:g} to {high:g}"
