"""Who is forgotten is gone from every exported set and, with the next one, from the store; proven on the bytes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from forgotten import KEY, config_of, people, plant_world, traces_below
from pyspark.sql import SparkSession
from redis import Redis
from served import SERVER, redis_server, stored

from reasongen.config import NightConfig
from reasongen.errors import ExportError
from reasongen.pipeline import forget_users, generate_night, maintain_tables, withdraw
from reasongen.serving import export_changes, load_sets
from reasongen.serving.sets import locked, read_sets
from reasongen.tables import read_version

pytestmark = pytest.mark.skipif(SERVER is None, reason="no redis-server on this machine")
PLANTED = people(3)
USERS = [person.user for person in PLANTED]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REASONGEN_FORGET_KEY", KEY)


@pytest.fixture(scope="module")
def night(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake after one published night."""
    lake = tmp_path_factory.mktemp("forget-exports") / "lake"
    plant_world(lake, PLANTED)
    generate_night(spark, config_of(lake))
    return lake


@pytest.fixture
def lake(night: Path, tmp_path: Path) -> Path:
    """A copy, for one test."""
    shutil.copytree(night, tmp_path / "lake")
    return tmp_path / "lake"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Redis]:
    with redis_server(tmp_path) as port, Redis(port=port, decode_responses=True) as client:
        yield client


def export_and_load(config: NightConfig, store: Redis) -> list[str]:
    """The sets that the store took."""
    export_changes(config)
    assert config.export_dir is not None
    return load_sets(config.export_dir, store).sets


def keys_of_table(lake: Path) -> set[tuple[str, str, str]]:
    return set(pl.read_delta(str(lake / "reasons")).select("scenario", "user_id", "item_id").iter_rows())


def theirs(store: Redis) -> set[str]:
    """Those of the planted who stand in the store."""
    return {user for _, user, _ in stored(store)} & set(USERS)


def test_real_nights_reach_a_store_and_so_do_withdrawal_maintenance_and_a_second_night(
    spark: SparkSession, lake: Path, store: Redis
) -> None:
    config = config_of(lake)
    assert export_and_load(config, store) == [f"full-{read_version(f'{lake}/reasons'):08d}"]
    assert set(stored(store)) == keys_of_table(lake)
    manifest = read_sets(lake / "exports")[-1]
    assert (manifest.night, manifest.run_id) == ("2026-03-02", "2026-03-02-recommendation-000001")
    maintain_tables(spark, str(lake), keep_hours=24)
    export_and_load(config, store)
    assert read_sets(lake / "exports")[-1].files == {}
    item = pl.read_delta(str(lake / "reasons"))["item_id"].value_counts(sort=True)["item_id"][0]
    reasons = withdraw(spark, config, "item", item).reasons
    export_and_load(config, store)
    manifest = read_sets(lake / "exports")[-1]
    assert (manifest.upserts, manifest.deletes, reasons > 0) == (0, reasons, True)
    generate_night(spark, config_of(lake, "engine.seed=5"))
    export_and_load(config, store)
    assert read_sets(lake / "exports")[-1].upserts > 0
    assert set(stored(store)) == keys_of_table(lake)


def test_at_once_no_byte_is_left_and_the_next_set_is_full(spark: SparkSession, lake: Path, store: Redis) -> None:
    config = config_of(lake)
    export_and_load(config, store)
    assert theirs(store) == set(USERS)
    assert any(place.startswith("exports/") for place in traces_below(lake, PLANTED))
    (lake / "exports" / "00000009-00000010" / "work").mkdir(parents=True)  # an export that died
    others = {key: value for key, value in stored(store).items() if key[1] not in USERS}
    dry = forget_users(spark, config, USERS, dry_run=True)
    assert dry.exports == {"00000009-00000010": -1, read_sets(lake / "exports")[0].name: 6}
    assert traces_below(lake / "exports", PLANTED) != {}
    receipt = forget_users(spark, config, USERS)
    assert (receipt.state, receipt.exports, receipt.out_of_reach) == ("purged", dry.exports, {})
    assert traces_below(lake, PLANTED) == {}
    assert not any(user in json.dumps(receipt.as_json()) + receipt.text() for user in USERS)
    assert "2 exported sets: " in receipt.text()
    with pytest.raises(ExportError, match="a full set"):
        load_sets(
            lake / "exports", Redis(port=store.connection_pool.connection_kwargs["port"], db=1, decode_responses=True)
        )
    again = forget_users(spark, config, USERS)
    assert (again.state, again.exports) == ("unchanged", {})
    assert export_and_load(config, store) == [f"full-{read_version(f'{lake}/reasons'):08d}"]
    assert stored(store) == others
    assert traces_below(lake, PLANTED) == {}


def test_with_time_for_readers_it_is_one_delete_and_the_chain_goes_on(
    spark: SparkSession, lake: Path, store: Redis
) -> None:
    config, patient = config_of(lake), config_of(lake, "forget.reader_hours=5")
    export_and_load(config, store)
    assert forget_users(spark, patient, USERS).state == "removed"
    (taken,) = export_and_load(config, store)
    assert (taken.startswith("full"), theirs(store)) == (False, set())
    deletes = pl.read_parquet(lake / "exports" / taken / "deletes-*.parquet")["user_id"]
    assert set(deletes) == set(USERS)
    with locked(lake / "exports"):
        receipt = forget_users(spark, config, USERS)
    assert (receipt.state, receipt.waits_for) == ("removed", ["an export"])
    assert forget_users(spark, config, USERS).state == "purged"
    assert traces_below(lake, PLANTED) == {}
    assert [one.erased for one in read_sets(lake / "exports")] == [True, True]
    item = pl.read_delta(str(lake / "reasons"))["item_id"][0]
    withdraw(spark, config, "item", item)
    (taken,) = export_and_load(config, store)
    assert taken.startswith("full") is False
    assert set(stored(store)) == keys_of_table(lake)
