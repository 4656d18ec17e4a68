"""A small sample world and nights over it by the scripted engine, for the tests that need whole nights."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from reasongen.config import NightConfig, load_config
from reasongen.sample import load_world_settings, write_world

ROOT = Path(__file__).resolve().parent.parent
FILES = {"events": "events", "items": "items.jsonl", "candidates": "candidates.parquet", "users": "users.csv"}


def write_small_world(out: Path) -> Path:
    """A small sample world with all its dirt."""
    small = ["users=150", "visits=3000", "heavy_user_events=200"]
    write_world(load_world_settings(ROOT / "conf" / "world.yaml", small), out)
    return out


def night_over(world: Path, root: Path, *sets: str) -> NightConfig:
    """Settings of a night over `world` into the lake at `root`; `sets` go last."""
    places = [f"inputs.{name}.path={world / file}" for name, file in FILES.items()]
    given = [*places, f"root={root}", f"locale_files={ROOT}/conf/locales", "engine.backend=scripted", "show=0"]
    return load_config(ROOT / "conf" / "local.yaml", [*given, f"template={ROOT}/conf/prompts/reference.yaml", *sets])


def reasons(config: NightConfig) -> pl.DataFrame:
    """The published table, as polars reads it."""
    return pl.read_delta(f"{config.root}/reasons")
