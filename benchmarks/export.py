"""What an export costs:  python benchmarks/export.py [--rows N] [--json FILE]

A table of N rows as a night writes it; then 1 % of them changed and half as many gone, and every file written anew, as
MERGE does. Seconds and peak memory, each in a process of its own: the full set, the set of what changed, and what one
does without: read both versions whole into memory and compare them. With a redis-server, loading both sets too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
ITEMS_OF_A_USER = 10
CHANGED = 100
"""Every so many-th row changes, and of every second of these the next one goes."""


def main(argv: Sequence[str] | None = None) -> int:
    """Makes the table, measures each step in a process of its own, prints; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--step", choices=tuple(STEPS), help=argparse.SUPPRESS)
    parser.add_argument("--lake", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.step:
        print(json.dumps(measured(STEPS[args.step], args.lake)))
        return 0
    from served import SERVER, redis_server

    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, redis_server(Path(folder)) if SERVER else nullcontext() as port:
        os.environ["BENCH_REDIS"] = str(port or "")
        lake = Path(folder) / "lake"
        write(lake, args.rows, night=0)
        told["full set"] = run("full", lake)
        if port:
            told["full set into Redis"] = run("load", lake)
        write(lake, args.rows, night=1)
        told["set of what changed"] = run("changed", lake)
        if port:
            told["set of what changed into Redis"] = run("load", lake)
        told["both versions whole, compared"] = run("naive", lake)
    for name, values in told.items():
        print(f"{name:32}", values)
    if args.json:
        args.json.write_text(json.dumps(told, indent=1) + "\n")
    return 0


def write(lake: Path, rows: int, night: int) -> None:
    """One version, in files of 100,000 rows, in no order of the key."""
    from served import SCHEMA, row

    plain = row("", "", "")
    order = np.random.default_rng(night).permutation(rows)
    gone = (order % CHANGED == 1) & (order // CHANGED % 2 == 0) & (night > 0)
    order = order[~gone]

    def batches() -> Any:
        for begin in range(0, len(order), 100_000):
            some = order[begin : begin + 100_000]
            later = (some % CHANGED == 0) & (night > 0)
            told = {
                "user_id": [f"u{n // ITEMS_OF_A_USER:08d}" for n in some],
                "item_id": [f"i{n * 7919 % 20_011:05d}" for n in some],
                "reason": [
                    f"The thing numbered {n} suits what you looked at{' again' * new}."
                    for n, new in zip(some, later.tolist(), strict=True)
                ],
                "skeleton_hash": [hashlib.sha256(b"%d" % n).hexdigest() for n in some.tolist()],
                "run_id": [f"run{int(new)}" for new in later],
                "night": [date(2026, 3, 2 + int(new)) for new in later],
            }
            columns = [
                pa.array(told[f.name] if f.name in told else [plain.get(f.name)] * len(some), f.type) for f in SCHEMA
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=SCHEMA)

    reader = pa.RecordBatchReader.from_batches(SCHEMA, batches())
    write_deltalake(str(lake / "reasons"), reader, mode="overwrite", target_file_size=32 << 20)


def run(step: str, lake: Path) -> dict[str, Any]:
    """One step in a process of its own."""
    words = [sys.executable, __file__, "--step", step, "--lake", str(lake)]
    done = subprocess.run(
        words, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measured(step: Callable[[Path], str], lake: Path) -> dict[str, Any]:
    """Seconds by the clock, seconds of the CPU, peak memory of the process, and what the step says."""
    import reasongen.serving  # noqa: F401  (what is imported is not the step's)

    began, before = time.perf_counter(), time.process_time()
    said = step(lake)
    spent, used = time.perf_counter() - began, time.process_time() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"seconds": round(spent, 1), "CPU seconds": round(used, 1), "peak MB": peak, "said": said}


def export(lake: Path) -> str:
    """The set that is due."""
    from served import config_at

    from reasongen.serving import export_changes

    (made,) = export_changes(config_at(lake)).made
    return f"{made.upserts:,} upserts, {made.deletes:,} deletes, {sum(f.bytes for f in made.files.values()) >> 20} MB"


def load(lake: Path) -> str:
    """Into the Redis of this run."""
    from redis import Redis

    from reasongen.serving import load_sets

    with Redis(port=int(os.environ["BENCH_REDIS"]), decode_responses=True) as client:
        load_sets(lake / "exports", client)
        return f"Redis holds {client.info('memory')['used_memory'] >> 20} MB"


def naive(lake: Path) -> str:
    """Both versions whole, as pandas frames, joined by key."""
    from reasongen.schema import UPSERTS

    table = DeltaTable(str(lake / "reasons"))
    key = list(UPSERTS.key)
    frames = [
        DeltaTable(table.table_uri, version=version).to_pandas(columns=UPSERTS.names).set_index(key)
        for version in (table.version() - 1, table.version())
    ]
    old, new = frames
    gone = old.index.difference(new.index)
    both = new.reindex(old.index.intersection(new.index))
    same = (both.fillna("") == old.reindex(both.index).fillna("")).all(axis=1)
    return f"{len(new) - int(same.sum()):,} upserts, {len(gone):,} deletes"


STEPS = {"full": export, "changed": export, "load": load, "naive": naive}

if __name__ == "__main__":
    sys.exit(main())
