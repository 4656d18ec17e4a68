"""From the input tables to the night's pairs, each written once with what its prompt shows and hides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import NightConfig
from reasongen.evidence import catalogue, frames, history, support
from reasongen.pipeline.tools import Tools
from reasongen.pipeline.withdrawing import read_withdrawals
from reasongen.schema import PAIRS
from reasongen.tables import (
    SourceFrame,
    clean_candidates,
    clean_events,
    clean_items,
    clean_users,
    count_codes,
    count_event_codes,
    night_start,
    read_suppressed,
    valid_events,
)

PREPARED = "classes string, codes string"


@dataclass(frozen=True)
class Prepared:
    """Where the staged inputs of a run stand, and what was counted on the way."""

    candidates: str
    pairs: str
    classes: Mapping[str, int]
    codes: Mapping[str, int]


def prepare(
    spark: SparkSession, sources: Mapping[str, SourceFrame], config: NightConfig, *, tools: Tools, staging: str
) -> Prepared:
    """Writes `candidates` and `pairs` (schema.PAIRS) as Parquet below `staging`; nobody who asked to be forgotten is in
    them.

    `classes`: candidates, pairs, and `skipped.<code>`, `rejected.<code>`. `codes`: `<table>.<code>` → rows.
    """
    inputs, begin = config.inputs, night_start(tools.night, config.inputs.timezone)
    items = stored(
        clean_items(
            sources["items"].frame,
            default_locale=inputs.default_locale,
            locales=config.locales,
            max_chars=inputs.max_text_chars,
        ),
        f"{staging}/items",
    )
    users = None if "users" not in sources else clean_users(sources["users"].frame)
    chosen = clean_candidates(
        sources["candidates"].frame,
        items,
        users,
        scenario=config.scenario,
        consent=inputs.consent,
        suppressed=read_suppressed(spark, config.root, config.forget),
        withdrawn_items=read_withdrawals(spark, config.root).items,
    )
    if config.limit is not None:
        wanted = chosen.where(F.col("reject").isNull()).orderBy(F.xxhash64("user_id", "item_id"), "user_id", "item_id")
        chosen = wanted.limit(config.limit)
    candidates = stored(chosen, f"{staging}/candidates")
    classes = _classes(candidates)
    events = valid_events(sources["events"].frame, begin=begin)
    known = told_items(items, config, tools=tools, staging=staging)
    asked = candidates.where(F.col("reject").isNull() & F.col("skip").isNull())
    told = told_pairs(asked, events, known, config, tools=tools)
    stored(told, f"{staging}/pairs")
    codes = _codes(sources, items, users, begin)
    if private := known.where("private").count():
        codes["items.private"] = private
    # Last of all: what says that the rest is whole.
    told_of = spark.createDataFrame([(json.dumps(classes), json.dumps(codes))], PREPARED)
    stored(told_of, f"{staging}/prepared")
    return Prepared(f"{staging}/candidates", f"{staging}/pairs", classes, codes)


def told_items(items: DataFrame, config: NightConfig, *, tools: Tools, staging: str) -> DataFrame:
    """What may be said of each item, written below `staging`. In: items as cleaned."""
    usable = items.where(F.col("reject").isNull())
    told = catalogue(usable, settings=config.evidence, locales=tools.locales, private=tools.private)
    return stored(told, f"{staging}/catalogue")


def told_pairs(
    pairs: DataFrame, events: DataFrame, known: DataFrame, config: NightConfig, *, tools: Tools
) -> DataFrame:
    """What each pair's prompt shows and hides, by what its user did before the night (schema.PAIRS).

    In: user_id, item_id, scenario, personal; events as `valid_events`; `told_items`.
    """
    begin = night_start(tools.night, config.inputs.timezone)
    acts = history(events, known, before=begin, keep=config.evidence.history_items)
    asked = pairs.select("user_id", "item_id", "scenario", "personal")
    supported = support(asked, acts, known, settings=config.evidence)
    told = frames(
        supported,
        known,
        settings=config.evidence,
        night=tools.night,
        template_key=tools.template_key,
        literal=tools.template.shows_literals,
    )
    return told.select(*PAIRS.names)


def prepared_in(spark: SparkSession, staging: str) -> Prepared | None:
    """What `prepare` wrote below `staging`; None where it is missing or was not finished."""
    try:
        rows = spark.read.schema(PREPARED).parquet(f"{staging}/prepared").collect()
    except PySparkException:
        return None
    if len(rows) != 1:
        return None
    return Prepared(f"{staging}/candidates", f"{staging}/pairs", json.loads(rows[0][0]), json.loads(rows[0][1]))


def stored(frame: DataFrame, path: str) -> DataFrame:
    """The frame, written as Parquet and read again: nothing that rests on it is computed twice."""
    frame.write.mode("overwrite").parquet(path)
    return frame.sparkSession.read.parquet(path)


def _classes(candidates: DataFrame) -> dict[str, int]:
    rows = candidates.groupBy("reject", "skip").count().collect()
    classes = {"candidates": sum(row["count"] for row in rows), "pairs": 0}
    for row in rows:
        name = f"rejected.{row['reject']}" if row["reject"] else f"skipped.{row['skip']}" if row["skip"] else "pairs"
        classes[name] = classes.get(name, 0) + row["count"]
    return classes


def _codes(
    sources: Mapping[str, SourceFrame], items: DataFrame, users: DataFrame | None, begin: object
) -> dict[str, int]:
    events = clean_events(sources["events"].frame, items, begin=begin)  # type: ignore[arg-type]
    counted = {"items": count_codes(items), "events": count_event_codes(events)}
    if users is not None:
        counted["users"] = count_codes(users)
    return {f"{table}.{code}": rows for table, codes in counted.items() for code, rows in codes.items() if rows}
