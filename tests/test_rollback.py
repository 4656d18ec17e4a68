"""An earlier night comes back in one commit, less what nobody may see any more; the next night goes on from there."""

from __future__ import annotations

import importlib.util
import json
import shutil
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from forgotten import KEY, config_of, people, plant_world
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from reasongen.config import NightConfig
from reasongen.errors import HistoryError, LeaseError
from reasongen.pipeline import Run, forget_users, generate_night, roll_back, rolling_back, withdraw
from reasongen.tables import fence, remove_unreachable, take_lease

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
FIRST, SECOND = date(2026, 3, 2), date(2026, 3, 3)
GOOD = ("limit=1030",)
"""The first night: without some pairs that the second one has."""
BAD = ("night='2026-03-03'", "engine.seed=3")
"""The second night: every text of the model is another one."""
KEYS = ["user_id", "item_id", "scenario"]
MINE = pl.col("scenario") == "recommendation"


@dataclass(frozen=True)
class Nights:
    """A lake after two nights, with rows of another scenario beside them; what stood after each."""

    lake: Path
    first: pl.DataFrame
    second: pl.DataFrame
    runs: tuple[Run, Run]


@pytest.fixture(scope="module")
def two_nights(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    lake = tmp_path_factory.mktemp("rollback") / "lake"
    plant_world(lake, people(1))
    one = generate_night(spark, config_of(lake, *GOOD))
    table = spark.read.format("delta").load(str(lake / "reasons"))
    other = table.limit(5).withColumn("scenario", F.lit("search"))
    other.write.format("delta").mode("append").save(str(lake / "reasons"))
    first = reasons(lake)
    two = generate_night(spark, config_of(lake, *BAD))
    assert two.status == "published"
    return Nights(lake, first, reasons(lake), (one, two))


@pytest.fixture
def nights(two_nights: Nights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nights:
    """A copy, for one test."""
    monkeypatch.setenv("REASONGEN_FORGET_KEY", KEY)
    lake = Path(shutil.copytree(two_nights.lake, tmp_path / "lake"))
    return Nights(lake, two_nights.first, two_nights.second, two_nights.runs)


def reasons(lake: Path) -> pl.DataFrame:
    """The published table as polars reads it, in one order."""
    return pl.read_delta(str(lake / "reasons")).sort(KEYS)


def version(lake: Path) -> int:
    return int(DeltaTable(lake / "reasons").version())


def ledger(lake: Path) -> list[dict[str, Any]]:
    """The rows of `runs`, in the order of their tokens."""
    return pl.read_delta(str(lake / "runs")).sort("token").to_dicts()


def shown(table: pl.DataFrame) -> pl.DataFrame:
    """What a reader sees."""
    return table.filter(MINE).select(*KEYS, "reason", "source", "prompt_hash", "valid_until")


def test_it_puts_back_every_row_in_one_commit_and_once(spark: SparkSession, nights: Nights) -> None:
    lake, config = nights.lake, config_of(nights.lake)
    # Spark would refuse to read so old a version, though all of its files are there.
    spark.sql(
        f"ALTER TABLE delta.`{lake}/reasons` SET TBLPROPERTIES ('delta.deletedFileRetentionDuration' = '0 hours')"
    )
    stood = version(lake)
    assert not shown(nights.first).equals(shown(nights.second))
    done = roll_back(spark, config, FIRST)
    assert reasons(lake).equals(nights.first)
    assert (done.state, done.left_out, done.of_run) == ("rolled_back", {}, nights.runs[0].run_id)
    assert min(done.put_back, done.removed) > 0
    assert (done.put_back + done.kept, done.removed) == (
        nights.first.filter(MINE).height,
        nights.second.filter(MINE).join(nights.first, on=KEYS, how="anti").height,
    )
    assert done.delta_version == version(lake) == stood + 1
    table = DeltaTable(lake / "reasons")
    assert table.transaction_version("reasongen/recommendation") == nights.runs[1].token + 1
    said = json.loads(table.history(1)[0]["userMetadata"])
    assert (said["run_id"], said["rollback"]["night"]) == (done.run_id, "2026-03-02")
    row = ledger(lake)[-1]
    assert (row["status"], row["night"], row["delta_version"]) == ("rolled_back", FIRST, stood + 1)
    assert dict(row["pairs"])["put_back"] == done.put_back
    assert not list((lake / "staging").glob("*"))
    again = roll_back(spark, config, FIRST)
    assert (again.state, again.put_back, again.removed, again.kept) == (
        "unchanged", 0, 0, nights.first.filter(MINE).height,
    )  # fmt: skip
    assert version(lake) == stood + 1


@pytest.mark.long
def test_the_next_night_goes_on_from_what_was_put_back(spark: SparkSession, nights: Nights) -> None:
    lake = nights.lake
    roll_back(spark, config_of(lake), FIRST)
    first_again = generate_night(spark, config_of(lake, *GOOD))  # the night that stands is not older than itself
    assert (first_again.status, first_again.tokens_out) == ("unchanged", 0)
    assert reasons(lake).equals(nights.first)
    second_again = generate_night(spark, config_of(lake, *BAD))
    assert (second_again.status, second_again.tokens_out) == ("published", 0)
    assert shown(reasons(lake)).equals(shown(nights.second))
    assert second_again.token > first_again.token > nights.runs[1].token + 1
    with pytest.raises(LeaseError, match="already published"):
        generate_night(spark, config_of(lake, *GOOD))
    before = reasons(lake)
    roll_back(spark, config_of(lake), FIRST)
    roll_back(spark, config_of(lake), SECOND)
    assert reasons(lake).equals(before)


@pytest.mark.long
def test_the_same_night_again_does_not_take_the_rollback_for_its_own_work(spark: SparkSession, nights: Nights) -> None:
    stood = generate_night(spark, config_of(nights.lake, *BAD))  # here, at this place: now it is the same night
    assert stood.status == "unchanged"
    roll_back(spark, config_of(nights.lake), FIRST)
    again = generate_night(spark, config_of(nights.lake, *BAD))
    assert (again.status, again.tokens_out) == ("published", 0)
    assert shown(reasons(nights.lake)).equals(shown(nights.second))


def test_what_nobody_may_see_any_more_stays_away(spark: SparkSession, nights: Nights, tmp_path: Path) -> None:
    lake, before = nights.lake, nights.first.filter(MINE)
    day = before["valid_until"].min() + timedelta(days=1)  # type: ignore[operator]
    policies = Path(shutil.copytree(ROOT / "conf" / "policies", tmp_path / "policies"))
    personal = before.filter(pl.col("evidence").list.len() > 0)["user_id"].unique().sort().to_list()
    opted_out, minor = personal[0], personal[1]
    items = (
        before.filter(~pl.col("user_id").is_in([opted_out, minor]))["item_id"].value_counts().sort("count", "item_id")
    )
    gone, withdrawn = items["item_id"][-1], items["item_id"][-2]
    word = "looked"
    forgotten = people(1)[0].user
    privacy = Path(shutil.copytree(ROOT / "conf" / "privacy", tmp_path / "privacy"))
    telling = told_of(before, but=[gone, withdrawn])
    (privacy / "en.yaml").write_text(
        f"locale: en\nversion: 2\nsource: a test\nwords: {{any: ['{telling['title'].lower()}']}}\n"
    )
    places = [f"policies={policies}", f"privacy={privacy}"]
    config = config_of(lake, "forget.reader_hours=24", *places, f"night='{day}'")

    forget_users(spark, config, [forgotten])
    withdraw(spark, config, "item", withdrawn)
    change_users(lake, opted_out, personalise="false")
    change_users(lake, minor, minor="yes")
    feed = lake / "feed" / "items.jsonl"
    lines = feed.read_bytes().splitlines(keepends=True)
    feed.write_bytes(b"".join(line for line in lines if f'"{gone}"'.encode() not in line))
    (policies / "en" / "X01_looked.yaml").write_text(
        "id: X01_looked\nversion: 1\njurisdiction: any\nlocale: en\nsource: a test\naction: block\n"
        f"checks:\n  - {{kind: terms, terms: [{word}]}}\n"
    )
    codes = before.select(
        *KEYS,
        pl.when(pl.col("user_id") == forgotten).then(pl.lit("suppressed"))
        .when(pl.col("user_id") == minor).then(pl.lit("minor"))
        .when((pl.col("user_id") == opted_out) & (pl.col("evidence").list.len() > 0)).then(pl.lit("consent"))
        .when(
            (pl.col("evidence").list.len() > 0) & ((pl.col("item_id") == telling["item_id"])
            | pl.col("evidence").list.eval(pl.element().struct.field("item_id") == telling["item_id"]).list.any())
        ).then(pl.lit("private"))
        .when(pl.col("item_id") == gone).then(pl.lit("item_gone"))
        .when(pl.col("valid_until") < day).then(pl.lit("expired"))
        .when(pl.col("item_id") == withdrawn).then(pl.lit("withdrawn"))
        .when((pl.col("locale") == "en") & pl.col("reason").str.contains(rf"(?i)\b{word}\b")).then(pl.lit("X01_looked"))
        .alias("code"),
    )  # fmt: skip
    wanted = dict(codes.drop_nulls("code")["code"].value_counts().iter_rows())
    assert set(wanted) == {
        "suppressed",
        "minor",
        "consent",
        "private",
        "item_gone",
        "expired",
        "withdrawn",
        "X01_looked",
    }

    stood = version(lake)
    plan = roll_back(spark, config, FIRST, dry_run=True)
    assert (version(lake), plan.state) == (stood, "planned")
    done = roll_back(spark, config, FIRST)
    assert done.left_out == plan.left_out == wanted
    assert (done.put_back, done.kept, done.removed) == (plan.put_back, plan.kept, plan.removed)
    kept = codes.filter(pl.col("code").is_null())
    after = reasons(lake)
    assert after.filter(MINE).equals(before.join(kept, on=KEYS, how="semi").sort(KEYS))
    others_left = ~MINE & (pl.col("item_id") != withdrawn) & (pl.col("user_id") != forgotten)
    assert after.filter(~MINE).equals(nights.first.filter(others_left))
    told = done.text() + json.dumps(done.as_json())
    assert not any(value in told for value in (forgotten, opted_out, minor))


def told_of(rows: pl.DataFrame, but: list[str]) -> dict[str, Any]:
    """The English item that most reasons rest on: its id and its title as it is spoken of."""
    about = rows.filter(pl.col("locale") == "en").explode("evidence").unnest("evidence", separator=".")
    told = about.group_by("evidence.item_id", "evidence.title").len().drop_nulls().sort("len", "evidence.item_id")
    told = told.filter(~pl.col("evidence.title").str.contains(r"[^a-zA-Z ]") & ~pl.col("evidence.item_id").is_in(but))
    item, title, _ = told.row(-1)
    return {"item_id": item, "title": title}


def change_users(lake: Path, user: str, **values: str) -> None:
    """Another row for one user."""
    table = pl.read_delta(str(lake / "users"))
    mine = pl.col("user_id") == user
    changed = table.with_columns(
        [pl.when(mine).then(pl.lit(value)).otherwise(pl.col(name)).alias(name) for name, value in values.items()]
    )
    write_deltalake(lake / "users", changed.to_arrow(), mode="overwrite")


@pytest.mark.long
def test_the_whole_verdict_is_asked_not_the_policy_alone(spark: SparkSession, nights: Nights, tmp_path: Path) -> None:
    locales = Path(shutil.copytree(ROOT / "conf" / "locales", tmp_path / "locales"))
    english = (locales / "en.yaml").read_text()
    assert "max_chars: 260}" in english
    (locales / "en.yaml").write_text(english.replace("max_chars: 260}", "max_chars: 60}"))
    plan = roll_back(spark, config_of(nights.lake, f"locale_files={locales}"), FIRST, dry_run=True)
    long = nights.first.filter(MINE & (pl.col("locale") == "en") & (pl.col("reason").str.len_chars() > 60))
    assert plan.left_out == {"too_long": long.height}
    assert long.height > 0


@pytest.mark.long
def test_a_path_with_a_space_hides_no_file(spark: SparkSession, nights: Nights, tmp_path: Path) -> None:
    lake = Path(shutil.copytree(nights.lake, tmp_path / "a lake"))
    here, there = (roll_back(spark, config_of(one), FIRST, dry_run=True) for one in (nights.lake, lake))
    assert there.put_back == here.put_back > 0


def test_a_night_that_was_never_published_is_named_with_those_that_were(spark: SparkSession, nights: Nights) -> None:
    with pytest.raises(HistoryError, match=r"no finished run of it, but of 2026-03-03, 2026-03-02"):
        roll_back(spark, config_of(nights.lake), date(2026, 3, 1))
    with pytest.raises(HistoryError, match="no night"):
        roll_back(spark, config_of(nights.lake, "scenario=elsewhere"), FIRST)


def test_a_version_whose_files_or_log_are_gone_is_refused_with_what_keeps_them(
    spark: SparkSession, nights: Nights
) -> None:
    lake, before = nights.lake, reasons(nights.lake)
    remove_unreachable(str(lake / "reasons"), 0)
    with pytest.raises(HistoryError, match=r"files deleted.*--keep-hours.*logRetentionDuration"):
        roll_back(spark, config_of(lake), FIRST)
    DeltaTable(lake / "reasons").create_checkpoint()
    for file in (lake / "reasons" / "_delta_log").glob("*.json"):
        if int(file.stem) < version(lake):
            file.unlink()
    with pytest.raises(HistoryError, match=r"no log of it.*logRetentionDuration"):
        roll_back(spark, config_of(lake), FIRST)
    assert reasons(lake).equals(before)
    assert [row["status"] for row in ledger(lake)] == ["published", "published"]


def test_beside_a_live_run_it_leaves_without_a_trace(spark: SparkSession, nights: Nights) -> None:
    lake, stood = nights.lake, version(nights.lake)
    with take_lease(f"{lake}/leases/recommendation", seconds=600), pytest.raises(LeaseError, match="held by") as caught:
        roll_back(spark, config_of(lake), FIRST)
    assert caught.value.exit_code == 4
    assert version(lake) == stood
    assert len(ledger(lake)) == 2


@pytest.mark.long
def test_one_that_slept_through_a_later_run_puts_nothing_back(
    spark: SparkSession, nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, real = nights.lake, rolling_back.merge_changes

    def late(*given: Any, **named: Any) -> int:
        fence(f"{lake}/reasons", "reasongen/recommendation", named["txn"].version + 1)
        return real(*given, **named)

    monkeypatch.setattr(rolling_back, "merge_changes", late)
    with pytest.raises(LeaseError, match="Nothing was put back"):
        roll_back(spark, config_of(lake), FIRST)
    assert reasons(lake).equals(nights.second)


@pytest.mark.long
def test_it_is_not_done_before_another_reader_has_counted_its_rows(
    spark: SparkSession, nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling_back, "count_by_independent_reader", lambda *_, **__: 1)
    with pytest.raises(LeaseError, match="another reader found 1"):
        roll_back(spark, config_of(nights.lake), FIRST)
    monkeypatch.undo()
    monkeypatch.setenv("REASONGEN_FORGET_KEY", KEY)
    assert ledger(nights.lake)[-1]["status"] == "started"
    assert roll_back(spark, config_of(nights.lake), FIRST).state == "unchanged"
    assert ledger(nights.lake)[-1]["status"] == "rolled_back"
    assert reasons(nights.lake).equals(nights.first)


@pytest.mark.long
def test_what_is_taken_down_while_it_works_does_not_come_back(
    spark: SparkSession, nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, real, forgotten = nights.lake, rolling_back.merge_changes, people(1)[0].user
    item = nights.first.filter(MINE & (pl.col("user_id") != forgotten))["item_id"].sort()[0]

    def late(*given: Any, **named: Any) -> int:
        withdraw(spark, config_of(lake), "item", item)
        forget_users(spark, config_of(lake), [forgotten])
        return real(*given, **named)

    monkeypatch.setattr(rolling_back, "merge_changes", late)
    assert roll_back(spark, config_of(lake), FIRST).state == "rolled_back"
    away = (pl.col("item_id") == item) | (pl.col("user_id") == forgotten)
    assert reasons(lake).filter(away).height == 0
    assert reasons(lake).filter(MINE).equals(nights.first.filter(MINE & ~away))


def test_the_job_says_what_it_did_and_its_exit_codes(
    spark: SparkSession, nights: Nights, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job, lake = load_job(), nights.lake
    sets = [part for one in sets_of(config_of(lake), lake) for part in ("--set", one)]
    words = ["--config", str(ROOT / "conf" / "local.yaml"), *sets]
    assert job.main([*words, "--night", "2026-03-01"]) == 2
    assert "no finished run of it" in capsys.readouterr().err
    assert job.main([*words, "--night", "2026-03-02", "--set", "gate.min_rows=100000"]) == 3
    assert reasons(lake).equals(nights.second)
    with take_lease(f"{lake}/leases/recommendation", seconds=600):
        assert job.main([*words, "--night", "2026-03-02"]) == 4
    capsys.readouterr()
    assert job.main([*words, "--night", "2026-03-02", "--json", str(tmp_path / "receipt.json")]) == 0
    receipt = json.loads((tmp_path / "receipt.json").read_text())
    assert (receipt["state"], receipt["night"], receipt["left_out"]) == ("rolled_back", "2026-03-02", {})
    assert f"{receipt['put_back']:,} rows put back" in capsys.readouterr().out
    assert reasons(lake).equals(nights.first)


def load_job() -> ModuleType:
    """jobs/rollback.py as a module."""
    spec = importlib.util.spec_from_file_location("rollback_job", ROOT / "jobs" / "rollback.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sets_of(config: NightConfig, lake: Path) -> list[str]:
    """The settings of `config_of`, as words of a command line."""
    sets = [f"inputs.{n}.path={getattr(config.inputs, n).path}" for n in ("events", "items", "candidates", "users")]
    sets += ["inputs.candidates.format=delta", "inputs.users.format=delta", f"root={lake}"]
    return [*sets, "engine.backend=scripted", f"locale_files={config.locale_files}", f"policies={ROOT}/conf/policies"]
