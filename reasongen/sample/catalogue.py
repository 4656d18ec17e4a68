"""Makes the items of the sample world from its words. Knows no user and no dirt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reasongen.sample.lexicon import CategoryWords, Lexicon, phrase

Generator = np.random.Generator
TRIES = 40


@dataclass(frozen=True)
class Item:
    """One catalogue row before any dirt; `topic` is the category's key, equal in all languages."""

    item_id: str
    topic: str
    locale: str
    category: str
    title: str
    description: str
    tags: tuple[str, ...]
    attributes: Mapping[str, str]
    brand: str | None
    price: float

    def row(self) -> dict[str, object]:
        """The row as it stands in items.jsonl."""
        return {
            "item_id": self.item_id,
            "title": self.title,
            "description": self.description,
            "tags": list(self.tags),
            "attributes": dict(self.attributes),
            "category": self.category,
            "brand": self.brand,
            "price": self.price,
            "locale": self.locale,
            "image_uri": f"images/{self.item_id}.jpg",
        }


def item_id(number: int) -> str:
    """Fixed width: i00045."""
    return f"i{number:05d}"


def make_items(
    lexicons: Mapping[str, Lexicon], rng: Generator, *, per_category: int, further: int, unbranded: float
) -> list[Item]:
    """`per_category` items of each category and language, then `further` ones of categories in turn.

    Ids are dealt at random, so that neither category nor dirt can be read from them; titles differ within a language.
    """
    plan = [(loc, key) for loc in lexicons for key in lexicons[loc].categories for _ in range(per_category)]
    turn = [(loc, key) for key in next(iter(lexicons.values())).categories for loc in lexicons]
    plan += [turn[n % len(turn)] for n in range(further)]
    numbers = rng.permutation(len(plan)) + 1
    met: dict[tuple[str, str], int] = {}
    titles: set[str] = set()
    items = []
    for number, (locale, key) in zip(numbers, plan, strict=True):
        words = lexicons[locale].categories[key]
        met[locale, key] = met.get((locale, key), -1) + 1
        name = words.names[met[locale, key] % len(words.names)]
        branded = bool(rng.random() >= unbranded)
        items.append(_item(item_id(int(number)), key, lexicons[locale], name, rng, branded=branded, taken=titles))
    return items


def _item(
    number: str, key: str, lexicon: Lexicon, name: str, rng: Generator, *, branded: bool, taken: set[str]
) -> Item:
    words = lexicon.categories[key]
    for _ in range(TRIES):
        tags = _some(words.tags, int(rng.integers(3, 5)), rng)
        names = _some(tuple(words.attributes), int(rng.integers(1, len(words.attributes) + 1)), rng)
        attributes = {attribute: _one(words.attributes[attribute], rng) for attribute in names}
        brand = _one(words.brands, rng) if branded else None
        fill = _fill(words, name, tags, attributes, brand)
        title = phrase(_one([p for p in words.titles if brand or "{brand}" not in p], rng), lexicon.locale, fill)
        if title not in taken:
            break
    taken.add(title)
    spoken = [p for p in lexicon.about if brand or "{brand}" not in p]
    sentences = [_one(words.about, rng), *_some(spoken, int(rng.integers(1, 3)), rng)]
    told = [phrase(sentence, lexicon.locale, fill) for sentence in sentences]
    return Item(
        item_id=number,
        topic=key,
        locale=lexicon.locale,
        category=words.path,
        title=title,
        description=(" " if lexicon.locale == "en" else "").join(told),
        tags=tags,
        attributes=attributes,
        brand=brand,
        price=_price(words.price, rng),
    )


def _fill(
    words: CategoryWords, name: str, tags: Sequence[str], attributes: Mapping[str, str], brand: str | None
) -> dict[str, str]:
    attribute, value = next(iter(attributes.items()))
    told = {"name": name, "noun": words.noun, "tag": tags[0], "tag2": tags[1], "attribute": attribute, "value": value}
    return {**told, "brand": brand or ""}


def _one(words: Sequence[str], rng: Generator) -> str:
    return words[int(rng.integers(len(words)))]


def _some(words: Sequence[str], count: int, rng: Generator) -> tuple[str, ...]:
    return tuple(words[int(i)] for i in rng.permutation(len(words))[:count])


def _price(span: tuple[float, float], rng: Generator) -> float:
    """Log-uniform between low and high, ending in .9 as prices do."""
    low, high = np.log(span[0]), np.log(span[1])
    return float(np.floor(np.exp(rng.uniform(low, high)))) + 0.9
