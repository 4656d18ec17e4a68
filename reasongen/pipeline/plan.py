"""What a night would do and cost, without doing it: no table is written, no token spent."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import NightConfig
from reasongen.pipeline.estimating import Estimate, estimate
from reasongen.pipeline.generating import wanted_prompts
from reasongen.pipeline.ledger import Run, code_version
from reasongen.pipeline.night import device_of
from reasongen.pipeline.preparing import prepare
from reasongen.pipeline.progress import Stages
from reasongen.pipeline.publishing import KEY, removals, with_why
from reasongen.pipeline.reviewing import read_reviewed, reopened
from reasongen.pipeline.standing import past_runs
from reasongen.pipeline.tools import Tools, pinned, tools_of
from reasongen.pipeline.withdrawing import read_withdrawals
from reasongen.prompts import Frame
from reasongen.schema import GENERATIONS, REASONS, Table
from reasongen.tables import check_contract, read_sources, read_version

SHOWN = 5
"""Prompts to look at."""


@dataclass(frozen=True)
class Plan:
    """`run`: the counts of a night up to its prompts, `status` planned. `changes`: pairs by why no reason stands for
    them as it is, and `leaving`, reasons whose pair is no candidate any more. `cost`: None before the first night of
    this model. `prompts`: some that would be generated; they name no user."""

    run: Run
    changes: dict[str, int] = field(default_factory=dict)
    cost: Estimate | None = None
    prompts: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The run's summary with what this adds."""
        cost = None if self.cost is None else self.cost.as_json()
        return {**self.run.as_json(), "changes": self.changes, "estimate": cost, "prompts_shown": self.prompts}

    def text(self) -> str:
        """Lines behind those of the run."""
        told = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in self.changes.items()) or "nothing"
        lines = [f"changes    {told}"]
        lines.append(f"estimate   {self.cost.text() if self.cost else 'no earlier night of this model to go by'}")
        for number, prompt in enumerate(self.prompts, 1):
            lines += [f"prompt {number}", *(f"  | {line}" for line in prompt.splitlines())]
        return "\n".join(lines)


def plan_night(spark: SparkSession, config: NightConfig) -> Plan:
    """What a night would do up to its prompts, and what it would cost. Raises as the night does."""
    config = pinned(config)
    tools = tools_of(config)
    stages = Stages(spark.sparkContext)
    run = planned(config, tools, stages)
    with looked_at(spark, config, tools, run, stages) as pairs, stages.stage("plan"):
        reasons = standing_rows(spark, config, REASONS).where(F.col("scenario") == config.scenario)
        made = standing_rows(spark, config, GENERATIONS)
        why = with_why(pairs, reasons, **tools.must_agree(config)).select(*KEY, "prompt_hash", "frame", "why")
        judge, lists = tools.judge(config), read_withdrawals(spark, config.root)
        reviewed, _ = read_reviewed(config.root, judge.policy_version, lists)
        open_again = reopened(reasons, made, reviewed, model=tools.model, decode=tools.decode)
        if open_again is not None:
            opened = open_again.withColumn("again", F.lit("reviewed"))
            why = why.join(opened, KEY, "left").withColumn("why", F.coalesce("why", "again"))
        why = why.cache()
        try:
            counted = {row["why"]: row["count"] for row in why.groupBy("why").count().collect()}
            run.pairs["kept"] = counted.pop(None, 0)
            leaving = removals(reasons, pairs).count() if config.limit is None else 0
            to_make = why.where(F.col("why").isNotNull())
            wanted = wanted_prompts(
                to_make, made, model=tools.model, decode=tools.decode, samples=config.engine.samples
            ).cache()
            new = wanted.count()
            distinct = pairs.select("prompt_hash").distinct().count()
            shown = [row["frame"] for row in wanted.orderBy("prompt_hash").limit(SHOWN).collect()]
            wanted.unpersist()
        finally:
            why.unpersist()
        run.prompts = {"distinct": distinct, "generated": new, "reused": distinct - new}
    run.ended_at = datetime.now(UTC)
    changes = dict(sorted(counted.items(), key=lambda one: -one[1]))
    changes |= {"leaving": leaving} if leaving else {}
    past = past_runs(f"{config.root}/runs", config.scenario).rows
    cost = estimate(
        past, model=tools.model, device=run.device, prompts=new, pairs=sum(counted.values()), measured=run.seconds
    )
    return Plan(run, changes, cost, [tools.template.render(Frame.from_json(text)) for text in shown])


@contextmanager
def looked_at(spark: SparkSession, config: NightConfig, tools: Tools, run: Run, stages: Stages) -> Iterator[DataFrame]:
    """The night's pairs (schema.PAIRS), made in a folder of staging that goes at the end; their counts into `run`."""
    staging = f"{config.root}/staging/plan-{run.started_at:%Y%m%d%H%M%S%f}"
    try:
        with stages.stage("contract"):
            sources = read_sources(spark, config.inputs)
            report = check_contract(
                sources, config.inputs, night=tools.night, scenario=config.scenario, locales=config.locales
            )
        with stages.stage("evidence"):
            prepared = prepare(spark, sources, config, tools=tools, staging=staging)
        run.inputs, run.codes, run.pairs = dict(report.states), dict(prepared.codes), dict(prepared.classes)
        yield spark.read.parquet(prepared.pairs)
    finally:
        if "://" not in staging:
            shutil.rmtree(staging, ignore_errors=True)


def planned(config: NightConfig, tools: Tools, stages: Stages) -> Run:
    """A run that will not be one."""
    name = f"{tools.night}-{config.scenario}-plan"
    run = Run(name, tools.night, config.scenario, 0, "planned", seconds=stages.seconds, device=device_of(config))
    run.config_digest, run.code_version, run.model_version = tools.digest(config), code_version(), tools.model
    return run


def standing_rows(spark: SparkSession, config: NightConfig, table: Table) -> DataFrame:
    """What stands of a table of ours; no rows before the first night."""
    path = f"{config.root}/{table.name}"
    if read_version(path) is None:
        return spark.createDataFrame([], table.ddl)
    return spark.read.format("delta").load(path)
