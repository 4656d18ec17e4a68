"""Real interactions through the same job; skipped where the data are not on this machine."""

from __future__ import annotations

import gzip
import importlib.util
import json
from pathlib import Path

import polars as pl
import pytest
from pyspark.sql import SparkSession

from reasongen.config import NightConfig, load_config
from reasongen.pipeline import Run, generate_night

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data" / "places"
LIMIT = 1500

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="the places data are not on this machine"),
]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> NightConfig:
    """Settings of a night over reference pairs alone: the first of the candidates."""
    folder = tmp_path_factory.mktemp("places")
    spec = importlib.util.spec_from_file_location("places", ROOT / "benchmarks" / "places.py")
    assert spec is not None
    assert spec.loader is not None
    places = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(places)
    places.pq.write_table(places.candidate_pairs(DATA, more=2000), folder / "candidates.parquet")
    paths = [f"inputs.{name}.path={DATA}/{name}.jsonl.gz" for name in ("events", "items")]
    made = [f"inputs.candidates.path={folder}/candidates.parquet", f"root={folder}/lake", f"limit={LIMIT}"]
    files = [f"locale_files={ROOT}/conf/locales", f"template={ROOT}/conf/prompts/reference.yaml"]
    return load_config(ROOT / "conf" / "places.yaml", [*paths, *made, *files])


@pytest.fixture(scope="module")
def night(spark: SparkSession, config: NightConfig) -> Run:
    """The limited night."""
    return generate_night(spark, config)


def test_every_pair_of_a_night_over_places_has_its_class(night: Run, config: NightConfig) -> None:
    ends = ("published", "fallback", "re_rendered", "kept", "quarantined")
    assert night.status == "published"
    assert night.pairs["candidates"] == LIMIT == sum(night.pairs.get(name, 0) for name in ends)
    table = pl.read_delta(f"{config.root}/reasons")
    assert table.height == night.pairs["published"] + night.pairs["fallback"]
    assert table.filter(pl.col("evidence").list.len() > 0).height > LIMIT // 20


def test_a_reference_pairs_own_event_is_not_its_evidence(night: Run, config: NightConfig) -> None:
    """Most reference pairs stand in the events too, so a leak would show here."""
    rows = pl.read_delta(f"{config.root}/reasons").select("user_id", "item_id", "evidence")
    acted = _pairs("events")
    known = [row for row in rows.iter_rows(named=True) if (row["user_id"], row["item_id"]) in acted]
    assert len(known) > LIMIT // 20
    for row in known:
        assert row["item_id"] not in [fact["item_id"] for fact in row["evidence"]]


def test_evidence_is_what_the_user_did(night: Run, config: NightConfig) -> None:
    rows = pl.read_delta(f"{config.root}/reasons").select("user_id", "evidence").explode("evidence").drop_nulls()
    acted = _pairs("events")
    told = {(row["user_id"], row["evidence"]["item_id"]) for row in rows.iter_rows(named=True)}
    assert told
    assert told <= acted


def _pairs(name: str) -> set[tuple[str, str]]:
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return {(row["user_id"], row["item_id"]) for row in map(json.loads, lines)}
