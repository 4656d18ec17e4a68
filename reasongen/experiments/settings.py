"""Settings of an experiment. `conf/experiment.yaml` says what each is for."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field, model_validator

from reasongen.config import Settings, SourceSettings

HOLDOUT = "holdout"
"""The arm of users who are kept out of all experiments."""


class ExperimentInputs(Settings):
    """Where the tables stand. Paths alone; no SQL: nothing here runs Spark."""

    exposures: SourceSettings
    feedback: SourceSettings
    before: SourceSettings | None = None

    @model_validator(mode="after")
    def _plain_sources(self) -> ExperimentInputs:
        for name in ("exposures", "feedback", "before"):
            source: SourceSettings | None = getattr(self, name)
            if source is not None and (source.table or source.filter or source.partition):
                raise ValueError(
                    f"{name}: wants path, format, version and columns; table, filter, partition need Spark"
                )
            if source is not None and any(theirs.startswith("=") for theirs in source.columns.values()):
                raise ValueError(f"{name}.columns: wants names of columns; expressions need Spark")
        return self


class MetricSettings(Settings):
    """One metric: how often `kind` follows, per exposure, per impression, or as the share of users."""

    kind: Literal["click", "purchase", "dislike", "report"]
    per: Literal["exposure", "impression", "user"] = "exposure"
    good: Literal["up", "down"] = "up"
    baseline: float = Field(gt=0, lt=1)
    lift: float = Field(gt=0)


class BotSettings(Settings):
    """Who is no person: a rule that is stated, and the same in every arm."""

    clicks_per_hour: int = Field(60, ge=1)
    click_share: float = Field(0.8, gt=0, le=1)
    click_share_from: int = Field(20, ge=1)


class PlanSettings(Settings):
    """What `--plan` assumes of users."""

    users: int = Field(20_000, ge=2)
    exposures_per_user: float = Field(10.0, ge=1)
    same_user: float = Field(0.05, ge=0, lt=1)
    explained: float = Field(0.0, ge=0, lt=1)


class OverlapSettings(Settings):
    """When an off-policy estimate is refused."""

    most_weight: float = Field(100.0, gt=1)
    least_effective: float = Field(0.05, gt=0, le=1)


class PolicySettings(Settings):
    """A policy that never ran: by segment (`else` for the others) the probability of each arm or variant."""

    chooses: dict[str, dict[str, float]]

    @model_validator(mode="after")
    def _whole(self) -> PolicySettings:
        if "else" not in self.chooses:
            raise ValueError("chooses wants an entry `else` for every other segment")
        for segment, shares in self.chooses.items():
            if any(share < 0 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1e-6:
                raise ValueError(f"chooses.{segment}: probabilities want to be at least 0 and to sum to 1")
        return self


class ExperimentSettings(Settings):
    """Everything that `jobs/experiment.py` needs. The first metric decides."""

    name: str
    salt: str = Field(min_length=1)
    holdout_salt: str = Field("holdout", min_length=1)
    key: str = Field("env:REASONGEN_EXPERIMENT_KEY", pattern="^(env|file):.+")
    arms: dict[str, float]
    control: str
    holdout: float = Field(0.0, ge=0, lt=1)
    inputs: ExperimentInputs
    start: datetime | None = None
    end: datetime | None = None
    as_of: datetime | None = None
    window_hours: float = Field(24.0, gt=0)
    metrics: dict[str, MetricSettings] = Field(min_length=1)
    level: float = Field(0.95, gt=0.5, lt=1)
    power: float = Field(0.8, gt=0, lt=1)
    mismatch_p: float = Field(0.001, gt=0, lt=1)
    least_users: int = Field(100, ge=2)
    least_events: int = Field(20, ge=1)
    bots: BotSettings = BotSettings()
    plan: PlanSettings = PlanSettings()
    policies: dict[str, PolicySettings] = Field(default_factory=dict)
    overlap: OverlapSettings = OverlapSettings()

    @model_validator(mode="after")
    def _arms_add_up(self) -> ExperimentSettings:
        if len(self.arms) < 2 or any(weight <= 0 for weight in self.arms.values()):
            raise ValueError("arms wants at least two names, each with a weight above 0")
        if HOLDOUT in self.arms:
            raise ValueError(f"arms: `{HOLDOUT}` is the name of who is kept out; give its share as `holdout`")
        if self.control not in self.arms:
            raise ValueError(f"control wants one of {sorted(self.arms)}")
        if self.start and self.end and self.start >= self.end:
            raise ValueError("start wants to be before end")
        return self

    @property
    def shares(self) -> dict[str, float]:
        """The share of users of each arm, of all; with the holdout where there is one. They sum to 1."""
        whole = sum(self.arms.values())
        found = {arm: weight / whole * (1 - self.holdout) for arm, weight in self.arms.items()}
        return found | ({HOLDOUT: self.holdout} if self.holdout else {})

    @property
    def alpha(self) -> float:
        """The share of wrong findings that is accepted."""
        return 1 - self.level
