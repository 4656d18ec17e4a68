"""Writes true reasons and planted faults about made-up pairs, for a judge to learn from and to be measured with.

A fault keeps the sentence and fills one slot with what the evidence says of something else, or takes a sentence that
no evidence bears. Deterministic by seed. Knows no verdict: whether a fault is caught is another's question.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from string import Formatter
from typing import Any, NamedTuple

import numpy as np

from reasongen.errors import ConfigError
from reasongen.sample.cast import Cast, cast_of, when, words_of_cast
from reasongen.sample.catalogue import Item, make_items
from reasongen.sample.lexicon import Lexicon, load_lexicons
from reasongen.sample.sentences import Sentences, cut, load_sentences
from reasongen.schema import LOCALES

PER_CATEGORY = 40
TRIES = 30
_CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")
Labelled = tuple[Mapping[str, Any], str]  # a record, and the kind of its fault
Fault = tuple[str, dict[str, str]]  # kind, and the slots that are filled otherwise


class Told(NamedTuple):
    """One text with its evidence. `record`: what `Record.model_validate` takes; `plan`: its sentences."""

    record: dict[str, Any]
    true: bool
    kind: str
    plan: str


def told_reasons(conf: str | Path, locale: str, split: str, seed: int, pairs: int) -> Iterator[Told]:
    """`pairs` times a true reason and a planted fault of the same evidence, in one language.

    `conf`: the folder with world/ and opinion/; `split`: see `sentences.cut`. Splits share neither category nor
    sentence. Raises ConfigError.
    """
    every, lexicons = _words(str(conf))
    sentences = every[locale]
    rng = random.Random(f"{locale} {split} {seed}")
    items = _items(lexicons, locale, cut(sentences.things, split, held=0.25), seed)
    plans = _Plans(sentences, split)
    made = 0
    while made < pairs:
        cast = cast_of(rng, items, lexicons[locale], sentences)
        words = words_of_cast(rng, cast, sentences)
        plan = plans.draw(rng, words)
        planted = plan and _planted(rng, plan, cast, words, plans)
        if not plan or not planted:
            continue
        made += 1
        tags = _user_tags(rng, cast)
        for true, kind, text, told in ((True, "true", _text(plan, words, locale), plan), (False, *planted)):
            text = _spelled(rng, text, locale)
            yield Told({**cast.record(tags), "text": text}, true, kind, " + ".join(told))


def labelled_reasons(conf: str | Path, seed: int) -> Callable[[str, str, int], Iterator[Labelled]]:
    """The same as (record, kind), kind "true" for a true one, for a training that asks by locale, split and pairs."""

    def texts(locale: str, split: str, pairs: int) -> Iterator[Labelled]:
        for told in told_reasons(conf, locale, split, seed, pairs):
            yield told.record, told.kind

    return texts


def spared_reasons(path: str | Path) -> dict[str, list[Labelled]]:
    """The true reasons of a file of labelled ones (JSON lines), by locale. Raises ConfigError where there are none."""
    try:
        rows = [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: wanted labelled reasons as JSON lines; found {type(error).__name__}.") from error
    return {locale: [(row, "true") for row in rows if row["locale"] == locale and row["true"]] for locale in LOCALES}


class _Plans:
    """The sentences of one split. A plan is a way to join and one or two sentences."""

    def __init__(self, sentences: Sentences, split: str) -> None:
        self.sentences = sentences
        self.joins = cut(sentences.joins, split)
        self.acted, self.told, self.joined = (
            cut(one, split) for one in (sentences.acted, sentences.told, sentences.joined)
        )
        self.false = {kind: cut(patterns, split) for kind, patterns in sentences.planted.items()}

    def draw(self, rng: random.Random, words: Mapping[str, str]) -> tuple[str, ...]:
        """A plan whose slots can all be filled truly; empty where none was found."""
        for _ in range(TRIES):
            shape = rng.choices(("t", "at", "j", "tt", "a", "jt"), (20, 35, 25, 8, 7, 5))[0]
            groups = {"t": self.told, "a": self.acted, "j": self.joined}
            plan = [rng.choice(groups[one]) for one in shape]
            if len(set(plan)) == len(shape) and all(_slots(one) <= set(words) for one in plan):
                return (rng.choice(self.joins) if len(plan) > 1 else "{a}.", *plan)
        return ()


def _planted(
    rng: random.Random, plan: tuple[str, ...], cast: Cast, words: dict[str, str], plans: _Plans
) -> tuple[str, str, tuple[str, ...]] | None:
    """(kind, text, plan) of one fault: of a slot, or in two of five by a sentence that nothing bears."""
    locale = cast.offer.item.locale
    if rng.random() < 0.4:
        kind = rng.choice(sorted(plans.false))
        fit = [one for one in plans.false[kind] if _slots(one) <= set(words)]
        if fit:
            false = (plan[0], *plan[1:-1], rng.choice(fit)) if len(plan) == 2 or rng.random() < 0.7 else plan
            false = false if false != plan else (plan[0], rng.choice(fit), *plan[2:])
            return kind, _text(false, words, locale), false
    used = set().union(*map(_slots, plan[1:]))
    faults = [(kind, change) for kind, change in faults_of(rng, cast, words, plans.sentences) if set(change) <= used]
    if rng.random() < 0.3:  # a sentence whose own bond is false: of the same brand, and it is not
        bonds = [(kind, change) for kind, change in _bonds(cast) if not set(change) & set(words)]
        for kind, change in bonds:
            fit = [one for one in plans.joined if set(change) & _slots(one) and _slots(one) <= {*words, *change}]
            if fit:
                false = ("{a}.", rng.choice(fit))
                return kind, _text(false, words | change, locale), false
    if not faults:
        return None
    kind = rng.choice(sorted({kind for kind, _ in faults}))
    change = rng.choice([change for one, change in faults if one == kind])
    text = _text(plan, words | change, locale)
    return (kind, text, plan) if text != _text(plan, words, locale) else None


def faults_of(rng: random.Random, cast: Cast, words: Mapping[str, str], sentences: Sentences) -> Iterator[Fault]:
    """What may be filled otherwise, so that it is false: with what the evidence says of something else."""
    offer, first, second = cast.offer, cast.first, cast.second
    if first.kind != second.kind:
        yield "user_fact", {"e_act": rng.choice(sentences.acts[second.kind])}
        yield "user_fact", {"e_act": words["o_act"], "o_act": words["e_act"]}
        yield "user_fact", {"e_name": words["o_name"], "o_name": words["e_name"]}
    other = rng.choice([kind for kind in sentences.acts if kind not in (first.kind, second.kind)])
    yield "user_fact", {"e_act": rng.choice(sentences.acts[other])}
    if abs(first.days - second.days) >= 3 or max(first.days, second.days) <= 2:
        yield "count_time", {"e_when": when(rng, second.days, sentences)}
        yield "count_time", {"e_when": words["o_when"], "o_when": words["e_when"]}
    for count in {offer.item.price and 5, second.count} - {first.count}:
        if count in sentences.times:
            yield "count_time", {"e_times": rng.choice(sentences.times[int(count)])}
    for act in (first, second):
        for tag in act.tags:
            if not offer.says(tag):
                yield "swap", {"i_tag": tag}
                yield "swap", {"i_tag2": tag}
                yield "swap", {"s_tag": tag}
        if act.brand and act.brand != offer.item.brand:
            yield "brand", {"i_brand": act.brand}
        if act.item.topic != offer.item.topic:
            yield "swap", {"i_noun": act.noun}
    for tag in offer.item.tags:
        if tag.lower() not in first.item.title.lower():
            yield "swap", {"e_tag": tag}
            yield "swap", {"s_tag": tag}
    yield from _mixed_up(rng, cast, words)


def _mixed_up(rng: random.Random, cast: Cast, words: Mapping[str, str]) -> Iterator[Fault]:
    """What the item has, told of another part of it; and figures that nothing has."""
    offer = cast.offer
    for value in offer.item.attributes.values():
        if value not in (words.get("i_value"), words.get("i_value2")):
            yield "attribute", {"i_value": value}
    for one, two in (("i_value", "i_value2"), ("i_stuff", "i_stuff2"), ("i_size", "i_size2")):
        if one in words and two in words:
            kind = "number" if one == "i_size" else "attribute"
            yield kind, {one: words[two], two: words[one]}
            yield kind, {one: words[two]}
    yield "attribute", {"i_part": words["i_part2"]}
    yield "number", {"i_measure": words["i_measure2"]}
    number = re.match(r"\d+", words["i_size"])
    if number:
        unit = words["i_size"][number.end() :]
        yield "number", {"i_size": f"{int(number.group()) + rng.choice((1, 2, 3, 10))}{unit}"}
        yield "number", {"i_size": f"{cast.first.days}{unit}"}
        stated = [re.sub(r"^[\d.]+", "", one) for one in offer.item.attributes.values() if one[:1].isdigit()]
        for other in stated:
            if other != unit:
                yield "unit", {"i_size": number.group() + other}


def _bonds(cast: Cast) -> Iterator[Fault]:
    offer, first = cast.offer, cast.first
    if first.brand and offer.item.brand and first.brand != offer.item.brand:
        yield "brand", {"s_brand": ""}
    if first.item.topic != offer.item.topic:
        yield "swap", {"s_kind": ""}
    for tag in first.tags:
        if not offer.says(tag):
            yield "swap", {"s_tag": tag}


def _slots(pattern: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(pattern) if name and "_" in name}


def _text(plan: Sequence[str], words: Mapping[str, str], locale: str) -> str:
    """The plan with its slots filled."""
    parts = [one.format_map(words) for one in plan[1:]]
    text = plan[0].format(a=parts[0], b=parts[-1])
    return f"{text.rstrip('.。')}。" if locale == "zh" else text


def _spelled(rng: random.Random, text: str, locale: str) -> str:
    """One of each (a|b). English: a capital at the front of sentences, `an` before a vowel."""
    text = _CHOICE.sub(lambda found: rng.choice(found.group(1).split("|")), text)
    if locale == "zh":
        return text
    text = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)
    return re.sub(r"(^|[.:] )([a-z])", lambda found: found.group(1) + found.group(2).upper(), text)


@lru_cache(maxsize=4)
def _words(conf: str) -> tuple[dict[str, Sentences], dict[str, Lexicon]]:
    return load_sentences(Path(conf) / "opinion"), load_lexicons(Path(conf) / "world")


def _items(lexicons: Mapping[str, Lexicon], locale: str, categories: Sequence[str], seed: int) -> dict[str, list[Item]]:
    """Made anew for each split: items of different splits share no category."""
    rng = np.random.default_rng(seed)
    made = make_items({locale: lexicons[locale]}, rng, per_category=PER_CATEGORY, further=0, unbranded=0.15)
    return {topic: [item for item in made if item.topic == topic] for topic in categories}


def _user_tags(rng: random.Random, cast: Cast) -> list[str]:
    pool = [cast.offer.noun, cast.first.noun, cast.second.noun]
    return rng.sample(pool, rng.choice((0, 1)))
