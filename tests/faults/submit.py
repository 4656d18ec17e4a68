"""Real faults under real spark-submit: a driver killed or stopped at a named point of the night, an executor of a
cluster killed there, a worker killed while it generates. The next run must leave what an undisturbed one leaves, and
pay for no committed sample again.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from days import FIRST, readable, samples, write_days
from deltalake import DeltaTable
from test_generate_job import command, environment

POINTS = ("contract: done", "evidence: done", "plan: done", "generate: ", "generate: done", "judge: done", "gate: done")
"""What the night prints on its way; the fault comes within the second after it."""
SLOW = ("--set", "engine.scripted.seconds_per_prompt=0.02", "--set", "engine.slice_prompts=60", "--night", FIRST)
CLUSTER = "local-cluster[2,1,1024]"
"""Two executors in processes of their own, a core and 1,024 MB each."""
SECONDS = 900.0


@dataclass(frozen=True)
class Case:
    """`fault`: kill (the driver), executor, worker (while it generates) or pause; `wait`: ms after the point.

    `point`: its number in POINTS.
    """

    fault: str
    point: int
    wait: int

    @property
    def name(self) -> str:
        """As it is given to `--only`."""
        return f"{self.fault}-{self.point}-{self.wait}"


def cases_of(seed: int) -> list[Case]:
    """30 kills of the driver, 20 of an executor, 60 of workers, 10 pauses, in an order drawn by the seed."""
    draw = random.Random(seed)
    cases = [Case("kill", draw.randrange(len(POINTS)), draw.randrange(1000)) for _ in range(30)]
    cases += [Case("pause", draw.randrange(1, len(POINTS)), draw.randrange(1000)) for _ in range(10)]
    cases += [Case("worker", 2, draw.randrange(3000)) for _ in range(60)]
    cases += [Case("executor", draw.randrange(len(POINTS)), draw.randrange(1000)) for _ in range(20)]
    draw.shuffle(cases)
    return cases


def disturb(folder: Path, case: Case, lake: Path) -> str:
    """One fault, and the run that comes after it. Raises AssertionError."""
    world, quiet = folder / "world", folder / "quiet"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        write_days(world)
        assert Night(world / "first", quiet).ends() == 0, "the undisturbed night failed"
        (folder / "done").touch()
    shutil.rmtree(lake, ignore_errors=True)
    night = Night(world / "first", lake, master=CLUSTER if case.fault == "executor" else None)
    came = night.comes_to(POINTS[case.point])
    time.sleep(case.wait / 1000)
    throw = {"kill": _kill, "executor": _kill_executor, "worker": _kill_worker, "pause": _pause}[case.fault]
    told = throw(night, world / "first", lake)
    assert readable(lake).equals(readable(quiet)), "other rows than an undisturbed run gives"
    made = samples(lake)
    assert made.height == made.unique(["prompt_hash", "sample"]).height == samples(quiet).height, (
        "samples doubled or lost"
    )
    shutil.rmtree(lake)
    return f"{'at' if came else 'after'} `{POINTS[case.point]}` + {case.wait} ms: {told}"


class Night:
    """One spark-submit of the job, in a process group of its own."""

    def __init__(self, world: Path, lake: Path, master: str | None = None) -> None:
        submit = command(world, lake, *SLOW)
        if master is not None:
            submit[submit.index("--master") + 1] = master
        self.process = subprocess.Popen(
            submit,
            env=environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def comes_to(self, point: str) -> bool:
        """Whether the line with it was printed before the end."""
        assert self.process.stdout is not None
        return any(point in line for line in self.process.stdout)

    def ends(self) -> int:
        """Its exit code, once it has ended."""
        self.process.communicate(timeout=SECONDS)
        return self.process.returncode

    def signal(self, number: signal.Signals) -> None:
        """To the driver, its JVM and its workers at once."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def workers(self) -> list[psutil.Process]:
        """Python workers that run tasks: children of the daemon."""
        below = psutil.Process(self.process.pid).children(recursive=True)
        return [one for one in below if (parent := one.parent()) and _is_daemon(one) and _is_daemon(parent)]

    def executors(self) -> list[psutil.Process]:
        """JVMs that run tasks for the driver, in the order of their start; none with a local master."""
        below = psutil.Process(self.process.pid).children(recursive=True)
        return sorted((one for one in below if _is_executor(one)), key=psutil.Process.create_time)


def _is_executor(process: psutil.Process) -> bool:
    try:
        return any(part.endswith("CoarseGrainedExecutorBackend") for part in process.cmdline())
    except psutil.Error:
        return False


def _is_daemon(process: psutil.Process) -> bool:
    try:
        return "pyspark.daemon" in process.cmdline()
    except psutil.Error:
        return False


def _kill(night: Night, world: Path, lake: Path) -> str:
    """The driver; the next run completes it, and what was committed stays."""
    night.signal(signal.SIGKILL)
    night.process.wait()
    paid = samples(lake)
    assert Night(world, lake).ends() == 0, "the next run failed"
    assert paid.join(samples(lake), on=paid.columns, how="anti").is_empty(), "a committed sample was generated again"
    return f"killed, {paid.height} samples were kept"


def _kill_worker(night: Night, _: Path, __: Path) -> str:
    """Whichever works now; Spark does its task again, and the night ends as if nothing had been."""
    workers = night.workers() if night.process.poll() is None else []
    for worker in workers:
        worker.kill()
    assert night.ends() == 0, "the night failed"
    return f"{len(workers)} workers killed"


def _kill_executor(night: Night, _: Path, __: Path) -> str:
    """One of two, with its shuffle files and its workers; what it had done is done again, and nothing is doubled."""
    executors = night.executors() if night.process.poll() is None else []
    for executor in executors[:1]:
        executor.kill()
    assert night.ends() == 0, "the night failed"
    return f"{len(executors[:1])} of {len(executors)} executors killed"


def _pause(night: Night, world: Path, lake: Path) -> str:
    """The driver falls asleep, loses the lease, and wakes when another run has published: it must not write."""
    night.signal(signal.SIGSTOP)
    lease = DeltaTable(lake / "leases" / "recommendation")
    # A process that is stopped on this machine counts as alive: to be taken for dead it has to sleep on another one.
    lease.update(new_values={"host": "elsewhere"}, updates=None)
    lease.update(updates={"renewed_at": "renewed_at - interval '1 hour'"})
    try:
        assert Night(world, lake).ends() == 0, "the run that took over failed"
        stands = {name: DeltaTable(lake / name).version() for name in ("reasons", "generations")}
        rows = readable(lake)
    finally:
        night.signal(signal.SIGCONT)
    code = night.ends()
    assert code != 0 or DeltaTable(lake / "reasons").version() == stands["reasons"], "the sleeper published"
    assert readable(lake).equals(rows), "the sleeper changed rows"
    assert {name: DeltaTable(lake / name).version() for name in stands} == stands, "the sleeper committed"
    return f"woke and ended with {code}"
