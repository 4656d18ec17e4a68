"""What an explanation tells of one pair, as data and as text. Knows no table: `explaining` fills it in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from reasongen.validation import Failure


@dataclass(frozen=True)
class SampleTold:
    """One sample: `state` chosen, refused, or not needed (one before it, in the pair's order, passed); its row of
    `generations`, its text with the marks filled, and why it was refused."""

    state: str
    row: Mapping[str, Any]
    text: str
    failures: Sequence[Failure]

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        failures = [failure._asdict() for failure in self.failures]
        return {"state": self.state, **self.row, "rendered": self.text, "failures": failures}


@dataclass
class Explanation:
    """One pair. `run`: its row of `runs`, None before the first; `inputs`: table to (state in the run, state now);
    empty steps were not reached. `refilled`: the run only filled its words in anew; None: not known. `choice`: what
    these tables and samples give now, None where nothing passes."""

    user: str
    item: str
    scenario: str
    night: date
    run: Mapping[str, Any] | None
    template: str
    versions: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, tuple[str | None, str]] = field(default_factory=dict)
    candidate: dict[str, Any] = field(default_factory=dict)
    user_row: dict[str, Any] | None = None
    item_row: dict[str, Any] | None = None
    private: bool = False
    acts_in_all: int = 0
    acts: list[dict[str, Any]] = field(default_factory=list)
    pair: dict[str, Any] = field(default_factory=dict)
    prompt: str = ""
    samples: list[SampleTold] = field(default_factory=list)
    choice: str | None = None
    fallback: bool = False
    stands: dict[str, Any] | None = None
    refilled: bool | None = None
    quarantine: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ended(self) -> str:
        """The class in which the pair stands after the run."""
        if code := self.candidate.get("reject"):
            return f"rejected.{code}"
        if code := self.candidate.get("skip"):
            return f"skipped.{code}"
        if self.stands is None:
            return "quarantined" if self.quarantine else "no reason"
        if self.run is not None and self.stands["run_id"] != self.run["run_id"]:
            return "kept"
        if self.refilled:
            return "re_rendered"
        if self.stands["source"] == "fallback":
            return "fallback"
        return "published" if self.refilled is False else "published or re_rendered"

    def as_json(self) -> dict[str, Any]:
        """For `--json`: all steps."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("run", "samples")}
        run = {name: self.run[name] for name in ("run_id", "status", "delta_version")} if self.run else None
        told = {**plain, "class": self.ended, "run": run, "samples": [one.as_json() for one in self.samples]}
        return dict(json.loads(json.dumps(told, default=str)))

    def text(self) -> str:
        """The road, step by step, for a terminal."""
        return "\n".join([*self._head(), *self._inputs(), *self._evidence(), *self._samples(), *self._end()])

    def preview(self) -> str:
        """Of a pair that no night has written yet: evidence, prompt, samples with their verdicts, what would stand."""
        head = f"{self.user} × {self.item}, {self.scenario}, night {self.night}"
        end = f"5 would stand: {self.choice or 'no reason'}"
        return "\n".join([head, *self._evidence(), *self._samples(), end])

    def _head(self) -> Iterator[str]:
        run = f"run {self.run['run_id']} ({self.run['status']})" if self.run else "no finished run yet"
        yield f"{self.user} × {self.item}, {self.scenario}, night {self.night}, {run}: {self.ended}"

    def _inputs(self) -> Iterator[str]:
        yield "1 input rows"
        for name, (then, now) in self.inputs.items():
            same = "as in the run" if then == now else f"in the run: {then}" if then else "no run to compare with"
            yield f"  {name:<11} {now} ({same})"
        if not self.candidate:
            yield "  candidate   not among the candidates"
        else:
            told = {name: self.candidate[name] for name in ("rank", "score", "personal")}
            stop = self.candidate["reject"] or self.candidate["skip"]
            yield f"  candidate   {_told(told)}{f', stopped here: {stop}' if stop else ''}"
        for name, row in (("user", self.user_row), ("item", self.item_row)):
            if row is not None:
                yield f"  {name:<11} {_told(row)}"

    def _evidence(self) -> Iterator[str]:
        if not self.pair:
            return
        yield "2 evidence" + (f", from {self.acts_in_all:,} usable acts of this user" if self.candidate else "")
        for row in self.pair["evidence"]:
            what = (
                row["facet"] + (f" {row['word']}" if row["word"] else "") + (f" {row['value']}" if row["value"] else "")
            )
            newest = f"newest {row['title']} ({row['item_id']}), {row['last_ts']:%Y-%m-%d}"
            yield f"  {row['id']}  {row['action']} × {row['items']}, {what}; {newest}"
        if not self.pair["evidence"]:
            why = ", as behaviour may not be used" if not self.pair["personal"] else ""
            yield "  none: the catalogue alone" + (", as the item tells of private things" if self.private else why)
        yield from (f"  act  {act['ts']:%Y-%m-%d %H:%M} {act['event']} {act['item_id']}" for act in self.acts)
        yield f"3 prompt {self.pair['prompt_hash'][:16]}, template {self.template}"
        yield f"  shown   {self.pair['frame']}"
        yield f"  hidden  {self.pair['literals']}"
        yield from (f"  | {line}" for line in self.prompt.splitlines())

    def _samples(self) -> Iterator[str]:
        if not self.pair:
            return
        yield "4 samples: " + ", ".join(f"{name} {version[:24]}" for name, version in self.versions.items())
        for one in self.samples:
            made = f"{one.row['tokens_out']} tokens, log-probability {one.row['logprob'] or 0:.1f}, {one.row['run_id']}"
            yield f"  sample {one.row['sample']}: {one.state} ({made})"
            yield f"    wrote   {one.row['text']}"
            yield f"    reads   {one.text}"
            yield from (f"    refused {_failure(failure._asdict(), one.text)}" for failure in one.failures)
        if not self.samples:
            yield "  none was generated for this prompt, model and decoding"
        if self.fallback:
            sentence = "nor did the fallback" if self.choice is None else f"the catalogue's sentence {self.choice!r}"
            yield f"  none passed: {sentence}"

    def _end(self) -> Iterator[str]:
        yield "5 what stands"
        row = self.stands
        if row is None:
            yield "  no reason"
        else:
            yield f"  {row['reason']}"
            yield f"    {row['source']}, written by {row['run_id']}, valid until {row['valid_until']}"
            yield f"    rules {row['policy_version']}, renderer {row['renderer_version']}"
            for claim in row["claims"] or ():
                words = row["reason"][claim["start"] : claim["end"]]
                yield f"    {words!r} [{claim['start']}–{claim['end']}] rests on {claim['evidence']} {claim['mark']}"
            if self.pair and row["prompt_hash"] != self.pair["prompt_hash"]:
                yield "    it rests on another prompt than the one above: the tables or settings have changed since"
        for refused in self.quarantine:
            which = "fallback" if refused["sample"] is None else f"sample {refused['sample']}"
            yield f"  quarantine, {which}: {refused['text']}"
            yield from (f"    {_failure(failure, refused['text'])}" for failure in refused["failures"])


def _failure(failure: Mapping[str, Any], text: str) -> str:
    words = text[failure["start"] : failure["end"]]
    return f"{failure['rule']} at {failure['start']}–{failure['end']} {words!r}: {failure['detail']}"


def _told(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items() if value not in (None, [], {}, ""))
