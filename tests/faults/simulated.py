"""Night after night over tables that change by the day, and a plain-Python account of who must have which reason.

Each day brings acts, other titles and tags, other candidates; on some days consent goes or comes back, an item is
taken down, a user forgotten, the rules or the model change, a table is broken, the gate refuses, the run dies, a night
is rolled back. After every night that ends, the table is compared with the account: whose reasons stand, on which
evidence, by which prompt, with which literals; and the samples with those that were ever wanted.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake
from evidence_account import SETTINGS, Expected, World, expected, expected_frame, world
from nights import ROOT
from pyspark.sql import SparkSession

from reasongen.config import NightConfig, load_config
from reasongen.errors import ContractError
from reasongen.pipeline import attempt, forget_users, generate_night, maintain_tables, roll_back, withdraw
from reasongen.pipeline.tools import tools_of
from reasongen.schema import OUTPUTS
from reasongen.tables import remove_unreachable

FIRST = date(2031, 5, 4)
BANNED = {12: ("en", "fits in well"), 31: ("zh", "可以留意")}
"""Day → locale and words of the scripted engine that a new rule refuses from then on."""
BROKEN, REFUSED, MODEL, ROLLBACK, WITHDRAWN, FORGOTTEN = 17, 22, 25, 38, 28, 33
DIES = {8: ("write_samples", True), 19: ("stage", True), 40: ("publish", False), 50: ("publish", True)}
"""Day → the step at which the first run of that night dies, before it has begun or after it is done."""
CONSENT = {5: False, 20: False, 45: True}
KEY = ["user_id", "item_id"]
os.environ.setdefault("REASONGEN_FORGET_KEY", "a key for the tests alone")


class DriverGoneError(Exception):
    """Stands for the death of the driver."""


@dataclass
class Days:
    """The tables of one day after another, as plain rows; `write` puts them where a night reads them."""

    folder: Path
    rng: random.Random
    one: World
    consent: dict[str, bool]
    minors: set[str]
    day: int = 0
    gone: set[str] = field(default_factory=set)
    forgotten: set[str] = field(default_factory=set)

    @property
    def night(self) -> date:
        """The date of this day's night."""
        return FIRST + timedelta(days=self.day)

    @property
    def begin(self) -> datetime:
        """Evidence lies before it."""
        return datetime(self.night.year, self.night.month, self.night.day, tzinfo=UTC)

    def next(self) -> None:
        """One to five in a hundred of acts, items and candidates are other ones."""
        self.day += 1
        rng, ids = self.rng, [item["item_id"] for item in self.one.items]
        users = sorted(self.consent)
        for _ in range(rng.randint(5, 20)):
            ts = self.begin - timedelta(minutes=rng.randint(1, 2000))  # some come late, behind the night before
            self.one.events.append(
                (rng.choice(users), rng.choice(ids), rng.choice(["browse", "click", "purchase"]), ts)
            )
        for item in rng.sample(self.one.items, rng.randint(0, 2)):
            item["title"] = f"{item['title'].split(',')[0]}, day {self.day}"
        for item in rng.sample(self.one.items, rng.randint(0, 1)):
            item["tags"] = rng.sample(["Light", "warm", "dry", "嫩绿", "孕妇"], 2)
        leave = set(rng.sample(range(len(self.one.pairs)), rng.randint(2, 8)))
        self.one.pairs = [pair for at, pair in enumerate(self.one.pairs) if at not in leave]
        had = {pair[:2] for pair in self.one.pairs}
        for _ in range(len(leave)):
            new = (rng.choice(users), rng.choice(ids))
            if new not in had:
                had.add(new)
                self.one.pairs.append((*new, "recommendation", True))
        if self.day in CONSENT:
            for user in rng.sample(users, 3):
                self.consent[user] = CONSENT[self.day]

    def write(self) -> None:
        """Four tables: Delta with one commit a day, JSON lines, Parquet, Delta written over."""
        events = self.folder / "events"
        written = DeltaTable(events).to_pyarrow_table().num_rows if events.exists() else 0
        schema = {"user_id": pl.String, "item_id": pl.String, "event": pl.String, "ts": pl.Datetime("us", "UTC")}
        new = pl.DataFrame(self.one.events[written:], schema=schema, orient="row")
        plain = {"delta.dataSkippingNumIndexedCols": "0"}
        write_deltalake(events, new.to_arrow(), mode="append", configuration=plain)
        lines = [json.dumps(item, ensure_ascii=False) for item in self.one.items]
        (self.folder / "items.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        pairs = pl.DataFrame([pair[:3] for pair in self.one.pairs], schema=[*KEY, "scenario"], orient="row")
        pairs.write_parquet(self.folder / "candidates.parquet")
        rows = [(user, said, "yes" if user in self.minors else "no") for user, said in sorted(self.consent.items())]
        users = pl.DataFrame(rows, schema=["user_id", "personalise", "minor"], orient="row")
        write_deltalake(self.folder / "users", users.to_arrow(), mode="overwrite", configuration=plain)

    def account(self) -> dict[tuple[str, str], tuple[list[Expected], dict[str, Any]]]:
        """(user, item) → the evidence and the frame that its reason must have."""
        by_id = {item["item_id"]: item for item in self.one.items}
        told = {}
        for user, item, scenario, _ in self.one.pairs:
            if user in self.minors or user in self.forgotten or item in self.gone:
                continue
            rows = expected(self.one, (user, item, scenario, self.consent[user]), SETTINGS.budget, self.begin)
            told[user, item] = (rows, expected_frame(by_id[item], rows))
        return told


def first_day(folder: Path, seed: int) -> Days:
    """Three small worlds as one: 90 items, 45 users, 600 acts, 360 pairs."""
    parts = [world(f"{letter}{seed}", seed + number) for number, letter in enumerate("abc")]
    one = World(
        "all", *[[row for part in parts for row in getattr(part, name)] for name in ("items", "events", "pairs")]
    )
    one.pairs = list({pair[:2]: pair for pair in one.pairs}.values())
    shift = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC) - timedelta(days=1)
    one.events = [(*event[:3], min(event[3], shift)) for event in one.events]
    consent = {user: agreed for user, _, _, agreed in one.pairs}
    folder.mkdir(parents=True)
    return Days(folder, random.Random(seed), one, consent, minors={sorted(consent)[7]})


def settings(days: Days, lake: Path, *sets: str) -> NightConfig:
    """Of this day's night: the rules and the model as they are by then."""
    policies = days.folder / "policies"
    if not policies.exists():
        shutil.copytree(ROOT / "conf" / "policies", policies)
    for day, (locale, words) in BANNED.items():
        if days.day >= day:
            (policies / locale / f"X{day}_banned.yaml").write_text(
                f"id: X{day}_banned\nversion: 1\njurisdiction: any\nlocale: {locale}\nsource: a test\naction: block\n"
                f"checks:\n  - {{kind: terms, terms: [{words}]}}\n",
                encoding="utf-8",
            )
    places = {"events": "events", "items": "items.jsonl", "candidates": "candidates.parquet", "users": "users"}
    inputs = [f"inputs.{name}.path={days.folder / place}" for name, place in places.items()]
    given = [
        *inputs, "inputs.users.format=delta", f"root={lake}", f"night='{days.night}'", "show=0", f"policies={policies}",
        f"locale_files={ROOT}/conf/locales", f"template={ROOT}/conf/prompts/reference.yaml", "engine.retries=0",
        f"evidence.history_items={SETTINGS.history_items}", f"evidence.item_tags={SETTINGS.item_tags}",
        "engine.backend=scripted", f"engine.seed={int(days.day >= MODEL)}", "gate.max_fallback_share=1",
        "engine.mask=false", "forget.inputs=false", *sets,
    ]  # fmt: skip
    return load_config(ROOT / "conf" / "local.yaml", given)


@dataclass
class Simulation:
    """One lake through all the days; `differences` names each place where table and account part."""

    spark: SparkSession
    lake: Path
    days: Days
    wanted: set[tuple[str, int]] = field(default_factory=set)
    differences: list[str] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)

    def shown(self) -> pl.DataFrame:
        """The published table, in one order."""
        return pl.read_delta(str(self.lake / "reasons")).sort(KEY)

    def run(self, nights: int) -> None:
        """All of them."""
        for day in range(nights):
            if day:
                self.days.next()
            self.days.write()
            self._people(day)
            config = settings(self.days, self.lake)
            self._faults(day, config)
            run = generate_night(self.spark, config)
            self.told[run.status] += 1
            self.told["samples"] += run.samples
            self._compare(config)
            if day == ROLLBACK:
                self._roll_back(config)
            if day % 7 == 6:
                self._maintain()

    def _people(self, day: int) -> None:
        """What people ask for before the night."""
        config = settings(self.days, self.lake)
        if day == WITHDRAWN:
            item = Counter(pair[1] for pair in self.days.one.pairs).most_common(1)[0][0]
            withdraw(self.spark, config, "item", item)
            self.days.gone.add(item)
        if day == FORGOTTEN:
            user = Counter(pair[0] for pair in self.days.one.pairs).most_common(1)[0][0]
            forget_users(self.spark, config, [user])
            self.days.forgotten.add(user)

    def _faults(self, day: int, config: NightConfig) -> None:
        """What goes wrong before the night succeeds; `reasons` stays as it stood."""
        before = self.shown() if day else None
        if day == BROKEN:
            broken = self.days.folder / "broken.parquet"
            pl.read_parquet(self.days.folder / "candidates.parquet").drop("item_id").write_parquet(broken)
            with pytest.raises(ContractError):
                generate_night(self.spark, settings(self.days, self.lake, f"inputs.candidates.path={broken}"))
        if day == REFUSED:
            run = generate_night(self.spark, settings(self.days, self.lake, "gate.max_chars=10"))
            self._want(config)
            self._hold(run.status == "refused", "the gate let a night pass")
        if day in DIES:
            step, after = DIES[day]
            self._die(config, step, after=after)
            if step == "publish" and after:
                return
        if before is not None:
            self._hold(before.equals(self.shown()), "a night that failed changed the table")

    def _die(self, config: NightConfig, step: str, *, after: bool) -> None:
        real = getattr(attempt, step)

        def dying(*given: Any, **named: Any) -> Any:
            if after:
                real(*given, **named)
            raise DriverGoneError(step)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(attempt, step, dying)
            try:
                generate_night(self.spark, config)
            except DriverGoneError:
                self.told["died"] += 1

    def _want(self, config: NightConfig) -> dict[tuple[str, str], str]:
        """(user, item) → hash of the prompt that the account has; each is wanted of this model, once for ever."""
        tools = tools_of(config)
        hashes = {}
        for pair, (_, frame) in self.days.account().items():
            frame["k"] = tools.locales[frame["l"]].class_of.get(frame["c"], "thing")
            text = json.dumps(frame, ensure_ascii=False, separators=(",", ":"))
            hashes[pair] = hashlib.sha256(f"{tools.template_key}\n{text}".encode()).hexdigest()
        self.wanted |= {(one, config.engine.seed) for one in hashes.values()}
        return hashes

    def _compare(self, config: NightConfig) -> None:
        account, hashes, table = self.days.account(), self._want(config), self.shown()
        stand = {(row["user_id"], row["item_id"]): row for row in table.iter_rows(named=True)}
        self._hold(len(stand) == table.height, "a key is there twice")
        self._hold(set(stand) == set(account), f"other pairs: {set(stand) ^ set(account)}")
        titles = {item["item_id"]: item["title"] for item in self.days.one.items}
        for pair in set(stand) & set(account):
            row, (rows, _) = stand[pair], account[pair]
            told = [(e["facet"], e["word"], e["value"], e["action"], e["items"], e["item_id"]) for e in row["evidence"]]
            facts = [(e.facet, e.word, e.value, e.action, e.items, e.item_id) for e in rows]
            self._hold(told == facts, f"{pair}: evidence {told}, wanted {facts}")
            self._hold(row["prompt_hash"] == hashes[pair], f"{pair}: another prompt")
            self._hold(row["valid_until"] >= self.days.night, f"{pair}: expired")
            for claim in row["claims"]:
                words = row["reason"][claim["start"] : claim["end"]]
                about = (
                    pair[1] if claim["evidence"] == "i" else row["evidence"][int(claim["evidence"][1:]) - 1]["item_id"]
                )
                if claim["mark"].endswith(".title]"):
                    self._hold(titles[about].startswith(words), f"{pair}: {words!r} is no title of today")
            for day, (_, banned) in BANNED.items():
                self._hold(self.days.day < day or banned not in row["reason"], f"{pair}: shows {banned!r}")
        made = pl.read_delta(str(self.lake / "generations"))
        self._hold(made.select("prompt_hash", "decode_hash", "sample").is_unique().all(), "a sample was paid for twice")
        self._hold(made.height == len(self.wanted), f"{made.height} samples, wanted {len(self.wanted)}")

    def _roll_back(self, config: NightConfig) -> None:
        """To the night before, and forward again."""
        stood = self.shown()
        roll_back(self.spark, config, self.days.night - timedelta(days=1))
        self._hold(not stood.equals(self.shown()), "a rollback changed nothing")
        run = generate_night(self.spark, config)
        self._hold(run.tokens_out == 0, "what was rolled back was paid for again")
        self._compare(config)

    def _maintain(self) -> None:
        """As a week later: nothing holds the older versions any more."""
        maintain_tables(self.spark, str(self.lake), keep_hours=24)
        for name in OUTPUTS:
            if (self.lake / name).exists():
                remove_unreachable(str(self.lake / name), 0)

    def storage(self) -> float:
        """Bytes of the written tables' files, over those of one fresh copy of their rows."""
        self._maintain()
        size, fresh = 0, 0
        for name in OUTPUTS:
            table = self.spark.read.format("delta").load(str(self.lake / name))
            copy = self.lake.parent / "fresh" / name
            table.coalesce(1).write.format("delta").mode("overwrite").save(str(copy))
            size += sum(file.stat().st_size for file in (self.lake / name).rglob("*") if file.is_file())
            fresh += sum(file.stat().st_size for file in copy.rglob("*") if file.is_file())
        return size / fresh

    def _hold(self, true: bool, what: str) -> None:
        if not true:
            self.differences.append(f"day {self.days.day}: {what}")
            print(self.differences[-1], flush=True)


def simulate(spark: SparkSession, out: Path, seed: int, nights: int) -> str:
    """One simulation; what it came to. Raises AssertionError with the first differences."""
    shutil.rmtree(out, ignore_errors=True)
    one = Simulation(spark, out / "lake", first_day(out / "inputs", seed))
    one.run(nights)
    storage = one.storage()
    assert not one.differences, f"{len(one.differences)} differences, the first: {one.differences[:3]}"
    counted = ", ".join(f"{count:,} {name}" for name, count in sorted(one.told.items()))
    return f"{nights} nights: 0 differences; {counted}; storage {storage:.2f} of a fresh copy"
