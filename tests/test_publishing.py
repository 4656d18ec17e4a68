"""How each staged pair ends: what its verdict refused is never among what is published."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession

from reasongen.pipeline.publishing import WRITTEN, with_class
from reasongen.schema import REASONS, STAGED, Table

WORDS = {"reason": "words", "skeleton_hash": "s", "prompt_hash": "p", "model_version": "m", "source": "model"}


def frame(spark: SparkSession, table: Table, *rows: dict[str, Any]) -> Any:
    """Rows of a table; columns that are not given are null."""
    whole = [tuple(row.get(name) for name in table.names) for row in rows]
    return spark.createDataFrame(whole, table.ddl)


def staged(user: str, **other: Any) -> dict[str, Any]:
    keys = {"user_id": user, "item_id": "i", "scenario": "s", "passed": True, "personal": True}
    return {**keys, **WORDS, **other}


def test_each_staged_pair_ends_in_the_first_class_that_holds(spark: SparkSession) -> None:
    stands = [{**staged(user), "night": None} for user in ("kept", "filled anew")]
    rows = frame(
        spark,
        STAGED,
        staged("refused", passed=False),
        staged("refused fallback", passed=False, source="fallback", reason=None),
        staged("kept"),
        staged("filled anew", reason="other words"),
        staged("new"),
        staged("fell back", source="fallback"),
        staged("took it back"),
    )
    stopped = spark.createDataFrame([("took it back",)], "user_id string")
    told = with_class(rows, frame(spark, REASONS, *stands), stopped)
    ends = {row["user_id"]: row["class"] for row in told.collect()}
    assert ends == {
        "refused": "quarantined",
        "refused fallback": "quarantined",
        "kept": "kept",
        "filled anew": "re_rendered",
        "new": "published",
        "fell back": "fallback",
        "took it back": "skipped.consent",
    }
    assert not {ends["refused"], ends["refused fallback"]} & set(WRITTEN)
