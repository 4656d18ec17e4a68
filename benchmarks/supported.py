"""Support of a night's pairs, made once, so that budgets and templates can be told from the same facts."""

from __future__ import annotations

from datetime import timedelta

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import NightConfig
from reasongen.evidence import frames, history, support
from reasongen.pipeline.preparing import prepare, stored
from reasongen.pipeline.tools import tools_of
from reasongen.tables import night_start, read_sources, valid_events


class Supported:
    """What the users of a night did with the facets of its items; `days` moves the night, the events stay."""

    def __init__(self, spark: SparkSession, config: NightConfig, days: int) -> None:
        self.night = tools_of(config).night + timedelta(days=days)
        settings = config.model_copy(update={"night": self.night})
        self.staging = f"{config.root}/night-{days}"
        sources = read_sources(spark, config.inputs)
        prepare(spark, sources, settings, tools=tools_of(settings), staging=self.staging)
        asked, self.known = (spark.read.parquet(f"{self.staging}/{name}") for name in ("candidates", "catalogue"))
        asked = asked.where(F.col("reject").isNull() & F.col("skip").isNull())
        begin = night_start(self.night, config.inputs.timezone)
        # What is dated on the first night or after would be new the next day, and nothing may be new.
        first = night_start(tools_of(config).night, config.inputs.timezone)
        old = sources["events"].frame.where(F.col("ts") < F.lit(first))
        events = valid_events(old, begin=begin)
        acts = history(events, self.known, before=begin, keep=config.evidence.history_items)
        pairs = asked.select("user_id", "item_id", "scenario", "personal")
        made = support(pairs, acts, self.known, settings=config.evidence)
        self.rows = stored(made, f"{self.staging}/support")

    def prompts(self, config: NightConfig) -> DataFrame:
        """user_id, item_id, prompt_hash under the budget and the template of `config`."""
        tools = tools_of(config)
        told = frames(
            self.rows,
            self.known,
            settings=config.evidence,
            night=self.night,
            template_key=tools.template_key,
            literal=tools.template.shows_literals,
        )
        return told.select("user_id", "item_id", "prompt_hash")
