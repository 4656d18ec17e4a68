"""Looks for better settings of a fine-tuning: tries some, learns where to look, gives up early on what goes badly.

Optuna draws and judges; its study is one SQLite file, so a search that was killed goes on, and several processes on one
machine may share it. What counts is the validation loss. A killed trial is never told: it stays `running`, and another
one is tried in its place. Knows no Spark.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from omegaconf import OmegaConf
from pydantic import Field, model_validator

from reasongen.config import Settings, load_settings
from reasongen.errors import ConfigError
from reasongen.training.finetune import finetune
from reasongen.training.loop import DivergedError
from reasongen.training.settings import FinetuneSettings

LOG = logging.getLogger(__name__)
_FACTS = "reasongen"
_ENDED = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)


class Span(Settings):
    """Where one setting may lie: between two numbers (`log`: even in orders of magnitude), or among `choices`."""

    low: float | None = None
    high: float | None = None
    log: bool = False
    whole: bool = False
    choices: tuple[str | float | int | bool, ...] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Span:
        if (self.choices is None) == (self.low is None or self.high is None):
            raise ValueError("give either choices, or low and high")
        if self.low is not None and self.high is not None and (self.low > self.high or (self.log and self.low <= 0)):
            raise ValueError("wanted low at most high, and above 0 where log is true")
        return self

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values that show whether all of it may be set: both ends, or every choice."""
        if self.choices is not None:
            return self.choices
        return tuple(int(end or 0) if self.whole else end for end in (self.low, self.high))

    def draw(self, name: str, trial: optuna.Trial) -> Any:
        """A value for this trial."""
        if self.choices is not None:
            return trial.suggest_categorical(name, list(self.choices))
        assert self.low is not None
        assert self.high is not None
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)


class TuneSettings(Settings):
    """Everything of conf/tune.yaml."""

    base: str
    sets: tuple[str, ...] = ()
    space: dict[str, Span] = Field(min_length=1)
    trials: int = Field(ge=1)
    startup: int = Field(5, ge=0)
    seed: int = Field(0, ge=0)
    study: str
    out: str


def tune(settings: TuneSettings) -> dict[str, Any]:
    """Searches until the study holds `trials` finished trials and writes the best as a file of settings.

    Returns its values, its loss, and the counts of trials by state. Raises ConfigError where the study holds another
    search, a setting of the space is none of the base's, or no trial came to an end.
    """
    for name, span in settings.space.items():  # a wrong name or value stops here, not in some trial
        for value in span.ends:
            load_settings(FinetuneSettings, settings.base, [*settings.sets, f"{name}={value}"])
    study = _study(settings)
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def tried(trial: optuna.Trial) -> float:
        # By its number: neither what goes on nor another process beside this one may draw the same again.
        study.sampler = optuna.samplers.TPESampler(seed=settings.seed + trial.number)
        values = {name: span.draw(name, trial) for name, span in settings.space.items()}
        LOG.info("tuning: trial %d: %s", trial.number, json.dumps(values))
        return _loss(settings, trial, values)

    if len(_ended(study)) < settings.trials:
        enough = optuna.study.MaxTrialsCallback(settings.trials, states=_ENDED)  # of all processes together
        study.optimize(tried, callbacks=[enough])
    return _written(settings, study)


def _loss(settings: TuneSettings, trial: optuna.Trial, values: dict[str, Any]) -> float:
    out = Path(settings.study).with_suffix("") / f"trial-{trial.number}"
    sets = [*settings.sets, *(f"{name}={value}" for name, value in values.items()), f"out={out}", "tracking=none"]
    told = load_settings(FinetuneSettings, settings.base, sets)

    def look(step: int, loss: float) -> None:
        trial.report(loss, step)
        if trial.should_prune():
            raise optuna.TrialPruned

    try:
        return finetune(told, look).validation_loss
    except DivergedError as error:
        raise optuna.TrialPruned(str(error)) from error
    finally:
        for folder in (out, out.with_name(f"{out.name}.work")):
            shutil.rmtree(folder, ignore_errors=True)


def _study(settings: TuneSettings) -> optuna.Study:
    file = Path(settings.study)
    file.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=f"sqlite:///{file}",
        study_name=_FACTS,
        direction="minimize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=settings.startup),
    )
    digest = _digest(settings)
    known = study.user_attrs.get(_FACTS)
    if known is None:
        study.set_user_attr(_FACTS, digest)
    elif known != digest:
        raise ConfigError(f"{file}: wanted the study of this base and space; found another's. Set study to a new file.")
    return study


def _digest(settings: TuneSettings) -> str:
    base = load_settings(FinetuneSettings, settings.base, settings.sets).model_dump(mode="json")
    space = {name: span.model_dump(mode="json") for name, span in settings.space.items()}
    return hashlib.sha256(json.dumps([base, space], sort_keys=True).encode()).hexdigest()


def _ended(study: optuna.Study) -> Sequence[optuna.trial.FrozenTrial]:
    return study.get_trials(deepcopy=False, states=_ENDED)


def _written(settings: TuneSettings, study: optuna.Study) -> dict[str, Any]:
    states = [trial.state.name.lower() for trial in study.trials]
    counts = {state: states.count(state) for state in sorted(set(states))}
    if not counts.get("complete"):
        raise ConfigError(f"{settings.study}: wanted a trial that came to an end; found {counts}. Allow more trials.")
    best, out = study.best_trial, Path(settings.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    found = OmegaConf.merge(
        {"extends": os.path.relpath(settings.base, out.parent)}, OmegaConf.from_dotlist(list(settings.sets))
    )
    for name, value in best.params.items():
        OmegaConf.update(found, name, value)
    loss = f"validation loss {best.value:.4f}"
    head = f"# The best of {len(_ended(study))} trials, {loss}; the search: {Path(settings.study).name}\n"
    out.write_text(head + OmegaConf.to_yaml(found), encoding="utf-8")
    return {"out": str(out), "values": best.params, "validation_loss": best.value, "trials": counts}
