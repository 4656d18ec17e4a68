"""A small world with people in it who will be forgotten, and a look at every byte that is left of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake

from reasongen.config import NightConfig, load_config
from reasongen.sample import load_world_settings, write_world

ROOT = Path(__file__).resolve().parent.parent
KEY = "a key for the tests alone, 0123456789"
PIECE = 12


@dataclass(frozen=True)
class Person:
    """Nobody in the sample world looks like this."""

    user: str
    phone: str
    words: str

    @property
    def traces(self) -> list[bytes]:
        """The id, the telephone number, and every piece of 12 characters of what was said."""
        pieces = [self.words[at : at + PIECE] for at in range(len(self.words) - PIECE + 1)]
        return [text.encode() for text in (self.user, self.phone, *pieces)]


def people(count: int) -> list[Person]:
    """The same people each time; every word is drawn, so that no piece stands anywhere else."""
    rng = Random(7)
    letters = "bcdfghjklmnpqrstvwxz"

    def word(size: int) -> str:
        return "".join(rng.choice(letters) for _ in range(size))

    found = []
    for number in range(count):
        phone = f"139{rng.randrange(10**8):08d}"
        found.append(Person(f"zq-{word(8)}-{number:03d}", phone, f"{word(9)} 电话{phone} {word(9)} {word(14)}"))
    return found


def plant_world(folder: Path, planted: Sequence[Person]) -> None:
    """The four input tables of a small sample world below `folder`, the planted people among the others."""
    raw = folder.parent / "raw"
    small = ["users=150", "visits=3000", "heavy_user_events=200"]
    write_world(load_world_settings(ROOT / "conf" / "world.yaml", small), raw)
    (folder / "feed").mkdir(parents=True)
    (folder / "feed" / "items.jsonl").write_bytes((raw / "items.jsonl").read_bytes())
    tables = {
        "events": pl.read_delta(str(raw / "events")),
        "candidates": pl.read_parquet(raw / "candidates.parquet"),
        "users": pl.read_csv(raw / "users.csv", truncate_ragged_lines=True, infer_schema=False).drop("tags"),
    }
    for name, table in tables.items():
        add(folder / name, table)
    bring(folder, planted)


def bring(folder: Path, planted: Sequence[Person]) -> None:
    """The feeds deliver these people: a user, three acts and two candidates for each, on things that others like."""
    liked = pl.read_delta(str(folder / "candidates")).filter(pl.col("item_id").str.contains(r"^i00[0-2]\d\d$"))
    items = liked["item_id"].unique().sort().to_list()
    moment = datetime(2026, 2, 20, 9, tzinfo=UTC)
    events, candidates, users = [], [], []
    for at, person in enumerate(planted):
        mine = [items[(7 * at + step) % len(items)] for step in range(5)]
        acts = zip(mine[:3], ("comment", "purchase", "browse"), strict=True)
        events += [
            {"user_id": person.user, "item_id": i, "event": e, "ts": moment, "text": person.words} for i, e in acts
        ]
        candidates += [{"user_id": person.user, "item_id": item, "scenario": "recommendation"} for item in mine[3:]]
        users.append({"user_id": person.user, "personalise": "true", "minor": "no"})
    for name, rows in {"events": events, "candidates": candidates, "users": users}.items():
        schema = pl.read_delta(str(folder / name)).schema
        add(folder / name, pl.DataFrame(rows, schema_overrides={k: v for k, v in schema.items() if k in rows[0]}))


def add(path: Path, rows: pl.DataFrame) -> None:
    """One commit; no person in the log."""
    if path.exists():
        rows = pl.concat([pl.read_delta(str(path)).clear(), rows], how="diagonal")
    write_deltalake(path, rows.to_arrow(), mode="append", configuration={"delta.dataSkippingNumIndexedCols": "0"})


def config_of(lake: Path, *sets: str) -> NightConfig:
    """A night over the planted world below the lake itself; the inputs are in scope."""
    inputs = [f"inputs.{name}.path={lake / name}" for name in ("events", "candidates", "users")]
    inputs += [f"inputs.{name}.format=delta" for name in ("candidates", "users")]
    inputs += [f"inputs.items.path={lake / 'feed' / 'items.jsonl'}", f"root={lake}", "show=0"]
    files = [f"locale_files={ROOT}/conf/locales", f"template={ROOT}/conf/prompts/reference.yaml"]
    scripted = ["engine.backend=scripted", "engine.retries=0", "engine.mask=false"]
    return load_config(ROOT / "conf" / "local.yaml", [*inputs, *files, *scripted, *sets])


def traces_below(folder: Path, planted: Sequence[Person], but: Sequence[str] = ()) -> dict[str, int]:
    """Every file in which something of these people is left, and how many pieces: raw bytes, and the values of
    Parquet with whole dictionaries, unused words included. `but`: folders directly below that are left out."""
    wanted = [trace for person in planted for trace in person.traces]
    found = {}
    for file in sorted(folder.rglob("*")):
        place = file.relative_to(folder)
        if file.is_file() and place.parts[0] not in but:
            told = f"{place}".encode() + file.read_bytes() + (_unpacked(file) if file.suffix == ".parquet" else b"")
            if hits := sum(told.count(trace) for trace in wanted):
                found[str(place)] = hits
    return found


def _unpacked(file: Path) -> bytes:
    parquet = pq.ParquetFile(file)
    texts = [field.path for field in map(parquet.schema.column, range(len(parquet.schema.names)))]
    told = [json.dumps(parquet.read().to_pylist(), ensure_ascii=False, default=str)]
    for chunk in (c for column in pq.ParquetFile(file, read_dictionary=texts).read().columns for c in column.chunks):
        told += [str(part.dictionary.to_pylist()) for part in _dictionaries(chunk)]
    return "".join(told).encode()


def _dictionaries(array: pa.Array) -> list[pa.DictionaryArray]:
    if isinstance(array, pa.DictionaryArray):
        return [array]
    if isinstance(array, pa.StructArray):
        return [found for part in array.flatten() for found in _dictionaries(part)]
    return _dictionaries(array.values) if isinstance(array, pa.ListArray | pa.LargeListArray) else []


def digest_of_others(path: Path, planted: Sequence[Person]) -> str:
    """All rows but theirs, as polars reads them, in one order."""
    table = pl.read_delta(str(path)).filter(~pl.col("user_id").is_in([p.user for p in planted]).fill_null(False))
    rows = sorted(json.dumps(row, default=str, sort_keys=True) for row in table.iter_rows(named=True))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
