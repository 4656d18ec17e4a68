"""Some pairs of tonight from evidence to verdict, with the model at work and nothing written or published.

Tells about users, to whoever asks on a terminal: nothing of it is logged.
"""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from reasongen.config import NightConfig
from reasongen.pipeline.explaining import tell_samples
from reasongen.pipeline.explanation import Explanation
from reasongen.pipeline.generating import sampled, wanted_prompts
from reasongen.pipeline.plan import looked_at, planned, standing_rows
from reasongen.pipeline.progress import Stages
from reasongen.pipeline.reviewing import with_people
from reasongen.pipeline.tools import pinned, tools_of
from reasongen.pipeline.withdrawing import read_withdrawals
from reasongen.prompts import Frame
from reasongen.schema import GENERATIONS

MOST_PREVIEWED = 50
"""Pairs that somebody reads on a terminal."""


def preview_pairs(spark: SparkSession, config: NightConfig, count: int) -> list[Explanation]:
    """The first `count` pairs of a night so limited: samples that stand in `generations` are used, others made and
    thrown away; no second tries. Raises as the night does."""
    config = pinned(config.model_copy(update={"limit": count}))
    tools, stages = tools_of(config), Stages(spark.sparkContext)
    judge = with_people(tools.judge(config), config.root, read_withdrawals(spark, config.root))
    with looked_at(spark, config, tools, planned(config, tools, stages), stages) as pairs:
        stood = standing_rows(spark, config, GENERATIONS)
        with stages.stage("generate"):
            samples = config.engine.samples
            lacking = wanted_prompts(pairs, stood, model=tools.model, decode=tools.decode, samples=samples)
            numbers = F.sequence(F.col("have").cast("int"), F.lit(samples - 1))
            rows = lacking.select("prompt_hash", "frame", F.explode(numbers).alias("sample"))
            masking = tools.masking(config, judge.withdrawn.terms)
            made = [row.asDict() for row in sampled(rows, tools.template, config.engine, masking).collect()]
        mine = stood.join(pairs.select("prompt_hash").distinct(), "prompt_hash", "left_semi")
        mine = mine.where((F.col("model_version") == tools.model) & (F.col("decode_hash") == tools.decode))
        by_prompt: dict[str, list[dict[str, Any]]] = {}
        for row in [*(row.asDict() for row in mine.drop("owner").collect()), *made]:
            by_prompt.setdefault(row["prompt_hash"], []).append({"run_id": "made for this preview", **row})
        shown = [row.asDict(recursive=True) for row in pairs.collect()]
    told: list[Explanation] = []
    for pair in sorted(shown, key=lambda row: (row["user_id"], row["item_id"])):
        one = Explanation(pair["user_id"], pair["item_id"], config.scenario, tools.night, None, tools.template_key)
        one.versions = {"model": tools.model, "decode": tools.decode, "policy": judge.policy_version}
        one.pair, one.prompt = pair, tools.template.render(Frame.from_json(pair["frame"]))
        tell_samples(one, judge, by_prompt.get(pair["prompt_hash"], []))
        told.append(one)
    return told
