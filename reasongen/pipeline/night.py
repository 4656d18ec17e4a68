"""The whole night, in the order of the road: contract, evidence, generate, judge, gate, publish, ledger."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import NightConfig
from reasongen.engine import decode_hash, model_version
from reasongen.errors import ConfigError
from reasongen.pipeline.generating import executors, wanted_prompts, write_samples
from reasongen.pipeline.judging import Judge
from reasongen.pipeline.ledger import Run, begin_run, code_version, end_run
from reasongen.pipeline.preparing import Prepared, prepare
from reasongen.pipeline.progress import Stages, say
from reasongen.pipeline.publishing import KEY, publish, removals, still_good, with_class
from reasongen.pipeline.staging import quarantine_rows, stage
from reasongen.prompts import Locale, PromptTemplate, Renderer, load_locales, load_template
from reasongen.quality import check_staged
from reasongen.schema import OUTPUTS, USERS
from reasongen.tables import (
    Txn,
    append,
    check_contract,
    clean_users,
    create_if_missing,
    read_source,
    read_sources,
    read_version,
)

TEMPLATE_FILE = "prompt_template.yaml"
REFERENCE_TEMPLATE = "conf/prompts/reference.yaml"


@dataclass(frozen=True)
class Tools:
    """What a night needs besides tables: read before Spark does anything, so a wrong setting costs nothing."""

    night: date
    template: PromptTemplate
    locales: dict[str, Locale]
    model: str
    decode: str

    @property
    def template_key(self) -> str:
        """What stands in every prompt's hash beside its frame."""
        return f"{self.template.key}:{self.template.digest[:12]}"


def tools_of(config: NightConfig) -> Tools:
    """Templates, locales and digests of a night. Raises ConfigError or ModelError."""
    night = config.night or datetime.now(UTC).date()
    locales = load_locales(config.locale_files)
    if missing := sorted(set(config.locales) - set(locales)):
        raise ConfigError(f"locales: wanted a file in {config.locale_files} for {missing}; found {sorted(locales)}.")
    return Tools(night, template_of(config), locales, model_version(config.engine), decode_hash(config.engine))


def template_of(config: NightConfig) -> PromptTemplate:
    """The template that travels with the weights; `template` in the settings stands in where there is none.

    Raises ConfigError where both are there and differ: weights write well only what they were trained to read.
    """
    own = Path(config.engine.model) / TEMPLATE_FILE
    if config.engine.backend == "scripted":
        return load_template(config.template or REFERENCE_TEMPLATE)
    if not own.is_file():
        if config.template is None:
            raise ConfigError(
                f"template: wanted {own}, or a setting `template`; found neither. Try conf/prompts/literal.yaml."
            )
        return load_template(config.template)
    template = load_template(own)
    if config.template is not None and load_template(config.template).digest != template.digest:
        raise ConfigError(
            f"template: {config.template} differs from {own}, with which the model was trained. Drop the setting."
        )
    return template


def generate_night(spark: SparkSession, config: NightConfig) -> Run:
    """Runs one night and returns what it did. `status`: published, unchanged or refused.

    Raises ContractError and ConfigError before anything is written, LeaseError where a later run or night stands,
    ConservationError where the classes do not add up (nothing is published then).
    """
    tools = tools_of(config)
    stages = Stages(spark.sparkContext)
    with stages.stage("contract"):
        sources = read_sources(spark, config.inputs)
        report = check_contract(
            sources, config.inputs, night=tools.night, scenario=config.scenario, locales=config.locales
        )
    paths = {name: f"{config.root}/{name}" for name in OUTPUTS}
    for name, table in OUTPUTS.items():
        create_if_missing(spark, paths[name], table)
    run = begin_run(spark, paths["runs"], night=tools.night, scenario=config.scenario)
    run.inputs, run.config_digest, run.code_version = dict(report.states), config.digest(), code_version()
    run.model_version, run.device, run.seconds = tools.model, _device(config), stages.seconds
    staging = f"{config.root}/staging/{run.run_id}"
    with stages.stage("evidence"):
        prepared = prepare(
            spark, sources, config, night=tools.night, template=tools.template, template_key=tools.template_key,
            locales=tools.locales, staging=staging,
        )  # fmt: skip
    run.codes = dict(prepared.codes)
    _work(spark, config, tools, stages, run, paths, prepared, staging)
    with stages.stage("ledger"):
        end_run(spark, paths["runs"], run)
        _clean(config.root, run)
    return run


def _work(
    spark: SparkSession,
    config: NightConfig,
    tools: Tools,
    stages: Stages,
    run: Run,
    paths: dict[str, str],
    prepared: Prepared,
    staging: str,
) -> None:
    pairs = spark.read.parquet(prepared.pairs)
    reasons = spark.read.format("delta").load(paths["reasons"]).where(F.col("scenario") == config.scenario)
    judge = Judge(
        Renderer({name: tools.locales[name] for name in config.locales}),
        tools.night, config.serving.valid_days, config.evidence.recent_days, tools.model, tools.decode,
    )  # fmt: skip
    with stages.stage("plan"):
        kept = _stored(
            still_good(
                pairs,
                reasons,
                versions={
                    "model_version": tools.model,
                    "decode_hash": tools.decode,
                    "policy_version": judge.policy_version,
                    "renderer_version": judge.renderer.version,
                },
                renew=F.lit(tools.night + timedelta(days=config.serving.renew_days)),
            ),
            f"{staging}/kept",
        )
        run.pairs = {name: count for name, count in prepared.classes.items() if name != "pairs"}
        run.pairs["kept"] = kept.count()
        to_make = pairs.join(kept, KEY, "left_anti")
        _plan_prompts(spark, config, tools, run, pairs, to_make, paths["generations"], staging)
    if run.prompts["generated"]:
        _generate(spark, config, tools, stages, run, paths["generations"], staging)
    with stages.stage("judge"):
        version = stage(
            to_make,
            spark.read.format("delta").load(paths["generations"]),
            judge=judge,
            path=f"{staging}/staged",
        )
    staged = spark.read.format("delta").option("versionAsOf", version).load(f"{staging}/staged")
    classed = with_class(staged, reasons, _withdrawn(spark, config, staged))
    with stages.stage("gate"):
        wanted = prepared.classes["pairs"] - run.pairs["kept"]
        gate = check_staged(staged, config.gate, expected=wanted, kept=run.pairs["kept"])
        run.gate = gate.to_json()
        for row in classed.groupBy("class").count().collect():
            run.pairs[row["class"]] = row["count"]
        append(
            quarantine_rows(staged, run_id=run.run_id, night=tools.night), paths["quarantine"],
            Txn(f"reasongen/quarantine/{run.run_id}", run.token),
        )  # fmt: skip
    run.check_conservation()
    if not gate.passed:
        run.status = "refused"
        say("gate refused: " + "; ".join(gate.refusals()))
        return
    with stages.stage("publish"):
        standing = kept.unionByName(
            classed.where(F.col("class").isin("published", "fallback", "re_rendered")).select(KEY)
        )
        gone = _stored(removals(reasons, standing), f"{staging}/gone")
        run.pairs["removed"] = gone.count()
        if sum(run.pairs.get(name, 0) for name in ("published", "fallback", "re_rendered", "removed")):
            run.delta_version = publish(classed, gone, paths["reasons"], run, label=_ai_label(config, run))
            run.status = "published"
        else:
            run.delta_version = read_version(paths["reasons"])
            run.status = "unchanged"


def _plan_prompts(
    spark: SparkSession,
    config: NightConfig,
    tools: Tools,
    run: Run,
    pairs: DataFrame,
    to_make: DataFrame,
    generations: str,
    staging: str,
) -> None:
    """Writes the prompts that lack samples, and counts them."""
    wanted = _stored(
        wanted_prompts(
            to_make,
            spark.read.format("delta").load(generations),
            model=tools.model,
            decode=tools.decode,
            samples=config.engine.samples,
        ),
        f"{staging}/prompts",
    )
    distinct = pairs.select("prompt_hash").distinct().count()
    generated = wanted.count()
    run.prompts = {"distinct": distinct, "generated": generated, "reused": distinct - generated}
    say(f"plan: {run.prompts['reused']:,} of {distinct:,} prompts kept from earlier runs, {generated:,} to generate")


def _generate(
    spark: SparkSession, config: NightConfig, tools: Tools, stages: Stages, run: Run, generations: str, staging: str
) -> None:
    with stages.stage("generate"):
        write_samples(
            spark,
            spark.read.parquet(f"{staging}/prompts"),
            count=run.prompts["generated"],
            path=generations,
            template=tools.template,
            settings=config.engine,
            facts={"model_version": tools.model, "decode_hash": tools.decode, "run_id": run.run_id},
        )
        run.executors = executors(spark)
        mine = spark.read.format("delta").load(generations).where(F.col("run_id") == run.run_id)
        made = mine.agg(F.count("*"), F.sum("tokens_in"), F.sum("tokens_out"), F.count_distinct("engine_id")).collect()[
            0
        ]
        run.samples, run.tokens_in, run.tokens_out, run.model_loads = (int(value or 0) for value in made)


def _withdrawn(spark: SparkSession, config: NightConfig, staged: DataFrame) -> DataFrame | None:
    """Users with personal reasons tonight whom the users table, read again now, no longer allows them."""
    if config.inputs.users is None:
        return None
    now = config.inputs.users.model_copy(update={"version": None})
    users = clean_users(read_source(spark, now, USERS).frame).where(F.col("reject").isNull())
    allowed = users.where(F.col("personalise") & (F.col("minor") != "yes")).select("user_id")
    return staged.where("personal").select("user_id").distinct().join(allowed, "user_id", "left_anti")


def _stored(frame: DataFrame, path: str) -> DataFrame:
    frame.write.mode("overwrite").parquet(path)
    return frame.sparkSession.read.parquet(path)


def _ai_label(config: NightConfig, run: Run) -> str:
    """The metadata fields of GB 45438: whether it is AI-made, by whom, and under which number."""
    fields = {"Label": "1", "ContentProducer": config.serving.producer, "ProduceID": run.run_id, "ReservedCode1": "",
              "ContentPropagator": config.serving.producer, "PropagateID": run.run_id, "ReservedCode2": ""}  # fmt: skip
    return json.dumps({"AIGC": fields}, ensure_ascii=False)


def _device(config: NightConfig) -> str:
    return "scripted" if config.engine.backend == "scripted" else f"{config.engine.device}/{config.engine.dtype}"


def _clean(root: str, run: Run) -> None:
    """A published run's staging is done with, and so is that of the attempts before it; a refused one is evidence."""
    if run.status == "refused" or "://" in root:
        return
    for folder in Path(root, "staging").glob(f"*-{run.scenario}-*"):
        if int(folder.name.rsplit("-", 1)[-1]) <= run.token:
            shutil.rmtree(folder, ignore_errors=True)
