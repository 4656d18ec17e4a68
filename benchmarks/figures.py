"""The figures that the scripted engine can give, one function each: rounds in, a dict of numbers out."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from typing import Any

from places import write_candidates
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from supported import Supported
from worlds import ROOT, bare_job, cpu_seconds, fresh_night, night_config, quick_to_start, rest, session

from reasongen.config import NightConfig, load_config
from reasongen.pipeline import generate_night, plan_night
from reasongen.pipeline.progress import say

Figures = dict[str, Any]
BUDGETS = (1, 2, 4)


def scale(rounds: int) -> Figures:
    """1 M pairs over 10 M events against a tenth of both, and the bare job at both sizes; interleaved, both warm."""
    small, big = night_config("small"), night_config("big")
    told: dict[str, list[float]] = {}

    def keep(name: str, seconds: float) -> None:
        told.setdefault(name, []).append(round(seconds, 1))
        say(f"bench: {name} {seconds:.1f} s")

    stages: Figures = {}
    with session(big) as spark:
        fresh_night(spark, small)  # the first night of a JVM compiles everything
        bare_job(spark, small)
        for _ in range(rounds):
            for name, config in (("small", small), ("big", big)):
                run, wall = fresh_night(spark, config)
                keep(f"whole.{name}", wall)
                keep(f"rest.{name}", rest(run, wall))
                keep(f"bare.{name}", bare_job(spark, config))
                stages[name] = run.seconds
    middle = {name: statistics.median(values) for name, values in told.items()}
    return {
        "seconds": told,
        "stages of the last round": stages,
        "big / small, whole (at most 6)": middle["whole.big"] / middle["whole.small"],
        "big / small, without the engine's stage (at most 6)": middle["rest.big"] / middle["rest.small"],
        "without the engine's stage / bare job, small": middle["rest.small"] / middle["bare.small"],
        "without the engine's stage / bare job, big (at most 3)": middle["rest.big"] / middle["bare.big"],
    }


def skew(rounds: int) -> Figures:
    """One item in 10 % of all pairs, one user with 1 M events, the even case: seconds of the evidence stage."""
    names = ("big", "hot-item", "heavy-user")
    told: dict[str, list[float]] = {name: [] for name in names}
    spent: dict[str, list[float]] = {name: [] for name in names}
    with session(night_config("big")) as spark:
        plan_night(spark, night_config("small", lake="lake-skew"))
        for turn in range(rounds):
            for name in names[turn % 3 :] + names[: turn % 3]:
                before = cpu_seconds()
                run = plan_night(spark, night_config(name, lake="lake-skew"))
                spent[name].append(round(cpu_seconds() - before, 1))
                told[name].append(run.seconds["evidence"])
                say(f"bench: evidence {name} {told[name][-1]:.1f} s")
    middle = {name: statistics.median(values) for name, values in told.items()}
    return {
        "seconds": told,
        "CPU seconds, contract and plan too": spent,
        "hot item / even (at most 1.3)": middle["hot-item"] / middle["big"],
        "heavy user / even (at most 1.3)": middle["heavy-user"] / middle["big"],
    }


def prompts(rounds: int) -> Figures:
    """Distinct prompts per pair by budget and template, default world and places; share that a new day changes."""
    figures: Figures = {}
    with session(quick_to_start(_default())) as spark:
        for name, config_of in (("default", _default), ("places", _places)):
            if name == "places" and not (ROOT.parent / "shared" / "data" / "places").is_dir():
                continue
            figures |= _prompts_of(spark, name, config_of)
    return figures


def first(rounds: int) -> Figures:
    """Where the seconds of the last `make generate` went, as the job wrote them down."""
    file = ROOT / ".local" / "last-run.json"
    if not file.is_file():
        return {"nothing to read": f"run `make generate` first; no {file.name} yet"}
    run = json.loads(file.read_text(encoding="utf-8"))
    kept = {name: run[name] for name in ("status", "samples", "tokens_out", "model_loads")}
    return {**kept, "stage, seconds": run["seconds"], "stages in all, seconds": sum(run["seconds"].values())}


def _prompts_of(spark: SparkSession, name: str, config_of: Callable[..., NightConfig]) -> Figures:
    """Support is made once for each of two days, and told by every budget and template."""
    days = [Supported(spark, config_of(), days) for days in (0, 1)]
    figures: Figures = {}
    for template in ("reference", "literal"):
        for budget in BUDGETS:
            told = config_of(f"template={ROOT}/conf/prompts/{template}.yaml", f"evidence.budget={budget}")
            today, next_day = (day.prompts(told) for day in days)
            both = today.join(next_day.withColumnRenamed("prompt_hash", "other"), ["user_id", "item_id"])
            pairs, distinct, changed = both.agg(
                F.count("*"), F.count_distinct("prompt_hash"), F.count_if(F.col("prompt_hash") != F.col("other"))
            ).collect()[0]
            label = f"{name}, {template}, budget {budget}"
            figures[label] = f"{distinct:,} of {pairs:,} pairs, {distinct / pairs:.3f}; {changed:,} by the day"
            say(f"bench: {label}: {figures[label]}")
    return figures


def second(rounds: int) -> Figures:
    """A second night over the big world with nothing new: seconds, tokens, rows."""
    config = night_config("big")
    with session(config) as spark:
        fresh_night(spark, config)
        runs = [generate_night(spark, config) for _ in range(rounds)]
    last = runs[-1]
    return {
        "seconds": [round(sum(run.seconds.values()), 1) for run in runs],
        "stages of the last round": last.seconds,
        "status": last.status,
        "tokens": last.tokens_out,
        "rows changed": sum(last.pairs.get(name, 0) for name in ("published", "fallback", "re_rendered", "removed")),
    }


def _default(*sets: str) -> NightConfig:
    names = ("events", "items.jsonl", "candidates.parquet", "users.csv")
    paths = [f"inputs.{name.split('.')[0]}.path={ROOT}/.local/world/{name}" for name in names]
    where = [f"root={ROOT}/.local/bench/lake-prompts", "engine.backend=scripted"]
    return load_config(ROOT / "conf" / "local.yaml", [*paths, *where, *sets])


def _places(*sets: str) -> NightConfig:
    data, pairs = ROOT.parent / "shared" / "data" / "places", ROOT / ".local" / "places" / "candidates.parquet"
    if not pairs.exists():
        write_candidates(data, pairs)
    paths = [f"inputs.{name}.path={data}/{name}.jsonl.gz" for name in ("events", "items")]
    made = f"inputs.candidates.path={pairs}"
    return load_config(ROOT / "conf" / "places.yaml", [*paths, made, f"root={ROOT}/.local/bench/lake-prompts", *sets])


FIGURES: dict[str, Callable[[int], Figures]] = {
    "scale": scale,
    "skew": skew,
    "prompts": prompts,
    "second": second,
    "first": first,
}
