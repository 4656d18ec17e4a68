"""The archive says what was shown, and of nobody to whom."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable
from nights import night_over, reasons
from pyspark.sql import SparkSession

from reasongen.pipeline import attempt, generate_night
from reasongen.pipeline.archiving import archived
from reasongen.schema import ARCHIVE, REASONS

pytestmark = pytest.mark.slow

NIGHT = date(2026, 3, 2)
AT = datetime(2026, 3, 2, tzinfo=UTC)
ROW = ("e1", "brand", None, "browse", 2, "i9", "Red kettle 帐", None, AT)


def reason(
    text: str, *, user: str, skeleton: str, claims: list[tuple[int, int, str, str]], seen: bool
) -> dict[str, Any]:
    """A row of `reasons`."""
    key = {
        "user_id": user,
        "item_id": "i1",
        "scenario": "recommendation",
        "run_id": "r1",
        "night": NIGHT,
        "locale": "en",
    }
    said = {"reason": text, "claims": claims, "evidence": [ROW] if seen else [], "source": "model"}
    return {**key, **said, "skeleton_hash": hashlib.sha256(skeleton.encode()).hexdigest()}


def texts(spark: SparkSession, rows: list[dict[str, Any]]) -> list[tuple[str | None, int]]:
    frame = spark.createDataFrame([tuple(row.get(name) for name in REASONS.names) for row in rows], REASONS.ddl)
    found = archived(frame)
    assert found.columns == ARCHIVE.names
    return sorted(((row["text"], row["pairs"]) for row in found.collect()), key=str)


def test_what_behaviour_filled_stands_as_its_mark(spark: SparkSession) -> None:
    text, skeleton = "A 帐 tent, like Red kettle 帐 you saw.", "A [i.word1] tent, like [e1.title] you saw."
    claims = [(2, 3, "i", "[i.word1]"), (15, 27, "e1", "[e1.title]")]
    assert text[15:27] == "Red kettle 帐"
    one = reason(text, user="u1", skeleton=skeleton, claims=claims, seen=True)
    assert texts(spark, [one, {**one, "user_id": "u2"}]) == [("A 帐 tent, like [e1.title] you saw.", 2)]


def test_an_article_tells_nothing_of_the_title_behind_it(spark: SparkSession) -> None:
    rows = []
    for user, (article, title) in enumerate((("A", "kettle"), ("An", "oak tray"))):
        begin = f"{article} "
        text, claims = f"{begin}{title} is an item.", [(len(begin), len(begin) + len(title), "e1", "[e1.title]")]
        rows.append(reason(text, user=f"u{user}", skeleton="A [e1.title] is an item.", claims=claims, seen=True))
    assert texts(spark, rows) == [("A [e1.title] is an item.", 2)]


def test_a_text_without_marks_is_kept_only_where_no_behaviour_was_shown(spark: SparkSession) -> None:
    text = "A tent, like Red kettle."
    rows = [reason(text, user=f"u{seen}", skeleton=text, claims=[], seen=seen) for seen in (True, False)]
    assert texts(spark, rows) == [(text, 1), (None, 1)]


@pytest.mark.long
def test_each_run_adds_what_it_published_once_even_where_it_died(
    spark: SparkSession, small_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = night_over(small_world, tmp_path / "lake")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attempt, "archive", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            generate_night(spark, config)
    assert kept(config).height == 0
    run = generate_night(spark, config)  # every row stands; what the dead run published was not archived yet
    assert run.status == "unchanged"
    table, stood = reasons(config), DeltaTable(f"{config.root}/archive").version()
    assert kept(config)["pairs"].sum() == table.height
    assert kept(config).select("item_id", "skeleton_hash").unique().height == (
        table.select("item_id", "skeleton_hash").unique().height
    )
    users = set(table["user_id"])
    assert not any(user in value for row in kept(config).rows() for value in map(str, row) for user in users)
    generate_night(spark, config)
    assert DeltaTable(f"{config.root}/archive").version() == stood
    other = generate_night(spark, night_over(small_world, tmp_path / "lake", "engine.seed=3"))
    mine = kept(config).filter(pl.col("run_id") == other.run_id)
    assert mine["pairs"].sum() == reasons(config).filter(pl.col("run_id") == other.run_id).height > 0


def kept(config: Any) -> pl.DataFrame:
    """The archive, as polars reads it."""
    return pl.read_delta(f"{config.root}/archive")
