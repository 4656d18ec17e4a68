"""Changes as they come: users with a new event or a new candidate get their reasons between two nights.

Each micro-batch is a night for these users alone, by the night's own functions, under its lease, through its gate, into
the same table. It works towards the next night, so that this one finds the same evidence and changes nothing. Spark's
checkpoint says how far the tables have been read; a batch that is done again finds its reasons standing.

Rows that were changed or deleted are seen where their table has a change data feed; of another one only what was added
is, and the next night settles the rest.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from typing import Any
from zoneinfo import ZoneInfo

from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from reasongen.config import NightConfig, SourceSettings
from reasongen.errors import ConfigError, LeaseError, ReasongenError
from reasongen.pipeline.ledger import Run
from reasongen.pipeline.night import generate_night
from reasongen.pipeline.progress import say
from reasongen.pipeline.standing import DONE, past_runs
from reasongen.schema import INPUTS
from reasongen.tables import theirs_of
from reasongen.tables.holdings import CHECKPOINTS

SOURCES = ("candidates", "events")


@dataclass
class Streamed:
    """What a stream has done so far. `runs`: one for each micro-batch that had anybody in it."""

    runs: list[Run] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """The gate refused the last batch; it is read again at the next start."""
        return bool(self.runs) and self.runs[-1].status == "refused"

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"status": "refused" if self.refused else "streamed", "runs": [run.as_json() for run in self.runs]}


class _RefusedBatchError(Exception):
    """Leaves a batch undone."""


def stream_changes(spark: SparkSession, config: NightConfig, *, every: float | None = None) -> Streamed:
    """Reads what was added since the last time, and (`every`: seconds) goes on until it is stopped.

    The first time it begins where the last finished night had read. Raises ConfigError where `events` or `candidates`
    are no Delta tables, LeaseError where a night is at work (`every`: waits instead), what a night raises, and
    StreamingQueryException where Spark cannot read on, as where files that were not read yet are gone.
    """
    done = Streamed()
    while True:
        try:
            _read_on(spark, config, every, done)
        except LeaseError as error:
            if every is None:
                raise
            say(f"stream: {error}")
            time.sleep(every)
        else:
            return done


def _read_on(spark: SparkSession, config: NightConfig, every: float | None, done: Streamed) -> None:
    """One query, to its end. What a batch raised comes out as it was, not as Spark tells it."""
    raised: list[ReasongenError] = []

    def batch(rows: DataFrame, number: int) -> None:
        users = rows.where(F.col("user_id").isNotNull()).distinct().cache()
        try:
            if not (count := users.count()):
                return
            say(f"stream: batch {number}, {count:,} users with something new")
            run = generate_night(rows.sparkSession, _tonight(config), users)
        except ReasongenError as error:
            raised.append(error)
            raise
        finally:
            users.unpersist()
        done.runs.append(run)
        if run.status == "refused":
            raise _RefusedBatchError(f"batch {number}: the gate refused")

    trigger: Any = {"availableNow": True} if every is None else {"processingTime": f"{every} seconds"}
    writer = _changed(spark, config).writeStream.foreachBatch(batch).trigger(**trigger)
    query = writer.option("checkpointLocation", f"{config.root}/{CHECKPOINTS}/{config.scenario}").start()
    try:
        query.awaitTermination()
    except StreamingQueryException:
        if raised:
            raise raised[0] from None
        if not done.refused:
            raise
    finally:
        query.stop()


def _changed(spark: SparkSession, config: NightConfig) -> DataFrame:
    """The users (user_id) of rows that came or went in candidates and events, as a stream."""
    sources = {name: getattr(config.inputs, name) for name in SOURCES}
    if other := [f"inputs.{name}: {source.format}" for name, source in sources.items() if source.format != "delta"]:
        raise ConfigError(
            f"inputs: wanted candidates and events as Delta tables, since a stream reads their commits; found"
            f" {', '.join(other)}. Leave these to the night, or write them as Delta."
        )
    read = _read_by_the_last_night(config)
    streams = [_users(spark, sources[name], name, read.get(name)) for name in SOURCES]
    return reduce(DataFrame.unionByName, streams)


def _users(spark: SparkSession, source: SourceSettings, name: str, since: str | None) -> DataFrame:
    """With a change data feed: of rows as they were and as they are; without one a commit that changes is passed by."""
    how = "readChangeFeed" if _has_change_feed(spark, source) else "skipChangeCommits"
    reader = spark.readStream.format("delta").option(how, "true")
    if since is not None:
        reader = reader.option("startingVersion", since)
    rows = reader.load(source.path) if source.path else reader.table(str(source.table))
    column = next(column for column in INPUTS[name].columns if column.name == "user_id")
    theirs = theirs_of(source, column)
    value = F.expr(theirs[1:]) if theirs.startswith("=") else F.col(f"`{theirs}`")
    return rows.select(value.cast("string").alias("user_id"))


def _has_change_feed(spark: SparkSession, source: SourceSettings) -> bool:
    from delta.tables import DeltaTable

    table = DeltaTable.forPath(spark, source.path) if source.path else DeltaTable.forName(spark, str(source.table))
    found = table.detail().first()
    return found is not None and found["properties"].get("delta.enableChangeDataFeed") == "true"


def _read_by_the_last_night(config: NightConfig) -> Mapping[str, str]:
    """The Delta versions of its tables: what it read is read again from its last commit on, which does no harm."""
    last = next((row for row in past_runs(f"{config.root}/runs", config.scenario).rows if row["status"] in DONE), None)
    states = {} if last is None else dict(last["inputs"])
    return {name: state.split("~")[0] for name, state in states.items() if state.split("~")[0].isdigit()}


def _tonight(config: NightConfig) -> NightConfig:
    """Towards the settings' night, else the one that begins at the end of today."""
    if config.night is not None:
        return config
    today = datetime.now(ZoneInfo(config.inputs.timezone)).date()
    return config.model_copy(update={"night": today + timedelta(days=1)})
