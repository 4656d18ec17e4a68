"""The whole night, in the order of the road: contract, evidence, plan, generate, judge, gate, publish, ledger."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from reasongen.config import NightConfig
from reasongen.errors import LeaseError
from reasongen.pipeline.attempt import Attempt
from reasongen.pipeline.disliking import take_feedback
from reasongen.pipeline.generating import first_slice, slices_app
from reasongen.pipeline.ledger import STREAM, Run, code_version, record_run
from reasongen.pipeline.mending import mend
from reasongen.pipeline.preparing import prepare
from reasongen.pipeline.progress import Stages, log_run, say
from reasongen.pipeline.publishing import WRITTEN, publish_app
from reasongen.pipeline.reviewing import read_reviewed
from reasongen.pipeline.standing import past_runs
from reasongen.pipeline.tools import pinned, tools_of
from reasongen.pipeline.withdrawing import read_withdrawals
from reasongen.quality import check_suites
from reasongen.schema import OUTPUTS, REVIEW_DECISIONS
from reasongen.secret import key_if_any
from reasongen.tables import (
    LEASES,
    check_contract,
    create_if_missing,
    fence,
    only_of,
    read_sources,
    read_suppressed,
    rows_version,
    take_lease,
)


def generate_night(spark: SparkSession, config: NightConfig, users: DataFrame | None = None) -> Run:
    """Runs one night and returns what it did. `status`: published, unchanged or refused.

    `users` (user_id, unique): only what is a candidate for them is looked at; the others' reasons stay as they are, and
    the run is of the kind stream.

    Raises ContractError and ConfigError before anything is written, LeaseError where another run works on this
    scenario or a later night stands, ConservationError where the classes do not add up (nothing is published then).
    """
    config = pinned(config)
    tools = tools_of(config)
    stages = Stages(spark.sparkContext)
    paths = {name: f"{config.root}/{name}" for name in OUTPUTS}
    run = Run("", tools.night, config.scenario, 0, seconds=stages.seconds, device=device_of(config))
    run.kind = "night" if users is None else STREAM
    run.config_digest, run.code_version, run.model_version = tools.digest(config), code_version(), tools.model
    judge = tools.judge(config)
    run.policy_version, run.renderer_version = judge.policy_version, judge.renderer.version
    with stages.stage("contract"):
        mend(config.root)
        sources = read_sources(spark, config.inputs)
        run.inputs = {name: source.state for name, source in sources.items()}
        read_suppressed(spark, config.root, config.forget)  # a list without its key stops the night here
        key_if_any(config.forget)  # and so does a key that is too short
        reviewed, state = read_reviewed(config.root, judge.policy_version, read_withdrawals(spark, config.root))
        run.inputs |= {} if state is None else {REVIEW_DECISIONS.name: state}
        if config.inputs.feedback is not None:
            take_feedback(spark, config)  # before what stands is looked at: a reason that goes here is made anew
        past = past_runs(paths["runs"], config.scenario)
        past.refuse_older(tools.night)
        stood = past.finished(run, rows_version(paths["reasons"])) if users is None else None
        if stood is None:
            check_contract(sources, config.inputs, night=tools.night, scenario=config.scenario, locales=config.locales)
            check_suites(spark, tools.suites.suites)
        if users is not None:
            sources = {name: only_of(source, users) for name, source in sources.items()}
    for name, table in OUTPUTS.items():
        create_if_missing(spark, paths[name], table)
    place = f"{config.root}/{LEASES}/{config.scenario}"
    with take_lease(place, above=past.last_token) as lease:
        run.token, run.run_id = lease.token, f"{tools.night}-{config.scenario}-{lease.token:06d}"
        log_run(run.run_id)
        if lease.taken_over:
            fence_sleeper(paths, run)
        past = past_runs(paths["runs"], config.scenario)
        past.refuse_older(tools.night)
        if stood is not None and past.finished(run, rows_version(paths["reasons"])) is None:
            raise LeaseError(f"LeaseError: another run wrote {paths['reasons']} a moment ago; run this night again.")
        if stood is not None:
            _repeat(run, stood)
        else:
            record_run(paths["runs"], run)
            with stages.stage("evidence"):
                made = past.evidence(spark, run, config.root) if users is None else None
                prepared = made or prepare(
                    spark, sources, config, tools=tools, staging=f"{config.root}/staging/{run.run_id}"
                )
            run.codes = dict(prepared.codes)
            Attempt(spark, config, tools, stages, run, paths, prepared, lease, reviewed, users).finish()
        with stages.stage("ledger"):
            run.ended_at = datetime.now(UTC)
            record_run(paths["runs"], run)
            _clean(config.root, run)
    return run


def fence_sleeper(paths: Mapping[str, str], run: Run) -> None:
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


def device_of(config: NightConfig) -> str:
    """Where the samples are made, as `runs` tells it."""
    return "scripted" if config.engine.backend == "scripted" else f"{config.engine.device}/{config.engine.dtype}"


def _clean(root: str, run: Run) -> None:
    """A published run's staging is done with, and so is that of the attempts before it; a refused one is evidence, and
    the staged rows of one with warnings are what its queries show, until the next night."""
    if run.status == "refused" or "://" in root:
        return
    mine = re.compile(rf"\d{{4}}-\d\d-\d\d-{re.escape(run.scenario)}-(\d+)")  # other scenarios may hold its name
    for folder in Path(root, "staging").glob("*"):
        told = mine.fullmatch(folder.name)
        if told is None or int(told[1]) > run.token:
            continue
        if folder.name != run.run_id or not run.warnings():
            shutil.rmtree(folder, ignore_errors=True)
            continue
        for one in folder.iterdir():
            if one.name != "staged":
                shutil.rmtree(one, ignore_errors=True)
