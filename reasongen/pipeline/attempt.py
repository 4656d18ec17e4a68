"""One run at one night, from its evidence to the commit: plan, generate, judge, gate, publish."""

from __future__ import annotations

import json
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import NightConfig
from reasongen.pipeline.archiving import archive
from reasongen.pipeline.disliking import dislikes_version, erase_disliked, read_dislikes
from reasongen.pipeline.forgetting import erase_suppressed_since
from reasongen.pipeline.gating import judge_night
from reasongen.pipeline.generating import executors, first_slice, slices_app, wanted_prompts, write_samples
from reasongen.pipeline.isolating import CRASHED
from reasongen.pipeline.judging import Judge
from reasongen.pipeline.ledger import Run
from reasongen.pipeline.owning import add_sharers, sharers_tonight
from reasongen.pipeline.preparing import Prepared, stored
from reasongen.pipeline.progress import Stages, say
from reasongen.pipeline.publishing import (
    KEY,
    SUPPRESSED,
    WRITTEN,
    publish,
    removals,
    still_good,
    with_class,
    withdrawn,
)
from reasongen.pipeline.reviewing import queue_doubted, reopened, with_people
from reasongen.pipeline.staging import quarantine_rows, stage
from reasongen.pipeline.tools import Tools
from reasongen.pipeline.withdrawing import read_withdrawals, take_down_since
from reasongen.schema import STAGED
from reasongen.tables import Lease, Txn, append, merge_changes, read_suppressed, rows_version
from reasongen.tables.suppression import Suppressed
from reasongen.validation import Reviewed


@dataclass(frozen=True)
class Attempt:
    """One run at one night, after its evidence is written; each step reads what the one before wrote."""

    spark: SparkSession
    config: NightConfig
    tools: Tools
    stages: Stages
    run: Run
    paths: dict[str, str]
    prepared: Prepared
    lease: Lease
    reviewed: Reviewed
    users: DataFrame | None = None
    """Only theirs is looked at; None: everybody's."""

    @property
    def staging(self) -> str:
        """Where this attempt's own steps are written."""
        return f"{self.config.root}/staging/{self.run.run_id}"

    def finish(self) -> None:
        """From pairs to a publish, or to a refusal."""
        pairs = self.spark.read.parquet(self.prepared.pairs)
        everybody = self._table("reasons").where(F.col("scenario") == self.config.scenario)
        reasons = everybody if self.users is None else everybody.join(self.users, "user_id", "left_semi")
        with self.stages.stage("plan"):
            listed = read_suppressed(self.spark, self.config.root, self.config.forget)
            kept, to_make = self._plan(pairs, reasons, listed)
            planned = self.prepared.classes["pairs"] - self.run.pairs["kept"]
        next_slice = first_slice(self.run.token)
        if count := self.run.prompts["generated"]:
            with self.stages.stage("generate"):
                next_slice = self._generate("prompts", count, self.config.engine.samples, next_slice)
        with self.stages.stage("judge"):
            withdrawals = read_withdrawals(self.spark, self.config.root)
            judge = with_people(self.tools.judge(self.config), self.config.root, withdrawals)
            said = dislikes_version(self.config.root)
            dislikes = read_dislikes(self.spark, self.config.root)
            generations, path = self._table("generations"), f"{self.staging}/staged"
            version = stage(to_make, generations, judge=judge, path=path, dislikes=dislikes)
        with self.stages.stage("retry"):
            version = self._retry(to_make, judge, version, next_slice, dislikes)
        self._count_generated()
        staged = self.spark.read.format("delta").option("versionAsOf", version).load(f"{self.staging}/staged")
        suppressed = read_suppressed(self.spark, self.config.root, self.config.forget)
        stopped = self._stopped(pairs)
        kept = self._still_allowed(kept, pairs, stopped)
        classed = with_class(staged, reasons, stopped, suppressed, withdrawals.items)
        self.lease.check()
        with self.stages.stage("gate"):
            others = 0 if self.users is None else everybody.count() - reasons.count()
            passed = self._gate(staged, classed, planned, others)
        if passed:
            with self.stages.stage("publish"):
                self.lease.check()
                self._publish(classed, kept, reasons)
        # Who was forgotten, or what was withdrawn, after the lists were read is in these tables again, where staged.
        seen = None if suppressed is None else suppressed.version
        late = erase_suppressed_since(self.spark, self.config, seen, ("reasons", "quarantine"))
        seen = None if listed is None else listed.version
        erase_suppressed_since(self.spark, self.config, seen, ("generations",))
        late += take_down_since(self.spark, self.config, withdrawals)
        late += erase_disliked(self.spark, self.config, said)
        self.run.pairs["removed"] = self.run.pairs.get("removed", 0) + late
        if passed:
            with self.stages.stage("archive"):
                archive(self.spark, self.config.root, self.config.scenario, self.run.token)
        with self.stages.stage("review"):
            self._queue(classed, judge.reviewed)

    def _table(self, name: str) -> DataFrame:
        return self.spark.read.format("delta").load(self.paths[name])

    def _plan(self, pairs: DataFrame, reasons: DataFrame, listed: Suppressed | None) -> tuple[DataFrame, DataFrame]:
        """Splits the pairs into kept and to make, and writes the prompts that lack samples, and who shares them."""
        tools, run = self.tools, self.run
        good = still_good(pairs, reasons, **tools.must_agree(self.config))
        versions = {"model": tools.model, "decode": tools.decode}
        open_again = reopened(reasons, self._table("generations"), self.reviewed, **versions)
        good = good if open_again is None else good.join(open_again, KEY, "left_anti")
        kept = stored(good, f"{self.staging}/kept")
        run.pairs = {name: count for name, count in self.prepared.classes.items() if name != "pairs"}
        run.pairs["kept"] = kept.count()
        to_make = pairs.join(kept, KEY, "left_anti")
        samples = self.config.engine.samples
        wanted = wanted_prompts(to_make, self._table("generations"), samples=samples, **versions)
        generated = stored(wanted, f"{self.staging}/prompts").count()
        if self.prepared.classes["pairs"] > run.pairs["kept"]:
            tonight = stored(sharers_tonight(pairs, to_make, self.config.forget, listed), f"{self.staging}/owners")
            add_sharers(self.paths["generations"], tonight, self.config.forget.shared_by)
        distinct = pairs.select("prompt_hash").distinct().count()
        run.prompts = {"distinct": distinct, "generated": generated, "reused": distinct - generated}
        say(f"plan: {distinct - generated:,} of {distinct:,} prompts kept from earlier runs, {generated:,} to generate")
        return kept, to_make

    def _stopped(self, pairs: DataFrame) -> DataFrame | None:
        """Who took consent back since the night began; asked once, so that no later step hears of others."""
        stopped = withdrawn(self.spark, self.config.inputs.users, pairs)
        return None if stopped is None else stored(stopped, f"{self.staging}/stopped_users")

    def _still_allowed(self, kept: DataFrame, pairs: DataFrame, stopped: DataFrame | None) -> DataFrame:
        """`kept` without the personal reasons of users who took their consent back since the night began; these are
        counted apart."""
        if stopped is None:
            return kept
        personal = pairs.where("personal").join(stopped, "user_id", "left_semi").select(KEY)
        lost = stored(personal.join(kept, KEY, "left_semi"), f"{self.staging}/stopped")
        if not (count := lost.count()):
            return kept
        self.run.pairs["kept"] -= count
        self.run.pairs["skipped.consent"] = self.run.pairs.get("skipped.consent", 0) + count
        return kept.join(lost, KEY, "left_anti")

    def _generate(self, name: str, count: int, samples: int, next_slice: int) -> int:
        """Writes what the `count` prompts staged as `name` lack of `samples`; returns the next slice's number."""
        return write_samples(
            self.spark,
            self.spark.read.parquet(f"{self.staging}/{name}"),
            count=count,
            path=self.paths["generations"],
            template=self.tools.template,
            settings=self.config.engine,
            samples=samples,
            lease=self.lease,
            app_id=slices_app(self.run.scenario),
            first=next_slice,
            masking=self.tools.masking(self.config, read_withdrawals(self.spark, self.config.root).words.terms),
            owners=self.spark.read.parquet(f"{self.staging}/owners"),
            facts={"model_version": self.tools.model, "decode_hash": self.tools.decode, "run_id": self.run.run_id},
        )

    def _retry(
        self, to_make: DataFrame, judge: Judge, version: int, next_slice: int, dislikes: DataFrame | None
    ) -> int:
        """One more sample for the prompts of pairs that none of theirs would do for, then another, up to the setting;
        returns the version of the staged table that holds what came of it.

        What was made in vain stays in `generations`, so no later night pays for it again.
        """
        engine, path = self.config.engine, f"{self.staging}/staged"
        for number in range(1, engine.retries + 1):
            staged = self.spark.read.format("delta").option("versionAsOf", version).load(path)
            lacking = staged.where(~F.col("source").eqNullSafe("model")).select(KEY)
            pairs = stored(to_make.join(lacking, KEY, "left_semi"), f"{self.staging}/lacking-{number}")
            samples = engine.samples + number
            wanted = wanted_prompts(
                pairs, self._table("generations"), model=self.tools.model, decode=self.tools.decode, samples=samples
            )
            if not (count := stored(wanted, f"{self.staging}/retry-{number}").count()):
                continue  # an earlier run was here
            self.run.prompts["retried"] = self.run.prompts.get("retried", 0) + count
            next_slice = self._generate(f"retry-{number}", count, samples, next_slice)
            asked = self.spark.read.parquet(f"{self.staging}/retry-{number}").select("prompt_hash")
            again = pairs.join(asked, "prompt_hash", "left_semi")
            stage(again, self._table("generations"), judge=judge, path=f"{path}-{number}", dislikes=dislikes)
            changes = self.spark.read.format("delta").load(f"{path}-{number}")
            txn = Txn(f"reasongen/staged/{self.run.run_id}", number)
            version = merge_changes(changes, path, STAGED, txn=txn, metadata=f"retry {number}")
        return version

    def _count_generated(self) -> None:
        """Samples, tokens and loads, from the rows that were written."""
        run = self.run
        if not run.prompts["generated"] and not run.prompts.get("retried"):
            return
        run.executors = executors(self.spark)
        mine = self._table("generations").where(F.col("run_id") == run.run_id)
        crashed = F.col("finish_reason") == CRASHED
        engines = F.count_distinct(F.when(~crashed, F.col("engine_id")))
        sums = (F.count("*"), F.sum("tokens_in"), F.sum("tokens_out"), engines, F.count_if(crashed))
        made = [int(value or 0) for value in mine.agg(*sums).collect()[0]]
        run.samples, run.tokens_in, run.tokens_out, run.model_loads = made[:4]
        run.prompts |= {"crashed": made[4]} if made[4] else {}

    def _gate(self, staged: DataFrame, classed: DataFrame, planned: int, others: int) -> bool:
        """Counts the classes, keeps what was refused, checks conservation, asks Great Expectations. `planned`: how
        many pairs were to be staged; `others`: reasons of whom this run does not look at, which stand beside its own:
        the gate judges the table that readers get."""
        run, kept = self.run, self.run.pairs["kept"] + others
        gate = judge_night(self.spark, self.config, self.tools, run, staged, self.prepared, planned=planned, kept=kept)
        for row in classed.groupBy("class").count().collect():
            run.pairs[row["class"]] = run.pairs.get(row["class"], 0) + row["count"]
        known = classed.where(F.col("class") != SUPPRESSED)
        refused = quarantine_rows(known, run_id=run.run_id, night=self.tools.night)
        append(refused, self.paths["quarantine"], Txn(f"reasongen/quarantine/{run.run_id}", run.token))
        run.check_conservation()
        if not gate.passed:
            run.status = "refused"
            say("gate refused: " + "; ".join(check.line() for check in gate.refusals))
        return gate.passed

    def _queue(self, classed: DataFrame, reviewed: Reviewed) -> None:
        """What waits for a person. Not by a stream or a part of a night: they see too few users at once to say what
        these share."""
        if self.users is not None or self.config.limit is not None:
            return
        most = self.config.review.per_night
        if queued := queue_doubted(classed, self.config.root, reviewed, per_night=most, run=self.run):
            say(f"review: {queued:,} sentences more wait for a person")

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
            run.delta_version = rows_version(self.paths["reasons"])
            run.status = "unchanged"


def _ai_label(config: NightConfig, run: Run) -> str:
    """The metadata fields of GB 45438: whether it is AI-made, by whom, and under which number."""
    who = {"ContentProducer": config.serving.producer, "ProduceID": run.run_id, "ReservedCode1": ""}
    where = {"ContentPropagator": config.serving.producer, "PropagateID": run.run_id, "ReservedCode2": ""}
    return json.dumps({"AIGC": {"Label": "1", **who, **where}}, ensure_ascii=False)
