"""All faults of a kind, in the background:  python tests/faults/run.py crash --seed 1 --out .local/faults

crash       2,964 states in which a crash can leave the lake, each recovered
interleave  147: two verbs on one lake, the second done whole while the first stands still
kill        1,000 kills of the commit protocol alone
driver      120 kills and pauses of a night under spark-submit: driver, executors, workers
storm       one case: four writers and eight readers for --seconds, and until 17 reads for each are done
model       one case: --nights of the protocol as a pure model (2,000 are asked for), histories drawn at random
nights      one case: --nights of them over tables that change by the day, against an account in plain Python

One line for each case in OUT/<kind>-<seed>.log; what is written there is not done again, so it can be stopped at any
time. A red case prints the line that repeats it. Exit: 0 all green, 1 something is red.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from nights import ENVIRONMENT, local_session
from recording import why_not


def crash(options: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    """Every crash state of a record that is made once for each OUT."""
    import polars as pl
    from crash import Case, cases_of, recover
    from recording import read_recording, record

    from reasongen.pipeline import night

    record(options.out / "record")
    recording = read_recording(options.out / "record")
    runs = pl.read_delta(str(recording.folder / "lake" / "runs"))
    night.code_version = lambda: runs["code_version"][
        0
    ]  # evidence is used again by the same code only: that of the record
    cases = cases_of(recording, options.seed)
    if options.only:
        state, torn = options.only.split("-")
        cases = [Case(int(state), torn)]
    for case in cases:
        yield case.name, lambda spark, case=case: recover(spark, recording, case, options.out / "lakes" / case.name)


def interleave(options: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    """Every pair of verbs at each phase."""
    from interleave import Case, cases_of, interleave, make_base

    base: list[Any] = []
    for case in [Case(*options.only.split("-"))] if options.only else cases_of(options.seed):

        def done(spark: Any, case: Case = case) -> str:
            base[:] = base or [make_base(spark, options.out / "interleave")]
            return interleave(spark, base[0], case, options.out / "lakes" / case.name)

        yield case.name, done


def driver(options: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    """Kills and pauses under spark-submit."""
    from submit import Case, cases_of, disturb

    cases = cases_of(options.seed)
    if options.only:
        fault, point, wait = options.only.split("-")
        cases = [Case(fault, int(point), int(wait))]
    for case in cases:
        yield case.name, lambda _, case=case: disturb(options.out / "driver", case, options.out / "lakes" / case.name)


def kill(options: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    """Kills of the commit protocol alone. A case is what its seed and number draw, in the tables of those before it."""
    from protocol import kill_once

    for number in [int(options.only)] if options.only else range(1000):
        yield str(number), lambda _, number=number: kill_once(options.out / "kills", options.seed, number)


def nights(options: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    """Night after night."""
    from simulated import simulate

    yield (
        str(options.nights),
        lambda spark: simulate(spark, options.out / "nights", options.seed, options.nights),
    )


def storm(options: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    """Everybody at once."""
    from storm import storm as one_storm

    yield str(options.seconds), lambda spark: one_storm(spark, options.out / "storm", options.seconds)


def model(options: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    """Histories until so many nights were begun in them."""
    import test_model
    from hypothesis import settings
    from hypothesis.stateful import run_state_machine_as_test

    def draw(_: Any) -> str:
        histories, drawn = 0, settings(max_examples=100, stateful_step_count=60, deadline=None, database=None)
        while test_model.NIGHTS[0] < options.nights:
            run_state_machine_as_test(test_model.Nights, settings=settings(drawn, derandomize=False))
            histories += 100
        return f"{test_model.NIGHTS[0]:,} nights in {histories:,} histories: healed by one clean night each"

    yield str(options.nights), draw


KINDS = {
    "crash": crash,
    "interleave": interleave,
    "driver": driver,
    "kill": kill,
    "nights": nights,
    "storm": storm,
    "model": model,
}
IN_A_SESSION = ("crash", "interleave", "nights", "storm")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("--seed", type=int, default=1, help="draws the order of the cases")
    parser.add_argument("--cases", type=int, default=None, help="at most so many, counting those done; default: all")
    parser.add_argument("--nights", type=int, default=60, help="of the kind nights: how many")
    parser.add_argument("--seconds", type=int, default=300, help="of the kind storm: how many at least")
    parser.add_argument("--only", help="one case, by its name")
    parser.add_argument("--out", type=lambda text: Path(text).resolve(), default=Path(".local/faults").resolve())
    return parser.parse_args()


def main() -> int:
    """Runs what is not done yet."""
    options = arguments()
    os.environ.update(ENVIRONMENT)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.kind == "crash" and (reason := why_not()) is not None:
        print(f"crash: skipped, {reason}")
        return 0
    log = options.out / f"{options.kind}-{options.seed}.log"
    told = dict(line.split(" ", 1) for line in log.read_text().splitlines()) if log.exists() else {}
    done = {name: state for name, state in told.items() if not options.only}
    spark = local_session(Path(tempfile.mkdtemp())) if options.kind in IN_A_SESSION else None
    with log.open("a") as lines:
        for number, (name, case) in enumerate(KINDS[options.kind](options)):
            if number == options.cases:
                break
            if name in done:
                continue
            began = time.monotonic()
            try:
                found = f"green {case(spark)}"
            except Exception as error:
                found = f"RED {type(error).__name__} {' '.join(str(error).split())[:300]}"
                again = f"{options.kind} --seed {options.seed} --out {options.out} --only {name}"
                print(f"repeat: python tests/faults/run.py {again}", flush=True)
            done[name] = found
            print(name, found, f"{time.monotonic() - began:.0f} s", flush=True)
            lines.write(f"{name} {found}\n")
            lines.flush()
    red = sum(state.startswith("RED") for state in done.values())
    print(f"{options.kind}, seed {options.seed}: {len(done)} cases, {red} red")
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main())
