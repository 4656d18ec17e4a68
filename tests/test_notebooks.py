"""Every notebook runs from its first cell to its last over a real lake, and stands in the tree without outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from nights import ROOT, night_over
from pyspark.sql import SparkSession

from reasongen.pipeline import generate_night

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def cells(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def lake(spark: SparkSession, small_world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("notebooks") / "lake"
    generate_night(spark, night_over(small_world, place, "limit=200", "engine.scripted.fault_rate=0.2"))
    return place


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_and_changes_nothing(path: Path, lake: Path, tmp_path: Path) -> None:
    script = tmp_path / "cells.py"
    script.write_text("\n\n".join("".join(cell["source"]) for cell in cells(path)), encoding="utf-8")
    before = sorted(lake.rglob("*"))
    env = {**os.environ, "REASONGEN_LAKE": str(lake)}
    done = subprocess.run([sys.executable, "-W", "error", str(script)], env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert sorted(lake.rglob("*")) == before


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_holds_no_output(path: Path) -> None:
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells(path))
