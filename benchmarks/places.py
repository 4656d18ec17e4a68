"""Candidates for conf/places.yaml: the pairs that have a reference, and 50,000 more with known items.

python benchmarks/places.py --data ../shared/data/places --out .local/places/candidates.parquet
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

MORE, SEED = 50_000, 0
DATA, OUT = Path("../shared/data/places"), Path(".local/places/candidates.parquet")


def candidate_pairs(data: Path, *, more: int = MORE, seed: int = SEED) -> pa.Table:
    """user_id, item_id, scenario: reference pairs first, then `more` others by chance; every pair once.

    The others join a user of the events with a known item, so each item can be spoken of.
    """
    known = [row["item_id"] for row in _rows(data / "items.jsonl.gz")]
    reference = dict.fromkeys((row["user_id"], row["item_id"]) for row in _rows(data / "references.jsonl.gz"))
    users = sorted({row["user_id"] for row in _rows(data / "events.jsonl.gz")})
    rng = np.random.default_rng(seed)
    pairs = dict(reference)
    while len(pairs) < len(reference) + more:
        missing = len(reference) + more - len(pairs)
        who, what = rng.integers(0, len(users), missing), rng.integers(0, len(known), missing)
        pairs |= dict.fromkeys((users[u], known[i]) for u, i in zip(who, what, strict=True))
    people, items = zip(*pairs, strict=True)
    return pa.table({"user_id": people, "item_id": items, "scenario": ["recommendation"] * len(pairs)})


def write_candidates(data: Path = DATA, out: Path = OUT) -> int:
    """Writes the pairs; returns how many."""
    table = candidate_pairs(data)
    out.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, out)
    return int(table.num_rows)


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the candidates; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args(argv)
    if not args.data.is_dir():
        print(f"places: wanted the data in {args.data}; found no such folder.", file=sys.stderr)
        return 2
    print(f"{write_candidates(args.data, args.out):,} pairs in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
