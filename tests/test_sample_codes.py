"""The sample world and the tables' reader agree: each planted fault gets its code, no other row gets one."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from reasongen.config import InputSettings
from reasongen.sample import load_world_settings, write_world
from reasongen.tables import (
    clean_candidates,
    clean_events,
    clean_items,
    clean_users,
    count_codes,
    count_event_codes,
    read_sources,
)

CONF = Path(__file__).resolve().parent.parent / "conf"


@pytest.mark.slow
def test_the_night_counts_what_was_planted(spark: SparkSession, tmp_path: Path) -> None:
    settings = load_world_settings(CONF / "world.yaml", ["users=400", "visits=6000", "heavy_user_events=300"])
    world = write_world(settings, tmp_path / "world")
    formats = {"events": "delta", "items": "jsonl", "candidates": "parquet", "users": "csv"}
    names = {"events": "events", "items": "items.jsonl", "candidates": "candidates.parquet", "users": "users.csv"}
    inputs = {name: {"path": str(world.path / names[name]), "format": formats[name]} for name in names}
    sources = read_sources(spark, InputSettings.model_validate(inputs))
    begin = datetime.combine(settings.night, time(), tzinfo=UTC)

    items = clean_items(sources["items"].frame).cache()
    users = clean_users(sources["users"].frame)
    events = clean_events(sources["events"].frame, items, begin=begin)
    pairs = clean_candidates(sources["candidates"].frame, items, users, scenario=settings.scenario)
    frames = {"items": items, "users": users, "events": events, "candidates": pairs}
    counted = {f"{table}.{code}": rows for table, frame in frames.items() for code, rows in count_codes(frame).items()}
    counted["events.duplicate"] = count_event_codes(events)["duplicate"]
    planted = dict(world.facts["codes"])
    del planted["items.private"]  # no repair: the catalogue's own (see test_private)
    assert counted == planted

    wanted = world.facts["pairs"]
    valid = pairs.where("reject is null")
    assert valid.count() == wanted["valid"]
    assert valid.where("skip = 'minor'").count() == wanted["minor"]
    assert valid.where("personal").count() == wanted["personal"]
