"""Settings of every job: frozen, typed, checked at birth. Reads YAML with overlays; knows no Spark and no torch.

`load_config("conf/local.yaml", ["engine.samples=2"])` merges, in this order: the file named by `extends` (if any),
the file, each `key=value`. An unknown key is an error that names the nearest known one. Relative paths are taken from
the folder that holds `conf/`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from reasongen.schema import ACTIONS, LOCALES
from reasongen.settings import Settings as Settings
from reasongen.settings import load_settings as load_settings
from reasongen.settings import read_plain as read_plain


class SourceSettings(Settings):
    """Where one input table stands and how its columns are called there."""

    path: str | None = None
    table: str | None = None
    format: Literal["delta", "parquet", "jsonl", "csv"] = "delta"
    version: int | None = Field(None, ge=0)
    columns: dict[str, str] = Field(default_factory=dict)
    filter: str | None = None
    partition: str | None = None

    @model_validator(mode="after")
    def _one_place(self) -> SourceSettings:
        if (self.path is None) == (self.table is None):
            raise ValueError("give exactly one of path and table")
        if self.format != "delta" and (self.table or self.version is not None):
            raise ValueError("table and version belong to format: delta")
        return self


class InputSettings(Settings):
    """The four input tables and what is asked of them."""

    events: SourceSettings
    items: SourceSettings
    candidates: SourceSettings
    users: SourceSettings | None = None
    feedback: SourceSettings | None = None
    consent: Literal["required", "assumed"] = "required"
    default_locale: Literal["zh", "en"] = "zh"
    timezone: str = "UTC"
    max_event_age_days: int = Field(7, ge=0)
    max_text_chars: int = Field(20_000, ge=100)


class EvidenceSettings(Settings):
    """What of a user's behaviour supports an item, and how much of it enters a prompt."""

    budget: int = Field(2, ge=0, le=4)
    item_words: int = Field(1, ge=0, le=2)
    item_tags: int = Field(4, ge=0, le=16)
    item_attributes: int = Field(2, ge=0, le=8)
    told_attributes: tuple[str, ...] | None = None
    history_items: int = Field(500, ge=1, le=1000)
    half_life_days: float = Field(14.0, gt=0)
    recent_days: int = Field(30, ge=1)
    act_weights: dict[str, float] = Field(dict(zip(ACTIONS, (1.0, 1.5, 2.5, 3.0, 3.5, 4.0), strict=True)))
    facet_weights: dict[str, float] = Field({"category": 1.0, "brand": 1.5, "tag": 1.2, "attribute": 1.1})

    @model_validator(mode="after")
    def _all_weighed(self) -> EvidenceSettings:
        keys = {"act_weights": set(ACTIONS), "facet_weights": {"category", "brand", "tag", "attribute"}}
        for name, wanted in keys.items():
            if (found := set(getattr(self, name))) != wanted:
                raise ValueError(f"{name} wants exactly {sorted(wanted)}, found {sorted(found)}")
        return self


class ScriptedSettings(Settings):
    """The scripted engine's own: what share of samples is faulty, how slow it is."""

    fault_rate: float = Field(0.0, ge=0, le=1)
    seconds_per_prompt: float = Field(0.0, ge=0)


class EngineSettings(Settings):
    """The model and how it samples. The first block changes samples, the second only speed. `mask` changes samples and
    is no part of their key: what was written without it is used as long as it passes the verdict."""

    backend: Literal["torch", "transformers", "scripted"] = "torch"
    model: str = "models/default"
    adapter: str | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"
    temperature: float = Field(0.5, ge=0)
    top_k: int = Field(0, ge=0)
    top_p: float = Field(0.9, gt=0, le=1)
    seed: int = 0
    max_new_tokens: int = Field(64, ge=1)
    max_prompt_tokens: int = Field(512, ge=8)
    scripted: ScriptedSettings = ScriptedSettings()

    mask: bool = True
    samples: int = Field(1, ge=1, le=16)
    retries: int = Field(2, ge=0, le=8)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(0, ge=0)
    batch_rows: int = Field(96, ge=1)
    slice_prompts: int = Field(50_000, ge=1)


class FeedbackSettings(Settings):
    """How many users' reports take a sentence down for everybody, and of whom none counts."""

    report_users: int = Field(5, ge=0)
    most_reports: int = Field(20, ge=1)


class ServingSettings(Settings):
    """How long a reason may be shown, and when a kept one is made anew."""

    valid_days: int = Field(30, ge=1)
    renew_days: int = Field(7, ge=0)
    producer: str = "reasongen"


class GateSettings(Settings):
    """What the staged table must look like before it may be published."""

    max_fallback_share: float = Field(0.10, ge=0, le=1)
    max_quarantined_share: float = Field(0.02, ge=0, le=1)
    min_rows: int = Field(1, ge=0)
    max_chars: int = Field(400, ge=1)


class ForgetSettings(Settings):
    """Erasing users: the key of their hashes, how many must share what is not theirs, whether inputs are in scope, and
    what a purge has to wait for."""

    key: str = Field("env:REASONGEN_FORGET_KEY", pattern="^(env|file):.+")
    shared_by: int = Field(20, ge=1)
    inputs: bool = False
    run_hours: float = Field(24.0, gt=0)
    reader_hours: float = Field(0.0, ge=0)


class ExportSettings(Settings):
    """Where sets of exported changes stand, and for how long. Forgetting looks for users there."""

    dir: str | None = None
    keep_days: int = Field(7, ge=1)


class RetentionSettings(Settings):
    """How long maintenance leaves what nothing in `reasons` rests on."""

    generations_days: int = Field(90, ge=1)
    owned_days: int = Field(30, ge=1)
    quarantine_days: int = Field(90, ge=1)


class ReviewSettings(Settings):
    """What people are asked, and the secret of a page that other machines reach."""

    per_night: int = Field(200, ge=0)
    token: str = Field("env:REASONGEN_REVIEW_TOKEN", pattern="^(env|file):.+")


class SignalSettings(Settings):
    """Who else hears of a night: the log's form, and files or a client for monitoring."""

    log: Literal["plain", "json"] = "plain"
    prometheus: str | None = None
    openlineage: str | None = None


class SparkSettings(Settings):
    """What the session is opened with; spark-submit's own --master and --conf go first."""

    app: str = "reasongen"
    master: str | None = None
    jars: str | None = None
    conf: dict[str, str] = Field(default_factory=dict)


class NightConfig(Settings):
    """Everything that `jobs/generate.py` needs."""

    night: date | None = None
    scenario: str = "recommendation"
    root: str = ".local/lake"
    locales: tuple[str, ...] = LOCALES
    template: str | None = None
    limit: int | None = Field(None, ge=1)
    show: int = Field(0, ge=0, le=50)
    locale_files: str = "conf/locales"
    policies: tuple[str, ...] = Field(("conf/policies",), min_length=1)
    licences: str = "conf/licences"
    privacy: str = "conf/privacy"
    quality: str = "conf/quality"
    inputs: InputSettings
    evidence: EvidenceSettings = EvidenceSettings()
    engine: EngineSettings = EngineSettings()
    serving: ServingSettings = ServingSettings()
    gate: GateSettings = GateSettings()
    forget: ForgetSettings = ForgetSettings()
    export: ExportSettings = ExportSettings()
    retention: RetentionSettings = RetentionSettings()
    review: ReviewSettings = ReviewSettings()
    feedback: FeedbackSettings = FeedbackSettings()
    signals: SignalSettings = SignalSettings()
    spark: SparkSettings = SparkSettings()

    _folders = field_validator("policies", mode="before")(lambda value: (value,) if isinstance(value, str) else value)

    @field_validator("root")
    @classmethod
    def _one_folder(cls, root: str) -> str:
        if "%" in root:  # delta-rs takes %20 for a blank, Spark for three characters: a lake in two places
            raise ValueError(f"wanted a path without %, which some readers decode; found {root!r}. Rename the folder.")
        return root

    @model_validator(mode="after")
    def _known_locales(self) -> NightConfig:
        if unknown := sorted(set(self.locales) - set(LOCALES)):
            raise ValueError(f"locales: no renderer for {unknown}; known are {list(LOCALES)}")
        return self

    @property
    def export_dir(self) -> Path | None:
        """The folder of exported sets: `export.dir`, else `exports` below the root; None where that is not on this
        machine's file system."""
        place = self.export.dir or f"{self.root}/exports"
        return None if "://" in place else Path(place)

    def digest(self) -> str:
        """Sha-256 over what changes results: not where Spark runs, nor batch and slice sizes."""
        plain = self.model_dump(mode="json", exclude={**dict.fromkeys(_NO_RESULT, True), "engine": _TUNING})
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


class ExampleConfig(NightConfig):
    """Everything that `jobs/examples.py` needs: a night's settings, and where the labelled reasons stand."""

    references: SourceSettings


_NO_RESULT = ("spark", "root", "show", "forget", "export", "retention", "review", "feedback", "signals")
_TUNING = {"device", "threads", "batch_rows", "slice_prompts"}


def load_config(path: str | Path, sets: Sequence[str] = ()) -> NightConfig:
    """The night's settings; see `load_settings`."""
    return load_settings(NightConfig, path, sets)
