"""Are the intervals of `jobs/experiment.py` right?  python benchmarks/experiments.py [--simulations 1000] [--only aa]

Simulated experiments whose truth is known, all at once; each line with its own 95 % interval (Wilson). Seeded.
Exit: 0 printed; anything else a crash.
"""

from __future__ import annotations

import argparse
import math
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from scipy.stats import binomtest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from reasongen.config import SourceSettings, load_settings
from reasongen.experiments.balance import balance
from reasongen.experiments.effects import Scale, fixed_radius
from reasongen.experiments.moments import Adjusted, Moments, adjust
from reasongen.experiments.off_policy import Logged, value_of
from reasongen.experiments.planning import plan_of
from reasongen.experiments.sample import simulated
from reasongen.experiments.sequence import always_valid_p, radius
from reasongen.experiments.settings import (
    ExperimentInputs,
    ExperimentSettings,
    MetricSettings,
    OverlapSettings,
    PolicySettings,
)
from reasongen.experiments.study import study

ALPHA, POWER, RATE, DAYS, A_DAY = 0.05, 0.8, 0.06, 14, 0.7
CTR = MetricSettings(kind="click", per="exposure", baseline=RATE, lift=0.1)
SCALE = Scale.of(CTR, alpha=ALPHA, power=POWER)
BLOCK = 25
Line = tuple[str, str, str]


def experiments(
    simulations: int, users: int, *, lift: float = 0.0, returning: bool = False, seed: int = 1, earlier: bool = False
) -> Adjusted:
    """Both arms at the end of each day: axes (simulation, day). `users`: of each arm.

    Arriving users come on any day and are shown A_DAY items a day from then on; returning ones are all there on the
    first day, and differ far more. `earlier`: CUPED with clicks of four weeks before.
    """
    made = []
    for block in range(0, simulations, BLOCK):
        rng = np.random.default_rng((seed, block))
        arms = []
        for own in (0.0, lift):
            shape = (min(BLOCK, simulations - block), users)
            taste = rng.gamma(*((1.0, 1.0) if returning else (4.0, 0.25)), shape)
            first = np.zeros(shape, int) if returning else rng.integers(0, DAYS, shape)
            there = np.arange(DAYS)[:, None] >= first[:, None, :]
            shown = rng.poisson(A_DAY, there.shape) * there
            chance = np.minimum(RATE * taste * (1 + own), 1.0)[:, None, :]
            clicks = rng.binomial(shown, chance)
            x = rng.poisson(28 * A_DAY * RATE * taste)[:, None, :] * earlier
            n = shown.cumsum(1)
            x = np.broadcast_to(x, n.shape).astype(float)
            arms.append(Moments.of(clicks.cumsum(1).astype(float), n.astype(float), x, n > 0))
        made.append(_where_enough(adjust(*arms), arms))
    return Adjusted(*(np.concatenate([getattr(one, name) for one in made]) for name in Adjusted.__dataclass_fields__))


def _where_enough(both: Adjusted, arms: list[Moments]) -> Adjusted:
    """As the job does it: nothing is told with fewer than 100 users of an arm or 20 events."""
    events = sum(one.users * one.means[..., 0] for one in arms)
    enough = (arms[0].users >= 100) & (arms[1].users >= 100) & (events >= 20)
    wide = [np.where(enough, one, np.inf) for one in (both.control_variance, both.treated_variance)]
    return Adjusted(both.control, both.treated, *wide, both.explained)


def holds(estimate: np.ndarray, truth: float, width: np.ndarray) -> np.ndarray:
    """Whether the interval holds the truth; one that is not told holds everything."""
    return ~(np.abs(estimate - truth) > width)


def share(found: np.ndarray) -> str:
    """A share of simulations with its Wilson interval."""
    hits, whole = int(found.sum()), found.size
    bounds = binomtest(hits, whole).proportion_ci(method="wilson")
    return f"{hits / whole:.1%} ({bounds.low:.1%} to {bounds.high:.1%})"


def no_effect(simulations: int, users: int) -> Iterator[Line]:
    """Two equal arms: coverage of the fixed interval, and how often a daily look finds something."""
    for name, returning, earlier in (
        ("arriving", False, False),
        ("arriving, CUPED", False, True),
        ("returning", True, False),
    ):
        both = experiments(simulations, users, returning=returning, earlier=earlier)
        fixed = holds(both.difference, 0.0, fixed_radius(both.error, ALPHA))
        always = holds(both.difference, 0.0, radius(both.error, SCALE.difference, ALPHA))
        log = holds(both.log_ratio, 0.0, radius(both.log_error, SCALE.log_ratio, ALPHA))
        p = always_valid_p(both.difference, both.error, SCALE.difference)
        yield f"A/A, {name}: fixed interval at the end holds 0", share(fixed[:, -1]), "95 %"
        yield f"A/A, {name}: found by a fixed interval looked at daily", share(~fixed.all(1)), "what peeking costs"
        yield f"A/A, {name}: found by the always-valid interval, daily", share(~always.all(1)), "at most 5 %"
        yield f"A/A, {name}: the same of the lift", share(~log.all(1)), "at most 5 %"
        yield f"A/A, {name}: always-valid p below 0.05 on some day", share((p < ALPHA).any(1)), "at most 5 %"


def planted(simulations: int, users: int) -> Iterator[Line]:
    """A lift of 10 %: does the interval hold it, is it found, what CUPED saves."""
    truth = math.log(1.1)
    for name, earlier in (("plain", False), ("CUPED", True)):
        both = experiments(simulations, users, lift=0.1, earlier=earlier, seed=2, returning=True)
        fixed = holds(both.log_ratio, truth, fixed_radius(both.log_error, ALPHA))
        always = holds(both.log_ratio, truth, radius(both.log_error, SCALE.log_ratio, ALPHA))
        found = np.abs(both.difference) > radius(both.error, SCALE.difference, ALPHA)
        bias = np.expm1(both.log_ratio[:, -1].mean())
        yield f"lift of 10 %, {name}: fixed interval at the end holds it", share(fixed[:, -1]), "95 %"
        yield f"lift of 10 %, {name}: always-valid interval holds it on all days", share(always.all(1)), "at least 95 %"
        yield f"lift of 10 %, {name}: found on some day", share(found.any(1)), "not worse than none"
        yield f"lift of 10 %, {name}: mean estimate", f"{bias:.2%}", "10 %"
        if earlier:
            plain = experiments(simulations, users, lift=0.1, seed=2, returning=True)
            real = both.difference[:, -1].var() / plain.difference[:, -1].var()
            yield (
                "CUPED: variance taken away, as told / over simulations",
                f"{both.explained[:, -1].mean():.1%} / {1 - real:.1%}",
                "equal",
            )


def plan(simulations: int, users: int) -> Iterator[Line]:
    """Is the planned power there at the planned number of users?"""
    chosen = settings()
    metric = chosen.metrics["ctr"]
    found = plan_of(metric, chosen, "other")
    for name, count, rule in (
        ("one look", found.users_fixed, lambda both: fixed_radius(both.error, ALPHA)),
        ("any look, looked at once", found.users_sequential, lambda both: radius(both.error, SCALE.difference, ALPHA)),
    ):
        both = _even(simulations, count // 2)
        yield f"plan, {name}: {count:,} users find a lift of 10 %", share(np.abs(both.difference) > rule(both)), "80 %"


def _even(simulations: int, users: int) -> Adjusted:
    """Each user ten exposures, clicks of a beta-binomial with the plan's correlation; one look."""
    made = []
    for block in range(0, simulations, BLOCK):
        rng = np.random.default_rng((3, block))
        size = (min(BLOCK, simulations - block), users)
        whole = 1 / 0.05 - 1
        arms = []
        for rate in (RATE, RATE * 1.1):
            clicks = rng.binomial(10, rng.beta(rate * whole, (1 - rate) * whole, size))
            arms.append(Moments.of(clicks.astype(float), np.full(size, 10.0)))
        made.append(adjust(*arms))
    return Adjusted(*(np.concatenate([getattr(one, name) for one in made]) for name in Adjusted.__dataclass_fields__))


def policies(simulations: int, users: int) -> Iterator[Line]:
    """Three arms logged with chances that hang on the segment; a policy that never ran."""
    policy = PolicySettings(chooses={"new": {"model": 0.8, "template": 0.2}, "else": {"template": 1.0}})
    chances = {"new": (0.2, 0.3, 0.5), "known": (0.5, 0.3, 0.2)}
    arms = np.array(["none", "template", "model"], object)
    rates = {"new": (0.05, 0.06, 0.09), "known": (0.08, 0.07, 0.06)}
    truth = 0.4 * (0.8 * 0.09 + 0.2 * 0.06) + 0.6 * 0.07
    held: dict[str, list[bool]] = {"ips": [], "snips": [], "dr": []}
    values: dict[str, list[float]] = {"ips": [], "snips": [], "dr": []}
    for number in range(simulations):
        rng = np.random.default_rng((4, number))
        new = rng.random(users) < 0.4
        user = np.repeat(np.arange(users), rng.poisson(4.0, users) + 1)
        segment = np.where(new, "new", "known").astype(object)[user]
        table, rate = (
            np.where(new[user, None], *(np.array(one[k]) for k in ("new", "known"))) for one in (chances, rates)
        )
        did = (rng.random((len(user), 1)) > table.cumsum(1)).sum(1)
        taste = rng.gamma(4.0, 0.25, users)
        at = np.arange(len(user))
        clicks = rng.random(len(user)) < rate[at, did] * taste[user]
        logged = Logged(user, segment, arms[did], table[at, did], clicks.astype(float))
        for name, one in value_of(policy, logged, OverlapSettings(), level=1 - ALPHA).values.items():
            held[name].append(one.low <= truth <= one.high)
            values[name].append(one.value)
    for name, found in held.items():
        told = f"{share(np.array(found))}, mean {np.mean(values[name]):.3%}, spread {np.std(values[name]):.3%}"
        yield f"policy never run, {name}: interval holds its value", told, f"95 %, {truth:.3%}"


def lost(simulations: int, users: int) -> Iterator[Line]:
    """Is it seen that one arm loses 1 % of its users?"""
    rng = np.random.default_rng(5)
    for name, count, kept in (
        ("none lost", 1_000_000, 1.0), ("1 % of one arm lost", 200_000, 0.99), ("1 % of one arm lost", 1_000_000, 0.99),
        ("1 % of one arm lost", 2_000_000, 0.99),
    ):  # fmt: skip
        first = rng.binomial(count, 0.5, simulations)
        others = rng.binomial(count - first, kept)
        seen = [
            not balance({"a": int(a), "b": int(b)}, {"a": 0.5, "b": 0.5}).fits(0.001)
            for a, b in zip(first, others, strict=True)
        ]
        yield (
            f"users by arm, {name}, {count:,} users: blocked",
            share(np.array(seen)),
            "0.1 %" if kept == 1 else "more with more users",
        )


def size(simulations: int, users: int) -> Iterator[Line]:
    """Reading 1,000,000 exposures with their feedback from Parquet, all figures of the sample's settings."""
    chosen = load_settings(ExperimentSettings, Path(__file__).resolve().parents[1] / "conf" / "experiment.yaml")
    with tempfile.TemporaryDirectory() as folder:
        rows = simulated(chosen, users=100_000)
        sources = {}
        for name, table in vars(rows).items():
            pq.write_table(table, f"{folder}/{name}.parquet")
            sources[name] = SourceSettings(path=f"{folder}/{name}.parquet", format="parquet")
        counts = f"{len(rows.exposures):,} exposures, {len(rows.feedback):,} rows of feedback"
        del rows, table
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        begun = time.process_time()
        study(chosen.model_copy(update={"inputs": ExperimentInputs(**sources)}))
        spent = time.process_time() - begun
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    yield counts, f"{spent:.0f} CPU seconds", "as it is"
    yield "peak memory of the process, of that before the reading", f"{most:,.0f} MB, {before:,.0f} MB", "as it is"


def settings() -> ExperimentSettings:
    """Two equal arms and the benchmark's metric."""
    return ExperimentSettings.model_validate(
        {
            "name": "benchmark",
            "salt": "benchmark",
            "arms": {"none": 1, "other": 1},
            "control": "none",
            "inputs": {"exposures": {"path": "none"}, "feedback": {"path": "none"}},
            "metrics": {"ctr": CTR.model_dump()},
        }
    )


PARTS: dict[str, Callable[[int, int], Iterator[Line]]] = {
    "aa": no_effect, "lift": planted, "plan": plan, "policy": policies, "lost": lost, "size": size,
}  # fmt: skip


def main() -> int:
    """Prints a table; each part with its seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--users", type=int, default=4000, help="of each arm")
    parser.add_argument("--only", choices=PARTS, help="one part")
    options = parser.parse_args()
    for name, part in PARTS.items():
        if options.only in (None, name):
            begun = time.process_time()
            for what, figure, wanted in part(options.simulations, options.users):
                print(f"{what:<75} {figure:<40} wanted: {wanted}", flush=True)
            print(f"  ({name}: {options.simulations} simulations, {time.process_time() - begun:.0f} CPU seconds)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
