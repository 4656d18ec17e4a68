"""One pair explained: from its rows to its words, as the night did it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from nights import night_over
from pyspark.sql import SparkSession

from reasongen.config import NightConfig
from reasongen.errors import ConfigError
from reasongen.pipeline import Run, explain_pair, generate_night

pytestmark = pytest.mark.slow

FAULTY = ("engine.scripted.fault_rate=0.3", "engine.samples=3", "gate.max_fallback_share=1")
NightOf = Callable[..., NightConfig]


@pytest.fixture(scope="module")
def night_of(small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> NightOf:
    """Settings of a night with three samples a prompt, a third of them faulty."""
    lake = tmp_path_factory.mktemp("explain") / "lake"
    return lambda *sets: night_over(small_world, lake, *FAULTY, *sets)


@pytest.fixture(scope="module")
def run(spark: SparkSession, night_of: NightOf) -> Run:
    return generate_night(spark, night_of())


@pytest.fixture(scope="module")
def tables(run: Run, night_of: NightOf) -> dict[str, pl.DataFrame]:
    """What the night wrote, as polars reads it."""
    return {name: pl.read_delta(f"{night_of().root}/{name}") for name in ("reasons", "quarantine", "generations")}


def pair(rows: pl.DataFrame) -> tuple[str, str]:
    """The first pair of a table by its key."""
    return rows.sort("user_id", "item_id").select("user_id", "item_id").row(0)


def test_a_published_reason_is_found_again_from_its_rows(
    spark: SparkSession,
    run: Run,
    night_of: NightOf,
    tables: dict[str, pl.DataFrame],
    capfd: pytest.CaptureFixture[str],
) -> None:
    reasons, refused = tables["reasons"], tables["quarantine"].drop_nulls("sample")
    lost = reasons.filter(pl.col("source") == "model", pl.col("evidence").list.len() == 2).join(
        refused, ["user_id", "item_id"], "semi"
    )
    user, item = pair(lost)
    row = reasons.row(by_predicate=(pl.col("user_id") == user) & (pl.col("item_id") == item), named=True)
    files = {path: path.stat().st_mtime_ns for path in Path(night_of().root).rglob("*")}
    told = explain_pair(spark, night_of(), user, item)
    assert {path: path.stat().st_mtime_ns for path in Path(night_of().root).rglob("*")} == files
    assert user not in "".join(capfd.readouterr())
    assert (told.ended, told.choice) == ("published", row["reason"])
    assert told.pair["prompt_hash"] == row["prompt_hash"]
    assert [fact["title"] for fact in told.pair["evidence"]] == [fact["title"] for fact in row["evidence"]]
    assert {act["item_id"] for act in told.acts} == {fact["item_id"] for fact in row["evidence"]}
    assert all(then == now for then, now in told.inputs.values())
    states = [one.state for one in told.samples]
    assert len(states) == 3
    assert (states.count("chosen"), states[0]) == (1, "refused")
    mine = refused.filter(pl.col("user_id") == user, pl.col("item_id") == item)
    seen = {(one.row["sample"], one.text): [f.rule for f in one.failures] for one in told.samples if one.failures}
    for quarantined in mine.iter_rows(named=True):
        rules = [failure["rule"] for failure in quarantined["failures"]]
        assert seen[quarantined["sample"], quarantined["text"]] == rules
    text = told.text()
    for step in ("1 input rows", "2 evidence", "3 prompt", "4 samples", "5 what stands", "quarantine, sample"):
        assert step in text
    assert row["reason"] in text
    assert run.run_id in text
    data = json.loads(json.dumps(told.as_json()))
    assert data["run"] == {"run_id": run.run_id, "status": "published", "delta_version": run.delta_version}
    assert [one["state"] for one in data["samples"]] == states


def test_a_fallback_tells_why_every_sample_lost(
    spark: SparkSession, run: Run, night_of: NightOf, tables: dict[str, pl.DataFrame]
) -> None:
    user, item = pair(tables["reasons"].filter(pl.col("source") == "fallback"))
    told = explain_pair(spark, night_of(), user, item)
    assert told.ended == "fallback"
    assert [one.state for one in told.samples] == ["refused"] * 3
    assert told.stands is not None
    assert told.choice == told.stands["reason"]
    assert f"none passed: the catalogue's sentence {told.choice!r}" in told.text()


def test_who_got_no_reason_is_told_where_the_road_ended(spark: SparkSession, run: Run, night_of: NightOf) -> None:
    config = night_of()
    users = pl.read_csv(str(config.inputs.users.path), truncate_ragged_lines=True, infer_schema=False)  # type: ignore[union-attr]
    candidates = pl.read_parquet(str(config.inputs.candidates.path))
    known = candidates.filter(pl.col("item_id").str.contains(r"^i00[0-2]"))
    minor = users.filter(pl.col("minor") == "yes").join(known, "user_id")
    told = explain_pair(spark, config, *pair(minor))
    assert (told.ended, told.pair, told.samples) == ("skipped.minor", {}, [])
    assert "stopped here: minor" in told.text()
    silent = users.filter(pl.col("personalise") == "false", pl.col("minor") != "yes").join(known, "user_id")
    told = explain_pair(spark, config, *pair(silent))
    assert told.pair["evidence"] == []
    assert "none: the catalogue alone, as behaviour may not be used" in told.text()


def test_a_run_before_the_last_is_told_as_it_stood(
    spark: SparkSession, run: Run, night_of: NightOf, tables: dict[str, pl.DataFrame], tmp_path: Path
) -> None:
    lake = shutil.copytree(night_of().root, tmp_path / "lake")
    user, item = pair(tables["reasons"])
    DeltaTable(lake / "reasons").delete(f"item_id = '{item}'")
    gone = explain_pair(spark, night_of(f"root={lake}"), user, item)
    assert (gone.stands, gone.ended) == (None, "quarantined" if gone.quarantine else "no reason")
    then = explain_pair(spark, night_of(f"root={lake}"), user, item, run.run_id)
    assert then.stands is not None
    assert then.stands["user_id"] == user


@pytest.mark.long
def test_what_was_only_filled_in_anew_is_told_from_what_was_published(
    spark: SparkSession, run: Run, night_of: NightOf, tables: dict[str, pl.DataFrame], tmp_path: Path
) -> None:
    lake = Path(shutil.copytree(night_of().root, tmp_path / "lake"))
    titled = pl.col("claims").list.eval(pl.element().struct.field("mark") == "[i.title]").list.any()
    item = tables["reasons"].filter(pl.col("source") == "model", titled)["item_id"].sort()[0]
    lines = Path(str(night_of().inputs.items.path)).read_text(errors="surrogateescape").split("\n")
    (line,) = (one for one in lines if f'"item_id": "{item}"' in one)
    title = json.loads(line)["title"]
    items = tmp_path / "items.jsonl"
    told = [
        one.replace(title, "Plain Harbour" if title.isascii() else "白鹭洲") if one == line else one for one in lines
    ]
    items.write_text("\n".join(told), errors="surrogateescape")
    config = night_of(f"root={lake}", f"inputs.items.path={items}")
    again = generate_night(spark, config)
    assert again.pairs["re_rendered"] > 0
    user, _ = pair(pl.read_delta(str(lake / "reasons")).filter(pl.col("run_id") == again.run_id, titled))
    assert explain_pair(spark, config, user, item).ended == "re_rendered"
    assert explain_pair(spark, config, user, item, run.run_id).ended == "published"
    assert again.delta_version is not None
    now, before = (set(DeltaTable(lake / "reasons", again.delta_version - back).file_uris()) for back in (0, 1))
    for file in before - now:
        Path(file).unlink()
    assert explain_pair(spark, config, user, item).ended == "published or re_rendered"


def test_an_unknown_pair_or_run_is_a_fault_that_names_no_user(spark: SparkSession, run: Run, night_of: NightOf) -> None:
    with pytest.raises(ConfigError, match="wanted a pair among the candidates") as caught:
        explain_pair(spark, night_of(), "zq-nobody", "i00001")
    assert "zq-nobody" not in str(caught.value)
    with pytest.raises(ConfigError, match=f"found no other; newest: {run.run_id}"):
        explain_pair(spark, night_of(), "zq-nobody", "i00001", "other")
