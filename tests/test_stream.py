"""Changes as they come: who has something new gets reasons between two nights, and the night changes nothing of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from deltalake import DeltaTable
from nights import ENVIRONMENT, ROOT, night_over
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from reasongen.config import NightConfig
from reasongen.errors import ConfigError, LeaseError
from reasongen.pipeline import generate_night, night, stream_changes
from reasongen.report.lake import Lake
from reasongen.tables import take_lease

KEY = ["user_id", "item_id", "scenario"]


class Shop:
    """A world whose events and candidates are Delta tables, and a lake over it after its first night."""

    def __init__(self, spark: SparkSession, world: Path, root: Path) -> None:
        self.spark, self.world, self.root = spark, world, root
        self.events, self.candidates = str(root / "events"), str(root / "candidates")
        sets = (f"inputs.events.path={self.events}", f"inputs.candidates.path={self.candidates}")
        self.config: NightConfig = night_over(world, root / "lake", *sets, "inputs.candidates.format=delta")
        spark.read.format("delta").load(f"{world}/events").coalesce(1).write.format("delta").save(self.events)
        spark.read.parquet(f"{world}/candidates.parquet").write.format("delta").save(self.candidates)

    def reasons(self) -> pl.DataFrame:
        return pl.read_delta(f"{self.config.root}/reasons").sort(KEY)

    def runs(self) -> pl.DataFrame:
        return pl.read_delta(f"{self.config.root}/runs").sort("token")

    def version(self) -> int:
        return int(DeltaTable(f"{self.config.root}/reasons").version())

    def add(self, table: str, like: Any, **other: Any) -> None:
        """One row more: as one that stands, but for `other`."""
        rows = self.spark.read.format("delta").load(table).where(like).limit(1)
        for name, value in other.items():
            rows = rows.withColumn(name, F.lit(value).cast(rows.schema[name].dataType))
        rows.coalesce(1).write.format("delta").mode("append").save(table)


def personal(reasons: pl.DataFrame) -> list[str]:
    """Users whose behaviour speaks in a reason."""
    return list(reasons.filter(pl.col("evidence").list.len() > 0)["user_id"].unique().sort())


@pytest.fixture(scope="module")
def shop(spark: SparkSession, small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    made = Shop(spark, small_world, tmp_path_factory.mktemp("stream"))
    assert generate_night(spark, made.config).status == "published"
    return made


@pytest.mark.slow
def test_a_new_candidate_and_a_new_event_get_reasons_and_the_night_changes_nothing(
    spark: SparkSession, shop: Shop
) -> None:
    before = shop.reasons()
    stream_changes(spark, shop.config)  # what the night had read last is read again
    assert shop.reasons().equals(before)
    user = personal(before)[0]
    mine = set(before.filter(pl.col("user_id") == user)["item_id"])
    item = next(item for item in before["item_id"].unique().sort() if item not in mine)
    shop.add(shop.candidates, f"user_id = '{user}' and item_id = '{sorted(mine)[0]}'", item_id=item)
    told = stream_changes(spark, shop.config)
    assert [run.kind for run in told.runs] == ["stream"]
    after = shop.reasons()
    new = after.join(before, on=KEY, how="anti")
    assert new.select("user_id", "item_id").rows() == [(user, item)]
    assert after.join(new, on=KEY, how="anti").equals(before)
    assert stream_changes(spark, shop.config).runs == []
    version = shop.version()
    run = generate_night(spark, shop.config)
    assert (run.status, run.prompts["generated"], run.samples, shop.version()) == ("unchanged", 0, 0, version)
    # An act of this user on the other items' company changes what may be said to him, and to nobody else.
    newest = datetime(2026, 3, 1, 12, tzinfo=UTC)
    shop.add(shop.events, f"user_id = '{user}' and item_id is not null", item_id=item, event="purchase", ts=newest)
    (streamed,) = stream_changes(spark, shop.config).runs
    changed = shop.reasons().join(after.select(*KEY, "evidence", "reason"), on=[*KEY, "evidence", "reason"], how="anti")
    assert set(changed["user_id"]) <= {user}
    assert streamed.pairs["candidates"] == pl.read_delta(shop.candidates).filter(pl.col("user_id") == user).height
    version = shop.version()
    assert generate_night(spark, shop.config).samples == 0
    assert shop.version() == version
    assert {row["kind"] for row in Lake(shop.config.root, duckdb.connect()).runs("recommendation")} == {"night"}
    assert not any(
        user.encode() in file.read_bytes() for file in Path(shop.config.root, "_stream").rglob("*") if file.is_file()
    )


@pytest.mark.long
def test_with_a_change_feed_a_candidate_that_goes_takes_its_reason_along(
    spark: SparkSession, shop: Shop, tmp_path: Path
) -> None:
    fed = Shop(spark, shop.world, tmp_path)
    for table in (fed.events, fed.candidates):
        spark.sql(f"ALTER TABLE delta.`{table}` SET TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')")
    generate_night(spark, fed.config)
    before = fed.reasons()
    left, moved = before["user_id"].unique().sort()[:2]
    item = before.filter(pl.col("user_id") == moved)["item_id"][0]
    spark.sql(f"DELETE FROM delta.`{fed.candidates}` WHERE user_id = '{left}'")
    spark.sql(f"DELETE FROM delta.`{fed.candidates}` WHERE user_id = '{moved}' AND item_id = '{item}'")
    told = stream_changes(spark, fed.config)
    assert sum(run.pairs["removed"] for run in told.runs) == before.height - fed.reasons().height > 1
    gone = before.join(fed.reasons(), on=KEY, how="anti")
    assert set(gone["user_id"]) == {left, moved}
    assert gone.filter(pl.col("user_id") == moved)["item_id"].to_list() == [item]
    version = fed.version()
    assert (generate_night(spark, fed.config).samples, fed.version()) == (0, version)


@pytest.mark.long
def test_a_night_that_runs_late_leaves_what_was_streamed_for_the_next_one(
    spark: SparkSession, shop: Shop, tmp_path: Path
) -> None:
    mine = Shop(spark, shop.world, tmp_path)
    generate_night(spark, mine.config)
    stream_changes(spark, mine.config)  # what the night had read last is read again
    before = mine.reasons()
    looked = pl.col("evidence").list.first().struct.field("action").is_in(["browse", "click"])
    told = before.filter(looked).unique("user_id", keep="first", maintain_order=True)
    (user, other), items = told["user_id"][:2], [rows[0]["item_id"] for rows in told["evidence"][:2]]
    today, eve = datetime(2026, 3, 2, 10, tzinfo=UTC), datetime(2026, 3, 1, 20, tzinfo=UTC)
    mine.add(mine.events, f"user_id = '{user}' and item_id is not null", item_id=items[0], event="purchase", ts=today)
    ahead = mine.config.model_copy(update={"night": date(2026, 3, 3)})
    assert [run.night for run in stream_changes(spark, ahead).runs] == [date(2026, 3, 3)]
    words = [*KEY, "prompt_hash", "reason"]
    streamed = mine.reasons().join(before, on=words, how="anti")
    assert set(streamed["user_id"]) == {user}
    mine.add(mine.events, f"user_id = '{other}' and item_id is not null", item_id=items[1], event="purchase", ts=eve)
    assert generate_night(spark, mine.config).status == "published"
    after = mine.reasons()
    assert after.join(streamed, on=[*words, "night"], how="semi").height == streamed.height
    assert set(after.join(before, on=words, how="anti")["user_id"]) == {user, other}
    # Who takes consent back is heard all the same.
    users = tmp_path / "users.csv"
    lines = (shop.world / "users.csv").read_text(encoding="utf-8")
    (line,) = (one for one in lines.splitlines() if one.startswith(f"{user},"))
    users.write_text(lines.replace(line, line.replace(",true,", ",false,")), encoding="utf-8")
    inputs = mine.config.inputs
    silent = inputs.model_copy(update={"users": inputs.users.model_copy(update={"path": str(users)})})
    generate_night(spark, mine.config.model_copy(update={"inputs": silent}))
    assert user not in personal(mine.reasons())


@pytest.mark.slow
def test_a_batch_that_the_gate_refuses_is_read_again(spark: SparkSession, shop: Shop) -> None:
    before, version = shop.reasons(), shop.version()
    user = personal(before)[0]
    shop.add(shop.events, f"user_id = '{user}'", event="share")
    strict = shop.config.model_copy(update={"gate": shop.config.gate.model_copy(update={"max_chars": 1})})
    changed = strict.model_copy(update={"engine": strict.engine.model_copy(update={"seed": 5})})
    told = stream_changes(spark, changed)
    assert told.refused
    assert shop.version() == version
    (again,) = stream_changes(spark, shop.config).runs
    assert again.status in ("published", "unchanged")


@pytest.mark.slow
def test_beside_a_night_it_leaves_and_what_it_was_to_read_stays(spark: SparkSession, shop: Shop) -> None:
    user = personal(shop.reasons())[1]
    shop.add(shop.events, f"user_id = '{user}'", event="cart")
    with (
        take_lease(f"{shop.config.root}/leases/recommendation", seconds=600),
        pytest.raises(LeaseError, match="held by"),
    ):
        stream_changes(spark, shop.config)
    assert len(stream_changes(spark, shop.config).runs) == 1


@pytest.mark.long
def test_killed_between_publish_and_checkpoint_it_does_nothing_twice(
    spark: SparkSession, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = personal(shop.reasons())[2]
    shop.add(shop.events, f"user_id = '{user}'", event="click")

    class GoneError(Exception):
        pass

    with monkeypatch.context() as broken:
        broken.setattr(night, "_clean", lambda *_: (_ for _ in ()).throw(GoneError("the driver is gone")))
        with pytest.raises(Exception, match="the driver is gone"):
            stream_changes(spark, shop.config)
    stood, version = shop.reasons(), shop.version()
    (again,) = stream_changes(spark, shop.config).runs
    assert (again.samples, shop.version()) == (0, version)
    assert shop.reasons().equals(stood)


def test_tables_that_no_stream_can_read_are_named(spark: SparkSession, small_world: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"inputs.candidates: parquet"):
        stream_changes(spark, night_over(small_world, tmp_path / "lake"))


@pytest.mark.long
def test_a_job_killed_and_started_again_loses_and_doubles_nothing(
    spark: SparkSession, small_world: Path, tmp_path: Path
) -> None:
    """Before any night, so that all of the tables is new to it."""
    slow = {"engine.scripted.seconds_per_prompt": "0.02", "engine.slice_prompts": "100"}
    candidates = str(tmp_path / "candidates")
    spark.read.parquet(f"{small_world}/candidates.parquet").write.format("delta").save(candidates)
    sets = [f"inputs.candidates.path={candidates}", "inputs.candidates.format=delta"]
    config = night_over(small_world, tmp_path / "lake", *sets, *(f"{key}={value}" for key, value in slow.items()))
    told, out = tmp_path / "job.yaml", tmp_path / "out.json"
    told.write_text(json.dumps(config.model_dump(mode="json")), encoding="utf-8")
    command = [sys.executable, str(ROOT / "jobs" / "stream.py"), "--config", str(told), "--json", str(out)]
    environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": str(ROOT)}
    job = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    slices, deadline = Path(config.root, "generations", "_delta_log"), time.monotonic() + 300
    while len(list(slices.glob("*.json"))) < 3:
        assert job.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.5)
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    assert pl.read_delta(f"{config.root}/reasons").height == 0
    before = pl.read_delta(f"{config.root}/generations").height
    assert before > 0
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=900)
    (run,) = json.loads(out.read_text())["runs"]
    assert (run["status"], run["kind"]) == ("published", "stream")
    assert run["samples"] == pl.read_delta(f"{config.root}/generations").height - before
    alone = config.model_copy(update={"root": str(tmp_path / "alone")})
    generate_night(spark, alone)
    words = [*KEY, "reason", "source", "prompt_hash", "valid_until"]
    streamed, night_alone = (pl.read_delta(f"{one.root}/reasons").select(words).sort(KEY) for one in (config, alone))
    assert streamed.equals(night_alone)
    assert streamed.select(KEY).is_unique().all()
