"""One pair from its rows in the input tables to the words that stand: every step by the night's own functions.

Tells about a user, to whoever asks on a terminal: nothing of it is logged or written. The road is computed anew, from
Delta inputs at the versions of the run and from the others as they are now; the states say whether that is the same.
Reviewers' decisions are those from before the run; what was withdrawn since counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import InputSettings, NightConfig
from reasongen.errors import ConfigError, ContractError
from reasongen.evidence import catalogue, frames, history, support
from reasongen.pipeline.explanation import Explanation, SampleTold
from reasongen.pipeline.judging import Judge, Sample, in_turn, number_of
from reasongen.pipeline.publishing import WORDS
from reasongen.pipeline.reviewing import with_people
from reasongen.pipeline.standing import DONE, past_runs
from reasongen.pipeline.tools import Tools, tools_of
from reasongen.pipeline.withdrawing import Withdrawals, read_withdrawals
from reasongen.prompts import Frame, Literals
from reasongen.tables import (
    SourceFrame,
    clean_candidates,
    clean_items,
    clean_users,
    night_start,
    read_at,
    read_sources,
    read_suppressed,
    read_version,
    valid_events,
)

ACTS = 20
"""Acts shown, newest first, of those on the items that the evidence names."""


def explain_pair(
    spark: SparkSession, config: NightConfig, user: str, item: str, run_id: str | None = None
) -> Explanation:
    """How the pair came to what stands for it, at a run: the last finished one, or `run_id`.

    Raises ConfigError where no such run is on record, or nothing is known of the pair; its message names no user.
    """
    run = _run(config, run_id)
    config = config.model_copy(
        update={"night": run["night"] if run else config.night, "inputs": _pinned(config.inputs, run)}
    )
    tools = tools_of(config)
    told = Explanation(user, item, config.scenario, tools.night, run, template=tools.template_key)
    told.versions = {"model": tools.model, "decode": tools.decode, "policy": tools.judge(config).policy_version}
    told.stands = _stands(spark, config, told, then=run_id is not None)
    told.refilled = _refilled(spark, config, told)
    told.quarantine = _quarantine(spark, config, told)
    sources = read_sources(spark, config.inputs)
    if faults := [fault for source in sources.values() for fault in source.faults]:
        raise ContractError(faults)
    told.inputs = {name: (dict(run["inputs"]).get(name) if run else None, s.state) for name, s in sources.items()}
    _Road(spark, config, tools, told, sources, read_withdrawals(spark, config.root)).walk()
    if not told.candidate and not told.stands and not told.quarantine:
        raise ConfigError(
            f"--user, --item: wanted a pair among the candidates of scenario {config.scenario}, or one with a reason;"
            " found none in the tables of this run. Look at the spelling of both ids."
        )
    return told


def _run(config: NightConfig, run_id: str | None) -> Mapping[str, Any] | None:
    rows = past_runs(f"{config.root}/runs", config.scenario).rows
    if run_id is None:
        return next((row for row in rows if row["status"] in DONE), None)
    found = next((row for row in rows if row["run_id"] == run_id), None)
    if found is None:
        newest = rows[0]["run_id"] if rows else "none"
        raise ConfigError(f"--run: wanted a run of scenario {config.scenario}; found no {run_id}; newest: {newest}.")
    return found


def _pinned(inputs: InputSettings, run: Mapping[str, Any] | None) -> InputSettings:
    """The inputs at the versions of the run, where they have versions that can still be read."""
    pins: dict[str, Any] = {}
    for name, state in dict(run["inputs"] if run else {}).items():
        source = getattr(inputs, name, None)
        if source is not None and source.format == "delta" and state.split("~")[0].isdigit():
            pins[name] = source.model_copy(update={"version": int(state.split("~")[0])})
    return inputs.model_copy(update=pins)


def _stands(spark: SparkSession, config: NightConfig, told: Explanation, *, then: bool) -> dict[str, Any] | None:
    """The row of `reasons` now, or (`then`) after the run."""
    path = f"{config.root}/reasons"
    if read_version(path) is None:
        return None
    reader = spark.read.format("delta")
    if then and told.run is not None and told.run["status"] in DONE:
        reader = reader.option("versionAsOf", told.run["delta_version"])
    rows = reader.load(path).where(_of(told)).limit(1).collect()
    return rows[0].asDict(recursive=True) if rows else None


def _refilled(spark: SparkSession, config: NightConfig, told: Explanation) -> bool | None:
    """Whether the run found the words of its row standing, and only filled them in anew: by the version before its one
    commit; None where the row is not this run's, or that version cannot be read any more."""
    run, row = told.run, told.stands
    if run is None or row is None or row["run_id"] != run["run_id"]:
        return None
    try:
        before = read_at(spark, f"{config.root}/reasons", run["delta_version"] - 1)
        found = before.where(_of(told)).select(*WORDS).limit(1).collect()
    except (PySparkException, Py4JJavaError):  # log or files were cleaned up
        return None
    return [one.asDict() for one in found] == [{name: row[name] for name in WORDS}]


def _quarantine(spark: SparkSession, config: NightConfig, told: Explanation) -> list[dict[str, Any]]:
    path = f"{config.root}/quarantine"
    if told.run is None or read_version(path) is None:
        return []
    mine = _of(told) & (F.col("run_id") == told.run["run_id"])
    rows = spark.read.format("delta").load(path).where(mine).orderBy("sample")
    return [row.asDict(recursive=True) for row in rows.select("sample", "text", "failures").collect()]


def _of(told: Explanation) -> Column:
    same = (F.col("user_id") == told.user) & (F.col("item_id") == told.item)
    return same & (F.col("scenario") == told.scenario)


@dataclass(frozen=True)
class _Road:
    """The night's road for one pair, step by step into `told`; it ends where the pair ended."""

    spark: SparkSession
    config: NightConfig
    tools: Tools
    told: Explanation
    sources: Mapping[str, SourceFrame]
    withdrawals: Withdrawals

    def walk(self) -> None:
        """Candidate, item, acts, evidence, prompt, samples."""
        inputs = self.config.inputs
        items = clean_items(
            self.sources["items"].frame,
            default_locale=inputs.default_locale,
            locales=self.config.locales,
            max_chars=inputs.max_text_chars,
        ).cache()
        try:
            asked = self._candidate(items)
            if asked is not None:
                self._evidence(asked, items)
                self._samples()
        finally:
            items.unpersist()

    def _candidate(self, items: DataFrame) -> DataFrame | None:
        """The candidate's row as it was judged; None where the pair ends here."""
        told = self.told
        users = None if "users" not in self.sources else clean_users(self._mine("users"))
        chosen = clean_candidates(
            self._mine("candidates").where(F.col("item_id") == told.item),
            items,
            users,
            scenario=told.scenario,
            consent=self.config.inputs.consent,
            suppressed=read_suppressed(self.spark, self.config.root, self.config.forget),
            withdrawn_items=self.withdrawals.items,
        )
        told.item_row = _first(items.where(F.col("item_id") == told.item).drop("price"))
        rows = chosen.orderBy(F.col("reject").isNotNull(), F.col("skip").isNotNull()).limit(1).collect()
        if not rows:
            return None
        told.candidate = rows[0].asDict()
        if told.candidate["skip"] == "suppressed":
            return None  # who asked to be forgotten is not told of either
        told.user_row = None if users is None else _first(users.select("personalise", "minor", "codes", "reject"))
        return chosen if told.candidate["reject"] is None and told.candidate["skip"] is None else None

    def _evidence(self, asked: DataFrame, items: DataFrame) -> None:
        """Acts, evidence rows and the frame, by the stages of the night."""
        config, told, begin = self.config, self.told, night_start(self.tools.night, self.config.inputs.timezone)
        usable_items = items.where(F.col("reject").isNull())
        locales, private = self.tools.locales, self.tools.private
        known = catalogue(usable_items, settings=config.evidence, locales=locales, private=private)
        told.private = known.where(F.col("private") & (F.col("item_id") == told.item)).count() > 0
        events = valid_events(self._mine("events"), begin=begin)
        acts = history(events, known, before=begin, keep=config.evidence.history_items)
        usable = asked.where(F.col("reject").isNull()).select("user_id", "item_id", "scenario", "personal")
        pair = frames(
            support(usable, acts, known, settings=config.evidence),
            known,
            settings=config.evidence,
            night=self.tools.night,
            template_key=self.tools.template_key,
            literal=self.tools.template.shows_literals,
        )
        told.pair = _first(pair.select("personal", "prompt_hash", "frame", "literals", "evidence", "fact_hash")) or {}
        named = [row["item_id"] for row in told.pair.get("evidence") or ()]
        behind = events.where(F.col("item_id").isin(named)).orderBy(F.desc("ts"), "item_id", "event")
        told.acts_in_all = events.count()
        told.acts = [row.asDict() for row in behind.select("ts", "event", "item_id").limit(ACTS).collect()]
        told.prompt = self.tools.template.render(Frame.from_json(told.pair["frame"]))

    def _samples(self) -> None:
        until = self.told.run["started_at"] if self.told.run else None
        judge = with_people(self.tools.judge(self.config), self.config.root, self.withdrawals, until)
        tell_samples(self.told, judge, self._generations())

    def _generations(self) -> list[dict[str, Any]]:
        path = f"{self.config.root}/generations"
        if read_version(path) is None:
            return []
        same = (F.col("prompt_hash") == self.told.pair["prompt_hash"]) & (F.col("model_version") == self.tools.model)
        mine = self.spark.read.format("delta").load(path).where(same & (F.col("decode_hash") == self.tools.decode))
        return [row.asDict() for row in mine.drop("owner").collect()]

    def _mine(self, name: str) -> DataFrame:
        return self.sources[name].frame.where(F.col("user_id") == self.told.user)


def tell_samples(told: Explanation, judge: Judge, rows: Sequence[Mapping[str, Any]]) -> None:
    """Every sample of the pair's prompt (`rows`, of schema.GENERATIONS) in the pair's order, with its verdict; then the
    choice."""
    frame, literals = Frame.from_json(told.pair["frame"]), Literals.from_json(told.pair["literals"])
    number, chosen = number_of(told.user, told.item), False
    by_number = {row["sample"]: row for row in rows}
    samples = [Sample(row["sample"], row["text"], row["finish_reason"]) for row in rows]
    for sample in in_turn(number, samples, judge.samples):
        rendered = judge.renderer.fill(sample.text, frame, literals)
        verdict = judge.verdict(rendered, sample.text, sample.finish_reason, frame)
        state = "refused" if not verdict.passed else "not needed" if chosen else "chosen"
        chosen = chosen or verdict.passed
        told.samples.append(SampleTold(state, by_number[sample.sample], rendered.text, verdict.failures))
    choice = judge.choose(number, frame, literals, samples)
    told.choice = None if choice.rendered is None else choice.rendered.text
    told.fallback = choice.sample is None


def _first(rows: DataFrame) -> dict[str, Any] | None:
    found = rows.limit(1).collect()
    return found[0].asDict(recursive=True) if found else None
