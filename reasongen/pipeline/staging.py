"""Puts each pair's samples beside it, judges them on the executors, and writes the staged table once."""

from __future__ import annotations

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from reasongen.pipeline.judging import Judge, judging
from reasongen.schema import PAIRS, QUARANTINE, STAGED
from reasongen.tables import create_if_missing, read_version


def stage(
    pairs: DataFrame, generations: DataFrame, *, judge: Judge, path: str, dislikes: DataFrame | None = None
) -> int:
    """Writes schema.STAGED at `path`; returns the version that holds it, for the gate to pin.

    In: `pairs` (schema.PAIRS), `generations`, `dislikes` (schema.DISLIKES; None: there are none). One row
    out per pair; a pair without samples gets a fallback.
    """
    mine = generations.where(
        (F.col("model_version") == judge.model_version) & (F.col("decode_hash") == judge.decode_hash)
    )
    samples = mine.groupBy("prompt_hash").agg(
        F.collect_list(F.struct("sample", "text", "finish_reason")).alias("samples")
    )
    fed = pairs.join(samples, "prompt_hash", "left").select(
        "user_id",
        "item_id",
        "scenario",
        "evidence",
        "prompt_hash",
        "fact_hash",
        "personal",
        "frame",
        "literals",
        "samples",
    )
    if dislikes is not None:
        no = dislikes.groupBy(*PAIRS.key).agg(F.collect_set("skeleton_hash").alias("disliked"))
        fed = fed.join(no, list(PAIRS.key), "left")
    create_if_missing(pairs.sparkSession, path, STAGED)
    staged = fed.mapInArrow(judging(judge), STAGED.ddl)
    staged.write.format("delta").mode("append").save(path)
    version = read_version(path)
    assert version is not None
    return version


def quarantine_rows(staged: DataFrame, *, run_id: str, night: date) -> DataFrame:
    """One row of schema.QUARANTINE per sample, or fallback, that a rule refused."""
    refused = staged.select("user_id", "item_id", "scenario", F.explode("refused").alias("one"))
    return refused.select(
        "user_id", "item_id", "scenario", "one.sample", "one.text", "one.failures",
        F.lit(run_id).alias("run_id"), F.lit(night).alias("night"),
    ).select(*QUARANTINE.names)  # fmt: skip
