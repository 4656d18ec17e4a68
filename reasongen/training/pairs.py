"""Labelled pairs as token rows, rows as batches: what fine-tuning learns from, and in which order.

A row is prompt, reason and end mark. It is tokenised as the engine does it, so that the model learns to go on from
exactly the ids that it will be given. Pure and seeded; knows no model.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Sampler

from reasongen.errors import ConfigError
from reasongen.evaluation.labelled import LabelledPair, read_labelled
from reasongen.prompts.template import PromptTemplate

IGNORED = -100  # label of a position that is not learnt
POOL = 32  # batches that are made together, so that a batch holds rows of about one length
TRAIN, VALIDATION = "train", "validation"
DROPPED = {
    "no_target": "the facts bear nothing of the label",
    "too_long": "more tokens than the model has positions",
    "not_representable": "the tokenizer gives another text back",
}


@dataclass(frozen=True, slots=True)
class Row:
    """Token ids of prompt, reason and end mark; the first `prompt` of them are not learnt."""

    ids: tuple[int, ...]
    prompt: int

    @property
    def learnt(self) -> int:
        """Tokens that count in the loss."""
        return len(self.ids) - self.prompt


@dataclass(frozen=True)
class Lessons:
    """What is learnt and what is measured on. `counts`: split to pairs, dropped by cause, tokens; `digest` over all."""

    train: list[Row]
    validation: list[Row]
    counts: dict[str, dict[str, int]]
    digest: str


@dataclass(frozen=True)
class Reader:
    """Turns a pair into a row. `room`: positions of the model, less what the method takes; None: no bound."""

    template: PromptTemplate
    tokenizer: Any
    end: int
    room: int | None

    def row(self, pair: LabelledPair) -> Row | str:
        """The row, or why there is none (a key of DROPPED)."""
        if pair.target is None:
            return "no_target"
        head = self.tokenizer(self.template.render(pair.frame, pair.literals))["input_ids"]
        reason = self.tokenizer(pair.target, add_special_tokens=False)["input_ids"]
        if self.tokenizer.decode(reason, clean_up_tokenization_spaces=False).strip() != pair.target.strip():
            return "not_representable"
        ids = (*head, *reason, self.end)
        return "too_long" if self.room is not None and len(ids) > self.room else Row(ids, len(head))


def read_lessons(place: str, reader: Reader, few: int | None, seed: int) -> Lessons:
    """The rows of the splits train and validation. `few`: so many of the train split, drawn by the seed.

    Raises ConfigError where the pairs were made for another template, or a split has no row that can be learnt.
    """
    pairs = read_labelled(place, (TRAIN, VALIDATION))
    if (found := pairs[0].template) != reader.template.key:
        raise ConfigError(
            f"{place}: wanted examples for the template of the model, {reader.template.key}; found {found}."
            " Write the examples with that template (jobs/examples.py), or take a model that was made for theirs."
        )
    rows: dict[str, list[Row]] = {TRAIN: [], VALIDATION: []}
    counts: dict[str, Counter[str]] = {TRAIN: Counter(), VALIDATION: Counter()}
    for pair in pairs:
        counts[pair.split]["pairs"] += 1
        made = reader.row(pair)
        if isinstance(made, Row):
            rows[pair.split].append(made)
        else:
            counts[pair.split][made] += 1
    _refuse_empty(place, rows, counts, reader)
    told = hashlib.sha256()
    for split, taken in rows.items():
        for row in taken:
            told.update(f"{split} {row.prompt} {row.ids}\n".encode())
    if few is not None and few < (there := len(rows[TRAIN])):
        counts[TRAIN]["not_drawn"] = there - few
        rows[TRAIN] = [rows[TRAIN][number] for number in draw_few(there, few, seed)]
    for split, taken in rows.items():
        counts[split] += Counter(learnt=len(taken), tokens=sum(len(row.ids) for row in taken))
    return Lessons(rows[TRAIN], rows[VALIDATION], {name: dict(one) for name, one in counts.items()}, told.hexdigest())


def draw_few(there: int, few: int, seed: int) -> list[int]:
    """Numbers of `few` rows of `there`, ascending; with one seed a smaller draw is part of every larger one."""
    return sorted(random.Random(f"few {seed}").sample(range(there), there)[:few])


def _refuse_empty(place: str, rows: dict[str, list[Row]], counts: dict[str, Counter[str]], reader: Reader) -> None:
    for split in (split for split, there in rows.items() if not there):
        why = ", ".join(f"{counts[split][code]} {text}" for code, text in DROPPED.items() if counts[split][code])
        raise ConfigError(
            f"{place}: wanted pairs of the split {split} that can be learnt; of {counts[split]['pairs']}: {why}."
            f" The model has room for {reader.room} tokens."
        )


class LengthBatches(Sampler[int]):  # type: ignore[misc]
    """Numbers of rows, each `batch` of them of about one length; seed and epoch alone decide the order."""

    def __init__(self, rows: Sequence[Row], batch: int, seed: int) -> None:
        self._lengths, self._batch, self._seed, self._epoch = [len(row.ids) for row in rows], batch, seed, 0

    def __len__(self) -> int:
        return len(self._lengths)

    def set_epoch(self, epoch: int) -> None:
        """The Trainer says which pass begins."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        rng = random.Random(f"order {self._seed} {self._epoch}")
        size, numbers = self._batch, list(range(len(self._lengths)))
        rng.shuffle(numbers)
        whole = len(numbers) // size * size  # the short batch is drawn from all lengths, and comes last
        batches = []
        for at in range(0, whole, size * POOL):
            pool = sorted(numbers[at : min(at + size * POOL, whole)], key=lambda number: self._lengths[number])
            batches += [pool[cut : cut + size] for cut in range(0, len(pool), size)]
        rng.shuffle(batches)
        for batch in [*batches, numbers[whole:]]:
            yield from batch


def in_order_of_length(rows: Sequence[Row], batch: int) -> Iterator[list[Row]]:
    """All rows in batches, shortest first: for measuring."""
    ordered = sorted(rows, key=lambda row: (len(row.ids), row.ids))
    for at in range(0, len(ordered), batch):
        yield ordered[at : at + batch]


def collate(rows: Sequence[Row]) -> dict[str, Any]:
    """input_ids and labels (rows, tokens), unshifted, and logits_to_keep: how many last positions speak of a reason.

    Padded on the right: under a causal mask no token sees what follows it, so any id fills and no mask is needed.
    """
    width = max(len(row.ids) for row in rows)
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    labels = torch.full((len(rows), width), IGNORED)
    for number, row in enumerate(rows):
        ids[number, : len(row.ids)] = torch.tensor(row.ids)
        labels[number, row.prompt : len(row.ids)] = torch.tensor(row.ids[row.prompt :])
    return {"input_ids": ids, "labels": labels, "logits_to_keep": width - min(row.prompt for row in rows) + 1}
