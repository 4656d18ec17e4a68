"""Every figure of evaluation against a value worked by hand, or against the library that defines it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU

from reasongen.evaluation.diversity import distinct, diversity, entropy, repetition, self_bleu
from reasongen.evaluation.features import feature_figures, features_of
from reasongen.evaluation.overlap import overlap, rouge
from reasongen.evaluation.pair_lift import pair_lift, shuffles
from reasongen.evaluation.resampling import Figure, clusters_of, difference, intervals
from reasongen.evaluation.tokens import tokens
from reasongen.prompts.frame import EvidenceRow, Frame, Literals

FRAME = Frame(
    "en", "recommendation", "tent", "use", ("Light-weight",), "material", True,
    (EvidenceRow("tag", "waterproof", "browse", "one"), EvidenceRow("attribute", "colour", "cart", "few")),
)  # fmt: skip


def test_a_token_is_an_english_word_a_chinese_character_or_a_mark() -> None:
    assert tokens("You've seen [e1.items]: 防水 Tent 5kg!") == (
        "you've",
        "seen",
        "[e1.items]",
        "防",
        "水",
        "tent",
        "5kg",
    )
    assert tokens("，。 [x.y]") == ("x", "y")


def test_rouge_counts_shared_tokens_in_both_languages() -> None:
    found = rouge(["the red tent is light", "这个帐篷很轻"], ["a red tent", "帐篷轻便"])
    # 2 of 5 and 2 of 3 words: F = 2·(2/5)(2/3)/(2/5+2/3) = 1/2; 帐, 篷, 轻 are 3 of 6 and 3 of 4: F = 3/5.
    assert found["rouge1"] == pytest.approx([0.5, 0.6])
    # 1 of 4 and 1 of 2 word pairs: 1/3; 帐篷 is 1 of 5 and 1 of 3: 1/4.
    assert found["rouge2"] == pytest.approx([1 / 3, 1 / 4])
    assert found["rougeL"] == pytest.approx([0.5, 0.6])


def test_bleu_and_chrf_are_those_that_sacrebleu_publishes() -> None:
    texts = ["the cat is on the mat"]
    found = overlap(texts, ["the cat sat on the mat"])
    # 5/6, 3/5, 1/4 of 1-, 2- and 3-grams; of three 4-grams none, which its smoothing counts as 1/2: equal lengths.
    assert found.bleu == pytest.approx((5 / 6 * 3 / 5 * 1 / 4 * 1 / 6) ** (1 / 4))
    assert overlap(texts, texts).bleu == pytest.approx(1)
    assert overlap(["abc"], ["xyz"]).chrf == 0
    # Characters 2/3 of both, pairs 1/2 of both, triples none: the mean of the three orders that are there.
    assert overlap(["abd"], ["abc"]).chrf == pytest.approx((2 / 3 + 1 / 2 + 0) / 3, abs=1e-3)


def test_bleu_parts_chinese_characters() -> None:
    assert overlap(["这个帐篷很轻便"], ["那个帐篷很轻便"]).bleu == pytest.approx(
        (6 / 7 * 5 / 6 * 4 / 5 * 3 / 4) ** (1 / 4)
    )


def test_features_are_the_words_of_the_frame_and_its_values() -> None:
    hidden = Literals.from_dict({"brand": "Nord", "attr": "Cotton", "e": [{"value": ""}, {"value": "Red"}]})
    wanted = {"tent", "light weight", "material", "waterproof", "colour", "nord", "cotton", "red"}
    assert features_of(FRAME, hidden) == wanted
    assert features_of(replace(FRAME, brand=False, attribute=""), hidden) == wanted - {"nord", "cotton", "material"}


def test_feature_figures_are_those_of_the_paper() -> None:
    texts = ["A red tent.", "The redder tent", "Red, light tent", "Red, light tent"]
    found = feature_figures(texts, [frozenset({"red"}), frozenset({"red"}), frozenset({"light", "big"}), frozenset()])
    assert found.matched[:3] == pytest.approx([1, 0, 0.5])
    assert math.isnan(found.matched[3])
    assert found.fcr == pytest.approx(2 / 3)  # red and light of red, light, big
    # red stands in 3 texts, light in 2: 3 + 1 shared over 6 pairs of texts.
    assert found.div == pytest.approx(4 / 6)
    assert found.usr == pytest.approx(3 / 4)


def test_a_feature_is_found_as_whole_tokens_side_by_side() -> None:
    texts = ["防水的帐篷", "waterproofing", "light and weight", "a light-weight one"]
    found = feature_figures(texts, [frozenset({"防 水"}), *[frozenset({"waterproof", "light weight"})] * 3])
    assert found.matched == pytest.approx([1, 0, 0, 0.5])


def test_distinct_entropy_and_repetition() -> None:
    assert distinct(["a b a", "a b"], 1) == pytest.approx(2 / 5)
    assert distinct(["a b a", "a b"], 2) == pytest.approx(2 / 3)
    assert entropy(["x", "x", "y", "z"]) == pytest.approx(1.5)
    assert repetition("a b c a b c") == pytest.approx(1 / 4)
    assert repetition("a b") == 0


def test_self_bleu_is_sacrebleu_s_with_all_other_texts_as_references() -> None:
    rng = np.random.default_rng(3)
    texts = [" ".join(rng.choice(list("abcdefgh"), rng.integers(1, 12))) for _ in range(40)]
    metric = BLEU(tokenize="none", effective_order=True)
    wanted = [metric.sentence_score(text, texts[:at] + texts[at + 1 :]).score / 100 for at, text in enumerate(texts)]
    assert self_bleu(texts) == pytest.approx(wanted)
    assert self_bleu(["alone"]) == []


def test_self_bleu_never_holds_one_language_against_the_other() -> None:
    rows = [("en", "a b c d e"), ("en", "v w x y z"), ("zh", "a b c d e"), ("zh", "天下无双也")]
    assert diversity(rows, seed=1).self_bleu == pytest.approx(0, abs=0.02)
    assert diversity([("en", "a b c d e")] * 3, seed=1).self_bleu == pytest.approx(1)


LABELS = ["red tent", "blue lamp", "green mug", "black chair"]


def test_pair_lift_is_nothing_for_a_constant_and_high_for_the_labels() -> None:
    partners = shuffles(["en"] * 4, 5, 1)
    assert pair_lift(["red tent lamp chair mug"] * 4, LABELS, partners).value == pytest.approx(0)
    half = ["tent x", "lamp x", "mug x", "chair x"]
    assert pair_lift(half, ["x tent", "x lamp", "x mug", "x chair"], partners).value == pytest.approx(1)  # 1 over 1/2
    assert pair_lift([f"a {one}" for one in LABELS], [f"a {one}" for one in LABELS], partners).value == pytest.approx(2)


def test_a_shuffle_keeps_languages_apart_and_leaves_nobody_in_place() -> None:
    groups = ["zh", "en", "zh", "en", "en", "zh", "fr"]
    drawn = shuffles(groups, 20, 4)
    for partner in drawn:
        assert partner[6] == -1
        assert all(partner[at] != at and groups[partner[at]] == groups[at] for at in range(6))
        assert sorted(partner[:6]) == list(range(6))
    assert len({tuple(partner) for partner in drawn}) > 1
    assert [tuple(one) for one in shuffles(groups, 20, 4)] == [tuple(one) for one in drawn]


def test_a_pair_that_nobody_can_stand_in_for_counts_in_no_lift() -> None:
    partners = shuffles(["en", "en", "fr"], 3, 1)
    two = pair_lift(["x a", "x b"], ["x a", "x b"], [one[:2] for one in partners]).value
    assert pair_lift(["x a", "x b", "c"], ["x a", "x b", "c"], partners).value == two == pytest.approx(1)


def test_a_figure_is_the_sum_of_its_parts_over_the_sum_of_its_wholes() -> None:
    ratio = Figure(np.array([1.0, 3.0, np.nan]), np.array([2.0, 2.0, 9.0]), less=0.25)
    assert ratio.value == pytest.approx(0.75)
    assert ratio.among(np.array([True, False, True])).value == pytest.approx(0.25)
    assert Figure.mean([math.nan]).value is None


def test_intervals_hold_the_true_value_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(8)
    clusters = np.repeat(np.arange(80), 3)
    held = 0
    for seed in range(250):
        values = 3 + rng.normal(size=240) + rng.normal(size=80)[clusters]
        bound = intervals([Figure.mean(values)], clusters, draws=300, seed=seed)[0]
        assert bound is not None
        held += bound[0] <= 3 <= bound[1]
    assert 0.90 <= held / 250 <= 0.98


def test_all_of_few_is_no_certainty() -> None:
    passed, most = Figure.mean([1.0] * 20), Figure.mean([1.0] * 18 + [0.0] * 2)
    assert intervals([passed, most, Figure.mean([math.nan] * 20)], np.arange(20), draws=200, seed=1)[::2] == [
        None,
        None,
    ]
    assert intervals([passed, most], np.arange(20), draws=200, seed=1)[1] is not None


def test_pairs_of_one_prompt_are_no_evidence_of_their_own() -> None:
    values = np.random.default_rng(2).normal(size=60)
    apart, together = np.arange(240), np.repeat(np.arange(60), 4)
    wide = intervals([Figure.mean(np.repeat(values, 4))], together, draws=800, seed=1)[0]
    narrow = intervals([Figure.mean(np.repeat(values, 4))], apart, draws=800, seed=1)[0]
    assert wide is not None
    assert narrow is not None
    assert 1.7 < (wide[1] - wide[0]) / (narrow[1] - narrow[0]) < 2.3
    assert list(clusters_of(["b", "a", "b"])) == [1, 0, 1]


def test_a_paired_test_finds_what_is_there_and_nothing_where_there_is_nothing() -> None:
    rng = np.random.default_rng(5)
    base, clusters = rng.normal(size=200), np.arange(200)
    better = difference(base + 0.3 + rng.normal(0, 0.5, 200), base, clusters, draws=500, seed=1)
    same = difference(base, base, clusters, draws=500, seed=1)
    assert better is not None
    assert same is not None
    assert better.low < 0.3 < better.high
    assert better.p < 0.01
    assert (same.difference, same.p) == (0, 1)
    false = sum(
        found.p < 0.05
        for seed in range(200)
        if (found := difference(rng.normal(size=60), rng.normal(size=60), np.arange(60), draws=200, seed=seed))
    )
    assert 2 <= false <= 20  # 10 are meant: one in twenty
