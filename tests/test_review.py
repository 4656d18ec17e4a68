"""What people decide of doubted skeletons: which doubts may be lifted, what many decisions say, how far they agree."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasongen.pipeline.doubting import doubted
from reasongen.pipeline.judging import Judge, Sample
from reasongen.prompts import Frame, Literals, Renderer, load_locales
from reasongen.review import Decision, standing
from reasongen.review.agreement import agreement, alpha
from reasongen.review.decisions import latest, strictest
from reasongen.validation import Failure, Withdrawn, WordingJudge, load_licences, load_policy
from reasongen.validation.reviewed import Doubt, doubts_of, without_user

ROOT = Path(__file__).resolve().parent.parent
NOON = datetime(2031, 5, 4, 12, tzinfo=UTC)
ROW = {"f": "category", "a": "purchase", "n": "few"}
FRAME = {"l": "en", "s": "recommendation", "c": "tent", "k": "use", "w": ["light"], "e": [ROW]}
HIDDEN = {"title": "Ridge Two", "e": [{"count": 3, "title": "Fell One", "noun": "tent", "recent": True}]}
LITERALS = Literals.from_dict(HIDDEN)
SOFT = "You bought [e1.items] before, so [i.title] may feel velvety."
"""Velvety is a word that nothing here licenses: a person is asked."""


@pytest.fixture(scope="module")
def judge_() -> Judge:
    return Judge(
        Renderer(load_locales(ROOT / "conf" / "locales")),
        date(2031, 5, 4),
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


def waiting(judge_: Judge, text: str = SOFT, frame_: Frame | None = None) -> list[dict[str, Any]]:
    """What the queue would get of a pair with this sample alone."""
    frame_ = frame_ or frame()
    choice = judge_.choose(0, frame_, LITERALS, [Sample(0, text, "stop")])
    return doubted(choice.refused, {0: text}, judge_.renderer, frame_, LITERALS)


def accepted(judge_: Judge, *rows: dict[str, Any], **changed: Any) -> Judge:
    """The judge of a night after somebody accepted these rows."""
    return replace(judge_, reviewed=standing([decision("ann", "accept", row, **changed) for row in rows], "p1"))


def decision(reviewer: str, verb: str, row: dict[str, Any] | None = None, hours: int = 0, **changed: Any) -> Decision:
    row = row or {"skeleton": "s", "doubts": [], "frame": "{}"}
    told: dict[str, Any] = {
        "skeleton_hash": sha256(row["skeleton"].encode()).hexdigest(),
        "locale": "en",
        "policy_version": "p1",
        "decision": verb,
        "doubts": tuple(row["doubts"]),
        "frames": (row["frame"],),
        "edited": None,
        "label": None,
        "note": None,
        "reviewer": reviewer,
        "decided_at": NOON + timedelta(hours=hours),
    }
    return Decision(**(told | changed))


def passes(judge_: Judge, text: str, frame_: Frame | None = None, literals: Literals = LITERALS) -> bool:
    return judge_.choose(0, frame_ or frame(), literals, [Sample(0, text, "stop")]).sample == 0


def test_a_sample_that_only_doubts_keep_back_waits_without_its_user(judge_: Judge) -> None:
    (row,) = waiting(judge_)
    assert row["text"] == "You bought [e1.items] before, so Ridge Two may feel velvety."
    assert [row["text"][one["start"] : one["end"]] for one in row["doubts"]] == ["velvety"]
    assert [(one["rule"], one["mark"], one["at"], one["words"]) for one in row["doubts"]] == [
        ("R18_word", 2, 10, "velvety")
    ]
    assert Frame.from_json(row["frame"]) == frame()


@pytest.mark.parametrize("title", ["Fell One", "Oak One"])
@pytest.mark.parametrize("head", ["A", "You bought a"])
def test_an_article_tells_nothing_of_the_title_behind_it(judge_: Judge, title: str, head: str) -> None:
    literals = Literals.from_dict({**HIDDEN, "e": [HIDDEN["e"][0] | {"title": title}]})
    rendered = judge_.renderer.fill(f"{head} [e1.title] before, so may [i.title].", frame(), literals)
    claim = rendered.claims[0]
    assert rendered.text[: claim.end] == f"{head}{'n' if title[0] == 'O' else ''} {title}"
    start = rendered.text.index("may")
    spans = [(0, claim.start), (0, claim.start - 1), (start, start + 3)]
    doubts = doubts_of([Failure("R10_unsourced", *span, "version 1: human", "human") for span in spans], rendered)
    assert {(one.mark, one.at, one.words) for one in doubts} == {(0, 0, f"{head} "), (0, 0, head), (1, 12, "may")}
    text, shown = without_user(rendered, doubts)
    assert text == f"{head} [e1.title] before, so may Ridge Two."
    assert [text[a:b] for a, b in shown] == [one.words for one in doubts]


@pytest.mark.parametrize(
    "text",
    [
        f"{SOFT[:-1]} 24.",  # a number outside marks blocks
        "You bought [e1.items] before, so [i.title] is the best tent in the world.",  # another wording is asked for
        "You bought [i.title] before.",  # the doubt is about what the mark was filled with
        "You bought [e1.items] before, so [i.title] may suit you.",  # nothing is doubted
    ],
)
def test_what_a_person_may_not_pass_never_waits(judge_: Judge, text: str) -> None:
    assert waiting(judge_, text) == []


def test_a_seller_s_words_are_nobody_s_to_lift(judge_: Judge) -> None:
    rendered = judge_.renderer.fill(SOFT, frame(), LITERALS)
    title = next(claim for claim in rendered.claims if claim.mark == "[i.title]")
    inside = Failure("R10_unsourced", title.start + 2, title.end + 5, "version 1: human", "human")
    beside = Failure("R10_unsourced", title.end + 1, title.end + 4, "version 1: human", "human")
    assert doubts_of([inside], rendered) == ()
    assert doubts_of([beside, inside], rendered) == ()
    assert doubts_of([beside], rendered) == (Doubt("R10_unsourced", "version 1: human", 2, 1, "may"),)
    assert doubts_of([beside, beside._replace(action="rewrite")], rendered) == ()
    assert doubts_of([], rendered) == ()


def test_a_text_for_one_pair_alone_never_waits(judge_: Judge) -> None:
    shown = frame(v=HIDDEN)
    text = "You bought Fell One before, so Ridge Two may feel velvety."
    assert not passes(judge_, text, shown)
    assert waiting(judge_, text, shown) == []


def test_an_accept_passes_the_skeleton_for_every_pair_with_its_frame(judge_: Judge) -> None:
    after = accepted(judge_, *waiting(judge_))
    assert not passes(judge_, SOFT)
    assert passes(after, SOFT)
    other = Literals.from_dict({"title": "Orchard Two Plus", "e": [{"count": 12, "noun": "tent"}]})
    assert passes(after, SOFT, literals=other)


def test_another_frame_is_another_doubt_about_evidence(judge_: Judge) -> None:
    after = accepted(judge_, *waiting(judge_))
    assert not passes(after, SOFT, frame(w=["heavy"]))
    assert not passes(after, SOFT, frame(c="lamp"))
    both = accepted(judge_, *waiting(judge_), frames=(frame().to_json(), frame(c="lamp").to_json()))
    assert passes(both, SOFT, frame(c="lamp"))


def test_a_doubt_that_was_not_shown_is_not_lifted(judge_: Judge) -> None:
    twice = SOFT.replace("before", "before, delicious")
    (row,) = waiting(judge_, twice)
    assert [one["words"] for one in row["doubts"]] == ["delicious", "velvety"]
    assert passes(accepted(judge_, row), twice)
    assert not passes(accepted(judge_, row | {"doubts": row["doubts"][:1]}), twice)
    assert not passes(accepted(judge_, row | {"doubts": []}), twice)
    moved = [row["doubts"][0] | {"at": 1}, row["doubts"][1]]
    assert not passes(accepted(judge_, row | {"doubts": moved}), twice)


def test_an_accept_lifts_nothing_of_another_skeleton_or_language(judge_: Judge) -> None:
    (row,) = waiting(judge_)
    assert not passes(accepted(judge_, row, skeleton_hash="0" * 64), SOFT)
    assert not passes(accepted(judge_, row, locale="zh"), SOFT)
    assert not passes(accepted(judge_, row, policy_version="p0"), SOFT)


def test_an_accept_lifts_no_withdrawal(judge_: Judge) -> None:
    after = accepted(judge_, *waiting(judge_))
    assert not passes(replace(after, withdrawn=Withdrawn(("velvety",))), SOFT)
    skeletons = frozenset({sha256(SOFT.encode()).hexdigest()})
    assert not passes(replace(after, withdrawn=Withdrawn((), skeletons)), SOFT)


def test_a_refuse_keeps_a_skeleton_down_though_nothing_doubts_it(judge_: Judge) -> None:
    plain = "You bought [e1.items] before, so [i.title] may suit you."
    no = decision("ann", "refuse", {"skeleton": plain, "doubts": [], "frame": "{}"}, policy_version="p0")
    after = replace(judge_, reviewed=standing([no], "p1"))
    assert passes(judge_, plain)
    assert not passes(after, plain)
    assert waiting(after, plain) == []
    rendered = judge_.renderer.fill(plain, frame(), LITERALS)
    assert [one.rule for one in after.verdict(rendered, plain, "stop", frame()).failures] == ["reviewed"]


def test_the_verdict_travels_with_what_people_decided(judge_: Judge) -> None:
    after = pickle.loads(pickle.dumps(accepted(judge_, *waiting(judge_))))
    assert passes(after, SOFT)
    rendered = after.renderer.fill(SOFT, frame(), LITERALS)
    assert after.again(rendered, sha256(SOFT.encode()).hexdigest(), frame()).passed


def test_the_latest_word_of_each_counts_and_the_strictest_of_all() -> None:
    def says(*decisions: Decision) -> str:
        found = standing(decisions, "p1")
        return "accept" if found.accepted else "refuse" if found.refused else "none"

    ann, bob = decision("ann", "accept"), decision("bob", "accept", hours=1)
    assert says(ann, bob) == "accept"
    assert says(ann, replace(bob, decision="refuse")) == "refuse"
    assert says(replace(bob, decision="refuse"), ann) == "refuse"
    assert says(ann, replace(bob, decision="edit")) == "none"
    assert says(replace(ann, decision="refuse"), replace(ann, decided_at=NOON + timedelta(1))) == "accept"
    assert says(ann, replace(ann, decision="edit", decided_at=NOON + timedelta(1))) == "none"
    assert says(ann, replace(ann, decision="refuse")) == says(replace(ann, decision="refuse"), ann) == "refuse"
    assert says(ann, replace(ann, decision="label", decided_at=NOON + timedelta(1))) == "accept"
    assert says(replace(ann, decision="label")) == "none"
    assert says(replace(ann, policy_version="p0"), bob) == "accept"
    assert says(replace(ann, policy_version="p0")) == "none"
    assert says(replace(ann, policy_version="p0", decision="refuse")) == "refuse"
    assert says() == "none"
    assert standing([ann, replace(bob, decision="label")], "p1").known == {("en", ann.skeleton_hash)}


def test_two_who_were_shown_different_doubts_lift_what_both_saw(judge_: Judge) -> None:
    (row,) = waiting(judge_, SOFT.replace("before", "before, delicious"))
    whole, half = decision("ann", "accept", row), decision("bob", "accept", row | {"doubts": row["doubts"][:1]})
    (lifted,) = standing([whole, half], "p1").accepted.values()
    assert [one.words for one in lifted.doubts] == ["delicious"]


def test_a_rule_that_was_withdrawn_since_is_doubted_again(judge_: Judge) -> None:
    (row,) = waiting(judge_)
    yes = decision("ann", "accept", row)

    def after(hours: int) -> Judge:
        return replace(judge_, reviewed=standing([yes], "p1", {"R18_word": NOON + timedelta(hours=hours)}))

    assert passes(after(-1), SOFT)
    assert not passes(after(1), SOFT)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["accept", "refuse", "edit"]), st.integers(0, 3))))
def test_the_order_in_which_decisions_are_read_is_nothing(told: list[tuple[str, str, int]]) -> None:
    made = [decision(who, verb, hours=hours) for who, verb, hours in told]
    assert standing(made, "p1") == standing(made[::-1], "p1")
    for mine in latest(made).values():
        assert strictest(mine.values()) in {verb for _, verb, _ in told}


def test_agreement_is_krippendorff_s_alpha() -> None:
    """The example of Krippendorff (2011), section C: 12 units, 4 observers, missing values; alpha 0.743."""
    by_observer = ["123321412***", "1233224125*3", "*3332342251*", "12332441251*"]
    units = [[row[at] for row in by_observer if row[at] != "*"] for at in range(12)]
    assert alpha(units) == pytest.approx(0.743, abs=0.001)


def test_agreement_at_its_ends() -> None:
    assert alpha([["a", "a"], ["b", "b"]]) == 1
    assert alpha([["a", "b"], ["b", "a"]]) == pytest.approx(-0.5)
    assert alpha([]) is None
    assert alpha([["a"], ["b"]]) is None
    assert alpha([["a", "a"], ["a", "a"]]) is None
    made = [decision("ann", "accept"), decision("bob", "refuse"), decision("bob", "accept", hours=1)]
    found = agreement([*made, decision("ann", "accept", {"skeleton": "t", "doubts": [], "frame": ""})])
    assert (found.skeletons, found.same) == (1, 1)
