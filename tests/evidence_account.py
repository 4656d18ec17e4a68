"""Small seeded worlds, and a plain-Python account of the evidence that each pair must have. Knows no Spark."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from reasongen.config import EvidenceSettings
from reasongen.schema import ACTIONS

NIGHT = date(2031, 5, 4)
BEGIN = datetime(2031, 5, 4, tzinfo=UTC)
SETTINGS = EvidenceSettings(history_items=8, item_tags=3)
PRIVATE_TAGS = {"Insulin", "孕妇"}
CLASSES = {"zh": {"帐篷": "use"}, "en": {"tent": "use"}}


@dataclass
class World:
    """Items, events and candidates of one seed; every id begins with `name`, so that several share one job."""

    name: str
    items: list[dict[str, Any]] = field(default_factory=list)
    events: list[tuple[str, str, str, datetime]] = field(default_factory=list)
    pairs: list[tuple[str, str, str, bool]] = field(default_factory=list)


def world(name: str, seed: int) -> World:
    """30 items in two languages that share brands and tags, 15 users, 200 events on few distinct minutes (for ties)."""
    rng, made = random.Random(seed), World(name)
    for n in range(30):
        locale = rng.choice(["zh", "en"])
        categories = ["户外/帐篷", "户外/灯", None] if locale == "zh" else ["Outdoor/Tent", "outdoor/lamp", ""]
        made.items.append(
            {
                "item_id": f"{name}-{n:02}",
                "title": f"Title {n}",
                "tags": rng.sample(["Light", "warm", "light", "dry", "嫩绿", "Insulin", "孕妇"], rng.randint(0, 4)),
                "attributes": {k: rng.choice("xyz") for k in rng.sample(["size", "colour", "form"], rng.randint(0, 3))},
                "category": rng.choice(categories),
                "brand": rng.choice(["Acme", "acme", "Oslo", None]),
                "locale": locale,
            }
        )
    minutes = [BEGIN - timedelta(hours=rng.randint(1, 24 * 60), seconds=1) for _ in range(25)]
    ids = [item["item_id"] for item in made.items]
    for _ in range(200):
        user = f"{name}-person{rng.randint(0, 14)}"
        made.events.append((user, rng.choice(ids), rng.choice(ACTIONS), rng.choice(minutes)))
    for n in range(15):
        made.pairs += [(f"{name}-person{n}", item, "recommendation", n != 0) for item in rng.sample(ids, 8)]
    return made


def disturbed(base: World, seed: int) -> World:
    """The same world in another order, each event twice, and more events from the night on: nothing may change."""
    rng = random.Random(-seed)
    late = [(user, item, "purchase", BEGIN + timedelta(minutes=n)) for n, (user, item, _, _) in enumerate(base.events)]
    made = World(base.name, list(base.items), base.events * 2 + late, list(base.pairs))
    for rows in (made.items, made.events, made.pairs):
        rng.shuffle(rows)  # type: ignore[arg-type]
    return made


def renamed(base: World, name: str) -> World:
    """The same world under other ids; no id may reach a frame, so frames stay equal."""

    def new(text: str) -> str:
        return name + text[len(base.name) :]

    items = [{**item, "item_id": new(item["item_id"])} for item in base.items]
    events = [(new(user), new(item), event, ts) for user, item, event, ts in base.events]
    return World(name, items, events, [(new(user), new(item), *rest) for user, item, *rest in base.pairs])  # type: ignore[misc]


# The account: facets of an item in the order of slots, then rows of a pair, best first.


@dataclass(frozen=True)
class Expected:
    facet: str
    word: str | None
    value: str | None
    action: str
    items: int
    item_id: str
    last: datetime


def facets(item: dict[str, Any]) -> list[tuple[str, str | None, str | None]]:
    tags = list(dict.fromkeys(tag.lower() for tag in item["tags"]))[: SETTINGS.item_tags]
    named = sorted(item["attributes"].items())[: SETTINGS.item_attributes]
    if PRIVATE_TAGS & set(item["tags"]):
        return []
    slots: list[tuple[str, str | None, str | None]] = []
    slots += [("category", None, item["category"].lower())] if item["category"] else []
    slots += [("brand", None, item["brand"].lower())] if item["brand"] else []
    return slots + [("tag", tag, None) for tag in tags] + [("attribute", name, value) for name, value in named]


def touched(one: World, user: str, keep: int, before: datetime) -> dict[str, tuple[int, int]]:
    """item → (strength, minute) of its strongest and then newest act, for the `keep` items touched last."""
    acts: dict[str, list[tuple[int, int]]] = {}
    for actor, item, event, ts in one.events:
        if actor == user and ts < before:
            acts.setdefault(item, []).append((ACTIONS.index(event), int(ts.timestamp() // 60)))
    newest = sorted(acts, key=lambda item: (-max(minute for _, minute in acts[item]), item))[:keep]
    return {item: max(acts[item]) for item in newest}


def expected(one: World, pair: tuple[str, str, str, bool], budget: int, before: datetime = BEGIN) -> list[Expected]:
    """The evidence of a pair, best first, of acts before the night; acts on items that are gone do not count."""
    user, item_id, _, personal = pair
    by_id = {item["item_id"]: item for item in one.items}
    item, scored = by_id[item_id], []
    acts = touched(one, user, SETTINGS.history_items, before) if personal else {}
    for place, facet in enumerate(facets(item)):
        alike = {
            other: act
            for other, act in acts.items()
            if other != item_id and by_id[other]["locale"] == item["locale"] and facet in facets(by_id[other])
        }
        if not alike:
            continue
        strength = max(act[0] for act in alike.values())
        strongest = {other: act[1] for other, act in alike.items() if act[0] == strength}
        newest = max(strongest, key=lambda other: (strongest[other], other))
        row = Expected(
            facet[0],
            facet[1],
            facet[2] if facet[0] == "attribute" else None,
            ACTIONS[strength],
            len(strongest),
            newest,
            datetime.fromtimestamp(strongest[newest] * 60, UTC),
        )
        scored.append((-score(row), place, row))
    return [row for _, _, row in sorted(scored, key=lambda one: one[:2])][:budget]


def score(row: Expected) -> int:
    """In millionths, as the documentation of `ranking` has it."""
    half_life = SETTINGS.half_life_days * 24 * 60
    age = row.last.timestamp() / 60 * math.log(2) / half_life
    weight = math.log(SETTINGS.facet_weights[row.facet]) + math.log(SETTINGS.act_weights[row.action])
    return math.floor((weight + math.log(1 + math.log(row.items)) + age) * 1e6 + 0.5)


def expected_frame(item: dict[str, Any], rows: Sequence[Expected]) -> dict[str, Any]:
    noun = item["category"].lower().split("/")[-1] if item["category"] else {"zh": "商品", "en": "item"}[item["locale"]]
    said = {row.word for row in rows if row.facet == "tag"}
    words = list(dict.fromkeys(tag.lower() for tag in item["tags"]))[: SETTINGS.item_tags]
    words = [word for word in words if word not in said][: SETTINGS.item_words]
    size = {0: "one", 1: "one", 2: "few", 3: "few", 4: "few"}
    shown = [
        {"f": row.facet, **({"w": row.word} if row.word else {}), "a": row.action, "n": size.get(row.items, "many")}
        for row in rows
    ]
    return {
        "l": item["locale"],
        "s": "recommendation",
        "c": noun,
        "k": "use" if noun in ("tent", "帐篷") else "thing",
        **({"w": words} if words else {}),
        **({"a": sorted(item["attributes"])[0]} if item["attributes"] else {}),
        **({"b": True} if item["brand"] else {}),
        "e": shown,
    }


def all_pairs(worlds: Sequence[World]) -> Iterator[tuple[World, tuple[str, str, str, bool], dict[str, Any]]]:
    for one in worlds:
        by_id = {item["item_id"]: item for item in one.items}
        for pair in one.pairs:
            yield one, pair, by_id[pair[1]]
