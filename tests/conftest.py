"""One Spark session for the whole run; each test gets its own folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from forgotten import config_of, people, plant_world
from hypothesis import settings
from nights import ENVIRONMENT, local_session, write_small_world

os.environ.update(ENVIRONMENT)
if not hasattr(sys.modules["__main__"], "__file__"):  # a worker of xdist: pyspark would take it for a doctest, and exit
    sys.modules["__main__"].__file__ = __file__
# The same examples each time: what is red stays red until it is mended, and nobody's change meets another's fault.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """A local[2,4] session with Delta; four tries, so that a killed worker is retried as on a cluster."""
    session = local_session(tmp_path_factory.mktemp("warehouse"))
    yield session
    session.stop()


@pytest.fixture(scope="session")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sample world; who changes it copies it first."""
    return write_small_world(tmp_path_factory.mktemp("small") / "world")


@pytest.fixture(scope="session")
def lake_after_a_night(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with its inputs below it, one planted person in them, after one night; who changes it copies it."""
    from reasongen.pipeline import generate_night

    lake = tmp_path_factory.mktemp("planted") / "lake"
    plant_world(lake, people(1))
    generate_night(spark, config_of(lake))
    return lake
