"""The evidence of one made-up pair, and what may truly be said of it: a record, and words for the slots of sentences.

In: items of the sample world and the additions of conf/opinion. Knows no fault.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reasongen.sample.catalogue import Item
from reasongen.sample.lexicon import Lexicon
from reasongen.sample.sentences import Additions, Sentences

DAYS = (1, 2, 3, 4, 5, 7, 9, 11, 12, 14)


@dataclass(frozen=True)
class Offer:
    """The item that is offered, with what its description adds. Pairs are (part, stuff), (measure, size)."""

    item: Item
    noun: str
    parts: tuple[tuple[str, str], tuple[str, str]]
    sizes: tuple[tuple[str, str], tuple[str, str]]
    denied: str
    description: str

    def says(self, words: str) -> bool:
        """Whether its evidence holds the words anywhere."""
        item = self.item
        told = (item.title, self.description, *item.tags, *item.attributes.values(), item.category, item.brand or "")
        return any(words.lower() in one.lower() for one in told)


@dataclass(frozen=True)
class Act:
    """What the user did with another item: its kind, how long ago (days), how often."""

    item: Item
    noun: str
    kind: str
    days: int
    count: int

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that the title tells; nothing else of the item is evidence."""
        return tuple(tag for tag in self.item.tags if tag.lower() in self.item.title.lower())

    @property
    def brand(self) -> str:
        """The brand, where the title tells it."""
        return self.item.brand if self.item.brand and self.item.brand in self.item.title else ""

    @property
    def name(self) -> str:
        """The title without its tail."""
        head = re.split(r",| \(|（", self.item.title)[0]
        if self.item.locale == "zh":
            words = head.split(" ")
            return "".join(words[:-1] if len(words) > 2 or (len(words) == 2 and self.noun in words[0]) else words)
        return head.removeprefix("The ").removeprefix("A ")


@dataclass(frozen=True)
class Cast:
    """An offer and two acts on other items, the second of another category."""

    offer: Offer
    first: Act
    second: Act

    def record(self, tags: Sequence[str]) -> dict[str, Any]:
        """The evidence, as a line of `jobs/check_texts.py` holds it."""
        item = self.offer.item
        told = {"title": item.title, "description": self.offer.description, "tags": list(item.tags)}
        events = [
            {"event": act.kind, "title": act.item.title, "category": act.item.category, "days_ago": act.days}
            | {"count": act.count}
            for act in (self.first, self.second)
        ]
        shown = {"attributes": dict(item.attributes), "category": item.category, "brand": item.brand}
        given = {"locale": item.locale, "scenario": "recommendation", "item": told | shown}
        return given | {"events": events, "user": {"tags": list(tags)}}


def cast_of(rng: random.Random, items: Mapping[str, Sequence[Item]], lexicon: Lexicon, sentences: Sentences) -> Cast:
    """Draw a cast. `items`: of each category. Half of the first acts are on an item that shares a tag or the brand."""
    topic = rng.choice(sorted(items))
    item = rng.choice(items[topic])
    near = [one for one in items[topic] if one.item_id != item.item_id and _shares(one, item)]
    same = near if near and rng.random() < 0.5 else items[rng.choice(sorted(items))]
    first = rng.choice([one for one in same if one.item_id != item.item_id])
    second = rng.choice(items[rng.choice(sorted(set(items) - {first.topic}))])
    kinds = rng.sample(sorted(sentences.acts), 2) if rng.random() < 0.8 else [rng.choice(sorted(sentences.acts))] * 2
    days = rng.sample(DAYS, 2)
    acts = [
        Act(one, lexicon.categories[one.topic].noun, kind, day, rng.choice((1, 1, 2, 3, 4)))
        for one, kind, day in zip((first, second), kinds, days, strict=True)
    ]
    return Cast(_offer(rng, item, lexicon, sentences), acts[0], acts[1])


def words_of_cast(rng: random.Random, cast: Cast, sentences: Sentences) -> dict[str, str]:
    """Words for the slots that may be filled truly; a slot of which nothing is true is missing."""
    offer, first, second = cast.offer, cast.first, cast.second
    tags = rng.sample(offer.item.tags, 2)
    words = {"i_noun": offer.noun, "i_tag": tags[0], "i_tag2": tags[1], "i_denied": offer.denied}
    attributes = [pair for pair in offer.item.attributes.items() if pair[0] not in sentences.skip]
    for number, (name, value) in zip(("", "2"), rng.sample(attributes, len(attributes)), strict=False):
        words |= {f"i_attr{number}": name, f"i_value{number}": value}
    for number, at in (("", 0), ("2", 1)):
        words |= {f"i_part{number}": offer.parts[at][0], f"i_stuff{number}": offer.parts[at][1]}
        words |= {f"i_measure{number}": offer.sizes[at][0], f"i_size{number}": offer.sizes[at][1]}
    if offer.item.brand:
        words["i_brand"] = offer.item.brand
    for letter, act in (("e", first), ("o", second)):
        words |= {f"{letter}_name": act.name, f"{letter}_noun": act.noun, f"{letter}_name2": act.noun}
        words[f"{letter}_act"] = rng.choice(sentences.acts[act.kind])
        words[f"{letter}_when"] = when(rng, act.days, sentences)
        if act.count in sentences.times:
            words[f"{letter}_times"] = rng.choice(sentences.times[act.count])
        if act.tags:
            words[f"{letter}_tag"] = rng.choice(act.tags)
    if shared := [tag for tag in first.tags if tag in offer.item.tags]:
        words["s_tag"] = rng.choice(shared)
    if first.brand and first.brand == offer.item.brand:
        words["s_brand"] = ""
    if first.item.topic == offer.item.topic:
        words["s_kind"] = ""
    return words


def when(rng: random.Random, days: int, sentences: Sentences) -> str:
    """A phrase for so many days ago."""
    count = sentences.days.format(n=rng.choice((str(days), sentences.numbers[days] if days <= 12 else str(days))))
    return rng.choice(sentences.phrases.get(days, (count,)))


def _shares(one: Item, item: Item) -> bool:
    tags = any(tag in one.title for tag in item.tags)
    return tags or bool(item.brand and one.brand == item.brand and item.brand in one.title)


def _offer(rng: random.Random, item: Item, lexicon: Lexicon, sentences: Sentences) -> Offer:
    more: Additions = sentences.things[item.topic]
    parts, sizes = _two(rng, more.parts), _two(rng, more.sizes)
    denied = rng.choice(more.denied)
    names = {"part": parts[0][0], "stuff": parts[0][1], "part2": parts[1][0], "stuff2": parts[1][1]}
    names |= {"measure": sizes[0][0], "size": sizes[0][1], "measure2": sizes[1][0], "size2": sizes[1][1]}
    told = [rng.choice(lines) for lines in (sentences.part, sentences.size, sentences.deny)]
    spoken = [line.format_map({**names, "denied": denied}) for line in told]
    rng.shuffle(spoken)
    gap = " " if item.locale == "en" else ""
    description = gap.join([item.description, *(line[:1].upper() + line[1:] for line in spoken)])
    return Offer(item, lexicon.categories[item.topic].noun, parts, sizes, denied, description)


def _two(rng: random.Random, pool: Mapping[str, Sequence[str]]) -> tuple[tuple[str, str], tuple[str, str]]:
    """Two names with a value each, unlike each other."""
    first, second = rng.sample(sorted(pool), 2)
    value = rng.choice(pool[first])
    return (first, value), (second, rng.choice([one for one in pool[second] if one != value]))
