"""Where Spark meets the engine: distinct prompts that nobody has generated yet, written slice by slice.

A slice is one commit to `generations`, so a killed night loses at most one slice. The text of a prompt is made from its
frame on the executor, beside the engine; no table holds it.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import EngineSettings
from reasongen.engine import INPUT, MASK, engine_here
from reasongen.pipeline.isolating import CRASHED, write_apart
from reasongen.pipeline.masking import NO_MASK, Masking
from reasongen.pipeline.progress import rate_line, say
from reasongen.prompts import Frame, PromptTemplate
from reasongen.schema import GENERATIONS
from reasongen.tables import Lease, Txn, append

if TYPE_CHECKING:
    from pyspark.resource.profile import ResourceProfile

_OUT = (
    "prompt_hash string, sample int, text string, finish_reason string, tokens_in int, tokens_out int, logprob double,"
    " engine_id string"
)
_NO_TEXT = (
    "'' text",
    f"'{CRASHED}' finish_reason",
    "0 tokens_in",
    "0 tokens_out",
    "double(null) logprob",
    "'' engine_id",
)


def wanted_prompts(pairs: DataFrame, generations: DataFrame, *, model: str, decode: str, samples: int) -> DataFrame:
    """Prompts that still lack samples; key prompt_hash.

    In: `pairs` (prompt_hash, frame; null where a pair asks for no reason), `generations`.
    Out: prompt_hash, frame, have (samples there already, long; the next one takes this number). A prompt that killed
    its worker is asked for no more.
    """
    distinct = pairs.where(F.col("prompt_hash").isNotNull()).groupBy("prompt_hash").agg(F.min("frame").alias("frame"))
    crashed = F.col("finish_reason").eqNullSafe(CRASHED)
    made = (
        generations.where((F.col("model_version") == model) & (F.col("decode_hash") == decode))
        .groupBy("prompt_hash")
        .agg(F.when(F.bool_or(crashed), F.lit(samples)).otherwise(F.max("sample") + 1).cast("long").alias("have"))
    )
    joined = distinct.join(made, "prompt_hash", how="left").withColumn(
        "have", F.coalesce("have", F.lit(0).cast("long"))
    )
    return joined.where(F.col("have") < samples)


def write_samples(
    spark: SparkSession,
    prompts: DataFrame,
    *,
    count: int,
    path: str,
    template: PromptTemplate,
    settings: EngineSettings,
    samples: int,
    facts: dict[str, str],
    lease: Lease,
    app_id: str,
    first: int,
    masking: Masking | None = None,
    owners: DataFrame | None = None,
) -> int:
    """Generates what each of `prompts` (written: prompt_hash, frame, have) lacks of `samples` into `generations` at
    `path`; returns the number of the next commit.

    `count`: rows of `prompts`. `facts`: model_version, decode_hash, run_id. Slices are cut by hash, so that
    a retried slice holds the same prompts; each commit has `app_id` and a number from `first` up, above those of
    every earlier run, so that a run which lost its lease adds none. A row that kills its worker is set aside.
    `masking`: what a text may not hold, by frame. `owners` (prompt_hash, unique, and owner): of the prompts that too
    few users share; None: of none.
    Raises LeaseError between commits where it is lost, MachineError where too many rows kill their worker.
    """
    numbers = itertools.count(first)

    def commit(texts: DataFrame) -> None:
        lease.check()
        owned = texts.withColumn("owner", F.lit(None).cast("string"))
        if owners is not None:
            mine = owners.where(F.pmod(F.xxhash64("prompt_hash"), F.lit(slices)) == number)
            owned = texts.join(mine.select("prompt_hash", "owner"), "prompt_hash", "left")
        stamps = {**facts, "mask_version": masking.version if masking else NO_MASK, "generated_at": datetime.now(UTC)}
        stamped = owned.withColumns({name: F.lit(value) for name, value in stamps.items()})
        append(stamped.select(*GENERATIONS.names), path, Txn(app_id, next(numbers)))

    slices = -(-count // settings.slice_prompts)
    asked = prompts.withColumn("sample", F.explode(F.sequence(F.col("have").cast("int"), F.lit(samples - 1))))
    numbered = asked.withColumn("slice", F.pmod(F.xxhash64("prompt_hash"), F.lit(slices)))
    began = time.monotonic()
    for number in range(slices):
        rows = numbered.where(F.col("slice") == number).select("prompt_hash", "frame", "sample")
        write_apart(
            rows,
            lambda some: commit(sampled(some, template, settings, masking)),
            lambda some: commit(some.selectExpr("prompt_hash", "sample", *_NO_TEXT)),
        )
        finished = count * (number + 1) // slices
        say(f"generate: {rate_line(finished, count, time.monotonic() - began, 'prompts')}")
    return next(numbers)


def sampled(asked: DataFrame, template: PromptTemplate, settings: EngineSettings, masking: Masking | None) -> DataFrame:
    """A sample for each row of `asked` (prompt_hash, frame, sample), made once for each time that it is read.

    Out: prompt_hash, sample, text, finish_reason, tokens_in, tokens_out, logprob, engine_id.
    """
    tasks, profile = _engine_tasks(asked.sparkSession)
    spread = asked.coalesce(1) if tasks == 1 else asked.repartition(tasks, "prompt_hash")
    return spread.mapInArrow(_writer(template, settings, masking), _OUT, False, profile)


def slices_app(scenario: str) -> str:
    """Under which name the slices of a scenario stand in `generations`."""
    return f"reasongen/{scenario}/slices"


def first_slice(token: int) -> int:
    """The transaction number of a token's first slice; those of any later token are above all of its slices."""
    return token << 24


def _engine_tasks(spark: SparkSession) -> tuple[int, ResourceProfile | None]:
    """How many tasks a slice has, and the profile that gives each a whole executor: then an executor loads one model.

    Plain local mode knows no profiles: there one task at a time does the same.
    """
    context = spark.sparkContext
    if context.master.startswith("local[") or context.master == "local":
        return 1, None
    from pyspark.resource import ResourceProfileBuilder, TaskResourceRequests

    cores = int(context.getConf().get("spark.executor.cores", "1"))
    if context.master.startswith("local-cluster["):
        cores = int(context.master.split("[")[1].split(",")[1])
    profile = ResourceProfileBuilder().require(TaskResourceRequests().cpus(cores)).build
    return executors(spark), profile


def executors(spark: SparkSession) -> int:
    """Executors alive now; 1 in local mode, where the driver is the executor."""
    status = spark.sparkContext._jsc.sc().getExecutorMemoryStatus().size()
    return max(1, int(status) - 1)


def _writer(
    template: PromptTemplate, settings: EngineSettings, masking: Masking | None
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The function that runs on an executor: frames in, samples out. The model is built on the first call there."""

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from engine_here(settings).generate(with_prompts(batches, template, masking))

    return write


def with_prompts(
    batches: Iterator[pa.RecordBatch], template: PromptTemplate, masking: Masking | None = None
) -> Iterator[pa.RecordBatch]:
    """Adds the prompt's text, and its mask, to batches of prompt_hash, frame, sample: what the engine takes."""
    schema = INPUT if masking is None else INPUT.append(MASK)
    for batch in batches:
        shown = batch.column("frame")
        frames = [Frame.from_json(text) for text in shown.to_pylist()]
        prompts = pa.array([template.render(frame) for frame in frames], pa.string())
        columns = [batch.column("prompt_hash"), prompts, shown, batch.column("sample")]
        if masking is not None:
            columns.append(pa.array([masking.of(frame) for frame in frames], pa.string()).dictionary_encode())
        yield pa.RecordBatch.from_arrays(
            [column.cast(f.type) for column, f in zip(columns, schema, strict=True)], schema=schema
        )
