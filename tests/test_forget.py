"""Forgetting, proven on the bytes: real nights, one batch, then every file below the root is read."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from deltalake import DeltaTable
from forgotten import KEY, bring, config_of, digest_of_others, people, plant_world, traces_below
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from reasongen.errors import ConfigError, LeaseError
from reasongen.pipeline import Run, attempt, forget_users, forgetting, generate_night
from reasongen.pipeline.forgetting import Receipt
from reasongen.pipeline.ledger import record_run
from reasongen.pipeline.standing import still_running
from reasongen.report import write_report
from reasongen.secret import UserKey
from reasongen.tables import append, take_lease
from reasongen.tables.suppression import with_user_hash

PLANTED = people(20)
USERS = [person.user for person in PLANTED]
SLOW, LONG = pytest.mark.slow, pytest.mark.long
HOLDERS = ("reasons", "quarantine", "events", "candidates", "users")
SESSION = {
    "spark.databricks.delta.properties.defaults.checkpointInterval": "2",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
}


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REASONGEN_FORGET_KEY", KEY)


@pytest.fixture(scope="module")
def nights(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A lake after two published nights and a refused one, whose staging stays; checkpoints all over."""
    for name, value in SESSION.items():
        spark.conf.set(name, value)
    lake = tmp_path_factory.mktemp("forget") / "lake"
    plant_world(lake, PLANTED)
    with pytest.MonkeyPatch.context() as here:
        here.setenv("REASONGEN_FORGET_KEY", KEY)  # a sample of few users names them
        for share in ("0.3", "0.05", "0.9"):
            generate_night(spark, config_of(lake, f"engine.scripted.fault_rate={share}", "gate.max_fallback_share=0.6"))
    keep_a_sample_of_one_user(spark, lake)
    yield lake
    for name in SESSION:
        spark.conf.unset(name)


def keep_a_sample_of_one_user(spark: SparkSession, lake: Path) -> None:
    """Evidence that too few users share: its sample has an owner."""
    samples = spark.read.format("delta").load(f"{lake}/generations").limit(1)
    owner, words = UserKey(KEY.encode()).hash_of(USERS[0]), PLANTED[0].words
    own = samples.withColumns({"owner": F.lit(owner), "text": F.lit(words), "sample": F.lit(99)})
    append(own, f"{lake}/generations")


@pytest.fixture
def lake(nights: Path, tmp_path: Path) -> Path:
    """A copy, for one test."""
    shutil.copytree(nights, tmp_path / "lake")
    return tmp_path / "lake"


def versions(lake: Path) -> dict[str, int]:
    """Every Delta table below the lake with its version, but for the leases."""
    logs = [log for log in lake.rglob("_delta_log") if "leases" not in log.parts]
    return {str(log.parent.relative_to(lake)): DeltaTable(log.parent).version() for log in logs}


def files_below(lake: Path) -> list[str]:
    """Every path below the lake, but for the leases."""
    return sorted(str(path) for path in lake.rglob("*") if "leases" not in path.parts)


def owned_by(lake: Path, user: str) -> int:
    """Samples of theirs, few others or none beside them."""
    owners = pl.read_delta(str(lake / "generations"))["owner"].drop_nulls()
    return int(owners.str.contains(UserKey(KEY.encode()).hash_of(user), literal=True).sum())


def samples_of_others(lake: Path) -> int:
    """Samples that name none of them."""
    owners = pl.read_delta(str(lake / "generations"))["owner"].fill_null("")
    hashes = [UserKey(KEY.encode()).hash_of(user) for user in USERS]
    return int((~owners.str.contains_any(hashes)).sum())


def erased(path: Path) -> int:
    """Rows about them, as DuckDB counts them."""
    con = duckdb.connect()
    con.register("rows_here", pl.read_delta(str(path)).select("user_id").to_arrow())
    counted = con.execute("select count(*) from rows_here where list_contains(?, user_id)", [USERS]).fetchone()
    assert counted is not None
    return int(counted[0])


def change_feed(spark: SparkSession, table: str) -> None:
    spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES (delta.enableChangeDataFeed = true)")
    spark.sql(f"UPDATE {table} SET published_at = now() WHERE locale = 'zh'")


def deletion_vectors(spark: SparkSession, table: str) -> None:
    """One row of each of them is gone already, but for the bytes."""
    spark.sql(f"ALTER TABLE {table} SET TBLPROPERTIES (delta.enableDeletionVectors = true)")
    spark.sql(f"DELETE FROM {table} WHERE item_id < 'i00050'")


def compaction(spark: SparkSession, table: str) -> None:
    spark.sql(f"OPTIMIZE {table}")


@pytest.mark.parametrize(
    "setting",
    [
        pytest.param(None, marks=SLOW),
        *(pytest.param(one, marks=LONG) for one in (change_feed, deletion_vectors, compaction)),
    ],
)
def test_twenty_users_forgotten_as_one_batch_leave_no_byte_and_again_commits_nothing(
    spark: SparkSession, lake: Path, setting: Any
) -> None:
    if setting is not None:
        setting(spark, f"delta.`{lake}/reasons`")
    for run in (None, "2026-03-02-recommendation-000002"):
        write_report(config_of(lake), run)
    before = traces_below(lake, PLANTED)
    assert not any(place.startswith("report/") for place in before), "pages stay, so nobody may be in them"
    assert {place.split("/")[0] for place in before} >= {*HOLDERS, "generations", "staging"}
    assert not any("_delta_log" in place for place in before)
    assert all(erased(lake / name) >= len(USERS) for name in HOLDERS if name != "quarantine")
    others = {name: digest_of_others(lake / name, PLANTED) for name in HOLDERS}
    stood, made = versions(lake), samples_of_others(lake)
    receipt = forget_users(spark, config_of(lake), USERS)
    assert traces_below(lake, PLANTED) == {}
    assert (receipt.state, receipt.out_of_reach.get("report")) == ("purged", None)
    assert pl.read_delta(str(lake / "generations")).height == made
    assert {name: digest_of_others(lake / name, PLANTED) for name in HOLDERS} == others
    assert [erased(lake / name) for name in HOLDERS] == [0] * len(HOLDERS)
    commits = 2 if setting is deletion_vectors else 1
    assert versions(lake)["reasons"] <= stood["reasons"] + commits
    assert all(versions(lake)[name] == stood[name] + 1 for name in HOLDERS if name != "reasons")
    told = json.dumps(receipt.as_json()) + receipt.text()
    hashes = [UserKey(KEY.encode()).hash_of(user) for user in USERS]
    assert not any(text in told for person in PLANTED for text in (person.user, person.phone))
    assert not any(text in told for text in hashes)
    assert receipt.as_json()["tables"]["reasons"]["lost"].startswith("versions before")
    stood, files = versions(lake), files_below(lake)
    again = forget_users(spark, config_of(lake), USERS)
    assert (again.state, again.new, again.users) == ("unchanged", 0, 20)
    assert (versions(lake), files_below(lake)) == (stood, files)


@LONG
def test_a_feed_that_brings_them_back_brings_no_reason_back(spark: SparkSession, lake: Path) -> None:
    forget_users(spark, config_of(lake), USERS)
    others = digest_of_others(lake / "reasons", PLANTED)
    bring(lake, PLANTED)
    run = generate_night(spark, config_of(lake, "engine.scripted.fault_rate=0.05"))
    assert run.pairs["skipped.suppressed"] == 2 * len(PLANTED)
    assert run.status == "unchanged"
    assert traces_below(lake, PLANTED, but=("events", "candidates", "users")) == {}
    refused = generate_night(spark, config_of(lake, "engine.scripted.fault_rate=0.9", "engine.seed=5"))
    assert refused.status == "refused"  # its staging stays
    assert traces_below(lake, PLANTED, but=("events", "candidates", "users")) == {}
    assert digest_of_others(lake / "reasons", PLANTED) == others
    again = forget_users(spark, config_of(lake), USERS)
    assert (again.state, again.new) == ("purged", 0)
    assert traces_below(lake, PLANTED) == {}


@SLOW
def test_a_dry_run_counts_and_writes_nothing(spark: SparkSession, lake: Path) -> None:
    stood, files = versions(lake), files_below(lake)
    receipt = forget_users(spark, config_of(lake), USERS, dry_run=True)
    assert (versions(lake), files_below(lake)) == (stood, files)
    assert receipt.state == "planned"
    assert {name: table.rows for name, table in receipt.tables.items()} == {
        **{name: erased(lake / name) for name in ("reasons", "quarantine")},
        **{f"inputs.{name}": erased(lake / name) for name in ("events", "candidates", "users")},
        "generations": sum(owned_by(lake, user) for user in USERS),
    }
    assert receipt.staging
    assert not any(user in receipt.text() for user in USERS)


@LONG
def test_a_running_night_keeps_the_files_until_it_has_ended(spark: SparkSession, lake: Path) -> None:
    record_run(f"{lake}/runs", Run("live", date(2026, 3, 2), "recommendation", 99))
    receipt = forget_users(spark, config_of(lake), USERS)
    assert (receipt.state, receipt.waits_for) == ("removed", ["live"])
    assert receipt.purge_after is not None
    assert receipt.purge_after > datetime.now(UTC) + timedelta(hours=23)
    assert [erased(lake / name) for name in HOLDERS] == [0] * len(HOLDERS)
    assert traces_below(lake, PLANTED) != {}
    stood = versions(lake)
    assert forget_users(spark, config_of(lake), USERS).state == "removed"
    assert versions(lake) == stood
    spark.sql(f"UPDATE delta.`{lake}/runs` SET status = 'unchanged' WHERE run_id = 'live'")
    assert forget_users(spark, config_of(lake), USERS[:1]).state == "purged"  # completes the others too
    assert traces_below(lake, PLANTED) == {}


@SLOW
def test_a_night_that_was_killed_keeps_nothing(spark: SparkSession, lake: Path) -> None:
    with take_lease(f"{lake}/leases/recommendation", seconds=600) as lease:
        record_run(f"{lake}/runs", Run("dead", date(2026, 3, 2), "recommendation", lease.token))
        assert still_running(str(lake), datetime(2026, 1, 1, tzinfo=UTC)).keys() == {"dead"}
    assert forget_users(spark, config_of(lake), USERS).state == "purged"


@LONG
def test_declared_readers_keep_the_files_for_their_time(spark: SparkSession, lake: Path) -> None:
    slow = config_of(lake, "forget.reader_hours=5")
    receipt = forget_users(spark, slow, USERS)
    assert (receipt.state, receipt.waits_for) == ("removed", ["readers"])
    assert DeltaTable(lake / "reasons", version=versions(lake)["reasons"] - 1).to_pyarrow_table().num_rows > 0
    assert forget_users(spark, slow, USERS).state == "removed"
    assert forget_users(spark, config_of(lake), USERS).state == "purged"  # the reader is gone
    assert traces_below(lake, PLANTED) == {}


@LONG
def test_a_forgetting_that_was_cut_off_is_completed_by_the_next(
    spark: SparkSession, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(*_: object, **__: object) -> None:
        raise OSError("the machine is gone")

    for step in ("erase_rows", "delete_old_files"):
        with monkeypatch.context() as broken:
            broken.setattr(forgetting, step, cut_off)
            with pytest.raises(OSError, match="gone"):
                forget_users(spark, config_of(lake), USERS)
    assert erased(lake / "reasons") == 0
    assert forget_users(spark, config_of(lake), USERS[:1]).state == "purged"
    assert traces_below(lake, PLANTED) == {}


@LONG
def test_of_two_forgettings_at_once_the_second_lists_them_and_leaves(spark: SparkSession, lake: Path) -> None:
    first, second = USERS[:10], USERS[10:]
    with take_lease(f"{lake}/leases/forget"):
        stood = versions(lake)
        with pytest.raises(LeaseError, match="They are on the list"):
            forget_users(spark, config_of(lake), second)
        assert {name for name, version in versions(lake).items() if version != stood.get(name)} == {"suppressions"}
    assert forget_users(spark, config_of(lake), first).state == "purged"  # completes the second one's too
    assert traces_below(lake, PLANTED) == {}


@LONG
def test_who_is_forgotten_while_a_night_publishes_is_not_published(
    spark: SparkSession, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = attempt.publish

    def late(*given: Any, **named: Any) -> int:
        forget_users(spark, config_of(lake), USERS)
        return real(*given, **named)

    monkeypatch.setattr(attempt, "publish", late)
    run = generate_night(spark, config_of(lake, "engine.seed=3"))
    assert run.status == "published"
    assert [erased(lake / name) for name in ("reasons", "quarantine")] == [0, 0]
    assert forget_users(spark, config_of(lake), USERS).state == "purged"
    assert traces_below(lake, PLANTED) == {}


@SLOW
def test_who_is_forgotten_while_a_night_judges_is_in_no_version_that_it_publishes(
    spark: SparkSession, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were staged, and stand in the inputs; the list is read again before the commit, not only after it."""
    real_stage, real_publish = attempt.stage, attempt.publish
    told: list[int] = []

    def forget_once(*given: Any, **named: Any) -> int:
        version = real_stage(*given, **named)
        if not told:
            told.append(erased(Path(named["path"])))
            forget_users(spark, config_of(lake, "forget.inputs=false"), USERS)
        return version

    def look(*given: Any, **named: Any) -> int:
        version = real_publish(*given, **named)
        told.append(erased(lake / "reasons"))
        return version

    monkeypatch.setattr(attempt, "stage", forget_once)
    monkeypatch.setattr(attempt, "publish", look)
    assert generate_night(spark, config_of(lake, "engine.seed=4", "forget.inputs=false")).status == "published"
    assert told[0] > 0
    assert told[1:] == [0]


@LONG
def test_who_is_forgotten_while_a_night_generates_owns_no_sample_of_it(
    spark: SparkSession, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose the samples are was staged before; the night takes them out again."""
    real, told = attempt.write_samples, list[int]()

    def late(*given: Any, **named: Any) -> int:
        forget_users(spark, config_of(lake, "forget.inputs=false"), USERS)
        number = real(*given, **named)
        told.append(sum(owned_by(lake, user) for user in USERS))
        return number

    monkeypatch.setattr(attempt, "write_samples", late)
    generate_night(spark, config_of(lake, "engine.seed=5", "forget.inputs=false"))
    assert told[0] > 0
    assert [owned_by(lake, user) for user in USERS] == [0] * len(USERS)
    assert forget_users(spark, config_of(lake, "forget.inputs=false"), USERS).tables["generations"].rows == 0


@LONG
def test_a_night_keeps_the_evidence_of_a_dead_one_that_it_goes_on_from(
    spark: SparkSession, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody is forgotten meanwhile: what the dead run has staged is the living one's."""
    config = config_of(lake, "engine.seed=6", "forget.inputs=false")

    def dies(*_: Any, **__: Any) -> int:
        raise InterruptedError

    with monkeypatch.context() as patch:
        patch.setattr(attempt, "stage", dies)
        with pytest.raises(InterruptedError):
            generate_night(spark, config)
    real, receipts = attempt.stage, list[Receipt]()

    def late(*given: Any, **named: Any) -> int:
        receipts.append(forget_users(spark, config, USERS))
        return real(*given, **named)

    monkeypatch.setattr(attempt, "stage", late)
    assert generate_night(spark, config).status == "published"
    assert receipts[0].staging == {}
    assert receipts[0].waits_for
    assert traces_below(lake / "staging", PLANTED) == {}
    assert not set(USERS) & set(pl.read_delta(f"{lake}/reasons")["user_id"])


@LONG
def test_inputs_out_of_scope_are_left_alone_and_said_to_be(spark: SparkSession, lake: Path) -> None:
    stood = versions(lake)
    receipt = forget_users(spark, config_of(lake, "forget.inputs=false"), USERS)
    assert receipt.out_of_reach["inputs.events"] == "forget.inputs is false"
    assert versions(lake)["events"] == stood["events"]
    assert traces_below(lake, PLANTED, but=("events", "candidates", "users")) == {}


@SLOW
def test_a_team_s_own_table_is_erased_and_a_log_that_still_names_them_is_said(
    spark: SparkSession, tmp_path: Path, nights: Path
) -> None:
    """Their column, their types, their statistics: the log keeps the least and the greatest id of every file."""
    spark.createDataFrame([(990001, "i1"), (990002, "i1")], "uid bigint, sku string").coalesce(1).write.format(
        "delta"
    ).saveAsTable("shop_events")
    (tmp_path / "lake").mkdir()
    theirs = ["inputs.events.path=null", "inputs.events.table=shop_events", "inputs.events.columns.user_id=uid"]
    files = ["inputs.users.format=csv", f"inputs.candidates.path={tmp_path / 'none'}"]
    try:
        receipt = forget_users(spark, config_of(tmp_path / "lake", *theirs, *files), ["990001"])
        left = [row["uid"] for row in spark.table("shop_events").collect()]
    finally:
        spark.sql("DROP TABLE shop_events")
    assert left == [990002]
    table = receipt.tables["inputs.events"]
    assert (table.rows, table.state) == (1, "purged")
    assert table.log_files
    assert "log name them" in receipt.text()
    assert receipt.out_of_reach == {"inputs.users": "format csv", "inputs.candidates": "no Delta table there"}


@LONG
def test_without_the_key_neither_forget_nor_a_later_night_goes_on(
    spark: SparkSession, lake: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stood = versions(lake)
    for secret in ("", "short"):
        monkeypatch.setenv("REASONGEN_FORGET_KEY", secret)
        with pytest.raises(ConfigError, match="REASONGEN_FORGET_KEY"):
            forget_users(spark, config_of(lake), USERS)
    assert versions(lake) == stood
    (tmp_path / "key").write_text(KEY + "\n")
    forget_users(spark, config_of(lake, f"forget.key=file:{tmp_path / 'key'}"), USERS)
    with pytest.raises(ConfigError, match="wanted a secret"):
        generate_night(spark, config_of(lake))
    monkeypatch.setenv("REASONGEN_FORGET_KEY", KEY + "x")
    for verb in (generate_night, lambda spark, config: forget_users(spark, config, USERS)):
        with pytest.raises(ConfigError, match="found another one"):
            verb(spark, config_of(lake))


@pytest.mark.parametrize("secret", [KEY.encode(), b"k" * 64, b"long" * 40])
def test_spark_hashes_users_as_python_does_and_its_plan_tells_no_key(spark: SparkSession, secret: bytes) -> None:
    key, users = UserKey(secret), ["u1", "用户🙂", " a b ", ""]
    frame = with_user_hash(spark.createDataFrame([(user,) for user in [*users, None]], "user_id string"), key)
    assert {row["user_id"]: row["user_hash"] for row in frame.collect()} == {
        **{user: key.hash_of(user) for user in users},
        None: None,
    }
    plan = frame._jdf.queryExecution().toString().lower()
    assert not any(pad.hex() in plan or pad.hex()[:24] in plan for pad in key.pads)
    assert secret.decode() not in repr(key)
    assert key.name != key.hash_of("u1")[:16]
    assert hashlib.sha256(secret).hexdigest()[:16] != key.name


def test_nobody_to_forget_is_a_fault(spark: SparkSession, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least one id"):
        forget_users(spark, config_of(tmp_path / "lake"), ["", " "])
