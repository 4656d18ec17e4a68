"""Trains the second opinion: a logistic regression for each kind of fault, over texts that licensing lets pass.

Knows neither where the texts come from nor what a feature means. No torch: L-BFGS over a sparse matrix, so the same
texts give the same weights.
"""

from __future__ import annotations

import json
import logging
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from reasongen.config import Settings
from reasongen.errors import ConfigError
from reasongen.schema import LOCALES
from reasongen.training.thresholds import thresholds_of
from reasongen.validation.aligned import Unit, bonds_of, features_between, units_of
from reasongen.validation.gate import Finding
from reasongen.validation.opinion import FORMAT, FloatArray, OpinionFile, SecondOpinion, Weights, digest_of
from reasongen.validation.reading import Case
from reasongen.validation.record import Record
from reasongen.validation.texts import TextJudge

LOG = logging.getLogger(__name__)
TRUE = "true"
Labelled = tuple[Mapping[str, Any], str]  # a record, and the kind of its fault, or TRUE
Source = Callable[[str, str, int], Iterable[Labelled]]  # locale, split, pairs → texts


class OpinionSettings(Settings):
    """Everything of conf/opinion.yaml."""

    version: int = Field(ge=1)
    seed: int
    out: str
    pairs: int = Field(ge=1)
    tuning_pairs: int = Field(ge=1)
    folds: int = Field(ge=1, le=3)
    heads: dict[str, tuple[str, ...]] = Field(min_length=1)
    least_texts: int = Field(ge=1)
    hidden: float = Field(ge=0, lt=1)
    penalty: float = Field(gt=0)
    iterations: int = Field(ge=1)
    most_moved: float = Field(gt=0, lt=1)


class Row(NamedTuple):
    """One text that rules and licensing let pass."""

    features: frozenset[str]
    kind: str


@dataclass
class Collected:
    """Takes the place of the second opinion and doubts nothing: keeps what it is asked."""

    units: list[Unit] | None = None
    bonds: str = ""

    def findings(self, case: Case) -> list[Finding]:
        """None, ever."""
        self.units, self.bonds = units_of(case), bonds_of(case)
        return []


@dataclass
class Trained:
    """The figures of a run, by locale; shares are of what licensing passes, on validation."""

    out: str
    texts: dict[str, int] = field(default_factory=dict)
    features: dict[str, int] = field(default_factory=dict)
    heads: dict[str, list[str]] = field(default_factory=dict)
    true_moved: dict[str, float] = field(default_factory=dict)
    planted_stopped: dict[str, float] = field(default_factory=dict)


def train_opinion(
    settings: OpinionSettings, judge: TextJudge, source: Source, spared: Mapping[str, Sequence[Labelled]]
) -> Trained:
    """Train each language, choose its thresholds, write the weights to `settings.out`.

    `source`: texts of the splits train, fit0 … and tune0 …: thresholds are chosen on doubts of texts whose sentences
    and categories the fold's own weights never met. `spared`: further true texts, by locale, of which the same share
    may be moved at most. Raises ConfigError where true or planted texts are missing, or `out` cannot be written.
    """
    figures, locales = Trained(settings.out), {}
    for locale in LOCALES:
        doubts, true = _unmet(settings, judge, source, locale)
        rows = _taught(settings, judge, source, locale, "train")
        weights = fit(rows, settings)
        opinion = SecondOpinion(weights)
        others = [opinion.doubts(row.features) for row in rows_of(judge, locale, spared.get(locale, ()))]
        thresholds = thresholds_of(doubts, true, np.reshape(others, (-1, len(weights.heads))), settings.most_moved)
        locales[locale] = weights = _with(weights, thresholds)
        doubted = np.any(doubts > thresholds, axis=1)
        figures.texts[locale], figures.features[locale] = len(rows), len(weights.weights)
        figures.heads[locale] = list(weights.heads)
        figures.true_moved[locale] = round(float(doubted[true].mean()), 4)
        figures.planted_stopped[locale] = round(float(doubted[~true].mean()), 4)
        LOG.info("opinion %s: %d texts, %d features", locale, len(rows), len(weights.weights))
    save(settings, locales)
    return figures


def _unmet(
    settings: OpinionSettings, judge: TextJudge, source: Source, locale: str
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Doubts of texts that their fold's weights never met, (texts, heads), and which of them are true."""
    doubts: list[FloatArray] = []
    true: list[bool] = []
    for fold in range(settings.folds):
        opinion = SecondOpinion(fit(_taught(settings, judge, source, locale, f"fit{fold}"), settings))
        for row in rows_of(judge, locale, source(locale, f"tune{fold}", settings.tuning_pairs)):
            doubts.append(opinion.doubts(row.features))
            true.append(row.kind == TRUE)
    return np.array(doubts), np.array(true, dtype=bool)


def _taught(settings: OpinionSettings, judge: TextJudge, source: Source, locale: str, split: str) -> list[Row]:
    return rows_of(judge, locale, source(locale, split, settings.pairs), settings.hidden, random.Random(settings.seed))


def rows_of(
    judge: TextJudge, locale: str, texts: Iterable[Labelled], hidden: float = 0.0, rng: random.Random | None = None
) -> list[Row]:
    """The texts that rules and licensing let pass, as features. With `rng` each comes a second time with the share
    `hidden` of its neutral words unread: what is learnt must hold in other words too."""
    seen = Collected()
    gate = replace(judge, claims={**judge.claims, locale: replace(judge.claims[locale], opinion=seen)})
    rows: list[Row] = []
    for given, kind in texts:
        seen.units = None
        if gate.check(Record.model_validate(given)).outcome != "pass" or seen.units is None:
            continue
        rows.append(_row(seen.units, seen.bonds, kind))
        if rng is not None:
            unread = [u._replace(word="?") if u.part == "N" and rng.random() < hidden else u for u in seen.units]
            rows.append(_row(unread, seen.bonds, kind))
    return rows


def fit(rows: Sequence[Row], settings: OpinionSettings) -> Weights:
    """Weights of the features that enough texts have, a head for each group of kinds; thresholds are still 0.

    A head minimises mean log loss + penalty/2 · |w|² over true texts and those of its kinds, which weigh alike; its
    bias goes free. Raises ConfigError for a head without texts.
    """
    counts = Counter(name for row in rows for name in row.features)
    names = sorted(name for name, count in counts.items() if count >= settings.least_texts)
    matrix = _matrix(rows, {name: at for at, name in enumerate(names)})
    kinds = np.array([row.kind for row in rows])
    found = []
    for head, group in settings.heads.items():
        asked = np.flatnonzero(np.isin(kinds, [TRUE, *group]))
        false = kinds[asked] != TRUE
        if not names or not false.any() or false.all():
            raise ConfigError(f"heads.{head}: wanted true and planted texts that licensing passes; found {len(asked)}.")
        found.append(_head(matrix[asked], false, settings))
    table = np.round(np.array(found).T, 3)
    kept = {name: tuple(row) for name, row in zip(names, table[1:].tolist(), strict=True) if any(row)}
    heads = tuple(settings.heads)
    return Weights(heads=heads, bias=tuple(table[0].tolist()), threshold=(0.0,) * len(heads), weights=kept)


def save(settings: OpinionSettings, locales: dict[str, Weights]) -> None:
    """Write the weights with their recipe. Raises ConfigError where the folder is not there."""
    recipe = settings.model_dump(mode="json", exclude={"out"})
    made = OpinionFile(
        format=FORMAT, version=settings.version, recipe=recipe, digest=digest_of(locales), locales=locales
    )
    text = json.dumps(made.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":"))
    try:
        Path(settings.out).write_text(text.replace('],"', '],\n"') + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{settings.out}: wanted a place to write weights; found {type(error).__name__}.") from error


def _head(matrix: csr_matrix, false: np.ndarray, settings: OpinionSettings) -> FloatArray:
    """Bias and weights, (1 + features,)."""
    share = np.where(false, 0.5 / false.sum(), 0.5 / (~false).sum())
    sign = np.where(false, 1.0, -1.0)

    def loss(at: FloatArray) -> tuple[float, FloatArray]:
        margin = sign * (matrix @ at[1:] + at[0])
        slope = -sign * share / (1 + np.exp(np.clip(margin, -50, 50)))
        value = share @ np.logaddexp(0, -margin) + 0.5 * settings.penalty * at[1:] @ at[1:]
        return float(value), np.concatenate(([slope.sum()], matrix.T @ slope + settings.penalty * at[1:]))

    start, options = np.zeros(matrix.shape[1] + 1), {"maxiter": settings.iterations}
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x)


def _with(weights: Weights, thresholds: FloatArray) -> Weights:
    """With thresholds; heads that may never speak, and weights of no head, go."""
    kept = [at for at in range(len(weights.heads)) if np.isfinite(thresholds[at])]
    table = {name: tuple(row[at] for at in kept) for name, row in weights.weights.items()}
    return Weights(
        heads=tuple(weights.heads[at] for at in kept),
        bias=tuple(weights.bias[at] for at in kept),
        threshold=tuple(round(float(thresholds[at]) + 0.0005, 3) for at in kept),
        weights={name: row for name, row in table.items() if any(row)},
    )


def _row(units: list[Unit], bonds: str, kind: str) -> Row:
    return Row(frozenset(name for name, _ in features_between(units, bonds)), kind)


def _matrix(rows: Sequence[Row], columns: Mapping[str, int]) -> csr_matrix:
    """(rows, columns) of ones."""
    indices = [sorted(columns[name] for name in row.features if name in columns) for row in rows]
    flat = np.array([at for one in indices for at in one], dtype=np.int64)
    starts = np.cumsum([0, *map(len, indices)])
    return csr_matrix((np.ones(len(flat)), flat, starts), shape=(len(rows), len(columns)))
