"""Writes the sample world: makes it, then puts it in place at once, so that a killed run leaves no half of it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake

from reasongen.errors import ConfigError
from reasongen.sample import dirt, facts
from reasongen.sample.behaviour import make_candidates, make_events
from reasongen.sample.catalogue import Item, make_items
from reasongen.sample.faults import Tables, plant
from reasongen.sample.lexicon import Lexicon, load_lexicons
from reasongen.sample.oddities import REJECTED, UNMET, item_line
from reasongen.sample.people import People, make_people
from reasongen.sample.settings import WorldSettings

FACTS = "world.json"
HEAD = "user_id,tags,personalise,minor"
FIRST_COMMIT = 0.8
"""Share of the events in the first commit; the others share the rest."""
STREAMS = ("items", "people", "events", "candidates", "dirt", "order")
"""One stream of random numbers each: more dirt changes no person."""


@dataclass(frozen=True)
class Written:
    """What `write_world` did. `fresh` False: a world of this digest stood there, nothing was written."""

    path: Path
    fresh: bool
    facts: Mapping[str, Any]

    def summary(self) -> str:
        """One line: state, rows per table, path."""
        rows = ", ".join(f"{count:,} {table}" for table, count in self.facts["rows"].items())
        state = "written" if self.fresh else "already there, nothing written"
        return f"sample world {self.facts['digest'][:12]} {state}: {rows} in {self.path}"


def write_world(settings: WorldSettings, out: str | Path) -> Written:
    """Events (Delta), items.jsonl, candidates.parquet, users.csv and world.json below `out`.

    Equal settings and words give equal rows. A world with another digest is replaced; a folder that holds anything
    else is left alone. Raises ConfigError.
    """
    out = Path(out)
    digest = world_digest(settings)
    known = _facts_of(out)
    if known is not None and known.get("digest") == digest:
        return Written(out, fresh=False, facts=known)
    if known is None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(
            f"{out}: wanted no folder, an empty one or a sample world; found other files. Give another --out."
        )
    tables, told = make_world(settings)
    told = {"digest": digest, **told}
    partial, old = (out.with_name(f".{out.name}.{state}") for state in ("partial", "old"))
    for leftover in (partial, old):
        shutil.rmtree(leftover, ignore_errors=True)
    _write(tables, told, partial)
    if out.exists():
        out.rename(old)
    partial.rename(out)
    shutil.rmtree(old, ignore_errors=True)
    return Written(out, fresh=True, facts=told)


def world_digest(settings: WorldSettings) -> str:
    """Of the settings, the words and the code that makes the world."""
    plain = settings.model_dump(mode="json", exclude={"words"})
    digest = hashlib.sha256(json.dumps(plain, sort_keys=True).encode())
    for path in (*sorted(Path(settings.words).glob("*.yaml")), *sorted(Path(__file__).parent.glob("*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def make_world(settings: WorldSettings) -> tuple[Tables, dict[str, Any]]:
    """The tables with their dirt and faults, and the counts of world.json. Raises ConfigError."""
    lexicons = load_lexicons(settings.words)
    rng = {name: np.random.default_rng([settings.seed, place]) for place, name in enumerate(STREAMS)}
    kinds = [kind for kind, count in settings.dirt.items.model_dump().items() for _ in range(count)]
    items = make_items(
        lexicons,
        rng["items"],
        per_category=settings.items_per_category,
        further=len(kinds),
        unbranded=settings.unbranded_share,
    )
    odd = {item.item_id: kind for item, kind in zip(items[-len(kinds) :], kinds, strict=True)} if kinds else {}
    usable = np.array([odd.get(item.item_id) not in UNMET for item in items])
    people = make_people(items, usable, lexicons, settings, rng["people"])
    events = make_events(people, items, lexicons, settings, rng["events"])
    candidates = make_candidates(people, items, settings, rng["candidates"])
    tables = _dirtied(settings, lexicons, items, odd, people, events, candidates, rng["dirt"], rng["order"])
    told = facts.counts(
        settings,
        tables,
        valid={"events": events, "candidates": candidates},
        items={kind: sorted(each for each, found in odd.items() if found == kind) for kind in dict.fromkeys(kinds)},
        heavy_user=_busiest(events),
    )
    return plant(tables, settings), told


def _dirtied(
    settings: WorldSettings,
    lexicons: Mapping[str, Lexicon],
    items: Sequence[Item],
    odd: Mapping[str, str],
    people: People,
    events: pa.Table,
    candidates: pa.Table,
    rng: np.random.Generator,
    order: np.random.Generator,
) -> Tables:
    contacts = [contact for lexicon in lexicons.values() for contact in lexicon.contacts]
    rejected = sorted(each for each, kind in odd.items() if kind in REJECTED)
    spoken = dirt.with_contacts(events, contacts, settings.dirt.events.contact, rng)
    bad_events = dirt.dirty_events(spoken, settings.dirt.events, settings, rng)
    bad_pairs = dirt.dirty_candidates(candidates, settings.dirt.candidates, rejected, rng)
    return Tables(
        events=_commits(spoken, bad_events, settings.commits, order),
        items=tuple(
            item_line(item, odd.get(item.item_id), lexicons[item.locale])
            for item in sorted(items, key=lambda item: item.item_id)
        ),
        candidates=_shuffled(pa.concat_tables([candidates, bad_pairs]), order),
        users=tuple(dirt.user_lines(people, settings.dirt.users, rng)),
    )


def _commits(events: pa.Table, bad: pa.Table, count: int, order: np.random.Generator) -> tuple[pa.Table, ...]:
    """Events by age; the dirt lies among the newest."""
    if count == 1:
        return (_shuffled(pa.concat_tables([events, bad]), order),)
    ends = [int(events.num_rows * share) for share in np.linspace(FIRST_COMMIT, 1.0, count)]
    starts = [0, *ends[:-1]]
    parts = [events.slice(start, end - start) for start, end in zip(starts, ends, strict=True)]
    return (*parts[:-1], _shuffled(pa.concat_tables([parts[-1], bad]), order))


def _shuffled(table: pa.Table, order: np.random.Generator) -> pa.Table:
    return table.take(pa.array(order.permutation(table.num_rows)))


def _busiest(events: pa.Table) -> str | None:
    found = events["user_id"].value_counts().to_pylist()
    return max(found, key=lambda each: (each["counts"], each["values"]))["values"] if found else None


def _write(tables: Tables, told: Mapping[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True)
    for commit in tables.events:
        write_deltalake(
            folder / "events",
            commit,
            mode="append",
            configuration={"delta.dataSkippingStatsColumns": "event,ts"},  # no people in the log
        )
    (folder / "items.jsonl").write_bytes(b"".join(line + b"\n" for line in tables.items))
    if tables.candidates is not None:
        pq.write_table(tables.candidates, folder / "candidates.parquet")
    (folder / "users.csv").write_text("\n".join((HEAD, *tables.users, "")), encoding="utf-8")
    (folder / FACTS).write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _facts_of(folder: Path) -> dict[str, Any] | None:
    try:
        told = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None
