"""Brings the gate what it asks for: the night's counts, the suites, the nights before; and writes down what it said."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import DataFrame, SparkSession

from reasongen.config import NightConfig
from reasongen.pipeline.ledger import STREAM, Run
from reasongen.pipeline.preparing import Prepared
from reasongen.pipeline.progress import say
from reasongen.pipeline.tools import Tools
from reasongen.quality import GateResult, check_staged, past_nights
from reasongen.schema import QUALITY
from reasongen.tables.holdings import REPORT

DOCS = f"{REPORT}/quality"
"""Below the root: a folder for each scenario, with Great Expectations' pages about its last run."""


def judge_night(
    spark: SparkSession,
    config: NightConfig,
    tools: Tools,
    run: Run,
    staged: DataFrame,
    prepared: Prepared,
    *,
    planned: int,
    kept: int,
) -> GateResult:
    """The verdict on the staged version, which then stands in `run.gate`, in schema.QUALITY and in the Data Docs.

    `planned`: how many pairs were to be staged; `kept`: reasons that stand beside them unchanged. A stream or a limited
    night is no whole night: nothing of it is compared with other nights, nor other nights with it.
    """
    classes = prepared.classes
    lost = {group: sum(n for name, n in classes.items() if name.startswith(f"{group}.")) for group in _LOST}
    told: dict[str, int | float | str] = {
        **config.gate.model_dump(),
        **lost,
        "candidates": classes["candidates"],
        "pairs": classes["pairs"],
        "faulty": sum(prepared.codes.values()),
        "expected": planned,
        "kept": kept,
        "staged": f"delta.`{config.root}/staging/{run.run_id}/staged`",
        "runs": f"delta.`{config.root}/runs`",
        "run_id": run.run_id,
    }
    whole = run.kind != STREAM and config.limit is None
    suites = tools.suites.suites
    past = past_nights(config.root, config.scenario, run.night, suites) if whole else None
    gate = check_staged(staged, suites, told, past, _docs(config))
    run.gate = gate.to_json()
    _write(f"{config.root}/{QUALITY.name}", run, gate)
    for check in gate.warnings:
        say(f"gate warns: {check.line()}")
    return gate


_LOST = ("rejected", "skipped")


def _docs(config: NightConfig) -> Path | None:
    """Emptied, so that it shows one run; None where the root is not on this machine's file system."""
    if "://" in config.root:
        return None
    docs = Path(config.root, DOCS, config.scenario)
    shutil.rmtree(docs, ignore_errors=True)
    return docs


def _write(path: str, run: Run, gate: GateResult) -> None:
    """Not by Spark: some dozens of rows cost milliseconds."""
    whose = {"run_id": run.run_id, "night": run.night, "scenario": run.scenario}
    schema = pa.schema(DeltaTable(path).schema().to_arrow())
    rows = [{**asdict(check), **whose} for check in gate.checks]
    for row in rows:
        row["parts"] = None if row["parts"] is None else list(row["parts"].items())
    write_deltalake(path, pa.Table.from_pylist(rows, schema), mode="append")
