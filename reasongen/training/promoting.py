"""Decides whether a candidate takes the place of the model that nights load: both on the same pairs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reasongen.config import EngineSettings, Settings
from reasongen.errors import ConfigError
from reasongen.evaluation.labelled import read_labelled
from reasongen.evaluation.promotion import CANDIDATE, CURRENT, GateRules, refusals
from reasongen.prompts.frame import Frame
from reasongen.prompts.template import PromptTemplate, load_template
from reasongen.training.asking import answers_of
from reasongen.training.comparison import ComparisonSettings, ModelSettings, compare
from reasongen.training.directory import TEMPLATE
from reasongen.training.registry import REFUSED, Registry

_WARM, _ROUNDS = 32, 3


class PromoteSettings(Settings):
    """Everything of conf/promote.yaml."""

    registry: str
    licence: str
    gate: GateRules = GateRules()
    comparison: ComparisonSettings


@dataclass(frozen=True)
class Decision:
    """What became of a candidate. `figures`: of the comparison, without any text of a pair."""

    place: Path
    before: Path | None
    refusals: tuple[str, ...]
    speed: float | None
    figures: dict[str, Any]

    @property
    def promoted(self) -> bool:
        """Whether nights load it from now on."""
        return not self.refusals


def promote(settings: PromoteSettings, model: str, adapter: str | None = None) -> Decision:
    """Registers a model and makes it current where the gate lets it. Raises ConfigError, ModelError, MachineError.

    What is refused stays in the registry, with its figures; `current` stays what it was.
    """
    registry = Registry(settings.registry)
    before = registry.current
    engine = settings.comparison.engine.model_copy(update={"model": model, "adapter": adapter})
    if engine.backend == "scripted":
        raise ConfigError(
            "comparison.engine.backend: wanted torch or transformers; found scripted, which has no weights."
        )
    place = registry.add(engine)
    models = [ModelSettings(name=CANDIDATE, model=str(place))]
    if before is not None and before != place.resolve():
        models.append(ModelSettings(name=CURRENT, model=str(before)))
    figures = compare(settings.comparison.model_copy(update={"models": tuple(models)})).figures
    speed = _speed(settings.comparison, place, before) if len(models) > 1 else None
    found = refusals(figures, settings.gate, speed)
    registry.describe(place, figures, settings.licence)
    if found:
        registry.record(REFUSED, place, found)
    else:
        registry.promote(place)
    return Decision(place, before, tuple(found), speed, figures)


def _speed(settings: ComparisonSettings, place: Path, before: Path | None) -> float:
    """Texts a second of the new model over the current one's: the best of interleaved rounds, loaded and warm."""
    pairs = read_labelled(settings.examples, [settings.split])
    frames = list({pair.frame.to_json(): pair.frame for pair in pairs}.values())[: settings.limit]
    best = dict.fromkeys((place, before), 0.0)
    for _ in range(_ROUNDS):
        for folder in best:
            engine = settings.engine.model_copy(update={"model": str(folder), "adapter": None})
            best[folder] = max(best[folder], _rate(engine, load_template(Path(str(folder), TEMPLATE)), frames))
    return best[place] / best[before]


def _rate(engine: EngineSettings, template: PromptTemplate, frames: list[Frame]) -> float:
    answers_of(engine, template, frames[:_WARM])
    began = time.monotonic()
    answers_of(engine, template, frames)
    return len(frames) / (time.monotonic() - began)
