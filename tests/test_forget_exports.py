"""Who is forgotten is gone from every exported set and, with the next one, from the store; proven on the bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from forgotten import KEY, config_of, people, plant_world, traces_below
from pyspark.sql import SparkSession
from redis import Redis
from served import SERVER, Lake, config_at, redis_server, row, stored

from reasongen.config import NightConfig
from reasongen.errors import ExportError
from reasongen.pipeline import forget_users, generate_night, maintain_tables, withdraw
from reasongen.serving import export_changes, load_sets
from reasongen.serving.sets import locked, read_sets
from reasongen.tables import read_version

pytestmark = [pytest.mark.slow, pytest.mark.skipif(SERVER is None, reason="no redis-server on this machine")]
PLANTED = people(3)
USERS = [person.user for person in PLANTED]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REASONGEN_FORGET_KEY", KEY)


@pytest.fixture(scope="module", autouse=True)
def _few_tasks_to_list_files(spark: SparkSession) -> Iterator[None]:
    """As the settings have it; Spark's own are 10,000, for each table that is purged."""
    name = "spark.sql.sources.parallelPartitionDiscovery.parallelism"
    spark.conf.set(name, "4")
    yield
    spark.conf.unset(name)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Version 1: the planted people and others, two items each."""
    made = Lake(tmp_path / "lake")
    told = {**{person.user: person.words for person in PLANTED}, **{f"u{n}": f"Words {n}." for n in range(20)}}
    made.publish([row(user, item, words) for user, words in told.items() for item in ("i1", "i2")])
    return made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Redis]:
    with redis_server(tmp_path) as port, Redis(port=port, decode_responses=True) as client:
        yield client


def export_and_load(config: NightConfig, store: Redis) -> list[str]:
    """The sets that the store took."""
    export_changes(config)
    assert config.export_dir is not None
    return load_sets(config.export_dir, store).sets


def theirs(store: Redis) -> set[str]:
    """Those of the planted who stand in the store."""
    return {user for _, user, _ in stored(store)} & set(USERS)


def test_at_once_no_byte_is_left_and_the_next_set_is_full(spark: SparkSession, lake: Lake, store: Redis) -> None:
    config, folder = config_at(lake.root), lake.root / "exports"
    export_and_load(config, store)
    lake.publish([row("u0", "i1", "Of nobody that is planted.")])
    export_and_load(config, store)
    lake.publish([row(USERS[0], "i1", "Once more.")])
    export_and_load(config, store)
    assert theirs(store) == set(USERS)
    others = {key: value for key, value in stored(store).items() if key[1] not in USERS}
    (folder / "00000009-00000010" / "work").mkdir(parents=True)  # an export that died
    naming = {"00000002-00000003": 1, "00000009-00000010": -1, "full-00000001": 6}
    dry = forget_users(spark, config, USERS, dry_run=True)
    assert (dry.exports, dry.state) == (naming, "planned")
    assert {place.split("/")[0] for place in traces_below(folder, PLANTED)} == {"00000002-00000003", "full-00000001"}
    receipt = forget_users(spark, config, USERS)
    assert (receipt.state, receipt.exports) == ("purged", naming)
    assert not any("exports" in name for name in receipt.out_of_reach)
    assert traces_below(lake.root, PLANTED) == {}
    assert {one.name: one.erased for one in read_sets(folder)} == {
        "full-00000001": True,
        "00000001-00000002": False,
        "00000002-00000003": True,
    }
    assert not any(user in json.dumps(receipt.as_json()) + receipt.text() for user in USERS)
    assert "3 exported sets: " in receipt.text()
    port = store.connection_pool.connection_kwargs["port"]
    with Redis(port=port, db=1, decode_responses=True) as empty, pytest.raises(ExportError, match="a full set"):
        load_sets(folder, empty)
    again = forget_users(spark, config, USERS)
    assert (again.state, again.exports) == ("unchanged", {})
    assert export_and_load(config, store) == [f"full-{lake.version:08d}"]
    assert stored(store) == others == lake.served()
    assert traces_below(lake.root, PLANTED) == {}


def test_with_time_for_readers_it_is_one_delete_and_the_chain_goes_on(
    spark: SparkSession, lake: Lake, store: Redis
) -> None:
    config, patient = config_at(lake.root), config_at(lake.root, "forget.reader_hours=5")
    export_and_load(config, store)
    assert forget_users(spark, patient, USERS).state == "removed"
    (taken,) = export_and_load(config, store)
    assert (taken, theirs(store)) == ("00000001-00000002", set())
    assert set(pl.read_parquet(lake.root / "exports" / taken / "deletes-*.parquet")["user_id"]) == set(USERS)
    with locked(lake.root / "exports"):
        receipt = forget_users(spark, config, USERS)
    assert (receipt.state, receipt.waits_for) == ("removed", ["an export"])
    assert forget_users(spark, config, USERS).state == "purged"
    assert traces_below(lake.root, PLANTED) == {}
    assert [one.erased for one in read_sets(lake.root / "exports")] == [True, True]
    lake.publish([row("u1", "i1", "Later.")])
    (taken,) = export_and_load(config, store)
    assert taken == f"00000002-{lake.version:08d}"
    assert stored(store) == lake.served()


def test_a_folder_of_sets_that_is_not_here_is_said_to_be_out_of_reach(spark: SparkSession, lake: Lake) -> None:
    receipt = forget_users(spark, config_at(lake.root, "export.dir=nowhere/exports"), USERS, dry_run=True)
    assert receipt.out_of_reach["export.dir"] == "no such folder on this machine"
    assert "export.dir: out of reach" in receipt.text()


@pytest.mark.long
def test_real_nights_reach_a_store_and_so_do_maintenance_withdrawal_and_a_second_night(
    spark: SparkSession, tmp_path: Path, store: Redis
) -> None:
    lake = tmp_path / "lake"
    plant_world(lake, PLANTED)
    lasting = "serving.valid_days=36500"
    config = config_of(lake, lasting)

    def newest(verb: str) -> tuple[int, int]:
        export_and_load(config, store)
        # Of those that may still be shown: a user whose every reason has expired is no longer in the store.
        shown = pl.read_delta(f"{lake}/reasons").filter(pl.col("valid_until") >= date.today())
        live = {key for key, value in stored(store).items() if json.loads(value)["valid_until"] >= str(date.today())}
        assert live == set(shown.select("scenario", "user_id", "item_id").iter_rows()), verb
        manifest = read_sets(lake / "exports")[-1]
        assert manifest.to_version == read_version(f"{lake}/reasons")
        return manifest.upserts, manifest.deletes

    run = generate_night(spark, config)
    assert newest("night")[0] >= len(stored(store)) > 0
    manifest = read_sets(lake / "exports")[-1]
    assert (manifest.night, manifest.run_id) == (str(run.night), run.run_id)
    maintain_tables(spark, str(lake), keep_hours=24)
    assert newest("maintain") == (0, 0)
    item = pl.read_delta(f"{lake}/reasons")["item_id"].value_counts(sort=True)["item_id"][0]
    assert newest("nothing") == (0, 0)
    reasons = withdraw(spark, config, "item", item).reasons
    assert newest("withdraw") == (0, reasons)
    generate_night(spark, config_of(lake, lasting, "engine.seed=5"))
    assert newest("second night")[0] > 0
    forget_users(spark, config, USERS)
    newest("forget")
    assert theirs(store) == set()
    assert traces_below(lake, PLANTED) == {}
