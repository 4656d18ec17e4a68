"""Writes the training corpus: frames as the evidence stage makes them, and for each a reason in our own grammar.

Pure and seeded: the same seed gives the same corpus. Knows no torch and no tokenizer.
A tenth of words, nouns, attribute names, frame shapes and sentence plans is never written here (grammar.held_out);
`sample_frame(..., held=True)` draws from that tenth alone, for judging.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from reasongen.evaluation.grammar import Grammar, Production, Rows, bound, held_out, usable
from reasongen.prompts.frame import ACTS, MARK, SIZES, EvidenceRow, Frame

ROW_WEIGHTS = (20, 30, 46, 2, 2)  # frames with 0 ... 4 evidence rows in an exam; the default budget is 2
TAUGHT_ROW_WEIGHTS = (18, 28, 40, 7, 7)  # in training: what is rare in the exam is met often enough to be learnt
_WIDTHS = {
    "zh": {"title": 10, "items": 5, "this": 4, "word": 3, "value": 3, "brand": 3, "noun": 2, "name": 2, "count": 2},
    "en": {"title": 4, "items": 2, "this": 2, **dict.fromkeys(("word", "brand", "noun", "name", "count", "when"), 1)},
}
_LENGTHS = {"zh": (12, 46), "en": (8, 30)}  # characters, words


@dataclass(frozen=True)
class Example:
    """One line of the corpus: the frame, the reason with its marks, and the ids of the productions that made it."""

    frame: Frame
    reason: str
    plan: tuple[str, ...]


def examples(grammar: Grammar, seed: int, count: int) -> Iterator[Example]:
    """`count` training examples in one language; none is made from a held-out word, shape or plan."""
    rng = random.Random(f"{grammar.language} {seed}")
    made = 0
    while made < count:
        frame = sample_frame(grammar, rng)
        if (example := write_reason(grammar, frame, rng)) is not None:
            made += 1
            yield example


def sample_frame(grammar: Grammar, rng: random.Random, held: bool = False) -> Frame:
    """One frame; with `held`, its noun, words, attribute names and shape are all such that training never saw."""
    while True:
        frame = _any_frame(grammar, rng, held)
        if held_out("shape", grammar.language, shape(frame)) == held:
            return frame


def shape(frame: Frame) -> str:
    """What decides which sentences fit: everything of a frame but its words."""
    rows = " ".join(f"{row.facet}/{row.act}/{row.size}" for row in frame.evidence)
    return f"{frame.noun_class} {len(frame.words)} {bool(frame.attribute)} {frame.brand} {rows}"


def write_reason(grammar: Grammar, frame: Frame, rng: random.Random, tries: int = 40) -> Example | None:
    """A reason for the frame, or None where none of some tries is short enough and outside the held-out plans."""
    facts = grammar.facts(frame)
    for _ in range(tries):
        rows = _rows(frame, rng)
        tops = [top for top in grammar.slots["reason"] if top.holds(facts, 0) and usable(top, rows)]
        if not tops:
            continue
        plan: list[str] = []
        text = _write(grammar, _pick(tops, rng), frame, facts, rows, 0, rng, plan)
        if fits(grammar.language, text) and not held_out("plan", grammar.language, " ".join(plan)):
            return Example(frame, text[:1].upper() + text[1:], tuple(plan))
    return None


def fits(language: str, text: str) -> bool:
    """Whether the filled reason will be of a fit length and names at most one title."""
    forms = [match.group(2) for match in MARK.finditer(text)]
    rest = MARK.sub("", text)
    own = len(rest) if language == "zh" else len(rest.split())
    widths = _WIDTHS[language]
    least, most = _LENGTHS[language]
    width = own + sum(widths.get(form.rstrip("12"), 2) for form in forms)
    return least <= width <= most and forms.count("title") <= 1 and len(forms) >= 1


def _write(
    grammar: Grammar,
    production: Production,
    frame: Frame,
    facts: frozenset[str],
    rows: Rows,
    row: int,
    rng: random.Random,
    plan: list[str],
) -> str:
    plan.append(f"{production.id}@{row}" if row else production.id)
    made = []
    for piece in production.pieces:
        if isinstance(piece, str):
            made.append(piece.replace("@", str(row)) if row else piece)
            continue
        argument, inner = bound(piece, row, rows)
        choices = grammar.choices(piece[0], argument, frame, facts)
        if not choices:  # this sentence has no words for the frame; no plan is so long, so `fits` refuses it
            return "\n" * 99
        made.append(_write(grammar, _pick(choices, rng), frame, facts, rows, inner, rng, plan))
    return "".join(made)


def _pick(choices: Sequence[Production], rng: random.Random) -> Production:
    return rng.choices(choices, [choice.weight for choice in choices])[0]


def _rows(frame: Frame, rng: random.Random) -> Rows:
    """The rows to speak of: the first (the best support), and in more than half of the reasons the second.

    Always in this order: a small model then binds verb and mark by place, and no choice of rows is left to chance.
    """
    if len(frame.evidence) < 2:
        return (len(frame.evidence), 0)
    return (1, 2 if rng.random() < 0.55 else 0)


def _any_frame(grammar: Grammar, rng: random.Random, held: bool) -> Frame:
    language = grammar.language
    noun_class = rng.choice(list(grammar.nouns))
    words = [_word(grammar, rng, held) for _ in range(rng.choices((0, 1, 2), (25, 35, 40))[0])]
    name = _draw(grammar, "attribute", grammar.attributes, rng, held)
    brand = rng.random() < 0.75
    rows = list(_evidence(grammar, rng, held, brand, name))
    shown = tuple(dict.fromkeys(word for word in words if word not in {row.word for row in rows}))
    noun = _draw(grammar, "noun", grammar.nouns[noun_class], rng, held)
    attribute = name if rng.random() < 0.6 else ""
    return Frame(language, "recommendation", noun, noun_class, shown, attribute, brand, tuple(rows))


def _evidence(grammar: Grammar, rng: random.Random, held: bool, brand: bool, name: str) -> Iterator[EvidenceRow]:
    left = ["category", "tag", "tag", "attribute"] + ["brand"] * brand
    for _ in range(rng.choices(range(5), ROW_WEIGHTS if held else TAUGHT_ROW_WEIGHTS)[0]):
        facet = rng.choice(left)
        left.remove(facet)
        word = {"tag": _word(grammar, rng, held)}.get(facet, "")
        if facet == "attribute":
            word = name if rng.random() < 0.35 else _draw(grammar, "attribute", grammar.attributes, rng, held)
        yield EvidenceRow(facet, word, rng.choice(ACTS), rng.choices(SIZES, (40, 40, 20))[0])


def _word(grammar: Grammar, rng: random.Random, held: bool) -> str:
    pool = tuple(grammar.paraphrases) if rng.random() < 0.55 else grammar.words[len(grammar.paraphrases) :]
    return _draw(grammar, "word", pool, rng, held)


def _draw(grammar: Grammar, kind: str, pool: Sequence[str], rng: random.Random, held: bool) -> str:
    """A word of the lexicon, or one made up of syllables: the model must cite what it has never met."""
    fit = _allowed(kind, grammar.language, tuple(pool), held)
    if rng.random() < 0.2 or not fit:
        size = rng.choice((2, 2, 3))
        return "".join(rng.choice(grammar.syllables) for _ in range(size))
    return rng.choice(fit)


@lru_cache(maxsize=128)
def _allowed(kind: str, language: str, pool: tuple[str, ...], held: bool) -> tuple[str, ...]:
    return tuple(text for text in pool if held_out(kind, language, text) == held)
