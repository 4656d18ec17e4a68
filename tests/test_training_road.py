"""From a night's good sentences to another model that nights load, and back: each step by its own door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import labelled
import polars as pl
import pytest
from nights import FILES, ROOT, night_over
from pyspark.sql import SparkSession

from jobs import promote as promote_job
from jobs import train as train_job
from reasongen.config import EngineSettings, ExampleConfig, load_settings
from reasongen.engine import model_version
from reasongen.pipeline import generate_night, make_examples
from reasongen.training.registry import Registry

LENIENT = ("gate.min_passed=0.1", "gate.min_speed=0", "gate.margin=1", "gate.segment_margin=1")


def examples_of(spark: SparkSession, world: Path, lake: Path) -> str:
    """What the published reasons of a lake teach."""
    places = [f"inputs.{name}.path={world / file}" for name, file in FILES.items()]
    sets = [*places, f"root={lake}", f"references.path={lake}/reasons", "engine.backend=scripted"]
    sets.append(f"template={ROOT}/conf/prompts/reference.yaml")
    return make_examples(spark, load_settings(ExampleConfig, ROOT / "conf" / "references.yaml", sets)).place


def set_all(sets: list[str]) -> list[str]:
    return [part for one in sets for part in ("--set", one)]


@pytest.mark.slow
def test_from_reasons_to_a_promoted_model_and_back(
    spark: SparkSession, small_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    lake, registry = tmp_path / "lake", Registry(tmp_path / "registry")
    generate_night(spark, night_over(small_world, lake, "gate.max_fallback_share=1"))
    place = examples_of(spark, small_world, lake)
    assert pl.read_delta(place)["target"].is_not_null().mean() > 0.9

    tuned = tmp_path / "lora"
    few = [f"examples={place}", f"out={tuned}", "few_shot=64", "train.max_steps=6", "train.warmup=2", "tracking=none"]
    assert train_job.main(["--config", "conf/finetune/lora.yaml", *set_all(few)]) == 0

    sets = [f"registry={registry.root}", f"comparison.examples={place}", "comparison.limit=30", "comparison.draws=50"]
    sets += [*(f"comparison.{name}={where}" for name, where in labelled.CONF.items()), *LENIENT]
    assert promote_job.main([*set_all(sets), "--model", "models/default"]) == 0
    first = registry.current
    assert promote_job.main([*set_all(sets), "--model", "models/default", "--adapter", str(tuned)]) == 0
    second = registry.current
    assert first != second

    def night() -> Any:
        asked = ("limit=60", "engine.backend=torch", f"engine.model={registry.root}/current")
        config = night_over(small_world, tmp_path / "served", *asked, "gate.max_fallback_share=1")
        return generate_night(spark, config.model_copy(update={"template": None}))

    assert night().model_version == version_of(second)
    assert promote_job.main([*set_all(sets), "--rollback"]) == 0
    assert night().model_version == version_of(first)
    again = promote_job.main([*set_all(sets), "--model", "models/default", "--adapter", str(tuned)])
    back = night()
    assert (again, back.model_version) == (0, version_of(second))
    assert back.prompts["generated"] == 0, "what this model wrote before is not made again"


def version_of(folder: Path | None) -> str:
    return model_version(EngineSettings(model=str(folder)))
