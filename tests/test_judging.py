"""The choice among a pair's samples, and its way through Arrow: no Spark."""

from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from reasongen.pipeline.judging import PASSED_THROUGH, Judge, Sample, judge_batch, judging
from reasongen.prompts import Frame, Literals, Renderer, load_locales
from reasongen.schema import STAGED
from reasongen.validation import Withdrawn, WordingJudge, load_licences, load_policy

ROOT = Path(__file__).resolve().parent.parent
NIGHT = date(2031, 5, 4)

ROW = {"f": "category", "a": "purchase", "n": "few"}
FRAME = {"l": "en", "s": "recommendation", "c": "tent", "k": "use", "w": ["light"], "e": [ROW]}
HIDDEN = {"title": "Ridge Two", "e": [{"count": 3, "title": "Fell One", "noun": "tent", "recent": True}]}
GOOD = [f"You bought [e1.items] {word}, so [i.title] may suit you." for word in ("before", "already", "elsewhere")]
WHEN = "You bought [e1.items] [e1.when], so [i.title] may suit you."
UNKNOWN, CUT, NUMBER = (
    "You liked [e2.title] and [i.title].",
    "You bought [e1.items] and",
    "Only 9 of [i.title] are left.",
)


@pytest.fixture(scope="module")
def judge_() -> Judge:
    return Judge(
        Renderer(load_locales(ROOT / "conf" / "locales")),
        NIGHT,
        30,
        14,
        3,
        "model",
        "decode",
        load_policy(ROOT / "conf" / "policies"),
        {name: WordingJudge(load_licences(ROOT / "conf" / "licences", name)) for name in ("zh", "en")},
    )


def frame(**changed: Any) -> Frame:
    return Frame.from_json(json.dumps(FRAME | changed))


LITERALS = Literals.from_dict(HIDDEN)


def samples(*texts: str, finish: str = "stop") -> list[Sample]:
    return [Sample(number, text, finish) for number, text in enumerate(texts)]


def test_a_passing_sample_is_rendered_and_its_spans_are_claims(judge_: Judge) -> None:
    choice = judge_.choose(0, frame(), LITERALS, samples(GOOD[0]))
    assert choice.rendered is not None
    assert choice.rendered.text == "You bought three tents before, so Ridge Two may suit you."
    assert (choice.skeleton, choice.sample, choice.refused) == (GOOD[0], 0, [])
    said = [choice.rendered.text[claim.start : claim.end] for claim in choice.rendered.claims]
    assert [(claim.evidence, text) for claim, text in zip(choice.rendered.claims, said, strict=True)] == [
        ("e1", "three tents"),
        ("i", "Ridge Two"),
    ]


def test_pairs_take_different_samples_of_one_prompt(judge_: Judge) -> None:
    assert [judge_.choose(pair, frame(), LITERALS, samples(*GOOD)).sample for pair in range(6)] == [0, 1, 2, 0, 1, 2]


def test_of_samples_that_pass_the_most_specific_is_taken_whoever_asks(judge_: Judge) -> None:
    """What names the user's evidence before what any user might be told, what names more of the item before less."""
    anybody = "[i.title] may suit you, as [i.a] that is [i.word1]."
    rich = "You bought [e1.items] before, so [i.title] may suit you, and it is [i.word1]."
    given = samples(anybody, GOOD[0], rich)
    assert {judge_.choose(pair, frame(), LITERALS, given).sample for pair in range(6)} == {2}
    assert {judge_.choose(pair, frame(), LITERALS, samples(anybody, GOOD[0], CUT)).sample for pair in range(6)} == {1}
    assert (
        judge_.choose(3, frame(), LITERALS, samples(CUT, CUT, anybody, rich)).sample == 2
    )  # the fourth is no usual one


def test_what_was_made_for_another_pair_changes_no_choice(judge_: Judge) -> None:
    """The fixture's night makes three samples of a prompt; further ones are there because some pair had none."""
    for pair in range(6):
        more = judge_.choose(pair, frame(), LITERALS, samples(*GOOD[:3], GOOD[0], GOOD[1]))
        assert more.sample == judge_.choose(pair, frame(), LITERALS, samples(*GOOD[:3])).sample
    assert judge_.choose(1, frame(), LITERALS, samples(CUT, CUT, CUT, UNKNOWN, GOOD[0])).sample == 4


def test_the_choice_does_not_see_in_which_order_samples_arrive(judge_: Judge) -> None:
    given = samples(GOOD[0], UNKNOWN, GOOD[1], CUT)
    for pair in range(5):
        assert judge_.choose(pair, frame(), LITERALS, given) == judge_.choose(pair, frame(), LITERALS, given[::-1])


def test_a_refused_sample_gives_way_to_the_next_and_is_kept_with_its_rule(judge_: Judge) -> None:
    choice = judge_.choose(0, frame(), LITERALS, samples(UNKNOWN, GOOD[1].replace("already", "9 times"), GOOD[0]))
    assert choice.sample == 2
    assert [(sample, verdict.failures[0].rule) for sample, _, verdict in choice.refused] == [
        (0, "unknown_reference"),
        (1, "stray_number"),
    ]


@pytest.mark.parametrize("given", [[], samples(UNKNOWN, CUT, NUMBER), samples(GOOD[0], finish="length")])
def test_where_no_sample_passes_the_catalogue_speaks(judge_: Judge, given: list[Sample]) -> None:
    texts = set()
    for pair in range(8):
        choice = judge_.choose(pair, frame(), LITERALS, given)
        assert choice.rendered is not None
        assert choice.sample is None
        assert len(choice.refused) == len(given)
        assert {claim.evidence for claim in choice.rendered.claims} == {"i"}
        texts.add(choice.skeleton)
    assert len(texts) > 3


def silent(judge_: Judge) -> Judge:
    """One that lets nothing of a tent pass, in any form."""
    return replace(judge_, withdrawn=Withdrawn(terms=("tent", "ridge")))


def test_a_pair_of_which_nothing_can_be_said_ends_without_a_reason(judge_: Judge) -> None:
    choice = silent(judge_).choose(0, frame(), LITERALS, samples(GOOD[0]))
    assert choice.rendered is None
    assert [sample for sample, _, _ in choice.refused] == [0, None]


def test_what_a_title_says_is_judged_too(judge_: Judge) -> None:
    stuffed = Literals.from_dict({**HIDDEN, "title": "https://shop.example"})
    choice = judge_.choose(0, frame(), stuffed, samples(GOOD[0]))
    assert [[f.rule for f in verdict.failures] for _, _, verdict in choice.refused] == [["markup"]]
    assert choice.rendered is not None
    assert "shop" not in choice.rendered.text


@pytest.mark.parametrize(("noun", "kind", "rules"), [("cake", "eat", {"R03_food_health"}), ("tent", "use", set())])
def test_rules_of_a_category_hold_for_every_noun_of_its_class(
    judge_: Judge, noun: str, kind: str, rules: set[str]
) -> None:
    claimed = Literals.from_dict({**HIDDEN, "title": "Ridge, supports digestion"})
    choice = judge_.choose(0, frame(c=noun, k=kind), claimed, samples(GOOD[0]))
    assert {f.rule for _, _, verdict in choice.refused for f in verdict.failures} == rules


def test_a_withdrawn_skeleton_gives_way_to_the_next_sample_and_a_withdrawn_word_to_another_form(judge_: Judge) -> None:
    digest = hashlib.sha256(GOOD[0].encode()).hexdigest()
    without = replace(judge_, withdrawn=Withdrawn(skeletons=frozenset({digest})))
    choice = without.choose(0, frame(), LITERALS, samples(GOOD[0], GOOD[1]))
    assert choice.sample == 1
    assert [(sample, [f.rule for f in verdict.failures]) for sample, _, verdict in choice.refused] == [
        (0, ["withdrawn"])
    ]
    untitled = replace(judge_, withdrawn=Withdrawn(terms=("ridge two",))).choose(0, frame(), LITERALS, samples(GOOD[0]))
    assert untitled.rendered is not None
    assert untitled.rendered.text in ("Here is a tent to consider.", "This tent may be worth a look.")


def evidence(*days: int) -> list[dict[str, Any]]:
    return [{"last_ts": datetime(2031, 4, day, 12, tzinfo=UTC)} for day in days]


ACTS = pa.list_(pa.struct([("last_ts", pa.timestamp("us", "UTC"))]))


@pytest.mark.parametrize(
    ("text", "day", "until"),
    [
        (GOOD[0], 25, date(2031, 6, 3)),  # nothing in it ages: valid_days
        (WHEN, 25, date(2031, 5, 9)),  # lately ends 14 days after the act
        (WHEN, 1, date(2031, 6, 3)),  # too old for lately: "earlier" stays true
    ],
)
def test_lately_is_shown_no_longer_than_it_is_true(judge_: Judge, text: str, day: int, until: date) -> None:
    choice = judge_.choose(0, frame(), LITERALS, samples(text))
    assert choice.rendered is not None
    assert judge_.valid_until(choice.rendered, [date(2031, 4, day)]) == until


def test_a_judge_that_travelled_judges_the_same(judge_: Judge) -> None:
    assert judge_.choose(1, frame(), LITERALS, samples(*GOOD)).rendered is not None
    far = pickle.loads(pickle.dumps(judge_))
    assert far.choose(1, frame(), LITERALS, samples(*GOOD)) == judge_.choose(1, frame(), LITERALS, samples(*GOOD))


SAMPLES = pa.list_(pa.struct([("sample", pa.int32()), ("text", pa.string()), ("finish_reason", pa.string())]))


def batch(*given: list[Sample] | None, title: str = "Ridge Two") -> pa.RecordBatch:
    """One row per list of samples; the last row's act is the newest, and the only one of its row."""
    rows = len(given)
    columns = {
        "user_id": pa.array([f"u{n}" for n in range(rows)], pa.string()),
        "item_id": pa.array(["tent"] * rows, pa.string()),
        "scenario": pa.array(["recommendation"] * rows, pa.string()),
        "evidence": pa.array([evidence(1, 2)] * (rows - 1) + [evidence(25)] * min(rows, 1), ACTS),
        "prompt_hash": pa.array(["p"] * rows, pa.string()),
        "fact_hash": pa.array([1] * rows, pa.int64()),
        "personal": pa.array([True] * rows, pa.bool_()),
        "frame": pa.array([json.dumps(FRAME)] * rows, pa.string()),
        "literals": pa.array([json.dumps(HIDDEN | {"title": title})] * rows, pa.string()),
        "samples": pa.array([one and [sample._asdict() for sample in one] for one in given], SAMPLES),
    }
    return pa.RecordBatch.from_pydict(columns)


def test_a_batch_comes_out_row_for_row_as_the_staged_table_has_it(judge_: Judge) -> None:
    given = batch(samples(*GOOD), None, [], samples(UNKNOWN, CUT), samples(WHEN))
    out = judge_batch(given, judge_)
    assert out.schema.names == STAGED.names
    assert all(out.column(name).equals(given.column(name)) for name in PASSED_THROUGH)
    assert out.column("source").to_pylist() == ["model", "fallback", "fallback", "fallback", "model"]
    assert out.column("passed").to_pylist() == [True] * 5
    assert [len(rows) for rows in out.column("refused").to_pylist()] == [0, 0, 0, 2, 0]
    assert out.column("valid_until").to_pylist()[4] == date(2031, 5, 9)
    for reason, claims in zip(out.column("reason").to_pylist(), out.column("claims").to_pylist(), strict=True):
        assert claims
        for claim in claims:
            assert reason[claim["start"] : claim["end"]] in (
                "three tents",
                "Ridge Two",
                "lately",
                "light",
                "tents",
            ) or (claim["evidence"] == "i")


def test_a_row_without_a_reason_keeps_its_place(judge_: Judge) -> None:
    out = judge_batch(batch(samples(GOOD[0]), None), silent(judge_))
    for name in ("reason", "source", "valid_until", "sample"):
        assert out.column(name).to_pylist() == [None, None]
    assert out.column("passed").to_pylist() == [False, False]
    assert out.column("claims").to_pylist() == [[], []]
    assert [[one["sample"] for one in rows] for rows in out.column("refused").to_pylist()] == [[0, None], [None]]


def test_batches_have_one_type_however_few_rows_they_hold(judge_: Judge) -> None:
    whole, none, bare = judging(judge_)(iter([batch(samples(*GOOD)), batch(), batch(None)]))
    assert (whole.num_rows, none.num_rows, bare.num_rows) == (1, 0, 1)
    assert whole.schema == none.schema == bare.schema


def test_how_rows_are_batched_changes_nothing(judge_: Judge) -> None:
    given = batch(samples(*GOOD), samples(CUT), None, samples(UNKNOWN, GOOD[1]))
    alone = [judge_batch(given.slice(n, 1), judge_) for n in range(given.num_rows)]
    assert judge_batch(given, judge_).to_pylist() == [row for one in alone for row in one.to_pylist()]


def test_a_title_that_breaks_a_rule_of_law_is_shown_in_no_form(judge_: Judge) -> None:
    """The best lamp in the world: rules read what the renderer filled in."""
    hidden = {**HIDDEN, "title": "The best tent in the world", "brand": "Fell"}
    frame = Frame.from_dict({**FRAME, "b": True})
    samples = [Sample(0, "You bought [e1.items] before, so [i.title] may suit you.", "stop")]
    for pair in range(8):
        choice = judge_.choose(pair, frame, Literals.from_dict(hidden), samples)
        assert choice.rendered is not None
        assert "best" not in choice.rendered.text
        assert choice.sample is None
        assert [failure.rule for _, _, verdict in choice.refused for failure in verdict.failures] == ["R01_absolute"]


def test_the_rules_travel_and_their_version_is_the_verdicts(judge_: Judge) -> None:
    there = pickle.loads(pickle.dumps(judge_))
    assert there.policy_version == judge_.policy_version
    assert there.policy_version.startswith("structural-2+policy-")
