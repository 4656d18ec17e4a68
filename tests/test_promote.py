"""Which model nights load: a good one gets in, a bad one stays out, and there is a way back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import labelled
import pytest
import torch
from deltalake import DeltaTable
from safetensors.torch import load_file, save_file

from jobs import promote as job
from reasongen.config import EngineSettings, load_config, load_settings
from reasongen.engine import model_version
from reasongen.errors import ConfigError
from reasongen.evaluation.promotion import GateRules, refusals
from reasongen.pipeline.tools import pinned
from reasongen.schema import PROMOTIONS
from reasongen.training.promoting import PromoteSettings, promote
from reasongen.training.registry import Registry

ROOT = Path(__file__).resolve().parent.parent
DEFAULT = ROOT / "models" / "default"
LENIENT = ("gate.min_passed=0.5", "gate.min_speed=0", "gate.margin=0.2", "gate.segment_margin=0.5")


def shaken(folder: Path, share: float) -> Path:
    """The default model with so much noise in its weights."""
    shutil.copytree(DEFAULT, folder)
    weights = load_file(folder / "model.safetensors")
    torch.manual_seed(1)
    for name, weight in weights.items():
        weights[name] = weight + share * weight.float().std().to(weight.dtype) * torch.randn_like(weight)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled.write(tmp_path_factory.mktemp("promote") / "examples.parquet", labelled.rows(10, 25))


@pytest.fixture
def settings(pairs: Path, tmp_path: Path) -> PromoteSettings:
    return load_settings(PromoteSettings, ROOT / "conf" / "promote.yaml", sets_of(pairs, tmp_path))


def sets_of(pairs: Path, folder: Path) -> list[str]:
    """Overrides for a small registry of the test's own."""
    given = [f"registry={folder}/registry", f"comparison.examples={pairs}", "comparison.split=validation"]
    given += [f"comparison.{name}={place}" for name, place in labelled.CONF.items()]
    return [*given, "comparison.draws=50", "comparison.perplexity=false", *LENIENT]


def test_a_good_model_gets_in_a_broken_one_stays_out_and_there_is_a_way_back(
    settings: PromoteSettings, tmp_path: Path
) -> None:
    registry = Registry(settings.registry)
    assert registry.current is None
    first = promote(settings, str(DEFAULT))
    assert first.promoted, first.refusals
    assert registry.current == first.place.resolve()

    broken = promote(settings, str(shaken(tmp_path / "broken", 3.0)))
    assert any(refusal.startswith("passed: wanted") for refusal in broken.refusals)
    assert registry.current == first.place.resolve()

    second = promote(settings, str(shaken(tmp_path / "second", 0.001)))
    assert second.promoted, second.refusals
    assert registry.current == second.place.resolve() != first.place.resolve()
    assert json.loads((second.place / "evaluation.json").read_text())["writers"]["current"]
    assert second.place.name not in ("", first.place.name)
    assert "Licence: not stated" in (second.place / "README.md").read_text()

    assert registry.roll_back() == first.place
    assert registry.current == first.place.resolve()
    with pytest.raises(ConfigError, match="wanted a model before the current one; found none"):
        registry.roll_back()
    actions = [(row["action"], row["folder"]) for row in registry.history()]
    places = [first.place.name, broken.place.name, second.place.name, first.place.name]
    assert actions == list(zip(["promoted", "refused", "promoted", "rolled_back"], places, strict=True))
    assert DeltaTable(registry.root / "promotions").schema().to_arrow().names == PROMOTIONS.names
    assert not list(registry.root.glob(".*")), "nothing half made is left"


def test_a_night_stays_with_the_folder_that_was_current_when_it_began(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry")
    places = [registry.root / name for name in ("a" * 12, "b" * 12)]
    for number, place in enumerate(places):
        shutil.copytree(DEFAULT, place)
        (place / "marker.json").write_text(str(number))
    registry.promote(places[0])
    config = load_config(ROOT / "conf" / "local.yaml", [f"engine.model={registry.root}/current"])
    begun = pinned(config)
    registry.promote(places[1])
    assert Path(begun.engine.model) == places[0].resolve()
    assert model_version(begun.engine) != model_version(config.engine)
    assert begun.digest() != pinned(config).digest()
    assert pinned(load_config(ROOT / "conf" / "local.yaml")) == load_config(ROOT / "conf" / "local.yaml")


def test_going_back_twice_goes_back_two(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    for name in "abc":
        shutil.copytree(DEFAULT, tmp_path / name)
        (tmp_path / name / "marker.json").write_text(name)
        registry.promote(tmp_path / name)
    assert [registry.roll_back().name for _ in range(2)] == ["b", "a"]
    registry.promote(tmp_path / "c")
    assert registry.roll_back().name == "a"


def put(folder: Path, *names: str) -> Registry:
    """A registry with these models, promoted one after the other."""
    registry = Registry(folder)
    for name in names:
        shutil.copytree(DEFAULT, folder / name)
        (folder / name / "marker.json").write_text(name)
        registry.promote(folder / name)
    return registry


def test_the_way_back_leads_to_another_model_that_nights_loaded(tmp_path: Path) -> None:
    """Neither to the current one, promoted twice, nor to one whose link was never turned."""
    registry = put(tmp_path / "a registry", "a", "b")
    registry.promote(registry.root / "b")
    shutil.copytree(DEFAULT, registry.root / "c")
    registry.record("promoted", registry.root / "c", [])  # and killed
    assert registry.roll_back().name == "a"
    registry.promote(registry.root / "b")
    registry.record("rolled_back", registry.root / "a", [])  # and killed
    assert registry.current == (registry.root / "b").resolve()
    assert registry.roll_back().name == "a"


def test_a_way_back_goes_on_from_what_a_person_linked(tmp_path: Path) -> None:
    registry = put(tmp_path, "a", "b", "c")
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("b")
    assert registry.roll_back().name == "a"


def test_what_stands_in_the_place_of_the_link_is_told_with_a_remedy(tmp_path: Path) -> None:
    registry = put(tmp_path, "a")
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(ConfigError, match=r"found one to nothing\. Put the folder back, or remove the link"):
        _ = registry.current
    (tmp_path / "current").unlink()
    (tmp_path / "current").mkdir()
    with pytest.raises(ConfigError, match=r"found no link\. Move it away"):
        _ = registry.current


def test_the_table_names_a_model_as_the_nights_do(tmp_path: Path) -> None:
    row = put(tmp_path, "a").history()[0]
    assert row["model_version"] == model_version(EngineSettings(model=str(tmp_path / "current")))


def test_the_current_model_is_not_measured_beside_itself_and_needs_no_figure(
    settings: PromoteSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the registry's path is relative too; and a model that writes no claim still gets its card."""
    asked: list[list[str]] = []

    def compared(told: Any) -> Any:
        asked.append([model.name for model in told.models])
        mine = writer(borne=None)  # type: ignore[arg-type]
        mine["figures"]["rouge1_target"] = None
        figures = {"writers": {"candidate": mine}, "template": "t", "pairs": 2, "split": "test"}
        return SimpleNamespace(figures=figures)

    monkeypatch.setattr("reasongen.training.promoting.compare", compared)
    monkeypatch.chdir(tmp_path)
    near = settings.model_copy(update={"registry": "models"})
    place = promote(near, str(DEFAULT)).place
    assert promote(near, str(DEFAULT)).promoted
    assert asked == [["candidate"], ["candidate"]]
    assert "claims borne none" in (place / "README.md").read_text()


def writer(passed: float = 0.95, borne: float = 0.99, gain: float = 0.2, low: float = 0.5, zh: float = 0.95) -> Any:
    return {
        "figures": {"passed": passed, "borne": borne, "gain_skeleton": gain},
        "intervals": {"lift_skeleton": (low, 1.0)},
        "segments": {"locale": {"zh": {"pairs": 60, "passed": zh}, "en": {"pairs": 5, "passed": 0.0}}},
    }


@pytest.mark.parametrize(
    ("candidate", "speed", "wanted"),
    [
        (writer(), 1.0, []),
        (writer(), None, []),
        (writer(passed=0.89), 1.0, ["passed: wanted 90.0%", "passed: wanted 0.940"]),
        (writer(borne=0.97), 1.0, ["borne: wanted 0.980"]),
        (writer(gain=0.18), 1.0, ["gain_skeleton: wanted 0.190"]),
        (writer(low=-0.1), 1.0, ["lift_skeleton: wanted an interval above 0"]),
        (writer(zh=0.89), 1.0, ["passed where locale is zh (60 pairs): wanted 0.900"]),
        (writer(), 0.5, ["speed: wanted 0.80"]),
    ],
)
def test_each_rule_of_the_gate_refuses_by_itself(candidate: Any, speed: float | None, wanted: list[str]) -> None:
    found = refusals({"writers": {"candidate": candidate, "current": writer()}}, GateRules(), speed)
    assert [one.startswith(want) for one, want in zip(found, wanted, strict=True)] == [True] * len(wanted)


def test_the_first_model_is_asked_for_itself_alone() -> None:
    assert refusals({"writers": {"candidate": writer(borne=0.1, gain=0.0)}}, GateRules(), None) == []


@pytest.mark.slow
def test_the_job_tells_what_became_of_it(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    sets = [part for one in sets_of(pairs, tmp_path) for part in ("--set", one)]
    told: Callable[..., int] = lambda *more: job.main([*sets, *more])  # noqa: E731
    assert told("--rollback") == 2
    assert "found none" in capsys.readouterr().err
    assert told("--model", str(DEFAULT), "--json", str(tmp_path / "out.json")) == 0
    assert "promoted: nights load" in capsys.readouterr().out
    assert json.loads((tmp_path / "out.json").read_text())["refusals"] == []
    assert told("--model", str(DEFAULT), "--set", "gate.min_passed=1.0") == 3
    assert "is what nights load, and stays: go back with --rollback" in capsys.readouterr().out
    assert told("--model", str(tmp_path / "nothing")) == 2
    capsys.readouterr()
    assert told("--list") == 0
    assert "promoted" in capsys.readouterr().out.splitlines()[0]
