"""Examines a model on frames that training never saw: how many reasons are right, and how varied they are.

Every noun, word, attribute name and shape of these frames is held out. The model writes through the engine's door;
the judge is the corpus's own grammar. Knows no Spark.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from reasongen.config import EngineSettings, Settings
from reasongen.errors import ConfigError
from reasongen.evaluation.grammar import Grammar, load_grammar
from reasongen.evaluation.judge import derivable, judge
from reasongen.evaluation.skeletons import skeleton, variety, wilson
from reasongen.prompts.frame import Frame
from reasongen.prompts.template import load_template
from reasongen.training.asking import answers_of
from reasongen.training.corpus import examples, sample_frame
from reasongen.training.directory import stages_of


class ExamSettings(Settings):
    """Everything of conf/evaluate.yaml."""

    seed: int
    frames: int = Field(ge=1)
    grammars: tuple[str, ...]
    compare_corpus: bool = True
    show: int = Field(10, ge=0)
    engine: EngineSettings = EngineSettings()


@dataclass(frozen=True)
class Answer:
    """One reason, the frame it was written for, and the codes of its faults (none: right)."""

    frame: Frame
    text: str
    faults: tuple[str, ...]
    derivable: bool


def examine(settings: ExamSettings) -> tuple[dict[str, Any], list[Answer]]:
    """Figures per language and in all, and every answer. Raises ModelError and ConfigError."""
    template = load_template(Path(settings.engine.model, "prompt_template.yaml"))
    if not template.marks:
        raise ConfigError(f"{settings.engine.model}: wanted a template with marks; found {template.key}")
    grammars = [load_grammar(path) for path in settings.grammars]
    corpus = training_skeletons(settings) if settings.compare_corpus else None
    answers: list[Answer] = []
    figures: dict[str, Any] = {"model": settings.engine.model, "seed": settings.seed, "languages": {}}
    for grammar in grammars:
        rng = random.Random(f"exam {grammar.language} {settings.seed}")
        frames = [sample_frame(grammar, rng, held=True) for _ in range(settings.frames)]
        said = answers_of(settings.engine, template, frames)
        own = [_marked(grammar, frame, *text) for frame, text in zip(frames, said, strict=True)]
        figures["languages"][grammar.language] = _figures(own, corpus)
        answers += own
    figures["all"] = _figures(answers, corpus)
    return figures, answers


def _marked(grammar: Grammar, frame: Frame, text: str, finish: str) -> Answer:
    faults = [f"{fault.code}: {fault.detail}" for fault in judge(grammar, frame, text)]
    faults += [] if finish == "stop" else [f"finish: {finish}"]
    return Answer(frame, text, tuple(faults), derivable(grammar, frame, text))


def _figures(answers: Sequence[Answer], corpus: set[str] | None) -> dict[str, Any]:
    right = sum(1 for answer in answers if not answer.faults)
    low, high = wilson(right, len(answers))
    counts = variety([(answer.frame.locale, answer.text) for answer in answers], corpus or set())
    codes = Counter(code for answer in answers for code in {fault.split(":")[0] for fault in answer.faults})
    return {
        "reasons": len(answers),
        "right": right / len(answers),
        "right_low": low,
        "right_high": high,
        "derivable": sum(answer.derivable for answer in answers) / len(answers),
        "faults": dict(sorted(codes.items())),
        "skeletons": counts.skeletons,
        "openings_per_1000": counts.openings_per_1000,
        "verbatim": None if corpus is None else counts.verbatim,
    }


def training_skeletons(settings: ExamSettings) -> set[str]:
    """The skeletons that the model was trained on, written anew from its recipe: every stage with today's grammars.

    Raises ConfigError where the model has no recipe, or one with other grammars.
    """
    grammars = [load_grammar(path) for path in settings.grammars]
    digests = {grammar.digest for grammar in grammars}
    written = [stage for stage in stages_of(settings.engine.model) if "corpus_sha256" in stage]  # others: pairs
    stages = [stage for stage in written if digests == set(stage["corpus_sha256"].values())]
    if not stages:
        raise ConfigError(
            f"{settings.engine.model}: wanted a recipe.json with a stage on these grammars; found none. "
            "Set compare_corpus=false."
        )
    return {
        skeleton(example.reason)
        for stage in stages
        for grammar in grammars
        for example in examples(grammar, stage["settings"]["seed"], stage["examples"] // len(grammars))
    }
