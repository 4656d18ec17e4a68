"""Makes the users of the sample world: language, favourites, liked words and brand, consent, age. Knows no event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reasongen.sample.catalogue import Item
from reasongen.sample.lexicon import Lexicon
from reasongen.sample.settings import WorldSettings

Floats = npt.NDArray[np.float64]

FAVOURITES = (0.30, 0.45, 0.25)
"""Shares of users with one, two and three favourite categories."""
FIRST, OTHER, REST = 9.0, 5.0, 0.25
"""How much more a favourite category is looked at than its popularity says."""
LIKED_WORD, LIKED_BRAND, FOREIGN = 2.0, 2.5, 0.04
POPULARITY = 0.9
"""Exponent of the fall of popularity with an item's place: near 1, as in shops."""


@dataclass(frozen=True)
class People:
    """Users with a row first, strangers after them. `taste[u, i]` sums to 1 over the items, `popular[u, i]` too."""

    ids: list[str]
    known: int
    tags: list[tuple[str, ...]]
    personalise: list[str]
    minor: list[str]
    taste: Floats
    popular: Floats


def user_id(number: int) -> str:
    """Fixed width: u0000123."""
    return f"u{number:07d}"


def make_people(
    items: Sequence[Item],
    usable: npt.NDArray[np.bool_],
    lexicons: Mapping[str, Lexicon],
    settings: WorldSettings,
    rng: np.random.Generator,
) -> People:
    """Users and strangers with their tastes; `usable` marks the items that anybody may meet."""
    strangers = max(1, round(settings.users * settings.stranger_share)) if settings.stranger_share else 0
    total = settings.users + strangers
    ids = [user_id(int(number)) for number in rng.permutation(total) + 1]
    fame = np.where(usable, 1.0 / (rng.permutation(len(items)) + 3.0) ** POPULARITY, 0.0)
    shop = _Shop(items, lexicons)
    liked = [shop.likes(rng) for _ in range(total)]
    taste = np.stack([like.weights * fame for like in liked])
    popular = np.stack([shop.readable(like.locale) * fame for like in liked])
    personalise, minor = _consent(settings, rng)
    return People(
        ids=ids,
        known=settings.users,
        tags=[like.tags if rng.random() < 0.7 else () for like in liked[: settings.users]],
        personalise=personalise,
        minor=minor,
        taste=taste / taste.sum(axis=1, keepdims=True),
        popular=popular / popular.sum(axis=1, keepdims=True),
    )


@dataclass(frozen=True)
class _Like:
    locale: str
    tags: tuple[str, ...]
    weights: Floats


class _Shop:
    """The items as arrays, so that one user's weights are a few products."""

    def __init__(self, items: Sequence[Item], lexicons: Mapping[str, Lexicon]) -> None:
        self.items, self.lexicons, self.locales = items, lexicons, list(lexicons)
        self.topics = np.array([item.topic for item in items])
        self.brands = np.array([item.brand or "" for item in items])
        self.item_locales = np.array([item.locale for item in items])
        words = sorted({tag for item in items for tag in item.tags})
        self.has = {word: np.array([word in item.tags for item in items]) for word in words}

    def readable(self, locale: str) -> Floats:
        """1 for items in the user's language, little for the others."""
        return np.where(self.item_locales == locale, 1.0, FOREIGN)

    def likes(self, rng: np.random.Generator) -> _Like:
        """One user's language, words and weight of each item."""
        locale = self.locales[int(rng.integers(len(self.locales)))]
        words = self.lexicons[locale].categories
        count = min(len(words), 1 + int(rng.choice(len(FAVOURITES), p=FAVOURITES)))
        favourites = [list(words)[int(i)] for i in rng.permutation(len(words))[:count]]
        pool = sorted({tag for key in favourites for tag in words[key].tags})
        tags = tuple(pool[int(i)] for i in rng.permutation(len(pool))[: int(rng.integers(1, 4))])
        brand = words[favourites[0]].brands[int(rng.integers(len(words[favourites[0]].brands)))]
        weights = np.where(self.topics == favourites[0], FIRST, np.where(np.isin(self.topics, favourites), OTHER, REST))
        for tag in tags:
            weights = weights * np.where(self.has[tag], LIKED_WORD, 1.0) if tag in self.has else weights
        weights = weights * np.where(self.brands == brand, LIKED_BRAND, 1.0) * self.readable(locale)
        return _Like(locale, tags, weights)


def _consent(settings: WorldSettings, rng: np.random.Generator) -> tuple[list[str], list[str]]:
    """Exact shares, dealt at random: a test can count them."""
    users = settings.users
    refusing = round(users * settings.no_consent_share)
    personalise = np.array(["true"] * users, dtype=object)
    without = rng.permutation(users)[:refusing]
    personalise[without[::2]], personalise[without[1::2]] = "false", ""
    minor: npt.NDArray[Any] = np.array(["no"] * users, dtype=object)
    young = round(users * settings.minor_share)
    order = rng.permutation(users)
    minor[order[:young]] = "yes"
    minor[order[young : 6 * young]] = "unknown"
    return list(personalise), list(minor)
