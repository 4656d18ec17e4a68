"""One crash state, recovered: what a reader sees before, and what the next run of the same step makes of it."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from days import STEPS, readable, samples
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from recording import TORN, Recording

NAMES = [step.name for step in STEPS]


@dataclass(frozen=True)
class Case:
    """Change number `state` of a record was never made; `torn`: what became of the newest file."""

    state: int
    torn: str

    @property
    def name(self) -> str:
        """As it is given to `--only`."""
        return f"{self.state}-{self.torn}"


def cases_of(recording: Recording, seed: int) -> list[Case]:
    """All of them, in an order drawn by the seed."""
    cases = [Case(state, torn) for state in range(1, len(recording.changes)) for torn in TORN]
    random.Random(seed).shuffle(cases)
    return cases


def recover(spark: SparkSession, recording: Recording, case: Case, lake: Path) -> str:
    """Builds the state at `lake`, runs its step again, and says in a line what was found. Raises AssertionError."""
    newest = recording.build(case.state, case.torn, lake).newest
    name = recording.changes[case.state].step
    step = STEPS[NAMES.index(name)]
    after = pl.read_parquet(recording.folder / f"{name}.reasons.parquet")
    made = pl.read_parquet(recording.folder / f"{name}.samples.parquet")
    before = _before(recording, name, like=after)
    torn_log = case.torn in ("empty", "half") and "/_delta_log/" in newest and newest.endswith(".json")
    if not torn_log:  # the storage promised a whole commit; what a reader does without one is not ours
        seen = readable(lake)
        assert seen.equals(before) or seen.equals(after), f"{seen.height} rows of neither night could be read"
    paid = samples(lake) if not torn_log else samples(lake).clear() if "generations" in newest else made.clear()
    done = step.do(spark, recording.folder / "world", lake)
    assert readable(lake).equals(after), "other rows than an undisturbed run gives"
    kept = samples(lake)
    assert kept.height == kept.unique(["prompt_hash", "sample"]).height == made.height, "samples lost or doubled"
    lost = paid.join(kept, on=paid.columns, how="anti").join(made, on=["prompt_hash", "sample"], how="semi")
    assert lost.is_empty(), "a committed sample was generated again"  # a forgetting takes some out for good
    if step.night:
        _is_complete(spark, recording, lake, name)
    shutil.rmtree(lake)
    return f"{case.name} {name} ({newest or 'nothing yet'}): {getattr(done, 'status', 'done')}"


def _before(recording: Recording, name: str, *, like: pl.DataFrame) -> pl.DataFrame:
    at = NAMES.index(name)
    return pl.read_parquet(recording.folder / f"{NAMES[at - 1]}.reasons.parquet") if at else like.clear()


def _is_complete(spark: SparkSession, recording: Recording, lake: Path, name: str) -> None:
    """Its staging is gone, and once more the same night changes nothing."""
    assert list((lake / "staging").iterdir()) == [], "staging is left behind"
    versions = _versions(lake)
    again = STEPS[NAMES.index(name)].do(spark, recording.folder / "world", lake)
    assert (again.status, again.prompts["generated"]) == ("unchanged", 0), "the second run found something to do"
    assert _versions(lake) == versions, "the second run committed something"


def _versions(lake: Path) -> dict[str, int]:
    return {name: DeltaTable(lake / name).version() for name in ("reasons", "generations", "quarantine")}
