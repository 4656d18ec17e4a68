"""From samples to staged rows: render each pair's samples, judge them, choose one, else fall back to the catalogue.

Pure Arrow in and out (it runs inside an executor); the choice is a function of the pair and its samples alone. The
verdict stands in the rows that come out: every later reader takes the stored column.
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property, lru_cache
from itertools import starmap
from typing import Any, NamedTuple, TypeVar
from zlib import crc32

import pyarrow as pa
import pyarrow.compute as pc

from reasongen.pipeline.doubting import DOUBTED, doubted
from reasongen.prompts import Frame, Literals, Rendered, Renderer
from reasongen.prompts.skeleton import specificity
from reasongen.validation import (
    PASSED,
    POLICY_VERSION,
    Policy,
    Reviewed,
    Rulebook,
    Verdict,
    Withdrawn,
    WordingJudge,
    unless_disliked,
)

T = TypeVar("T")

PASSED_THROUGH = ("user_id", "item_id", "scenario", "evidence", "prompt_hash", "fact_hash", "personal")
FAILURE = pa.struct([("rule", pa.string()), ("start", pa.int32()), ("end", pa.int32()), ("detail", pa.string())])
REFUSED = pa.struct([("sample", pa.int32()), ("text", pa.string()), ("failures", pa.list_(FAILURE))])
CLAIM = pa.struct([("start", pa.int32()), ("end", pa.int32()), ("evidence", pa.string()), ("mark", pa.string())])


class Sample(NamedTuple):
    """One sample of a prompt."""

    sample: int
    text: str
    finish_reason: str


class Choice(NamedTuple):
    """What a pair ends with. `rendered` is None where even the fallback was refused; `sample` None for a fallback."""

    rendered: Rendered | None
    skeleton: str
    sample: int | None
    refused: list[tuple[int | None, str, Verdict]]


@dataclass(frozen=True)
class Judge:
    """Everything that a verdict of tonight rests on; travels to the executors."""

    renderer: Renderer
    night: date
    valid_days: int
    recent_days: int
    samples: int
    model_version: str
    decode_hash: str
    policy: Policy
    wordings: Mapping[str, WordingJudge]
    withdrawn: Withdrawn = field(default_factory=Withdrawn)
    reviewed: Reviewed = field(default_factory=Reviewed)

    @cached_property
    def _rules(self) -> Rulebook:
        return Rulebook(self.renderer.locales, self.policy, self.wordings)

    @property
    def policy_version(self) -> str:
        """The rules and licences in force."""
        licences = "".join(self.wordings[name].licences.digest for name in sorted(self.wordings))
        return f"{POLICY_VERSION}+{self.policy.version}+{hashlib.sha256(licences.encode()).hexdigest()[:8]}"

    def choose(
        self, pair: int, frame: Frame, literals: Literals, samples: list[Sample], disliked: Collection[str] = ()
    ) -> Choice:
        """The first sample that passes, in the order of `in_turn`. `disliked`: hashes of sentences that the user said
        no to beside this item."""
        refused: list[tuple[int | None, str, Verdict]] = []
        for sample in in_turn(pair, samples, self.samples):
            rendered = self.renderer.fill(sample.text, frame, literals)
            verdict = self.verdict(rendered, sample.text, sample.finish_reason, frame)
            verdict = unless_disliked(verdict, rendered.text, _skeleton_hash(sample.text), disliked)
            if verdict.passed:
                return Choice(rendered, sample.text, sample.sample, refused)
            refused.append((sample.sample, rendered.text, verdict))
        failed: tuple[None, str, Verdict] | None = None
        for titled in (True, False):  # a seller's title may itself be what must not be shown
            skeleton = self.renderer.fallback(frame, literals, pair, titled=titled)
            rendered = self.renderer.fill(skeleton, frame, literals)
            verdict = self.verdict(rendered, skeleton, "stop", frame)
            verdict = unless_disliked(verdict, rendered.text, _skeleton_hash(skeleton), disliked)
            if verdict.passed:
                return Choice(rendered, skeleton, None, refused)
            failed = failed or (None, rendered.text, verdict)
        return Choice(None, skeleton, None, [*refused, *([failed] if failed else [])])

    def again(self, rendered: Rendered, skeleton_hash: str, frame: Frame) -> Verdict:
        """The verdict on a reason that was published before: it ended by itself, and its claims tell its marks."""
        return self.verdict(rendered, _unfilled(rendered), "stop", frame, skeleton_hash)

    def verdict(
        self, rendered: Rendered, skeleton: str, finish_reason: str, frame: Frame, skeleton_hash: str | None = None
    ) -> Verdict:
        """On one text: of the structure, of the law's rules, of the evidence, of what people took down, or passed.

        `skeleton_hash`: where the skeleton is not word for word the one that was written.
        """
        skeleton_hash = skeleton_hash or _skeleton_hash(skeleton)
        found = (
            *self._rules.verdict(rendered, skeleton, finish_reason, frame).failures,
            *self.withdrawn.failures(rendered.text, skeleton_hash),
            *self.reviewed.failures(rendered.text, frame.locale, skeleton_hash),
        )
        if not found or self.reviewed.lifts(found, rendered, skeleton_hash, frame):
            return PASSED
        return Verdict(False, found)

    def valid_until(self, rendered: Rendered, days: list[date]) -> date:
        """The last day on which the words are true: "lately" ages, the rest is shown for `valid_days`.

        `days`: the day of the last act of each evidence row of the pair.
        """
        last = self.night + timedelta(days=self.valid_days)
        for claim in rendered.claims:
            if claim.mark.endswith(".when]"):
                stale = days[int(claim.evidence[1:]) - 1] + timedelta(days=self.recent_days)
                last = min(last, stale) if stale >= self.night else last
        return last


def number_of(user: str, item: str) -> int:
    """The number of a pair, from which its order of samples and its fallback follow."""
    return crc32(f"{user}/{item}".encode())


def in_turn(pair: int, samples: Sequence[Sample], usual: int) -> list[Sample]:
    """The samples in the order in which this pair asks them: the `usual` ones, the most specific first and those alike
    rotated by its number (`number_of`), then those that were made because some pair had none that passed. So such a
    pair changes no other's choice."""
    ordered = sorted(samples)
    first = [sample for sample in ordered if sample.sample < usual]
    turn = pair % len(first) if first else 0
    rotated = first[turn:] + first[:turn]
    return sorted(rotated, key=lambda one: specificity(one.text), reverse=True) + ordered[len(first) :]


def judging(judge_: Judge) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The function that runs on an executor; see `judge_batch`."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # Nothing here makes cycles; to look for them among all the cached words took a quarter of the time.
        gc.disable()
        try:
            for batch in batches:
                yield judge_batch(batch, judge_)
        finally:
            gc.enable()

    return run


def judge_batch(batch: pa.RecordBatch, judge_: Judge) -> pa.RecordBatch:
    """Rows of PASSED_THROUGH plus frame, literals, samples (sample, text, finish_reason), and perhaps disliked (hashes
    of sentences), to rows of schema.STAGED."""
    keys = zip(*(batch.column(name).to_pylist() for name in ("user_id", "item_id")), strict=True)
    facts = zip(*(batch.column(name).to_pylist() for name in ("frame", "literals")), strict=True)
    samples = zip(_lists(batch.column("samples"), Sample._fields), _days(batch.column("evidence")), strict=True)
    out = _Columns()
    no = batch.column("disliked").to_pylist() if "disliked" in batch.schema.names else [None] * batch.num_rows
    for (user, item), (frame_text, literal_text), (given, days), said in zip(keys, facts, samples, no, strict=True):
        frame = Frame.from_json(frame_text)
        literals = Literals.from_json(literal_text)
        choice = judge_.choose(number_of(user, item), frame, literals, list(starmap(Sample, given)), said or ())
        out.add(choice, frame.locale, judge_.valid_until(choice.rendered, days) if choice.rendered else None)
        waiting = choice.refused if choice.sample is None else []
        texts = {number: text for number, text, _ in given} if waiting else {}
        out.doubted.append(doubted(waiting, texts, judge_.renderer, frame, literals))
    passed = {name: batch.column(name) for name in PASSED_THROUGH}
    return out.batch(passed, judge_)


def _lists(column: pa.ListArray, fields: Sequence[str]) -> Iterator[list[tuple[Any, ...]]]:
    """A list of structs per row as a list of tuples; null as an empty one. Column by column: Arrow's own way to
    Python makes a dictionary per struct."""
    inner = column.flatten()
    return _cut(column, list(zip(*(inner.field(name).to_pylist() for name in fields), strict=True)))


def _days(evidence: pa.ListArray) -> Iterator[list[date]]:
    """Per row, the day of the last act of each piece of evidence."""
    return _cut(evidence, evidence.flatten().field("last_ts").cast(pa.date32()).to_pylist())


def _cut(column: pa.ListArray, flat: list[T]) -> Iterator[list[T]]:
    """The flattened values, cut into the lists of the column."""
    at = 0
    for size in pc.fill_null(pc.list_value_length(column), 0).to_pylist():
        yield flat[at : at + size]
        at += size


class _Columns:
    """Collects the columns that judging adds. Claims are kept flat: Arrow builds them far faster so."""

    def __init__(self) -> None:
        self.reason: list[str | None] = []
        self.source: list[str | None] = []
        self.skeleton: list[str] = []
        self.locale: list[str] = []
        self.valid_until: list[date | None] = []
        self.sample: list[int | None] = []
        self.refused: list[list[dict[str, Any]]] = []
        self.doubted: list[list[dict[str, Any]]] = []
        self.offsets = [0]
        self.claims: list[tuple[int, int, str, str]] = []

    def add(self, choice: Choice, locale: str, valid_until: date | None) -> None:
        rendered = choice.rendered
        self.reason.append(rendered.text if rendered else None)
        self.source.append(None if rendered is None else "fallback" if choice.sample is None else "model")
        self.skeleton.append(_skeleton_hash(choice.skeleton))
        self.locale.append(locale)
        self.valid_until.append(valid_until)
        self.sample.append(choice.sample)
        self.refused.append([_refusal(*refusal) for refusal in choice.refused])
        if rendered:
            self.claims += rendered.claims
        self.offsets.append(len(self.claims))

    def batch(self, passed: dict[str, pa.Array], judge_: Judge) -> pa.RecordBatch:
        rows = len(self.reason)
        flat = list(zip(*self.claims, strict=True)) or [(), (), (), ()]
        spans = pa.StructArray.from_arrays(
            [pa.array(values, field.type) for values, field in zip(flat, CLAIM, strict=True)], fields=list(CLAIM)
        )

        def same(value: str) -> pa.Array:
            return pa.array([value] * rows, pa.string())

        columns: dict[str, pa.Array] = {
            "user_id": passed["user_id"],
            "item_id": passed["item_id"],
            "scenario": passed["scenario"],
            "reason": pa.array(self.reason, pa.string()),
            "evidence": passed["evidence"],
            "claims": pa.ListArray.from_arrays(pa.array(self.offsets, pa.int32()), spans),
            "source": pa.array(self.source, pa.string()),
            "skeleton_hash": pa.array(self.skeleton, pa.string()),
            "model_version": same(judge_.model_version),
            "decode_hash": same(judge_.decode_hash),
            "prompt_hash": passed["prompt_hash"],
            "policy_version": same(judge_.policy_version),
            "renderer_version": same(judge_.renderer.version),
            "fact_hash": passed["fact_hash"],
            "locale": pa.array(self.locale, pa.string()),
            "valid_until": pa.array(self.valid_until, pa.date32()),
            "personal": passed["personal"],
            "passed": pa.array([reason is not None for reason in self.reason], pa.bool_()),
            "sample": pa.array(self.sample, pa.int32()),
            "refused": pa.array(self.refused, pa.list_(REFUSED)),
            "doubted": pa.array(self.doubted, pa.list_(DOUBTED)),
        }
        return pa.RecordBatch.from_pydict(columns)


def _unfilled(rendered: Rendered) -> str:
    """The text with its marks in the places of what they were filled with."""
    text = rendered.text
    for claim in reversed(rendered.claims):
        text = text[: claim.start] + claim.mark + text[claim.end :]
    return text


@lru_cache(maxsize=1 << 16)
def _skeleton_hash(skeleton: str) -> str:
    return hashlib.sha256(skeleton.encode()).hexdigest()


def _refusal(sample: int | None, text: str, verdict: Verdict) -> dict[str, Any]:
    failures = [{"rule": f.rule, "start": f.start, "end": f.end, "detail": f.detail} for f in verdict.failures]
    return {"sample": sample, "text": text, "failures": failures}
