"""The whole night, in the order of the road: contract, evidence, plan, generate, judge, gate, publish, ledger."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import NightConfig
from reasongen.errors import LeaseError
from reasongen.pipeline.generating import executors, first_slice, slices_app, wanted_prompts, write_samples
from reasongen.pipeline.ledger import Run, code_version, record_run
from reasongen.pipeline.preparing import Prepared, prepare, stored
from reasongen.pipeline.progress import Stages, say
from reasongen.pipeline.publishing import (
    KEY,
    WRITTEN,
    publish,
    publish_app,
    removals,
    still_good,
    with_class,
    withdrawn,
)
from reasongen.pipeline.staging import quarantine_rows, stage
from reasongen.pipeline.standing import attempts
from reasongen.pipeline.tools import Tools, tools_of
from reasongen.quality import check_staged
from reasongen.schema import OUTPUTS
from reasongen.tables import (
    Lease,
    Txn,
    append,
    check_contract,
    create_if_missing,
    fence,
    read_sources,
    read_version,
    take_lease,
)

LEASE_SECONDS = 600.0
"""A run on another machine is taken for dead after so long without a sign; far above a pause of the JVM."""


def generate_night(spark: SparkSession, config: NightConfig) -> Run:
    """Runs one night and returns what it did. `status`: published, unchanged or refused.

    Raises ContractError and ConfigError before anything is written, LeaseError where another run works on this
    scenario or a later night stands, ConservationError where the classes do not add up (nothing is published then).
    """
    tools = tools_of(config)
    stages = Stages(spark.sparkContext)
    paths = {name: f"{config.root}/{name}" for name in OUTPUTS}
    run = Run("", tools.night, config.scenario, 0, seconds=stages.seconds, device=_device(config))
    run.config_digest, run.code_version, run.model_version = tools.digest(config), code_version(), tools.model
    with stages.stage("contract"):
        sources = read_sources(spark, config.inputs)
        run.inputs = {name: source.state for name, source in sources.items()}
        past = attempts(paths["runs"], config.scenario)
        past.refuse_older(tools.night)
        stood = past.finished(run, read_version(paths["reasons"]))
        if stood is None:
            check_contract(sources, config.inputs, night=tools.night, scenario=config.scenario, locales=config.locales)
    for name, table in OUTPUTS.items():
        create_if_missing(spark, paths[name], table)
    with take_lease(f"{config.root}/leases/{config.scenario}", seconds=LEASE_SECONDS, above=past.last_token) as lease:
        run.token, run.run_id = lease.token, f"{tools.night}-{config.scenario}-{lease.token:06d}"
        if lease.taken_over:
            _fence(paths, run)
        past = attempts(paths["runs"], config.scenario)
        past.refuse_older(tools.night)
        if stood is not None and past.finished(run, read_version(paths["reasons"])) is None:
            raise LeaseError(f"LeaseError: another run wrote {paths['reasons']} a moment ago; run this night again.")
        if stood is not None:
            _repeat(run, stood)
        else:
            record_run(paths["runs"], run)
            with stages.stage("evidence"):
                prepared = past.evidence(spark, run, config.root) or prepare(
                    spark, sources, config, tools=tools, staging=f"{config.root}/staging/{run.run_id}"
                )
            run.codes = dict(prepared.codes)
            _Night(spark, config, tools, stages, run, paths, prepared, lease).finish()
        with stages.stage("ledger"):
            run.ended_at = datetime.now(UTC)
            record_run(paths["runs"], run)
            _clean(config.root, run)
    return run


def _fence(paths: dict[str, str], run: Run) -> None:
    """The run before was not seen to end: should it be only asleep, it must not write once it wakes."""
    fence(paths["reasons"], publish_app(run.scenario), run.token - 1)
    fence(paths["generations"], slices_app(run.scenario), first_slice(run.token) - 1)


def _repeat(run: Run, stood: Mapping[str, Any]) -> None:
    """Takes over what the run before ended with: the same tables, settings, code and model give the same night."""
    say(f"contract: tables, settings, code and model are those of {stood['run_id']}; every reason stands")
    pairs = dict(stood["pairs"])
    ended = {name: pairs.pop(name, 0) for name in (*WRITTEN, "kept", "removed")}
    run.pairs = {**pairs, "kept": sum(ended.values()) - ended["removed"], "removed": 0}
    distinct = dict(stood["prompts"])["distinct"]
    run.prompts = {"distinct": distinct, "generated": 0, "reused": distinct}
    run.codes, run.delta_version, run.status = dict(stood["codes"]), stood["delta_version"], "unchanged"


@dataclass(frozen=True)
class _Night:
    """One night after its evidence is written; each step reads what the one before wrote."""

    spark: SparkSession
    config: NightConfig
    tools: Tools
    stages: Stages
    run: Run
    paths: dict[str, str]
    prepared: Prepared
    lease: Lease

    @property
    def staging(self) -> str:
        """Where this attempt's own steps are written."""
        return f"{self.config.root}/staging/{self.run.run_id}"

    def finish(self) -> None:
        """From pairs to a publish, or to a refusal."""
        pairs = self.spark.read.parquet(self.prepared.pairs)
        reasons = self._table("reasons").where(F.col("scenario") == self.config.scenario)
        with self.stages.stage("plan"):
            kept, to_make = self._plan(pairs, reasons)
        if self.run.prompts["generated"]:
            with self.stages.stage("generate"):
                self._generate()
        with self.stages.stage("judge"):
            judge = self.tools.judge(self.config)
            version = stage(to_make, self._table("generations"), judge=judge, path=f"{self.staging}/staged")
        staged = self.spark.read.format("delta").option("versionAsOf", version).load(f"{self.staging}/staged")
        classed = with_class(staged, reasons, withdrawn(self.spark, self.config.inputs.users, staged))
        self.lease.check()
        with self.stages.stage("gate"):
            passed = self._gate(staged, classed)
        if passed:
            with self.stages.stage("publish"):
                self.lease.check()
                self._publish(classed, kept, reasons)

    def _table(self, name: str) -> DataFrame:
        return self.spark.read.format("delta").load(self.paths[name])

    def _plan(self, pairs: DataFrame, reasons: DataFrame) -> tuple[DataFrame, DataFrame]:
        """Splits the pairs into kept and to make, and writes the prompts that lack samples."""
        judge, tools, run = self.tools.judge(self.config), self.tools, self.run
        versions = {
            "model_version": tools.model,
            "decode_hash": tools.decode,
            "policy_version": judge.policy_version,
            "renderer_version": judge.renderer.version,
        }
        renew = F.lit(tools.night + timedelta(days=self.config.serving.renew_days))
        kept = stored(still_good(pairs, reasons, versions=versions, renew=renew), f"{self.staging}/kept")
        run.pairs = {name: count for name, count in self.prepared.classes.items() if name != "pairs"}
        run.pairs["kept"] = kept.count()
        to_make = pairs.join(kept, KEY, "left_anti")
        samples = self.config.engine.samples
        wanted = wanted_prompts(
            to_make, self._table("generations"), model=tools.model, decode=tools.decode, samples=samples
        )
        generated = stored(wanted, f"{self.staging}/prompts").count()
        distinct = pairs.select("prompt_hash").distinct().count()
        run.prompts = {"distinct": distinct, "generated": generated, "reused": distinct - generated}
        say(f"plan: {distinct - generated:,} of {distinct:,} prompts kept from earlier runs, {generated:,} to generate")
        return kept, to_make

    def _generate(self) -> None:
        """Writes the missing samples; counts tokens and loads from the rows that were written."""
        run = self.run
        write_samples(
            self.spark,
            self.spark.read.parquet(f"{self.staging}/prompts"),
            count=run.prompts["generated"],
            path=self.paths["generations"],
            template=self.tools.template,
            settings=self.config.engine,
            lease=self.lease,
            app_id=slices_app(run.scenario),
            facts={"model_version": self.tools.model, "decode_hash": self.tools.decode, "run_id": run.run_id},
        )
        run.executors = executors(self.spark)
        mine = self._table("generations").where(F.col("run_id") == run.run_id)
        sums = (F.count("*"), F.sum("tokens_in"), F.sum("tokens_out"), F.count_distinct("engine_id"))
        made = mine.agg(*sums).collect()[0]
        run.samples, run.tokens_in, run.tokens_out, run.model_loads = (int(value or 0) for value in made)

    def _gate(self, staged: DataFrame, classed: DataFrame) -> bool:
        """Counts the classes, keeps what was refused, checks conservation, asks Great Expectations."""
        run, kept = self.run, self.run.pairs["kept"]
        gate = check_staged(staged, self.config.gate, expected=self.prepared.classes["pairs"] - kept, kept=kept)
        run.gate = gate.to_json()
        for row in classed.groupBy("class").count().collect():
            run.pairs[row["class"]] = run.pairs.get(row["class"], 0) + row["count"]
        refused = quarantine_rows(staged, run_id=run.run_id, night=self.tools.night)
        append(refused, self.paths["quarantine"], Txn(f"reasongen/quarantine/{run.run_id}", run.token))
        run.check_conservation()
        if not gate.passed:
            run.status = "refused"
            say("gate refused: " + "; ".join(gate.refusals()))
        return gate.passed

    def _publish(self, classed: DataFrame, kept: DataFrame, reasons: DataFrame) -> None:
        """One commit of what changes; none where nothing does."""
        run = self.run
        standing = kept.unionByName(classed.where(F.col("class").isin([*WRITTEN, "kept"])).select(KEY))
        # A limited night is a look at some pairs: what stands of the others is none of its business.
        gone = removals(reasons, standing).where(F.lit(self.config.limit is None))
        gone = stored(gone, f"{self.staging}/gone")
        run.pairs["removed"] = gone.count()
        if sum(run.pairs.get(name, 0) for name in [*WRITTEN, "removed"]):
            label = _ai_label(self.config, run)
            run.delta_version = publish(classed, gone, self.paths["reasons"], run, label=label)
            run.status = "published"
        else:
            run.delta_version = read_version(self.paths["reasons"])
            run.status = "unchanged"


def _ai_label(config: NightConfig, run: Run) -> str:
    """The metadata fields of GB 45438: whether it is AI-made, by whom, and under which number."""
    who = {"ContentProducer": config.serving.producer, "ProduceID": run.run_id, "ReservedCode1": ""}
    where = {"ContentPropagator": config.serving.producer, "PropagateID": run.run_id, "ReservedCode2": ""}
    return json.dumps({"AIGC": {"Label": "1", **who, **where}}, ensure_ascii=False)


def _device(config: NightConfig) -> str:
    return "scripted" if config.engine.backend == "scripted" else f"{config.engine.device}/{config.engine.dtype}"


def _clean(root: str, run: Run) -> None:
    """A published run's staging is done with, and so is that of the attempts before it; a refused one is evidence."""
    if run.status == "refused" or "://" in root:
        return
    for folder in Path(root, "staging").glob(f"*-{run.scenario}-*"):
        if int(folder.name.rsplit("-", 1)[-1]) <= run.token:
            shutil.rmtree(folder, ignore_errors=True)
