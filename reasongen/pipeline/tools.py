"""What a night needs besides tables: template, locales, digests. Read before Spark does anything."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from reasongen.config import NightConfig
from reasongen.engine import decode_hash, model_version
from reasongen.errors import ConfigError
from reasongen.pipeline.judging import Judge
from reasongen.pipeline.masking import Masking
from reasongen.prompts import Locale, PromptTemplate, Renderer, load_locales, load_template
from reasongen.quality import Suites, load_suites
from reasongen.validation import (
    Forbidden,
    Policy,
    Private,
    WordingJudge,
    load_licences,
    load_policy,
    load_private,
)

TEMPLATE_FILE = "prompt_template.yaml"
REFERENCE_TEMPLATE = "conf/prompts/reference.yaml"


@dataclass(frozen=True)
class Tools:
    """The night's date, the template, the words of each locale, rules and licences, the digests of samples."""

    night: date
    template: PromptTemplate
    locales: dict[str, Locale]
    model: str
    decode: str
    policy: Policy
    wordings: dict[str, WordingJudge]
    private: Private
    suites: Suites

    @property
    def template_key(self) -> str:
        """What stands in every prompt's hash beside its frame."""
        return f"{self.template.key}:{self.template.digest[:12]}"

    def digest(self, config: NightConfig) -> str:
        """Of everything but tables, code and weights that changes what a night writes."""
        judge = self.judge(config)
        judged = (judge.policy_version, judge.renderer.version)
        parts = (config.digest(), self.template_key, self.decode, self.private.digest, self.suites.digest, *judged)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def judge(self, config: NightConfig) -> Judge:
        """The verdict of this night, ready to travel."""
        return _judge(config, self.night, self.locales, self.model, self.decode, self.policy, self.wordings)

    def must_agree(self, config: NightConfig) -> dict[str, Any]:
        """What a published reason must agree with to stay: `night`, `versions` (column of `reasons` → tonight's value)
        and `renew`, the first day on which it must still be valid."""
        judge = self.judge(config)
        versions = {
            "model_version": self.model,
            "decode_hash": self.decode,
            "policy_version": judge.policy_version,
            "renderer_version": judge.renderer.version,
        }
        return {
            "night": self.night,
            "versions": versions,
            "renew": self.night + timedelta(days=config.serving.renew_days),
        }

    def masking(self, config: NightConfig, withdrawn: tuple[str, ...] = ()) -> Masking | None:
        """The masks of this night, ready to travel; None where the settings want none. `withdrawn`: terms until now."""
        if not config.engine.mask:
            return None
        licences = {name: self.wordings[name].licences for name in config.locales}
        spaced = frozenset(name for name in config.locales if not self.locales[name].measured)
        return Masking(Forbidden(self.policy, licences, spaced), self.template.marks, withdrawn)


def tools_of(config: NightConfig) -> Tools:
    """Template, locales and digests of a night. Raises ConfigError or ModelError."""
    locales, policy = _locales(config), load_policy(*config.policies)
    versions = (model_version(config.engine), decode_hash(config.engine))
    private = load_private(config.privacy, config.locales)
    suites = load_suites(config.quality)
    return Tools(today(config), template_of(config), locales, *versions, policy, _wordings(config), private, suites)


def pinned(config: NightConfig) -> NightConfig:
    """With the folder itself where `engine.model` is a link (a registry's `current`): it may be turned while we run."""
    if not Path(config.engine.model).is_symlink():
        return config
    engine = config.engine.model_copy(update={"model": str(Path(config.engine.model).resolve())})
    return config.model_copy(update={"engine": engine})


def judge_of(config: NightConfig) -> Judge:
    """Today's verdict for texts that are there already: it needs neither template nor weights. Raises ConfigError."""
    policy = load_policy(*config.policies)
    return _judge(config, today(config), _locales(config), "", "", policy, _wordings(config))


def today(config: NightConfig) -> date:
    """The settings' night, else the date in UTC."""
    return config.night or datetime.now(UTC).date()


def _judge(
    config: NightConfig,
    night: date,
    locales: Mapping[str, Locale],
    model: str,
    decode: str,
    policy: Policy,
    wordings: Mapping[str, WordingJudge],
) -> Judge:
    renderer = Renderer({name: locales[name] for name in config.locales})
    numbers = (config.serving.valid_days, config.evidence.recent_days, config.engine.samples)
    return Judge(renderer, night, *numbers, model, decode, policy, wordings)


def _wordings(config: NightConfig) -> dict[str, WordingJudge]:
    return {name: WordingJudge(load_licences(config.licences, name)) for name in config.locales}


def _locales(config: NightConfig) -> dict[str, Locale]:
    locales = load_locales(config.locale_files)
    if missing := sorted(set(config.locales) - set(locales)):
        raise ConfigError(f"locales: wanted a file in {config.locale_files} for {missing}; found {sorted(locales)}.")
    return locales


def template_of(config: NightConfig) -> PromptTemplate:
    """The template that travels with the weights; `template` in the settings stands in where there is none.

    Raises ConfigError where both are there and differ: weights write well only what they were trained to read.
    """
    if config.engine.backend == "scripted":
        return load_template(config.template or REFERENCE_TEMPLATE)
    own = Path(config.engine.model) / TEMPLATE_FILE
    if not own.is_file():
        if config.template is None:
            raise ConfigError(
                f"template: wanted {own}, or a setting `template`; found neither. Try conf/prompts/literal.yaml."
            )
        return load_template(config.template)
    template = load_template(own)
    if config.template is not None and load_template(config.template).digest != template.digest:
        raise ConfigError(
            f"template: wanted {own}, with which the model was trained; found {config.template}. Drop the setting."
        )
    return template
