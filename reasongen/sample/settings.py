"""Settings of the sample world: how large, how dirty, which night."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from reasongen.config import Settings, load_settings

ContractFault = Literal[
    "duplicate_items",
    "duplicate_users",
    "duplicate_candidates",
    "empty_candidates",
    "missing_candidates",
    "missing_column",
    "mistyped_column",
    "stale_events",
]


class EventDirt(Settings):
    """Rows of each kind among the events. `night_day` and `contact` are no faults: to be ignored, and never shown."""

    null_user_id: NonNegativeInt = 12
    null_item_id: NonNegativeInt = 9
    unknown_item: NonNegativeInt = 15
    unknown_event: NonNegativeInt = 11
    null_ts: NonNegativeInt = 7
    future_ts: NonNegativeInt = 8
    night_day: NonNegativeInt = 40
    duplicate: NonNegativeInt = 60
    contact: NonNegativeInt = 24


class ItemDirt(Settings):
    """Items of each kind. The first group cannot be spoken of; the second can, once cleaned."""

    null_item_id: NonNegativeInt = 2
    null_title: NonNegativeInt = 2
    blank_title: NonNegativeInt = 2
    unknown_locale: NonNegativeInt = 2
    malformed: NonNegativeInt = 2

    broken_utf8: NonNegativeInt = 2
    oversize: NonNegativeInt = 1
    html: NonNegativeInt = 3
    control_characters: NonNegativeInt = 3
    stuffed_title: NonNegativeInt = 6
    instruction: NonNegativeInt = 4
    mark_lookalike: NonNegativeInt = 4
    null_tags: NonNegativeInt = 4
    null_attributes: NonNegativeInt = 4
    null_price: NonNegativeInt = 4
    private: NonNegativeInt = 4


class UserDirt(Settings):
    """Users rows of each kind."""

    null_user_id: NonNegativeInt = 2
    bad_consent: NonNegativeInt = 5
    malformed: NonNegativeInt = 1


class CandidateDirt(Settings):
    """Candidate rows of each kind."""

    null_user_id: NonNegativeInt = 6
    null_item_id: NonNegativeInt = 5
    unknown_item: NonNegativeInt = 9
    item_rejected: NonNegativeInt = 8
    unknown_scenario: NonNegativeInt = 7


class DirtSettings(Settings):
    """Planted rows by table and kind. A kind that a night counts is named as its code."""

    events: EventDirt = EventDirt()
    items: ItemDirt = ItemDirt()
    users: UserDirt = UserDirt()
    candidates: CandidateDirt = CandidateDirt()


class WorldSettings(Settings):
    """Everything that decides the sample world; equal settings give equal rows."""

    words: str = "world"
    seed: NonNegativeInt = 20260302
    night: date = date(2026, 3, 2)
    scenario: str = "recommendation"

    items_per_category: PositiveInt = 14
    unbranded_share: float = Field(0.08, ge=0, le=1)

    users: PositiveInt = 3000
    stranger_share: float = Field(0.02, ge=0, le=0.5)
    silent_share: float = Field(0.08, ge=0, le=0.9)
    no_consent_share: float = Field(0.12, ge=0, le=1)
    minor_share: float = Field(0.02, ge=0, le=1)

    visits: PositiveInt = 66_000
    days: PositiveInt = 120
    commits: int = Field(3, ge=1, le=20)
    heavy_user_events: NonNegativeInt = 4000
    candidates_per_user: int = Field(7, ge=1, le=50)
    out_of_taste_share: float = Field(0.18, ge=0, le=1)

    dirt: DirtSettings = DirtSettings()
    faults: tuple[ContractFault, ...] = ()


def load_world_settings(path: str | Path, sets: Sequence[str] = ()) -> WorldSettings:
    """Settings from a YAML file; `words` is taken from the file's own folder. Raises ConfigError."""
    settings = load_settings(WorldSettings, path, sets)
    return settings.model_copy(update={"words": str(Path(path).parent / settings.words)})
