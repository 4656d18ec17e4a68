"""What stands around the engine: what Spark adds to it, and what a night without us would pay for the same reasons."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from peers import Peer
from pyspark.sql import SparkSession
from workload import ROOT, Prompt, frames

from reasongen.config import EngineSettings, SparkSettings
from reasongen.engine.torch_engine import TorchEngine
from reasongen.pipeline.generating import with_prompts, write_samples
from reasongen.prompts.template import load_template
from reasongen.schema import GENERATIONS
from reasongen.tables import Lease, create_if_missing, open_spark


def pairs_and_prompts() -> tuple[int, int] | None:
    """Published pairs of the default world and their distinct prompts; None where no night stands."""
    table = ROOT / ".local" / "lake" / "reasons"
    if not table.is_dir():
        return None
    hashes = pl.read_delta(str(table), columns=["prompt_hash"])["prompt_hash"]
    return len(hashes), hashes.n_unique()


def pipeline(settings: EngineSettings, batch: int) -> Peer:
    """A transformers pipeline over prompts as they come, `batch` at a time: what a pandas UDF is usually given."""
    from transformers import pipeline as made_by
    from transformers.utils import logging

    logging.set_verbosity_error()
    writer: Any = made_by("text-generation", model=settings.model, device="cpu", dtype="float32")
    writer.tokenizer.padding_side = "left"
    writer.tokenizer.pad_token = writer.tokenizer.pad_token or writer.tokenizer.eos_token
    how = {"temperature": settings.temperature, "top_p": settings.top_p, "top_k": 0, "do_sample": True}

    def write(rows: list[Prompt]) -> int:
        asked = [text for _, text in rows]
        said = writer(asked, batch_size=batch, max_new_tokens=settings.max_new_tokens, return_full_text=False, **how)
        ids = writer.tokenizer([one[0]["generated_text"] for one in said], add_special_tokens=False)["input_ids"]
        return sum(len(one) + 1 for one in ids)

    return write


def spark_overhead(model: str, rows: int, rounds: int) -> list[float]:
    """Per round, by how much the night's stage is longer than the engine alone on the same prompts: 0.05 is 5 %.

    By the clock, on all cores, both warm; Spark's part has its worker, its Arrow batches and its commits.
    """
    settings = EngineSettings(backend="torch", model=model, device="cpu", threads=2, slice_prompts=rows)
    template = load_template(Path(model) / "prompt_template.yaml")
    keys, texts = zip(*frames(rows), strict=True)
    table = pa.table({"prompt_hash": keys, "frame": texts, "sample": pa.array([0] * rows, pa.int32())})
    engine = TorchEngine(settings)
    place = Path(tempfile.mkdtemp(prefix="overhead", dir=ROOT / ".local"))
    asked = str(place / "prompts.parquet")
    pq.write_table(table.drop_columns("sample").append_column("have", pa.array([0] * rows, pa.int64())), asked)

    def bare() -> None:
        for _ in engine.generate(with_prompts(iter(table.to_batches(2000)), template)):
            pass

    def staged(spark: SparkSession, token: int) -> None:
        write_samples(
            spark,
            spark.read.parquet(asked),
            count=rows,
            path=str(place / "generations"),
            template=template,
            settings=settings,
            samples=1,
            facts={"model_version": "m", "decode_hash": f"d{token}", "run_id": f"r{token}"},
            lease=cast(Lease, SimpleNamespace(token=token, check=lambda: None)),
            app_id="overhead",
            first=token << 24,
        )

    told = []
    os.environ |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    here = SparkSettings(master="local[2,4]", jars=str(ROOT / ".local" / "jars"))
    try:
        with open_spark(here) as spark:
            create_if_missing(spark, str(place / "generations"), GENERATIONS)
            for token in range(1, rounds + 2):
                inside, alone = _seconds(partial(staged, spark, token)), _seconds(bare)
                told.append(round(inside / alone - 1, 3))
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return told[1:]  # the first one loads the model and starts the worker


def _seconds(what: Callable[[], None]) -> float:
    began = time.perf_counter()
    what()
    return time.perf_counter() - began
