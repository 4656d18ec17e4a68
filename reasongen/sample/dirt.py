"""Plants the faults of rows among events, candidates and users, as many of each kind as the settings say.

Each planted row has one fault, and is a changed copy of a valid one: the valid rows stay as they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from reasongen.errors import ConfigError
from reasongen.sample.behaviour import DAY, EVENT_SCHEMA, MICROS, midnight
from reasongen.sample.people import People, user_id
from reasongen.sample.settings import CandidateDirt, EventDirt, UserDirt, WorldSettings

UNKNOWN_EVENT = "hover"
UNKNOWN_SCENARIO = "lucky_wheel"
UNKNOWN_CONSENT = "maybe"
Generator = np.random.Generator


def with_contacts(events: pa.Table, contacts: Sequence[str], count: int, rng: Generator) -> pa.Table:
    """`count` comments (all, where there are fewer) that now hold a telephone number or an address."""
    comments = np.flatnonzero(pc.is_valid(events["text"]).to_numpy())
    texts = events["text"].to_pylist()
    for place, at in enumerate(rng.permutation(comments)[:count]):
        texts[at] = f"{texts[at]} {contacts[place % len(contacts)]}"
    return events.set_column(4, EVENT_SCHEMA.field("text"), pa.array(texts, pa.string()))


def dirty_events(events: pa.Table, dirt: EventDirt, settings: WorldSettings, rng: Generator) -> pa.Table:
    """The planted rows alone. In: valid events, no two with equal user, item, event and ts."""
    night = midnight(settings)
    copies = _distinct_copies(events, dirt.model_dump(exclude={"contact"}), rng)
    future = night + DAY + rng.integers(0, 20 * DAY, dirt.future_ts)
    future[:1] = night + DAY  # the very first second that lies in the future
    changed: dict[str, dict[str, Any]] = {
        "null_user_id": {"user_id": None},
        "null_item_id": {"item_id": None},
        "unknown_item": {"item_id": "i99999"},
        "unknown_event": {"event": UNKNOWN_EVENT},
        "null_ts": {"ts": None},
        "future_ts": {"ts": future},
        "night_day": {"ts": night + rng.integers(0, DAY, dirt.night_day)},
        "duplicate": {},
    }
    return pa.concat_tables([_changed(copies[kind], columns) for kind, columns in changed.items()])


def dirty_candidates(candidates: pa.Table, dirt: CandidateDirt, rejected: Sequence[str], rng: Generator) -> pa.Table:
    """The planted rows alone; no two of them, and none with a valid row, share a key. `rejected`: ids of such items."""
    if dirt.item_rejected and not rejected:
        raise ConfigError("dirt.candidates.item_rejected: wanted a rejected item under dirt.items; found none")
    first = candidates.filter(pc.equal(candidates["rank"], 1))  # one row per user, so keys differ
    copies = _distinct_copies(first, dirt.model_dump(), rng)
    bad = [rejected[place % len(rejected)] for place in range(dirt.item_rejected)] if rejected else []
    changed: dict[str, dict[str, Any]] = {
        "null_user_id": {"user_id": None, "item_id": _distinct_items(candidates, dirt.null_user_id)},
        "null_item_id": {"item_id": None},
        "unknown_item": {"item_id": [f"i{99_990 - place}" for place in range(dirt.unknown_item)]},
        "item_rejected": {"item_id": bad},
        "unknown_scenario": {"scenario": UNKNOWN_SCENARIO},
    }
    return pa.concat_tables([_changed(copies[kind], columns) for kind, columns in changed.items()])


def user_lines(people: People, dirt: UserDirt, rng: Generator) -> list[str]:
    """The lines of users.csv after the head, dirt among them."""
    personalise = list(people.personalise)
    consenting = [at for at, word in enumerate(personalise) if word == "true"]
    if dirt.bad_consent > len(consenting):
        raise ConfigError(f"dirt.users.bad_consent: wanted at most {len(consenting)}, the users who consent")
    for at in rng.permutation(consenting)[: dirt.bad_consent]:
        personalise[at] = UNKNOWN_CONSENT
    lines = [
        f"{number},{'|'.join(tags)},{consent},{minor}"
        for number, tags, consent, minor in zip(people.ids, people.tags, personalise, people.minor, strict=False)
    ]
    lines += [f",{'|'.join(people.tags[at])},true,no" for at in range(dirt.null_user_id)]
    further = len(people.ids)
    lines += [f"{user_id(further + at + 1)},,true,no,,#,2;" for at in range(dirt.malformed)]
    return [lines[int(at)] for at in rng.permutation(len(lines))]


def _distinct_copies(table: pa.Table, counts: Mapping[str, int], rng: Generator) -> dict[str, pa.Table]:
    """For each kind that many rows; no row serves twice."""
    wanted = sum(counts.values())
    if wanted > table.num_rows:
        raise ConfigError(f"dirt: wanted {wanted} rows to copy; found {table.num_rows}. Make the world larger.")
    order: npt.NDArray[np.int64] = rng.permutation(table.num_rows)[:wanted]
    ends = np.cumsum(list(counts.values()))
    return {
        kind: table.take(pa.array(order[end - count : end]))
        for (kind, count), end in zip(counts.items(), ends, strict=True)
    }


def _distinct_items(candidates: pa.Table, count: int) -> list[str]:
    found: list[str] = pc.unique(candidates["item_id"]).to_pylist()
    if count > len(found):
        raise ConfigError(f"dirt.candidates.null_user_id: wanted at most {len(found)}, the items among candidates")
    return found[:count]


def _changed(rows: pa.Table, columns: Mapping[str, object]) -> pa.Table:
    """`rows` with columns replaced: None, one word for all, or one value per row (ts in seconds)."""
    for name, value in columns.items():
        at = rows.schema.get_field_index(name)
        kind = rows.schema.field(at).type
        if value is None:
            column = pa.nulls(rows.num_rows, kind)
        elif isinstance(value, str):
            column = pa.array([value] * rows.num_rows, kind)
        else:
            column = pa.array(value * MICROS if isinstance(value, np.ndarray) else value, kind)
        rows = rows.set_column(at, rows.schema.field(at), column)
    return rows
