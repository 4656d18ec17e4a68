"""The whole road on a small world with the scripted engine: real Spark, real Delta, counted by other readers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from deltalake import DeltaTable
from nights import night_over, reasons
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from reasongen.config import NightConfig
from reasongen.errors import ConservationError, ContractError, LeaseError
from reasongen.pipeline import Run, attempt, generate_night, maintain_tables, plan_night, preview_pairs
from reasongen.pipeline.publishing import publish

NightOf = Callable[..., NightConfig]


@pytest.fixture(scope="module")
def world(small_world: Path) -> Path:
    """A small sample world with all its dirt."""
    return small_world


@pytest.fixture(scope="module")
def night_of(world: Path, tmp_path_factory: pytest.TempPathFactory) -> NightOf:
    """Settings of a night over the world; the lake is shared by the module unless `root` is given."""
    lake = tmp_path_factory.mktemp("lake") / "lake"
    return lambda *sets, root=lake: night_over(world, root, *sets)


@pytest.fixture(scope="module")
def first(spark: SparkSession, night_of: NightOf) -> Run:
    """The first night, with a tenth of the samples faulty."""
    return generate_night(spark, night_of(FAULTY))


FAULTY = "engine.scripted.fault_rate=0.05"


def test_every_candidate_ends_in_exactly_one_class(first: Run, world: Path, night_of: NightOf) -> None:
    ends = ("published", "fallback", "re_rendered", "kept", "quarantined")
    others = [n for name, n in first.pairs.items() if name.startswith(("skipped.", "rejected."))]
    con = duckdb.connect()
    candidates = con.execute(f"select count(*) from '{world}/candidates.parquet'").fetchone()
    assert candidates is not None
    assert first.pairs["candidates"] == candidates[0] == sum(first.pairs.get(name, 0) for name in ends) + sum(others)
    assert first.pairs["skipped.minor"] > 0
    table = reasons(night_of())
    assert table.height == first.pairs["published"] + first.pairs["fallback"]
    assert table.select("user_id", "item_id", "scenario").is_unique().all()


def test_the_row_codes_are_those_that_the_world_planted(first: Run, world: Path) -> None:
    planted = json.loads((world / "world.json").read_text())["codes"]
    counted = {code: rows for code, rows in first.codes.items() if not code.startswith("candidates.")}
    assert counted == {code: rows for code, rows in planted.items() if not code.startswith("candidates.")}


def test_refused_samples_stand_in_quarantine_with_their_rules(first: Run, night_of: NightOf) -> None:
    rows = pl.read_delta(f"{night_of().root}/quarantine").filter(pl.col("run_id") == first.run_id)
    rules = set(rows.explode("failures").select(pl.col("failures").struct.field("rule")).to_series())
    assert rows.height >= first.pairs["fallback"] > 0
    assert {"unknown_reference", "cut_off"} & rules


def test_no_row_is_readable_that_its_verdict_refused(first: Run, night_of: NightOf) -> None:
    table = reasons(night_of())
    assert not table["reason"].str.contains(r"\[[ie]\d?\.").any()
    assert table["reason"].str.len_chars().min() > 0
    for claim in table.head(200).iter_rows(named=True):
        for span in claim["claims"]:
            assert 0 <= span["start"] < span["end"] <= len(claim["reason"])


def test_a_user_without_consent_gets_the_catalogue_alone(first: Run, world: Path, night_of: NightOf) -> None:
    told = {line.split(",")[0] for line in (world / "users.csv").read_text().splitlines() if ",true," in line}
    table = reasons(night_of()).with_columns(pl.col("evidence").list.len().alias("rows"))
    assert set(table.filter(pl.col("rows") > 0)["user_id"]) <= told
    assert table.filter(~pl.col("user_id").is_in(list(told)))["rows"].sum() == 0


def test_a_known_minor_has_no_reason(first: Run, world: Path, night_of: NightOf) -> None:
    minors = {line.split(",")[0] for line in (world / "users.csv").read_text().splitlines() if line.endswith(",yes")}
    candidates = pl.read_parquet(world / "candidates.parquet")
    assert candidates.filter(pl.col("user_id").is_in(list(minors))).height >= first.pairs["skipped.minor"] > 0
    assert not minors & set(reasons(night_of())["user_id"])


def test_no_reason_holds_a_long_run_of_a_comment(first: Run, world: Path, night_of: NightOf) -> None:
    """A run of 8 Chinese characters, or of 20 letters, that stands in no item's own text."""
    said = pl.read_delta(str(world / "events"))["text"].drop_nulls().unique().to_list()
    catalogue = (world / "items.jsonl").read_text(encoding="utf-8", errors="replace").lower()
    runs = {run for text in said for run in runs_of(text.lower()) if run not in catalogue}
    assert len(runs) > 100
    lake = night_of().root
    texts = {name: pl.read_delta(f"{lake}/{name}") for name in ("reasons", "generations")}
    written = [*texts["reasons"]["reason"], *texts["generations"]["text"]]
    assert len(written) > 1000
    found = {run for text in written for run in runs_of(text.lower())} & runs
    assert not found


def runs_of(text: str) -> set[str]:
    """Every run of the text that is long for its script."""
    length = 20 if text.isascii() else 8
    return {text[at : at + length] for at in range(len(text) - length + 1)}


def test_the_commit_names_its_run_and_its_transaction(first: Run, night_of: NightOf) -> None:
    table = DeltaTable(f"{night_of().root}/reasons")
    merge = next(entry for entry in table.history() if entry["operation"] == "MERGE")
    assert json.loads(merge["userMetadata"])["run_id"] == first.run_id
    assert table.transaction_version("reasongen/recommendation") == first.token
    log = "".join(path.read_text() for path in Path(night_of().root, "reasons", "_delta_log").glob("*.json"))
    assert "u0000" not in log


def test_a_second_night_on_equal_inputs_spends_nothing_and_commits_nothing(
    spark: SparkSession, first: Run, night_of: NightOf
) -> None:
    before = DeltaTable(f"{night_of().root}/reasons").version()
    again = generate_night(spark, night_of(FAULTY))
    assert (again.status, again.samples, again.tokens_out, again.model_loads) == ("unchanged", 0, 0, 0)
    assert set(again.seconds) == {"contract", "ledger"}
    assert again.pairs["kept"] == first.pairs["published"] + first.pairs["fallback"]
    again.check_conservation()
    assert (again.codes, again.inputs, again.token) == (first.codes, first.inputs, first.token + 1)
    assert DeltaTable(f"{night_of().root}/reasons").version() == before
    maintain_tables(spark, night_of().root, keep_hours=24)
    assert DeltaTable(f"{night_of().root}/reasons").version() == before + 1
    assert set(generate_night(spark, night_of(FAULTY)).seconds) == {"contract", "ledger"}


def test_a_night_that_has_to_look_again_keeps_every_row_too(
    spark: SparkSession, first: Run, night_of: NightOf, world: Path, tmp_path: Path
) -> None:
    """The same rows in another file: nothing tells beforehand that they are the same."""
    before = DeltaTable(f"{night_of().root}/reasons").version()
    users = shutil.copy(world / "users.csv", tmp_path / "users.csv")
    again = generate_night(spark, night_of(FAULTY, f"inputs.users.path={users}"))
    assert (again.status, again.samples, again.tokens_out, again.model_loads) == ("unchanged", 0, 0, 0)
    assert "evidence" in again.seconds
    assert again.pairs["kept"] == first.pairs["published"] + first.pairs["fallback"]
    assert DeltaTable(f"{night_of().root}/reasons").version() == before


def test_one_event_more_costs_the_changed_prompts_of_its_user_alone(
    spark: SparkSession, first: Run, night_of: NightOf, world: Path, tmp_path: Path
) -> None:
    """A user who had only looked at a thing buys it: the same evidence, by a stronger act."""
    lake, events = Path(shutil.copytree(night_of().root, tmp_path / "lake")), tmp_path / "events"
    before = reasons(night_of(root=lake))
    looked = before.explode("evidence").unnest("evidence", separator=".").filter(pl.col("evidence.action") == "browse")
    user, item = looked.sort("user_id", "item_id").select("user_id", "evidence.item_id").row(0)
    shutil.copytree(world / "events", events)
    table = spark.read.format("delta").load(str(events))
    bought = {"user_id": user, "item_id": item, "event": "purchase", "ts": datetime(2026, 2, 27, 9, tzinfo=UTC)}
    row = [tuple(bought.get(name) for name in table.columns)]
    spark.createDataFrame(row, table.schema).write.format("delta").mode("append").save(str(events))
    run = generate_night(spark, night_of(FAULTY, f"inputs.events.path={events}", root=lake))
    after = reasons(night_of(root=lake))
    key = ["user_id", "item_id", "scenario"]
    told = ["reason", "prompt_hash", "run_id", "published_at"]
    both = before.select(*key, *told).join(after.select(*key, *told), on=key, suffix="_now", validate="1:1")
    assert both.height == before.height == after.height
    moved = both.filter(pl.col("run_id") != pl.col("run_id_now"))
    assert set(moved["user_id"]) == {user}
    assert (
        both.filter(pl.col("run_id") == pl.col("run_id_now"))
        .select(
            (pl.col("reason") == pl.col("reason_now")).all()
            & (pl.col("published_at") == pl.col("published_at_now")).all()
        )
        .item()
    )
    new = set(moved.filter(pl.col("prompt_hash") != pl.col("prompt_hash_now"))["prompt_hash_now"])
    assert new
    assert run.samples == run.prompts["generated"] == len(new - set(before["prompt_hash"]))


def test_a_title_that_changes_is_filled_in_anew_without_a_token(
    spark: SparkSession, first: Run, night_of: NightOf, world: Path, tmp_path: Path
) -> None:
    lake = Path(shutil.copytree(night_of().root, tmp_path / "lake"))
    before = reasons(night_of(root=lake))
    lines = (world / "items.jsonl").read_text(errors="surrogateescape").split("\n")
    titles = {row["item_id"]: row["title"] for row in map(_read, lines) if row.get("title")}
    said = before.filter(pl.struct("item_id", "reason").map_elements(_says_its_title(titles), return_dtype=pl.Boolean))
    item = said["item_id"].sort()[0]
    other = "Plain Harbour" if titles[item].isascii() else "白鹭洲"
    told = [line.replace(titles[item], other) if _read(line).get("item_id") == item else line for line in lines]
    items = tmp_path / "items.jsonl"
    items.write_text("\n".join(told), errors="surrogateescape")
    run = generate_night(spark, night_of(FAULTY, f"inputs.items.path={items}", root=lake))
    assert (run.samples, run.prompts["generated"]) == (0, 0)
    assert run.pairs["re_rendered"] > 0
    after = reasons(night_of(root=lake)).filter(pl.col("item_id") == item)
    assert not any(titles[item] in text for text in after["reason"])
    assert any(other in text for text in after["reason"])


def _read(line: str) -> dict[str, Any]:
    try:
        return dict(json.loads(line))
    except ValueError:
        return {}


def _says_its_title(titles: dict[str, str]) -> Callable[[dict[str, str]], bool]:
    return lambda row: titles.get(row["item_id"], "\0") in row["reason"]


def test_a_night_that_loses_a_pair_on_the_way_publishes_nothing(
    spark: SparkSession, first: Run, night_of: NightOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Path(shutil.copytree(night_of().root, tmp_path / "lake"))
    version = DeltaTable(lake / "reasons").version()
    real = attempt.with_class

    def lossy(*given: Any) -> Any:
        return real(*given).where(F.col("user_id") != given[0].agg(F.min("user_id")).collect()[0][0])

    monkeypatch.setattr(attempt, "with_class", lossy)
    with pytest.raises(ConservationError, match="Nothing was published"):
        generate_night(spark, night_of(FAULTY, "engine.seed=3", root=lake))
    assert DeltaTable(lake / "reasons").version() == version


def test_the_same_token_never_publishes_other_rows(spark: SparkSession, first: Run, night_of: NightOf) -> None:
    """Delta skips such a commit without a word; the count by another reader is what tells."""
    config = night_of()
    table = spark.read.format("delta").load(f"{config.root}/reasons")
    before = DeltaTable(f"{config.root}/reasons").version()
    rows = table.limit(3).withColumns({"class": F.lit("published"), "reason": F.lit("Other words.")})
    late = replace(first, run_id="late", pairs={"published": 3})
    with pytest.raises(LeaseError, match="wanted 3 rows of run late"):
        publish(rows, table.limit(0).select("user_id", "item_id", "scenario"), f"{config.root}/reasons", late, label="")
    assert DeltaTable(f"{config.root}/reasons").version() == before
    assert not reasons(config)["reason"].is_in(["Other words."]).any()


def test_a_plan_counts_and_writes_nothing(spark: SparkSession, first: Run, night_of: NightOf, tmp_path: Path) -> None:
    versions = {name: DeltaTable(f"{night_of().root}/{name}").version() for name in ("reasons", "generations", "runs")}
    plan = plan_night(spark, night_of(FAULTY))
    stand = reasons(night_of()).height
    assert (plan.run.status, plan.run.prompts["generated"], plan.prompts) == ("planned", 0, [])
    assert plan.run.prompts["distinct"] == first.prompts["distinct"]
    assert plan.changes.keys() <= {"expiring"}  # what says "lately" soon may not
    assert plan.run.pairs["kept"] + plan.changes.get("expiring", 0) == stand
    other = plan_night(spark, night_of(FAULTY, "engine.seed=1"))
    assert other.changes == {"decode_hash": stand}
    assert other.run.prompts["generated"] == first.prompts["distinct"]
    assert other.cost is not None
    assert other.cost.nights == [first.run_id]
    assert (other.cost.tokens_in, other.cost.tokens_out) == (first.tokens_in, first.tokens_out)
    assert len(other.prompts) == 5
    assert not any(user in other.text() for user in reasons(night_of())["user_id"])
    assert versions == {name: DeltaTable(f"{night_of().root}/{name}").version() for name in versions}
    assert list(Path(night_of().root, "staging").iterdir()) == []
    bare = plan_night(spark, night_of(FAULTY, root=tmp_path / "nowhere"))
    assert bare.cost is None
    assert bare.changes == {"new": first.pairs["candidates"] - _aside(first)}
    assert "no earlier night" in bare.text()


def _aside(run: Run) -> int:
    return sum(count for name, count in run.pairs.items() if name.startswith(("skipped.", "rejected.")))


def test_a_preview_shows_samples_and_verdicts_as_the_night_has_them_and_publishes_nothing(
    spark: SparkSession, first: Run, night_of: NightOf, tmp_path: Path
) -> None:
    stood = {(row["user_id"], row["item_id"]): row for row in reasons(night_of()).iter_rows(named=True)}
    before = DeltaTable(f"{night_of().root}/generations").version()
    told = preview_pairs(spark, night_of(FAULTY), 4)
    anew = preview_pairs(spark, night_of(FAULTY, root=tmp_path / "nowhere"), 4)  # every sample is made for it
    assert len(told) == 4
    assert [one.choice for one in told] == [stood[(one.user, one.item)]["reason"] for one in told]
    assert [one.choice for one in anew] == [one.choice for one in told]
    assert all(one.samples and one.prompt in one.preview().replace("  | ", "") for one in anew)
    assert "made for this preview" in anew[0].preview()
    assert DeltaTable(f"{night_of().root}/generations").version() == before
    assert not (tmp_path / "nowhere" / "reasons").exists()


def test_an_older_night_never_publishes_over_a_newer_one(spark: SparkSession, first: Run, night_of: NightOf) -> None:
    with pytest.raises(LeaseError, match="already published"):
        generate_night(spark, night_of(FAULTY, "night='2026-03-01'"))


def test_withdrawn_consent_takes_the_reason_back(
    spark: SparkSession, first: Run, night_of: NightOf, world: Path, tmp_path: Path
) -> None:
    personal = reasons(night_of()).filter(pl.col("evidence").list.len() > 0)["user_id"].sort()[0]
    lines = (world / "users.csv").read_text().splitlines()
    changed = [line.replace(",true,", ",false,") if line.startswith(personal) else line for line in lines]
    users = tmp_path / "users.csv"
    users.write_text("\n".join(changed) + "\n")
    run = generate_night(spark, night_of(FAULTY, f"inputs.users.path={users}"))
    table = reasons(night_of()).filter(pl.col("user_id") == personal)
    assert run.status == "published"
    assert table.height > 0
    assert table["evidence"].list.len().sum() == 0


def test_consent_that_is_taken_back_while_the_night_works_is_heard(
    spark: SparkSession, first: Run, night_of: NightOf, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (world / "users.csv").read_text().splitlines()
    users, real = tmp_path / "users.csv", attempt.stage
    users.write_text("\n".join(lines) + "\n")

    def changes_meanwhile(*given: Any, **named: Any) -> Any:
        users.write_text("\n".join(line.replace(",true,", ",false,") for line in lines) + "\n")
        return real(*given, **named)

    monkeypatch.setattr(attempt, "stage", changes_meanwhile)
    lenient = ("gate.max_fallback_share=1", "gate.min_rows=0", "limit=40")
    config = night_of(FAULTY, f"inputs.users.path={users}", *lenient, root=tmp_path / "lake")
    run = generate_night(spark, config)
    assert run.pairs["skipped.consent"] > 0
    assert reasons(config)["evidence"].list.len().sum() == 0


def test_consent_that_is_taken_back_meanwhile_takes_reasons_that_would_have_stood(
    spark: SparkSession, first: Run, night_of: NightOf, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(night_of().root, tmp_path / "lake")
    stood = reasons(night_of(root=tmp_path / "lake"))
    personal = stood.filter(pl.col("evidence").list.len() > 0)["user_id"].sort()[0]
    lines, users, real = (world / "users.csv").read_text().splitlines(), tmp_path / "users.csv", attempt.stage
    users.write_text("\n".join(lines) + "\n")

    def changes_meanwhile(*given: Any, **named: Any) -> Any:
        changed = [line.replace(",true,", ",false,") if line.startswith(personal) else line for line in lines]
        users.write_text("\n".join(changed) + "\n")
        return real(*given, **named)

    monkeypatch.setattr(attempt, "stage", changes_meanwhile)
    config = night_of(FAULTY, f"inputs.users.path={users}", root=tmp_path / "lake")
    run = generate_night(spark, config)
    table = reasons(config)
    assert table.filter(pl.col("user_id") == personal)["evidence"].list.len().sum() == 0
    assert run.pairs["skipped.consent"] >= stood.filter(pl.col("user_id") == personal).height > 0
    assert table.height == sum(run.pairs.get(name, 0) for name in ("kept", "published", "fallback", "re_rendered"))


def test_a_night_leaves_the_staging_of_scenarios_whose_names_hold_its_own(
    spark: SparkSession, first: Run, night_of: NightOf, tmp_path: Path
) -> None:
    shutil.copytree(night_of().root, tmp_path / "lake")
    scenarios = ("other-recommendation", "recommendation-other")
    theirs = [tmp_path / "lake" / "staging" / f"2026-03-02-{name}-000001" / "pairs" for name in scenarios]
    for folder in theirs:
        folder.mkdir(parents=True)
    generate_night(spark, night_of(FAULTY, root=tmp_path / "lake"))
    assert [folder.exists() for folder in theirs] == [True, True]


def test_a_refused_gate_leaves_the_old_night(spark: SparkSession, first: Run, night_of: NightOf) -> None:
    before = DeltaTable(f"{night_of().root}/reasons").version()
    worse = "engine.scripted.fault_rate=0.9"
    run = generate_night(spark, night_of(worse))
    assert run.status == "refused"
    assert "fallback_share" in run.gate
    assert DeltaTable(f"{night_of().root}/reasons").version() == before


def test_a_broken_contract_stops_before_anything_is_written(
    spark: SparkSession, night_of: NightOf, tmp_path: Path
) -> None:
    with pytest.raises(ContractError) as caught:
        generate_night(spark, night_of("inputs.items.path=nowhere.jsonl", "night='2031-05-04'", root=tmp_path / "lake"))
    where = {fault.where.split(".")[0].split(",")[0] for fault in caught.value.faults}
    assert {"items", "events"} <= where
    assert not (tmp_path / "lake").exists()


def test_no_user_stands_in_a_prompt_or_a_generation(first: Run, night_of: NightOf) -> None:
    made = pl.read_delta(f"{night_of().root}/generations")
    assert made.height == made.select("prompt_hash", "model_version", "decode_hash", "sample").unique().height
    assert not made["text"].str.contains(r"u0000\d+|1[3-9]\d{9}|@").any()
    assert first.night == date(2026, 3, 2)


def test_a_limited_night_takes_nothing_else_down(spark: SparkSession, first: Run, night_of: NightOf) -> None:
    before = reasons(night_of()).height
    run = generate_night(spark, night_of(FAULTY, "limit=40"))
    assert (run.pairs["candidates"], run.pairs["removed"]) == (40, 0)
    assert reasons(night_of()).height == before
