"""From labelled reasons to what a model is taught: evidence as of each label's time, by the night's own road."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import ExampleConfig
from reasongen.pipeline.forgetting import erase_suppressed_since
from reasongen.pipeline.preparing import stored, told_items, told_pairs
from reasongen.pipeline.teaching import GIVEN, Teacher, teaching
from reasongen.pipeline.tools import Tools, tools_of
from reasongen.pipeline.withdrawing import read_withdrawals
from reasongen.schema import EXAMPLES, REFERENCES, SPLITS
from reasongen.tables import (
    SourceFrame,
    Suppressed,
    check_contract,
    clean_candidates,
    clean_items,
    clean_users,
    create_if_missing,
    night_start,
    read_source,
    read_sources,
    read_suppressed,
    read_version,
    valid_events,
)
from reasongen.tables.folders import delete_folder
from reasongen.tables.labels import ANYBODY, clean_references

TABLE = "examples"


@dataclass
class Examples:
    """What was made of the labels. `codes`: labels that were left out, by code. `splits`: split to counts of rows,
    rows with something to learn, marks, claims, borne claims, items and users that training does not meet."""

    place: str
    labels: int = 0
    codes: dict[str, int] = field(default_factory=dict)
    splits: dict[str, dict[str, int]] = field(default_factory=dict)
    version: int | None = None

    def text(self) -> str:
        """For who ran the job."""
        out = ", ".join(f"{name} {rows:,}" for name, rows in sorted(self.codes.items())) or "none"
        lines = [f"labels     {self.labels:,}, left out: {out}"]
        for split, n in self.splits.items():
            taught = f"{n['taught']:,} with something to learn ({_share(n['taught'], n['rows'])})"
            told = f"{n['marked']:,} hold a fact of the pair; {_share(n['borne'], n['claims'])} of claims borne"
            unmet = f"; {_share(n['unmet'], n['rows'])} of items or users unmet in training"
            lines.append(f"{split:<10} {n['rows']:,} rows, {taught}; {told}{'' if split == 'train' else unmet}")
        return "\n".join([*lines, f"examples   {self.place}, version {self.version}"])

    def as_json(self) -> dict[str, Any]:
        """The same as data."""
        return dict(vars(self))


def make_examples(spark: SparkSession, config: ExampleConfig) -> Examples:
    """Writes schema.EXAMPLES below the root, the whole table in one commit.

    Raises ContractError and ConfigError before anything is written.
    """
    tools = tools_of(config)
    sources = {name: one for name, one in read_sources(spark, config.inputs).items() if name != "candidates"}
    sources["references"] = read_source(spark, config.references, REFERENCES)
    check_contract(sources, config.inputs, night=tools.night, scenario=config.scenario, locales=config.locales)
    staging = f"{config.root}/staging/{TABLE}"
    made = Examples(f"{config.root}/{TABLE}")
    suppressed = read_suppressed(spark, config.root, config.forget)
    withdrawals = read_withdrawals(spark, config.root)  # no night writes these again, so no model learns them
    told_of = _labels(sources, config, suppressed, withdrawals.items, staging)
    labels = stored(told_of, f"{staging}/labels")
    made.labels = labels.count()
    made.codes = _codes(labels)
    kept = labels.where("code is null")
    pairs = stored(_pairs(sources, kept, config, tools, staging), f"{staging}/pairs")
    fed = kept.join(pairs.withColumnRenamed("user_id", "actor"), ["actor", "item_id"], how="inner")
    judge = replace(tools.judge(config), withdrawn=withdrawals.words)
    teacher = Teacher(judge, tools.template.marks)
    given = fed.withColumn("template", F.lit(tools.template.key)).withColumn(
        "locale", F.get_json_object("frame", "$.l")
    )
    anybody = F.when(F.col("user_id") != ANYBODY, F.col("user_id")).alias("user_id")
    taught = stored(given.select(anybody, *GIVEN[1:]).mapInArrow(teaching(teacher), EXAMPLES.ddl), f"{staging}/taught")
    told = stored(_without_leaks(taught), f"{staging}/told")
    if leaked := taught.count() - told.count():
        made.codes["leaked"] = leaked
    create_if_missing(spark, made.place, EXAMPLES)
    told.select(*EXAMPLES.names).write.format("delta").mode("overwrite").save(made.place)
    # Who was forgotten after the list was read is in the table again.
    erase_suppressed_since(spark, config, None if suppressed is None else suppressed.version, (TABLE,))
    made.version = read_version(made.place)
    made.splits = _counted(told)
    delete_folder(spark, staging)
    return made


def _labels(
    sources: Mapping[str, SourceFrame],
    config: ExampleConfig,
    suppressed: Suppressed | None,
    withdrawn_items: Collection[str],
    staging: str,
) -> DataFrame:
    """Every label with `code` (why it is left out), `personal` and `actor` (its user as of its time)."""
    inputs = config.inputs
    read = clean_items(
        sources["items"].frame,
        default_locale=inputs.default_locale,
        locales=config.locales,
        max_chars=inputs.max_text_chars,
    )
    items = stored(read, f"{staging}/items")
    users = None if "users" not in sources else clean_users(sources["users"].frame)
    labels = clean_references(sources["references"].frame)
    asked = labels.where("reject is null").select("user_id", "item_id").distinct()
    nothing = {"scenario": "string", "rank": "int", "score": "double"}
    judged = clean_candidates(
        asked.select(
            "*",
            *[F.lit(None).cast(kind).alias(name) for name, kind in nothing.items()],
            F.lit(False).alias("malformed"),
        ),
        items,
        users,
        scenario=config.scenario,
        consent=inputs.consent,
        suppressed=suppressed,
        withdrawn_items=withdrawn_items,
    )
    why = F.coalesce("reject", "skip")
    known = judged.select("user_id", "item_id", why.alias("why"), "personal", F.lit(True).alias("judged"))
    joined = labels.join(known, ["user_id", "item_id"], how="left")
    # A suppressed user's row comes back without its id: what meets no row is such a one.
    code = F.coalesce("reject", "why", F.when(F.col("judged").isNull(), F.lit("suppressed")))
    actor = F.concat_ws("\u0001", "user_id", F.unix_micros("ts").cast("string"))
    personal = F.coalesce("personal", F.lit(False)) & (F.col("user_id") != ANYBODY)
    told = ("user_id", "item_id", "reason", "ts", "split")
    return joined.select(*told, code.alias("code"), personal.alias("personal"), actor.alias("actor"))


def _pairs(
    sources: Mapping[str, SourceFrame], labels: DataFrame, config: ExampleConfig, tools: Tools, staging: str
) -> DataFrame:
    """What the prompt of each (actor, item) shows and hides."""
    spark = labels.sparkSession
    known = told_items(spark.read.parquet(f"{staging}/items"), config, tools=tools, staging=staging)
    events = valid_events(sources["events"].frame, begin=night_start(tools.night, config.inputs.timezone))
    actors = labels.where("personal").select("user_id", "actor", "ts").distinct()
    past = F.col("events.ts") < F.coalesce("actors.ts", F.col("events.ts") + F.expr("interval 1 second"))
    joined = events.alias("events").join(actors.alias("actors"), "user_id", how="inner").where(past)
    seen = joined.select(F.col("actor").alias("user_id"), "events.item_id", "event", "events.ts")
    scenario = F.lit(config.scenario).alias("scenario")
    asked = labels.groupBy(F.col("actor").alias("user_id"), "item_id").agg(F.max("personal").alias("personal"))
    return told_pairs(
        asked.select("user_id", "item_id", scenario, "personal"), seen, known, config, tools=tools
    ).select("user_id", "item_id", "prompt_hash", "frame", "literals")


def _without_leaks(taught: DataFrame) -> DataFrame:
    """Without training rows whose words stand, letter by letter, in a label that is held out."""
    letters = F.regexp_replace(F.lower("reason"), r"[^\p{L}\p{N}]+", "")
    rows = taught.withColumn("letters", letters)
    held = rows.where("split <> 'train'").select("letters", F.lit("train").alias("split")).distinct()
    return rows.join(held, ["letters", "split"], how="left_anti").drop("letters")


def _codes(labels: DataFrame) -> dict[str, int]:
    rows = labels.where("code is not null").groupBy("code").count().collect()
    return {row["code"]: row["count"] for row in rows}


def _counted(told: DataFrame) -> dict[str, dict[str, int]]:
    train = told.where("split = 'train'")
    rows = told
    for column in ("user_id", "item_id"):
        met = train.select(column, F.lit(True).alias(f"met_{column}")).where(F.col(column).isNotNull()).distinct()
        rows = rows.join(met, column, how="left")
    unmet = F.col("met_item_id").isNull() | (F.col("user_id").isNotNull() & F.col("met_user_id").isNull())
    sums = [
        F.count(F.lit(1)).alias("rows"),
        F.count("target").alias("taught"),
        F.count_if(F.col("marks") > 0).alias("marked"),
        *[F.sum(name).alias(name) for name in ("marks", "claims", "borne")],
        F.count_if(unmet).alias("unmet"),
    ]
    found = {row["split"]: row.asDict() for row in rows.groupBy("split").agg(*sums).collect()}
    return {
        split: {k: int(v or 0) for k, v in found[split].items() if k != "split"} for split in SPLITS if split in found
    }


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "0 %"
