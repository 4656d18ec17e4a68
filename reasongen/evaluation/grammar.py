"""The grammar of the corpus as data: slots, conditions, verbs, paraphrases, training lexicon (conf/corpus/*.yaml).

Both who writes the corpus and who judges a model read it here, so neither can know a word that the other does not.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from reasongen.errors import ConfigError
from reasongen.prompts.frame import Frame

_SLOT = re.compile(r"\{([A-Za-z]+)(?::([xy@12]))?\}")
_KEYS = ("language", "verbs", "cues", "neutral", "slots", "paraphrases", "nouns", "words", "attributes", "syllables")

Rows = tuple[int, int]  # the numbers of rows x and y, 0 where there is none


@dataclass(frozen=True)
class Production:
    """One way to write a slot: pieces are text or (slot, argument); it holds for a frame whose facts meet `needs`."""

    id: str
    pieces: tuple[str | tuple[str, str], ...]
    needs: tuple[tuple[bool, str], ...]
    weight: float

    def holds(self, facts: frozenset[str], row: int) -> bool:
        """Whether a frame with these facts may use it about evidence row `row`."""
        number = str(row)
        return all((need.replace("@", number) in facts) == wanted for wanted, need in self.needs)


@dataclass(frozen=True)
class Grammar:
    """One language. `digest` is over the file's text."""

    language: str
    slots: Mapping[str, tuple[Production, ...]]
    verbs: Mapping[str, tuple[str, ...]]
    cues: Mapping[str, tuple[str, ...]]
    neutral: str
    paraphrases: Mapping[str, tuple[str, ...]]
    nouns: Mapping[str, tuple[str, ...]]
    words: tuple[str, ...]
    attributes: tuple[str, ...]
    syllables: tuple[str, ...]
    digest: str

    def facts(self, frame: Frame) -> frozenset[str]:
        """What conditions may ask of a frame."""
        found = {f"k={frame.noun_class}", "none" if not frame.evidence else "some"}
        found |= {"a"} if frame.attribute else set()
        named = {row.word for row in frame.evidence if row.facet == "attribute"}
        found |= {"anew"} if frame.attribute and frame.attribute not in named else set()
        found |= {"b"} if frame.brand else set()
        for number, word in enumerate(frame.words, start=1):
            found |= {f"w{number}"} | ({f"para{number}"} if word in self.paraphrases else set())
        for number, row in enumerate(frame.evidence, start=1):
            found |= {f"{number}.f={row.facet}", f"{number}.a={row.act}", f"{number}.n={row.size}"}
            found |= {f"parae{number}"} if row.facet == "tag" and row.word in self.paraphrases else set()
        return frozenset(found)

    def choices(self, slot: str, argument: str, frame: Frame, facts: frozenset[str]) -> list[Production]:
        """The productions of a slot that hold; `argument` (see `bound`) is the number of a row or word, or empty."""
        row = int(argument) if argument.isdigit() else 0
        if slot == "V":
            return _leaves("V", self.verbs[frame.evidence[row - 1].act])
        if slot == "para":
            return _leaves(f"para {argument}", self.paraphrases.get(_word(frame, argument), ()))
        return [production for production in self.slots[slot] if production.holds(facts, row)]


def bound(piece: tuple[str, str], row: int, rows: Rows) -> tuple[str, int]:
    """A slot's argument with its row's number put in, and the row that the slot's own productions speak of."""
    argument = piece[1].replace("@", str(row)).replace("x", str(rows[0])).replace("y", str(rows[1]))
    return argument, int(argument) if argument.isdigit() and piece[0] not in ("V", "para") else row


def assignments(frame: Frame) -> list[Rows]:
    """Every choice of two different evidence rows for x and y; the second may be missing."""
    numbers = range(1, len(frame.evidence) + 1)
    if not numbers:
        return [(0, 0)]
    return [(x, y) for x in numbers for y in (0, *numbers) if x != y]


def usable(production: Production, rows: Rows) -> bool:
    """Whether a top production finds the rows that it speaks of."""
    named = {piece[1] for piece in production.pieces if not isinstance(piece, str)}
    return ("x" not in named or rows[0] > 0) and (("y" in named) == (rows[1] > 0))


def held_out(kind: str, language: str, text: str) -> bool:
    """Whether training never sees this word, noun, attribute, frame shape or plan: one in ten, by hash."""
    return int(hashlib.sha256(f"{kind}\0{language}\0{text}".encode()).hexdigest()[:8], 16) % 10 == 0


@lru_cache(maxsize=8)
def load_grammar(path: str | Path) -> Grammar:
    """Read a grammar file. Raises ConfigError where a key is missing or a slot is named that does not exist."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        raw: dict[str, Any] = yaml.safe_load(text)
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: wanted a grammar file; found {type(error).__name__}") from error
    if missing := [key for key in _KEYS if key not in raw]:
        raise ConfigError(f"{path}: wanted the keys {', '.join(missing)}; found none")
    slots = {name: tuple(_productions(name, lines)) for name, lines in raw["slots"].items()}
    called = {p[0] for line in slots.values() for one in line for p in one.pieces if not isinstance(p, str)}
    if unknown := called - set(slots) - {"V", "para"}:
        raise ConfigError(f"{path}: wanted slots that exist; found {', '.join(sorted(unknown))}")
    syllables = raw["syllables"]
    return Grammar(
        language=raw["language"],
        slots=slots,
        verbs=_lists(raw["verbs"]),
        cues=_lists(raw["cues"]),
        neutral=raw["neutral"],
        paraphrases=_lists(raw["paraphrases"]),
        nouns=_lists(raw["nouns"]),
        words=tuple(dict.fromkeys([*raw["paraphrases"], *raw["words"]])),
        attributes=tuple(raw["attributes"]),
        syllables=tuple(syllables),
        digest=hashlib.sha256(text.encode()).hexdigest(),
    )


def _lists(raw: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    return {key: tuple(str(value) for value in values) for key, values in raw.items()}


def _productions(slot: str, lines: list[Any]) -> Iterator[Production]:
    for number, line in enumerate(lines):
        given = [line] if isinstance(line, str) else list(line)
        text, condition, weight = given + ["", 1][len(given) - 1 :]
        needs = tuple((not atom.startswith("!"), atom.removeprefix("!")) for atom in str(condition).split())
        needs = tuple((wanted, "parae@" if atom == "para@" else atom) for wanted, atom in needs)
        yield Production(f"{slot}.{number}", tuple(_pieces(text)), needs, float(weight))


def _pieces(text: str) -> Iterator[str | tuple[str, str]]:
    at = 0
    for match in _SLOT.finditer(text):
        if match.start() > at:
            yield text[at : match.start()]
        name, argument = match.group(1), match.group(2) or ""
        yield (name, f"e{argument}" if name == "para" and argument == "@" else argument)
        at = match.end()
    if at < len(text):
        yield text[at:]


def _word(frame: Frame, argument: str) -> str:
    number = int(argument.removeprefix("e"))
    if argument.startswith("e"):
        return frame.evidence[number - 1].word
    return frame.words[number - 1] if number <= len(frame.words) else ""


@lru_cache(maxsize=4096)
def _leaves(name: str, texts: tuple[str, ...]) -> list[Production]:
    return [Production(f"{name}.{text}", (text,), (), 1.0) for text in texts]
