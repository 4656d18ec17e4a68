"""Goes on from a model with labelled pairs: reads, prepares, learns, and puts in place what a night loads.

A run that died goes on where its last whole checkpoint stands, and ends at the same weights, on a CPU to the last bit.
Knows no Spark.
"""

from __future__ import annotations

import hashlib
import json
import logging
import resource
import shutil
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerState, set_seed

from reasongen.config import EngineSettings
from reasongen.engine.adapter import weights_digest
from reasongen.engine.load import Loaded, load
from reasongen.errors import ConfigError, ModelError
from reasongen.prompts.template import PromptTemplate, load_template
from reasongen.training.checkpoints import newest_whole, open_work, saved_weights, seconds_of
from reasongen.training.directory import TEMPLATE, dtype_of, save_finetuned
from reasongen.training.loop import Look, Looks, ReasonTrainer, Watch, arguments, finished, trackers
from reasongen.training.methods import make_learn, parameters, restore
from reasongen.training.pairs import Lessons, Reader, read_lessons
from reasongen.training.settings import FinetuneSettings

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tuned:
    """What a run has done; it enters recipe.json. Losses: nats per learnt token of the validation split."""

    steps: int
    best_step: int  # whose weights were kept
    seconds: float
    validation_loss_before: float
    validation_loss: float
    parameters_trained: int
    parameters: int
    peak_memory_mb: int


def finetune(settings: FinetuneSettings, look: Look | None = None) -> Tuned:
    """Fine-tune as the settings say and write `out`; returns the figures. Raises ConfigError and ModelError.

    `look` is told step and validation loss each time that it is measured; what it raises ends the run.
    """
    torch.set_num_threads(settings.threads)
    template_file, template = _template(settings)
    loaded = load(EngineSettings(model=settings.model, dtype="float32", device=settings.device))
    lessons = _lessons(settings, template, loaded)
    digest = _run_digest(settings, lessons)
    callbacks = trackers(settings, f"{Path(settings.out).name}-{digest[:8]}")
    callbacks += [Looks(look)] if look else []
    set_seed(settings.seed)
    model = make_learn(loaded.model, settings.method, settings.train.dropout)
    LOG.info("fine-tuning: %s, %d of %d weights learn", settings.method.kind, *parameters(model))
    work = open_work(settings.out, digest)
    trainer = ReasonTrainer(model, lessons, settings.train, arguments(settings, work))
    tuned = _learn(settings, trainer, callbacks, work, lessons)
    save_finetuned(settings, model, template_file, _stage(settings, lessons, tuned))
    shutil.rmtree(work)
    return tuned


def _template(settings: FinetuneSettings) -> tuple[Path, PromptTemplate]:
    """The template that travels with the base, else the one that the settings name."""
    base = Path(settings.model)
    if not base.is_dir():
        raise ModelError(f"{base}: wanted the folder of a base model; found none there. Set model.")
    own = base / TEMPLATE
    if settings.template is None:
        if not own.is_file():
            raise ConfigError(f"{base}: wanted a base with {TEMPLATE}; found none. Set template to a file of yours.")
        return own, load_template(own)
    named = load_template(settings.template)
    if own.is_file() and (there := load_template(own)).digest != named.digest:
        raise ConfigError(
            f"template: wanted {there.key} as it travels with {base}; found {named.key} in {settings.template},"
            " which differs. Leave template out."
        )
    return Path(settings.template), named


def _lessons(settings: FinetuneSettings, template: PromptTemplate, loaded: Loaded) -> Lessons:
    room = None if loaded.positions is None else loaded.positions - settings.method.virtual
    reader = Reader(template, loaded.tokenizer, loaded.ends[0], room)
    lessons = read_lessons(settings.examples, reader, settings.few_shot, settings.seed)
    for split, counts in lessons.counts.items():
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        LOG.info("fine-tuning: %s: %s", split, told)
    return lessons


def _run_digest(settings: FinetuneSettings, lessons: Lessons) -> str:
    """What decides the weights that come out; not where they and the curves go."""
    aside = {"out", "model", "examples", "template", "tracking", "tracking_dir"}
    plain = settings.model_dump(mode="json", exclude=aside)
    parts = [plain, weights_digest(settings.model), lessons.digest, _versions()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _learn(
    settings: FinetuneSettings, trainer: ReasonTrainer, callbacks: list[Any], work: Path, lessons: Lessons
) -> Tuned:
    """Runs the loop from the newest checkpoint, if any, and leaves the model with the weights that are kept."""
    before = trainer.measure(lessons.validation)
    last = newest_whole(work)
    tokens, patience = lessons.counts["train"]["tokens"], settings.train.patience
    watch = Watch(tokens, patience, seconds_of(last) if last else 0.0)
    for callback in (watch, *callbacks):
        trainer.add_callback(callback)
    state = TrainerState.load_from_json(str(last / "trainer_state.json")) if last else None
    if state is None or not finished(state, patience):
        if last:
            LOG.info("fine-tuning: going on after step %s", last.name.rpartition("-")[2])
        trainer.train(resume_from_checkpoint=str(last) if last else None)
        state = trainer.state
    kept = state.best_global_step or state.global_step
    restore(trainer.model, saved_weights(work / f"checkpoint-{kept}"))
    if not settings.method.adapter:
        trainer.model.to(dtype_of(settings.model)).float()  # measured as a night will load it
    learnt, every = parameters(trainer.model)
    return Tuned(
        steps=state.global_step,
        best_step=kept,
        seconds=round(watch.seconds, 1),
        validation_loss_before=before,
        validation_loss=trainer.measure(lessons.validation),
        parameters_trained=learnt,
        parameters=every,
        peak_memory_mb=_peak_memory(),
    )


def _stage(settings: FinetuneSettings, lessons: Lessons, tuned: Tuned) -> dict[str, Any]:
    """What rebuilds the weights, and what the run measured."""
    return {
        "settings": settings.model_dump(mode="json", exclude={"out"}),
        "base_weights": weights_digest(settings.model),
        "examples_sha256": lessons.digest,
        "counts": lessons.counts,
        **asdict(tuned),
        "versions": _versions(),
    }


def _peak_memory() -> int:
    """MB: of the GPU where one is used, else of this process."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return int(torch.cuda.max_memory_allocated()) >> 20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("torch", "transformers", "peft")}
