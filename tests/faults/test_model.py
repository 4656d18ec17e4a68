"""The protocol of nights as a pure model: its tables are dicts, each commit is a step, and whoever works may be killed,
fall asleep or be overtaken between any two steps of anybody else. It says nothing of Spark or Delta; it says whether
the order of the steps is right. After the last fault one clean night must heal all.

`REASONGEN_MODEL_EXAMPLES=1000` draws more histories; `python tests/faults/run.py model` counts their nights.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

USERS, ITEMS, SLICES = ("u1", "u2", "u3"), ("i1", "i2"), 1 << 8
CHANGES = st.sampled_from(("act", "leaves", "consent", "rule", "model"))
PLACES = st.sampled_from(
    ("", "fence", "runs", "slice", "lists", "gate", "publish", "late", "record", "release", "done")
)
Pair = tuple[str, str]
Steps = Generator[str, None, None]
NIGHTS = [0]
"""How many were begun, in all histories."""


class Sample(NamedTuple):
    """What the model writes for evidence; the scripted verdict refuses what is `banned`."""

    evidence: int
    model: int
    number: int


class Row(NamedTuple):
    """A published reason; no sample: the fallback."""

    evidence: int
    model: int
    sample: int | None
    token: int


@dataclass
class Inputs:
    """The tables of a day. evidence: pair → what is known of it; 0 is the catalogue alone."""

    evidence: dict[Pair, int] = field(default_factory=lambda: {(u, i): 1 for u in USERS for i in ITEMS})
    refusing: set[str] = field(default_factory=set)
    model: int = 0
    banned: set[tuple[int, int]] = field(default_factory=set)

    def wanted(self) -> dict[Pair, int]:
        """Pair → the evidence that its reason rests on."""
        return {pair: 0 if pair[0] in self.refusing else found for pair, found in self.evidence.items()}

    def choose(self, evidence: int) -> int | None:
        """The number of the sample that may be shown; two are made at most."""
        return next((number for number in (0, 1) if (evidence, number) not in self.banned), None)


@dataclass
class Lake:
    """What stands. fence, slice_fence: the highest transaction of each. generations: sample → its owners, where few."""

    reasons: dict[Pair, Row] = field(default_factory=dict)
    generations: dict[Sample, frozenset[str]] = field(default_factory=dict)
    suppressed: set[str] = field(default_factory=set)
    withdrawn: set[str] = field(default_factory=set)
    runs: dict[int, str] = field(default_factory=dict)
    passed: set[int] = field(default_factory=set)
    token: int = 0
    held: bool = False
    fence: int = 0
    slice_fence: int = 0


@dataclass
class Worker:
    """One at work: `steps` stops before each of its commits. `token`: of its lease; 0 before it has one."""

    name: str
    steps: Steps = field(repr=False, default_factory=lambda: iter(()))  # type: ignore[assignment, return-value]
    token: int = 0
    dozes: bool = False
    hidden: frozenset[str] = frozenset()
    """Users and items that had been taken down when it published."""


class Nights(RuleBasedStateMachine):
    """Histories of one lake."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs, self.lake, self.workers = Inputs(), Lake(), list[Worker]()
        self.purged: set[str] = set()
        self.last: str = ""

    # --- who works -----------------------------------------------------------------------------------------------

    def night(self, me: Worker, users: frozenset[str] = frozenset(USERS)) -> Steps:
        """A night, or a stream for some users."""
        lake, day = self.lake, deepcopy(self.inputs)
        yield "lease"
        if lake.held and any(one.token == lake.token and not one.dozes for one in self.workers):
            return
        overtaken, lake.token, lake.held = lake.held, lake.token + 1, True
        me.token = lake.token
        yield "fence"
        if overtaken:
            lake.fence = max(lake.fence, me.token - 1)
            lake.slice_fence = max(lake.slice_fence, me.token * SLICES - 1)
        yield "runs"
        lake.runs[me.token] = "started"
        listed, stood = set(lake.suppressed), {pair: row for pair, row in lake.reasons.items() if pair[0] in users}
        withdrawn = set(lake.withdrawn)
        wanted = {
            pair: evidence
            for pair, evidence in day.wanted().items()
            if pair[0] in users and pair[0] not in listed and pair[1] not in withdrawn
        }
        kept = {pair for pair, row in stood.items() if pair in wanted and self.stands(row, wanted[pair], day)}
        number = me.token * SLICES
        for sample in sorted({sample for pair in set(wanted) - kept for sample in self.asked(wanted[pair], day)}):
            if sample in lake.generations:
                continue
            if lake.token != me.token:
                return
            yield "slice"
            if number > lake.slice_fence:
                assert sample not in lake.generations, "a committed sample was paid for again"
                sharers = frozenset(pair[0] for pair in wanted if wanted[pair] == sample.evidence)
                lake.generations[sample] = sharers if len(sharers) < 2 else frozenset()
                lake.slice_fence = number
            number += 1
        made = {pair: Row(wanted[pair], day.model, day.choose(wanted[pair]), me.token) for pair in set(wanted) - kept}
        made = {
            pair: row if row.sample is not None and self.sample(row) in lake.generations else row._replace(sample=None)
            for pair, row in made.items()
        }
        yield "lists"
        gone_users = set(lake.suppressed)
        shown = {
            pair: row
            for pair, row in made.items()
            if pair[0] not in gone_users and not (row.evidence and pair[0] in self.inputs.refusing)
        }
        if lake.token != me.token:
            return
        yield "gate"
        lake.passed.add(me.token)
        removed = set(stood) - kept - set(shown)
        yield "publish"
        if me.token <= lake.fence:  # it looked at its lease before; only the fence is asked in the commit itself
            return
        lake.reasons = {pair: row for pair, row in lake.reasons.items() if pair not in removed} | shown
        lake.fence = me.token
        assert me.token == max(lake.runs), "a run published that a later one had overtaken"
        me.hidden = frozenset(lake.suppressed | lake.withdrawn)
        yield "late"
        self.erase(lambda pair: pair[0] in lake.suppressed or pair[1] in lake.withdrawn)
        late = lake.suppressed - listed
        lake.generations = {sample: who for sample, who in lake.generations.items() if not who & late}
        yield "record"
        lake.runs[me.token] = "published"
        yield "release"
        lake.held = lake.held and lake.token != me.token

    def forget(self, _: Worker, user: str) -> Steps:
        """Purged at once where no run may still write."""
        lake = self.lake
        yield "suppress"
        lake.suppressed.add(user)
        running = [token for token, state in lake.runs.items() if state == "started" and self.may_write(token)]
        yield "erase"
        self.erase(lambda pair: pair[0] == user)
        yield "erase samples"
        lake.generations = {sample: who for sample, who in lake.generations.items() if user not in who}
        if not running:
            self.purged.add(user)

    def withdraw(self, _: Worker, item: str) -> Steps:
        """Keeps it down, too."""
        yield "list"
        self.lake.withdrawn.add(item)
        yield "erase"
        self.erase(lambda pair: pair[1] == item)

    # --- what they ask -------------------------------------------------------------------------------------------

    @staticmethod
    def stands(row: Row, evidence: int, day: Inputs) -> bool:
        """Whether a reason is kept."""
        return (row.evidence, row.model, row.sample) == (evidence, day.model, day.choose(evidence))

    @staticmethod
    def sample(row: Row) -> Sample:
        """Whose words a row shows."""
        return Sample(row.evidence, row.model, row.sample or 0)

    @staticmethod
    def asked(evidence: int, day: Inputs) -> list[Sample]:
        """The first sample, and a second where the first is refused."""
        numbers = (0,) if (evidence, 0) not in day.banned else (0, 1)
        return [Sample(evidence, day.model, number) for number in numbers]

    def may_write(self, token: int) -> bool:
        """As `still_running` sees it: until it ended, was seen dead here, or a later run took its lease."""
        mine = [one for one in self.workers if one.token == token]
        return token == self.lake.token and self.lake.held and bool(mine)

    def erase(self, takes: Callable[[Pair], bool]) -> None:
        """One commit."""
        self.lake.reasons = {pair: row for pair, row in self.lake.reasons.items() if not takes(pair)}

    def advance(self, worker: Worker) -> bool:
        """One commit; whether there is a next one."""
        step = next(worker.steps, "done")
        self.last = f"{worker.name} {step}"
        self.every_reason_passed_its_gate()
        self.who_was_purged_is_nowhere()
        if step == "release":
            assert not [pair for pair in self.lake.reasons if worker.hidden & set(pair)], (
                "its end leaves who was hidden"
            )
        if step == "done":
            self.workers.remove(worker)
        return step != "done"

    def begin(self, name: str, make: Callable[[Worker], Steps]) -> None:
        """Somebody begins, and stands before his first commit."""
        worker = Worker(name)
        worker.steps = make(worker)
        self.workers.append(worker)
        self.advance(worker)

    # --- what happens --------------------------------------------------------------------------------------------

    @rule(what=CHANGES, user=st.sampled_from(USERS), item=st.sampled_from(ITEMS), number=st.integers(0, 2))
    def the_tables_change(self, what: str, user: str, item: str, number: int) -> None:
        """An act, a candidate that leaves, consent taken back or given again, one rule more, another model."""
        day = self.inputs
        if what == "act":
            day.evidence[user, item] = number
        elif what == "leaves":
            day.evidence.pop((user, item), None)
        elif what == "consent":
            day.refusing ^= {user}
        elif what == "rule":
            day.banned.add((number, ITEMS.index(item)))
        else:
            day.model += 1

    @precondition(lambda self: len(self.workers) < 4)
    @rule()
    def a_night_begins(self) -> None:
        """Two may."""
        NIGHTS[0] += 1
        self.begin("night", self.night)

    @precondition(lambda self: len(self.workers) < 4)
    @rule(users=st.frozensets(st.sampled_from(USERS), min_size=1))
    def a_stream_begins(self, users: frozenset[str]) -> None:
        """For users with something new."""
        self.begin("stream", lambda me: self.night(me, users))

    @rule(user=st.sampled_from(USERS))
    def somebody_asks_to_be_forgotten(self, user: str) -> None:
        """Once or again."""
        self.begin("forget", lambda me: self.forget(me, user))

    @rule(item=st.sampled_from(ITEMS))
    def an_item_is_withdrawn(self, item: str) -> None:
        """For good."""
        self.begin("withdraw", lambda me: self.withdraw(me, item))

    @precondition(lambda self: self.workers)
    @rule(data=st.data(), until=PLACES)
    def one_goes_on(self, data: st.DataObject, until: str) -> None:
        """One commit, or all up to a place."""
        self.goes_to(data.draw(st.sampled_from(self.workers), label="who"), until)

    @rule(first=PLACES, second=PLACES)
    def a_night_overtakes_a_sleeper(self, first: str, second: str) -> None:
        """The sleeper wakes while the other is somewhere, and goes on to its end."""
        self.a_night_begins()
        sleeper = self.workers[-1]
        self.goes_to(sleeper, first)
        sleeper.dozes = True
        self.a_night_begins()
        self.goes_to(self.workers[-1], second)
        self.goes_to(sleeper, "done")

    @rule(place=PLACES, user=st.sampled_from(USERS), item=st.sampled_from(ITEMS), then=PLACES)
    def people_come_while_a_night_works(self, place: str, user: str, item: str, then: str) -> None:
        """Somebody is forgotten and something withdrawn, whole, between two of its commits."""
        self.a_night_begins()
        night = self.workers[-1]
        self.goes_to(night, place)
        for name, steps in (
            ("forget", lambda me: self.forget(me, user)),
            ("withdraw", lambda me: self.withdraw(me, item)),
        ):
            self.begin(name, steps)
            self.goes_to(self.workers[-1], "done")
        self.goes_to(night, then)

    def goes_to(self, worker: Worker, place: str) -> None:
        """It stands before that commit then, or has ended; "" is one commit."""
        while worker in self.workers and self.advance(worker) and place and not self.last.endswith(place):
            pass

    @precondition(lambda self: self.workers)
    @rule(data=st.data())
    def one_is_killed(self, data: st.DataObject) -> None:
        """Its lease stays behind."""
        self.workers.remove(data.draw(st.sampled_from(self.workers), label="who"))

    @precondition(lambda self: any(one.token for one in self.workers))
    @rule(data=st.data())
    def one_dozes(self, data: st.DataObject) -> None:
        """Elsewhere, and long enough to be taken for dead: a night takes over, and the sleeper may go on later."""
        data.draw(st.sampled_from([one for one in self.workers if one.token]), label="who").dozes = True
        self.a_night_begins()

    # --- what must hold ------------------------------------------------------------------------------------------

    @invariant()
    def every_reason_passed_its_gate(self) -> None:
        """Always."""
        assert {row.token for row in self.lake.reasons.values()} <= self.lake.passed

    @invariant()
    def who_was_purged_is_nowhere(self) -> None:
        """From the moment that the receipt says so."""
        assert not [pair for pair in self.lake.reasons if pair[0] in self.purged], self.last
        assert not [sample for sample, who in self.lake.generations.items() if who & self.purged], self.last

    def teardown(self) -> None:
        """After the last fault: one clean night leaves what an undisturbed lake would hold, another finds nothing."""
        self.workers.clear()
        for again in (False, True):
            NIGHTS[0] += 1
            before, paid = dict(self.lake.reasons), set(self.lake.generations)
            self.begin("night", self.night)
            while self.workers and self.advance(self.workers[-1]):
                pass
            day, lake = self.inputs, self.lake
            for pair, evidence in day.wanted().items():
                hidden = pair[0] in lake.suppressed or pair[1] in lake.withdrawn
                assert (pair in lake.reasons) is not hidden, pair
                assert hidden or self.stands(lake.reasons[pair], evidence, day), pair
            assert set(lake.reasons) <= set(day.wanted())
            assert not [pair for pair in lake.reasons if pair[0] in lake.suppressed]
            assert not again or (before, paid) == (lake.reasons, set(lake.generations)), (
                "the second night did something"
            )


TestNights = Nights.TestCase
TestNights.settings = settings(
    max_examples=int(os.environ.get("REASONGEN_MODEL_EXAMPLES", "60")), stateful_step_count=60, deadline=None
)
