"""Every file below conf/ is read by the loader that a job reads it with; faults are named all at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePath

import pytest
from pydantic import ValidationError

from reasongen.config import ExampleConfig, NightConfig, load_config, load_settings
from reasongen.errors import ConfigError
from reasongen.evaluation.grammar import load_grammar
from reasongen.experiments.settings import ExperimentSettings
from reasongen.prompts import load_locale, load_template
from reasongen.quality import Suite
from reasongen.sample import load_world_settings
from reasongen.sample.lexicon import Lexicon
from reasongen.sample.sentences import Sentences
from reasongen.training.opinion import OpinionSettings
from reasongen.training.settings import FinetuneSettings, TrainSettings
from reasongen.validation.licences import Acts, Synonyms, Units, Words
from reasongen.validation.private import PrivateWords
from reasongen.validation.rules import Evasions, load_rule

CONF = Path(__file__).resolve().parent.parent / "conf"
FILES = sorted(str(path.relative_to(CONF)) for path in CONF.rglob("*") if path.suffix in (".yaml", ".yml"))
INPUTS = [f"inputs.{name}.path=somewhere/{name}" for name in ("events", "items", "candidates", "users")]


def load_exam(path: Path) -> object:
    from reasongen.training.exam import ExamSettings  # here: it brings torch

    return load_settings(ExamSettings, path)


def load_comparison(path: Path) -> object:
    from reasongen.training.comparison import ComparisonSettings  # as above

    return load_settings(ComparisonSettings, path)


def load_promotion(path: Path) -> object:
    from reasongen.training.promoting import PromoteSettings  # as above

    return load_settings(PromoteSettings, path)


def load_search(path: Path) -> object:
    from reasongen.training.tune import TuneSettings  # as above

    return load_settings(TuneSettings, path)


LOADERS: dict[str, Callable[[Path], object]] = {
    "default.yaml": lambda path: load_config(path, INPUTS),  # names no input: an overlay does
    "local.yaml": load_config,
    "cluster.yaml": load_config,
    "standalone.yaml": load_config,
    "places.yaml": load_config,
    "scenarios/*.yaml": load_config,
    "*references.yaml": lambda path: load_settings(ExampleConfig, path),
    "world.yaml": load_world_settings,
    "train*.yaml": lambda path: load_settings(TrainSettings, path),
    "finetune/*.yaml": lambda path: load_settings(FinetuneSettings, path),
    "evaluate.yaml": load_exam,
    "evaluate_pairs*.yaml": load_comparison,
    "promote.yaml": load_promotion,
    "experiment.yaml": lambda path: load_settings(ExperimentSettings, path),
    "tune.yaml": load_search,
    "prompts/*.yaml": load_template,
    "locales/*.yaml": load_locale,
    "corpus/*.yaml": load_grammar,
    "licences/*/words.yaml": lambda path: load_settings(Words, path),
    "licences/*/synonyms.yaml": lambda path: load_settings(Synonyms, path),
    "licences/*/acts.yaml": lambda path: load_settings(Acts, path),
    "licences/units.yaml": lambda path: load_settings(Units, path),
    "privacy/*.yaml": lambda path: load_settings(PrivateWords, path),
    "quality/*.yaml": lambda path: load_settings(Suite, path),
    "policies/*/*.yaml": load_rule,
    "policies/evasions.yaml": lambda path: load_settings(Evasions, path),
    "opinion.yaml": lambda path: load_settings(OpinionSettings, path),
    "opinion/*.yaml": lambda path: load_settings(Sentences, path),
    "world/*.yaml": lambda path: load_settings(Lexicon, path),
}


def test_no_file_is_left_out() -> None:
    assert {"default.yaml", "local.yaml", "prompts/reference.yaml", "locales/zh.yaml", "corpus/en.yaml"} <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_taken_by_its_own_loader(name: str) -> None:
    takers = [load for pattern, load in LOADERS.items() if PurePath(name).match(pattern)]
    assert len(takers) == 1, f"{name}: wanted one loader"
    assert takers[0](CONF / name)


def night(*sets: str) -> NightConfig:
    return load_config(CONF / "local.yaml", sets)


def test_default_yaml_says_what_the_code_has_as_defaults() -> None:
    config = load_config(CONF / "default.yaml", INPUTS)
    bare = NightConfig.model_validate(
        {"inputs": {"events": {"path": "a"}, "items": {"path": "b"}, "candidates": {"path": "c"}}}
    )
    for name in ("evidence", "engine", "serving", "gate", "forget", "export", "scenario", "locales", "show"):
        assert getattr(config, name) == getattr(bare, name), name


def test_an_overlay_and_then_set_go_before_what_they_extend() -> None:
    config = night("engine.samples=3", "evidence.act_weights.browse=0.5", "limit=10")
    assert (config.engine.samples, config.limit, config.evidence.act_weights["browse"]) == (3, 10, 0.5)
    assert config.evidence.act_weights["purchase"] == 4.0
    assert (config.engine.slice_prompts, config.engine.batch_rows) == (2000, 96)


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("scenaro=x", "scenario"),
        ("engine.temperatur=1", "temperature"),
        ("engine.scripted.fault_rat=0", "fault_rate"),
        ("inputs.events.formatt=csv", "format"),
        ("inputs.users.pth=x", "path"),
    ],
)
def test_an_unknown_key_suggests_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(ConfigError, match=f"no such setting; did you mean `{near}`"):
        night(wrong)


def test_a_key_far_from_all_suggests_nothing() -> None:
    with pytest.raises(ConfigError, match="qqqqqq: no such setting") as caught:
        night("qqqqqq=1")
    assert "did you mean" not in str(caught.value)


def test_all_faults_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        night("engine.temperature=-1", "evidence.budget=5", "gate.min_row=1", "night=yesterday", "locales=[zh,tlh]")
    text = str(caught.value)
    assert text.startswith("ConfigError: ")
    for where in ("engine.temperature", "evidence.budget", "gate.min_row", "night"):
        assert f"\n  {where}: " in text
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "sets",
    [
        ["inputs.events.table=t"],
        ["inputs.events.path=null"],
        ["inputs.items.version=3"],
        ["evidence.facet_weights.colour=1"],
        ["locales=[tlh]"],
        ["engine.samples"],
    ],
)
def test_settings_that_contradict_each_other_are_refused(sets: list[str]) -> None:
    with pytest.raises(ConfigError):
        night(*sets)


@pytest.mark.parametrize("text", ["a: [", "extends: own.yaml\n", "- a\n", ""])
def test_a_file_that_is_no_settings_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"own\.yaml"):
        load_config(tmp_path / "own.yaml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found none there"):
        load_config(tmp_path / "none.yaml")


def test_settings_cannot_be_changed_after_birth() -> None:
    with pytest.raises(ValidationError):
        night().show = 3  # type: ignore[misc]


SPEED = [
    "engine.batch_rows=7",
    "engine.threads=2",
    "engine.slice_prompts=9",
    "engine.device=cpu",
    "spark.app=other",
    "show=1",
]


@pytest.mark.parametrize("root", ["lake%20of", "100%"])
def test_a_root_that_two_readers_would_take_for_two_folders_is_refused(root: str) -> None:
    with pytest.raises(ConfigError, match="%"):
        night(f"root={root}")


RESULTS = ["engine.temperature=0.7", "engine.seed=1", "evidence.budget=1", "serving.valid_days=3", "gate.max_chars=99"]


@pytest.mark.parametrize("changed", [*SPEED, "root=elsewhere", "spark.conf.a=b", "forget.reader_hours=5"])
def test_the_digest_does_not_see_what_only_changes_speed_or_place(changed: str) -> None:
    assert night(changed).digest() == night().digest()


@pytest.mark.parametrize("changed", [*RESULTS, "engine.samples=2", "inputs.timezone=Asia/Shanghai", "night=2026-03-03"])
def test_the_digest_changes_with_what_changes_results(changed: str) -> None:
    assert night(changed).digest() != night().digest()
