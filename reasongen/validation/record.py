"""One text to judge with its evidence, as a line of JSON gives it: typed, frozen, checked at birth.

Fields beyond the interface are refused nowhere: a feed may hold more than is read.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from reasongen.validation.facts import Facts


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Item(_Read):
    """The catalogue's row. Null reads as missing; attributes are read as text."""

    title: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    attributes: dict[str, str] = Field(default_factory=dict)
    category: str = ""
    brand: str | None = None
    price: float | None = None

    @field_validator("title", "description", "category", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return "" if value is None else value

    @field_validator("tags", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        return () if value is None else value

    @field_validator("attributes", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return {} if value is None else value
        return {str(key): _plain(one) for key, one in value.items() if one is not None}


class Event(_Read):
    """What the user did: kind of event, with which item, how often, how many days ago.

    `same`: facets (brand, category) in which that item is known to agree with the reason's; null: as far as title and
    category tell.
    """

    event: str
    title: str = ""
    category: str = ""
    days_ago: float | None = None
    count: int = 1
    text: str = ""
    same: frozenset[str] | None = None

    @field_validator("title", "category", "text", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return "" if value is None else value

    @field_validator("count", mode="before")
    @classmethod
    def _once(cls, value: Any) -> Any:
        return 1 if value is None else value


class User(_Read):
    """What is known of the user beside the events."""

    tags: tuple[str, ...] = ()

    @field_validator("tags", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        return () if value is None else value


class Record(_Read):
    """One line: the text and its locale are wanted, all else may be missing."""

    text: str
    locale: Literal["zh", "en"]
    scenario: str = ""
    item: Item = Item()
    events: tuple[Event, ...] = ()
    user: User = User()

    @field_validator("item", "user", "events", "scenario", mode="before")
    @classmethod
    def _missing(cls, value: Any, info: Any) -> Any:
        return {"item": {}, "user": {}, "events": (), "scenario": ""}[info.field_name] if value is None else value

    def facts(self) -> Facts:
        """What rules may ask for: attributes by name, price, category."""
        stated = {name.lower(): value for name, value in self.item.attributes.items()}
        if self.item.price is not None:
            stated["price"] = f"{self.item.price:.2f}"
        return Facts(stated, self.item.category)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
