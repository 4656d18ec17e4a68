"""Compares models on labelled pairs: before and after fine-tuning, and beside what needs no model.

Every model writes one text for each distinct prompt through the engine's door; what the texts are worth is counted by
reasongen.evaluation. Knows no Spark.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from reasongen.config import EngineSettings, Settings
from reasongen.errors import ConfigError
from reasongen.evaluation import baselines
from reasongen.evaluation.comparing import comparisons
from reasongen.evaluation.labelled import LabelledPair, read_labelled
from reasongen.evaluation.scoring import Bench, Draws, figures_of, score
from reasongen.evaluation.truth import Told, Truth, load_truth
from reasongen.prompts.template import PromptTemplate, load_template
from reasongen.training.asking import answers_of
from reasongen.training.likelihood import likelihood

BASELINES = ("constant", "template", "nearest")
UPPER = ("target", "label")
TEMPLATE_FILE = "prompt_template.yaml"


class ModelSettings(Settings):
    """One model to judge, by the name that tables and page give it."""

    name: str = Field(pattern=r"^\S.{0,30}$")
    model: str = "models/default"
    adapter: str | None = None


class ComparisonSettings(Settings):
    """Everything of conf/evaluate_pairs.yaml."""

    examples: str
    split: Literal["validation", "test"] = "validation"
    limit: int | None = Field(None, ge=2)
    seed: int = Field(0, ge=0)
    models: tuple[ModelSettings, ...] = ()
    template: str | None = None
    perplexity: bool = True
    shuffles: int = Field(5, ge=1)
    draws: int = Field(1000, ge=10)
    self_bleu: int = Field(500, ge=2)
    show: int = Field(12, ge=0)
    locale_files: str = "conf/locales"
    policies: str = "conf/policies"
    licences: str = "conf/licences"
    engine: EngineSettings = EngineSettings()

    @model_validator(mode="after")
    def _names_apart(self) -> ComparisonSettings:
        names = Counter([*BASELINES, *UPPER, *(model.name for model in self.models)])
        if twice := sorted(name for name, count in names.items() if count > 1):
            raise ValueError(f"models: wanted names of their own, not of {', '.join(twice)}; rename them")
        return self


@dataclass(frozen=True)
class Writer:
    """Who wrote the texts, one for each pair: a model, a baseline, or the upper lines (target, label)."""

    name: str
    kind: str
    told: Sequence[Told]
    extra: dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """`figures`: plain data without any text of a pair; pairs and `told`, by writer: what the page shows beside it."""

    figures: dict[str, Any]
    pairs: Sequence[LabelledPair]
    told: Mapping[str, Sequence[Told]]


def compare(settings: ComparisonSettings) -> Comparison:
    """Measure every writer on the same pairs. Raises ConfigError, ModelError and MachineError."""
    chosen, training, left_out = _pairs(settings)
    locales = frozenset(pair.locale for pair in [*chosen, *training])
    templates = [_template(settings, model, chosen[0].template) for model in settings.models]
    truth = load_truth(settings.locale_files, settings.policies, settings.licences, locales)
    writers = [*_models(settings, templates, chosen, truth), *_others(chosen, training, truth)]
    targets = next(writer.told for writer in writers if writer.name == "target")
    known = frozenset(" ".join(pair.target.split()) for pair in training if pair.target)
    draws = Draws(settings.seed, settings.shuffles, settings.draws, settings.self_bleu)
    bench = Bench(chosen, targets, known, draws)
    scores = {writer.name: score(bench, writer.told) for writer in writers}
    models = tuple(model.name for model in settings.models)
    figures = {
        "examples": settings.examples,
        "split": settings.split,
        "seed": settings.seed,
        "template": chosen[0].template,
        "pairs": len(chosen),
        "prompts": len(set(bench.clusters.tolist())),
        "training_pairs": len(training),
        "without_target": left_out,
        "models": models,
        "writers": {
            writer.name: {"kind": writer.kind, **writer.extra, **figures_of(bench, scores[writer.name])}
            for writer in writers
        },
        "comparisons": list(comparisons(bench, scores, models, BASELINES)),
    }
    return Comparison(figures, chosen, {writer.name: writer.told for writer in writers})


def _pairs(settings: ComparisonSettings) -> tuple[list[LabelledPair], list[LabelledPair], int]:
    """The pairs that are measured, those that baselines learn from, and how many had nothing borne to measure by."""
    everything = read_labelled(settings.examples, ("train", settings.split))
    mine = [pair for pair in everything if pair.split == settings.split]
    chosen = [pair for pair in mine if pair.target]
    if len(chosen) < 2:
        raise ConfigError(
            f"{settings.examples}: wanted 2 pairs or more of the split {settings.split} whose label the facts bear in "
            f"part; found {len(chosen)} of {len(mine)}. Choose another split, or give jobs/examples.py more references."
        )
    left_out = len(mine) - len(chosen)
    if settings.limit is not None and settings.limit < len(chosen):
        drawn = random.Random(f"pairs {settings.seed}").sample(range(len(chosen)), settings.limit)
        chosen = [chosen[number] for number in sorted(drawn)]
    return chosen, [pair for pair in everything if pair.split == "train" and pair.target], left_out


def _template(settings: ComparisonSettings, model: ModelSettings, wanted: str) -> PromptTemplate:
    """The template that travels with the weights, else that of the settings: it must be the pairs' own."""
    own = Path(model.model, TEMPLATE_FILE)
    with_weights = settings.engine.backend != "scripted" and own.is_file()
    path = own if with_weights else settings.template
    if path is None:
        raise ConfigError(
            f"models.{model.name}: wanted {own}, or a setting `template`; found neither. Set template to the file of "
            f"conf/prompts that the pairs are written for ({wanted})."
        )
    template = load_template(path)
    if template.key != wanted:
        raise ConfigError(
            f"models.{model.name}: wanted the template {wanted}, for which the pairs are written; found {template.key} "
            f"in {path}. Write the pairs anew for this template, or judge another model."
        )
    return template


def _models(
    settings: ComparisonSettings, templates: Sequence[PromptTemplate], pairs: Sequence[LabelledPair], truth: Truth
) -> list[Writer]:
    writers = []
    for model, template in zip(settings.models, templates, strict=True):
        engine = settings.engine.model_copy(update={"model": model.model, "adapter": model.adapter})
        extra: dict[str, Any] = {"model": model.model, "adapter": model.adapter}
        if settings.perplexity and engine.backend != "scripted":
            rows = {(template.render(pair.frame), pair.target or ""): None for pair in pairs}
            found = likelihood(engine, list(rows))
            extra |= {"perplexity": found.perplexity, "bits_per_character": found.bits_per_character}
        said = answers_of(engine, template, [pair.frame for pair in pairs])
        extra["finish"] = dict(sorted(Counter(finish for _, finish in said).items()))
        told = [truth.told(pair.frame, pair.literals, *one) for pair, one in zip(pairs, said, strict=True)]
        writers.append(Writer(model.name, "model", told, extra))
    return writers


def _others(pairs: Sequence[LabelledPair], training: Sequence[LabelledPair], truth: Truth) -> list[Writer]:
    """Baselines and upper lines."""
    texts = {
        "constant": baselines.constant(pairs, training),
        "template": baselines.template(pairs, truth.renderer),
        "nearest": baselines.nearest(pairs, training),
        "target": [pair.target or "" for pair in pairs],
    }
    writers = []
    for name, said in texts.items():
        told = [truth.told(pair.frame, pair.literals, text) for pair, text in zip(pairs, said, strict=True)]
        writers.append(Writer(name, "baseline" if name in BASELINES else "upper", told, {}))
    labels = [truth.plain(pair.frame, pair.literals, pair.reason) for pair in pairs]
    return [*writers, Writer("label", "upper", labels, {})]
