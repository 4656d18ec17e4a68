"""Every notebook runs from its first cell to its last over a real lake, and stands in the tree without outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from nights import ENVIRONMENT, ROOT, night_over
from pyspark.sql import SparkSession

from reasongen.pipeline import generate_night

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
OWN = ROOT / "notebooks" / "own_tables.ipynb"
READING = [path for path in NOTEBOOKS if path != OWN]


def cells(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def lake(spark: SparkSession, small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("notebooks") / "lake"
    for seed in (0, 1):  # another seed, other words
        lenient = ("gate.max_fallback_share=1", "gate.max_quarantined_share=1")
        faulty = ("limit=200", "engine.scripted.fault_rate=0.2", f"engine.seed={seed}", *lenient)
        assert generate_night(spark, night_over(small_world, place, *faulty)).status == "published"
    return place


def run(path: Path, place: Path, *flags: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """The cells of a notebook, one after another, in a process of its own in the checkout."""
    script = place / "cells.py"
    script.write_text("\n\n".join("".join(cell["source"]) for cell in cells(path)), encoding="utf-8")
    told = {**os.environ, **env}
    return subprocess.run([sys.executable, *flags, str(script)], env=told, cwd=ROOT, capture_output=True, check=False)


@pytest.mark.parametrize("path", READING, ids=lambda path: path.name)
def test_a_notebook_runs_and_changes_nothing(path: Path, lake: Path, tmp_path: Path) -> None:
    before = sorted(lake.rglob("*"))
    done = run(path, tmp_path, "-W", "error", REASONGEN_LAKE=str(lake))
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert sorted(lake.rglob("*")) == before


@pytest.mark.slow
def test_own_tables_come_to_reasons(tmp_path: Path) -> None:
    done = run(OWN, tmp_path, TMPDIR=str(tmp_path), **ENVIRONMENT)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    (table,) = tmp_path.glob("shop-*/lake/reasons")
    rows = {row["user_id"]: row for row in pl.read_delta(str(table)).to_dicts()}
    assert {user: bool(row["evidence"]) for user, row in rows.items()} == {"ann": True, "li": True, "cleo": False}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_holds_no_output(path: Path) -> None:
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells(path))
