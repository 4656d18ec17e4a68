"""A second opinion on texts that licensing lets pass: every word is borne, but is what they say together?

A logistic regression for each kind of fault over the features of aligned.py, trained by jobs/train_opinion.py. It can
send a text to a person and nothing else. Weights are plain JSON: names of features and numbers, nothing that could run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError, model_validator

from reasongen.config import Settings
from reasongen.errors import ConfigError
from reasongen.validation.aligned import Feature, features_of, units_of
from reasongen.validation.gate import Finding
from reasongen.validation.reading import Case

RULE = "second_opinion"
FORMAT = 1
FloatArray = NDArray[np.float64]


class Weights(Settings):
    """One language. Each head asks for one kind of fault: its log odds are its bias plus its weight for each feature
    that a text has; above its threshold (log odds too) a person is asked. Lists hold a number for each head."""

    heads: tuple[str, ...]
    bias: tuple[float, ...]
    threshold: tuple[float, ...]
    weights: dict[str, tuple[float, ...]]

    @model_validator(mode="after")
    def _one_for_each(self) -> Weights:
        sizes = {len(self.bias), len(self.threshold), *map(len, self.weights.values())}
        if sizes != {len(self.heads)}:
            raise ValueError(f"wanted {len(self.heads)} numbers, one for each head; found {sorted(sizes)}")
        return self


class OpinionFile(Settings):
    """What is committed. `recipe`: the settings of the training run; `digest`: of the languages' weights."""

    format: int
    version: int = Field(ge=1)
    recipe: dict[str, Any]
    digest: str
    locales: dict[str, Weights]


class SecondOpinion:
    """The judge of one language; made once per process. `version` stands in its findings."""

    def __init__(self, weights: Weights, version: int = 0) -> None:
        self.heads, self.version = weights.heads, version
        self._rows = {name: at for at, name in enumerate(weights.weights)}
        shape = (len(weights.weights), len(weights.heads))
        self._table = np.array(list(weights.weights.values()), dtype=np.float64).reshape(shape)
        self._bias = np.array(weights.bias, dtype=np.float64)
        self._threshold = np.array(weights.threshold, dtype=np.float64)

    def doubts(self, names: AbstractSet[str]) -> FloatArray:
        """Log odds above the threshold, (heads,), of a text with these features; above 0 a head asks for a person."""
        rows = self._rows
        known = sorted([rows[one] for one in names if one in rows])  # sorted: sums are the same in every process
        return np.asarray(self._table[known].sum(axis=0) + self._bias - self._threshold)

    def findings(self, case: Case) -> list[Finding]:
        """One finding where some head doubts, at the clause that adds most to it."""
        features = features_of(case)
        doubts = self.doubts({name for name, _ in features})
        head = int(doubts.argmax()) if len(doubts) else -1
        if head < 0 or doubts[head] <= 0:
            return []
        start, end = self._worst(case, features, head)
        detail = f"wanted evidence that says it so; doubted: {self.heads[head]}"
        return [Finding(RULE, self.version, "human", start, end, detail)]

    def _worst(self, case: Case, features: Sequence[Feature], head: int) -> tuple[int, int]:
        units, seen = units_of(case), set[str]()
        totals = dict.fromkeys(case.clauses, 0.0)
        for name, number in features:
            if name in self._rows and name not in seen:
                seen.add(name)
                clause = next((one for one in totals if one[0] <= units[number].start <= one[1]), None)
                if clause:
                    totals[clause] += float(self._table[self._rows[name], head])
        return max(totals, key=lambda clause: totals[clause]) if totals else (0, len(case.text.plain))


def load_opinion(path: str | Path) -> dict[str, SecondOpinion]:
    """The judges of a weights file, by locale. Raises ConfigError where it is missing, torn, changed or of another
    format; the remedy is always to train it anew."""
    wanted, remedy = f"{path}: wanted weights of a second opinion", "Write them anew: python jobs/train_opinion.py"
    try:
        found = OpinionFile.model_validate(json.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{wanted}; found {type(error).__name__}. {remedy}") from error
    except ValidationError as error:
        places = ", ".join(".".join(map(str, one["loc"])) for one in error.errors()[:5])
        raise ConfigError(f"{wanted}; faults at {places or 'the top'}. {remedy}") from error
    except ValueError as error:  # no JSON, no UTF-8: cut off or another file
        raise ConfigError(f"{path}: wanted JSON to its end; found {type(error).__name__}. {remedy}") from error
    if found.format != FORMAT:
        raise ConfigError(f"{path}: wanted format {FORMAT}; found {found.format}. {remedy}")
    if found.digest != digest_of(found.locales):
        raise ConfigError(f"{path}: wanted weights with the digest {found.digest[:12]}; they were changed. {remedy}")
    return {locale: SecondOpinion(one, found.version) for locale, one in found.locales.items()}


def digest_of(locales: Mapping[str, Weights]) -> str:
    """sha256 of the weights of all languages."""
    plain = {locale: one.model_dump() for locale, one in locales.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
