"""What a night would do and cost, without doing it: no table is written, no token spent."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime

from pyspark.sql import SparkSession

from reasongen.config import NightConfig
from reasongen.pipeline.generating import wanted_prompts
from reasongen.pipeline.ledger import Run, code_version
from reasongen.pipeline.preparing import prepare
from reasongen.pipeline.progress import Stages
from reasongen.pipeline.tools import pinned, tools_of
from reasongen.schema import GENERATIONS
from reasongen.tables import check_contract, read_sources, read_version


def plan_night(spark: SparkSession, config: NightConfig) -> Run:
    """The counts of a night up to the prompts that it would generate; `status` is planned. Raises as the night does."""
    config = pinned(config)
    tools = tools_of(config)
    stages = Stages(spark.sparkContext)
    began = datetime.now(UTC)
    run = Run(f"{tools.night}-{config.scenario}-plan", tools.night, config.scenario, 0, "planned", began)
    run.config_digest, run.code_version, run.model_version = tools.digest(config), code_version(), tools.model
    run.seconds, run.device = stages.seconds, config.engine.device
    staging = f"{config.root}/staging/plan-{began:%Y%m%d%H%M%S%f}"
    try:
        with stages.stage("contract"):
            sources = read_sources(spark, config.inputs)
            report = check_contract(
                sources, config.inputs, night=tools.night, scenario=config.scenario, locales=config.locales
            )
        with stages.stage("evidence"):
            prepared = prepare(spark, sources, config, tools=tools, staging=staging)
        run.inputs, run.codes, run.pairs = dict(report.states), dict(prepared.codes), dict(prepared.classes)
        with stages.stage("plan"):
            pairs = spark.read.parquet(prepared.pairs)
            path = f"{config.root}/generations"
            if read_version(path) is None:
                made = spark.createDataFrame([], GENERATIONS.ddl)
            else:
                made = spark.read.format("delta").load(path)
            distinct = pairs.select("prompt_hash").distinct().count()
            new = wanted_prompts(
                pairs, made, model=tools.model, decode=tools.decode, samples=config.engine.samples
            ).count()
            run.prompts = {"distinct": distinct, "generated": new, "reused": distinct - new}
    finally:
        if "://" not in staging:
            shutil.rmtree(staging, ignore_errors=True)
    run.ended_at = datetime.now(UTC)
    return run
