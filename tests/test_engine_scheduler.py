"""The scheduler and the shared prefixes of the torch engine, without torch: no row is lost, doubled or mixed up."""

from __future__ import annotations

import random
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from reasongen.engine.intake import Row
from reasongen.engine.prefix import pack, shared_length
from reasongen.engine.scheduler import REFILL, Seat, Slots, Waiting

END = 1
prompts = st.lists(st.lists(st.integers(2, 4), min_size=1, max_size=6).map(tuple), min_size=1, max_size=20)


def row(number: int, length: int = 3) -> Row:
    return Row(f"{number}", 0, (2,) * length)


@given(
    lengths=st.lists(st.integers(1, 9), max_size=60),
    count=st.integers(1, 9),
    most=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_every_row_is_written_once_whatever_the_slots(lengths: list[int], count: int, most: int, seed: int) -> None:
    waiting, slots, draw = Waiting(), Slots(count, most, (END,)), random.Random(seed)
    waiting.put(row(number, length) for number, length in enumerate(lengths))
    waiting.close()
    finished: list[str] = []
    seen: dict[str, list[int]] = {}
    while True:
        rows = waiting.take(slots.wanted(), 16, wait=not slots.busy)
        if not rows and not slots.busy:
            break
        admitted = slots.admit(map(Seat, rows))
        assert [slots.seats[slot].row for slot in admitted] == rows  # type: ignore[union-attr]
        for slot, seat in slots.live():
            token = draw.choice((END, 2, 3))
            seen.setdefault(seat.row.prompt_hash, []).append(token)
            if slots.record(slot, token, -0.5, sick=False):
                finished.append(seat.row.prompt_hash)
                assert seat.ids == seen[seat.row.prompt_hash]
                assert len(seat.ids) == most or seat.ids[-1] == END
                assert seat.logprob == -0.5 * len(seat.ids)
    assert sorted(finished, key=int) == [f"{number}" for number in range(len(lengths))]


@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=30), count=st.integers(1, 30), tokens=st.integers(1, 99)
)
def test_what_is_taken_fits_the_budget_and_keeps_its_order(lengths: list[int], count: int, tokens: int) -> None:
    waiting = Waiting()
    waiting.put(row(number, length) for number, length in enumerate(lengths))
    waiting.close()
    taken: list[Row] = []
    while rows := waiting.take(count, tokens, wait=True):
        assert len(rows) <= count
        assert len(rows) == 1 or len(rows) * max(len(one.tokens) for one in rows) <= tokens
        taken += rows
    assert [one.prompt_hash for one in taken] == [f"{number}" for number in range(len(lengths))]


def test_a_lane_asks_only_when_enough_slots_are_free() -> None:
    slots = Slots(REFILL * 2, 5, (END,))
    assert slots.wanted() == REFILL * 2
    slots.admit(Seat(row(number)) for number in range(REFILL * 2))
    asked = []
    for slot in range(3):
        slots.record(slot, END, 0.0, sick=False)
        asked.append(slots.wanted())
    assert asked == [0, 2, 3]


def test_a_sick_row_ends_and_says_so() -> None:
    slots = Slots(2, 5, (END,))
    slots.admit([Seat(row(0))])
    slots.record(0, 7, -1.0, sick=False)
    seat = slots.record(0, 0, 0.0, sick=True)
    assert seat is not None
    assert (seat.broken, seat.ids, slots.busy) == (True, [7], False)


@given(prompts=prompts, carry=st.booleans(), in_order=st.booleans())
def test_a_path_spells_its_prompt_and_only_new_nodes_are_computed(
    prompts: list[tuple[int, ...]], carry: bool, in_order: bool
) -> None:
    prompts = sorted(prompts) if in_order else prompts
    carried = prompts[0] if carry else ()
    packed = pack(prompts[1:] if carry and len(prompts) > 1 else prompts, carried)
    asked = prompts[1:] if carry and len(prompts) > 1 else prompts
    letters = [*carried, *packed.tokens]
    places = [*range(len(carried)), *packed.positions]
    for prompt, path in zip(asked, packed.paths, strict=True):
        assert tuple(letters[node] for node in path) == prompt
        assert [places[node] for node in path] == list(range(len(prompt)))
        assert path[-1] >= packed.carried
    for node, (owner, place) in enumerate(packed.owners, start=packed.carried):
        assert packed.paths[owner][place] == node
    if in_order and not carry:
        assert len(packed.tokens) == len({prompt[:end] for prompt in asked for end in range(1, len(prompt) + 1)})


def test_a_node_means_its_whole_beginning() -> None:
    packed = pack([(2, 3, 4), (2, 3, 5), (2, 3, 5), (4,)], carried=(2, 2))
    assert packed.paths == [[0, 2, 3], [0, 2, 4], [0, 2, 4], [5]]
    assert packed.tokens == [3, 4, 5, 4]
    assert pack([(2, 2)], carried=(2, 2)).paths == [[0, 2]]  # the last token is computed again: it needs logits
    assert shared_length((1, 2), (1, 2, 3)) == 2


def test_no_torch_is_needed_to_decide() -> None:
    code = "import sys, reasongen.engine.scheduler, reasongen.engine.prefix; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
