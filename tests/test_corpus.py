"""The corpus: seeded, true to its frame, and without what is held out."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from reasongen.errors import ConfigError
from reasongen.evaluation.grammar import Grammar, held_out, load_grammar
from reasongen.evaluation.judge import derivable, judge
from reasongen.prompts.frame import MARK, EvidenceRow, Frame
from reasongen.prompts.template import load_template
from reasongen.training.corpus import Example, examples, sample_frame, shape, write_reason

ROOT = Path(__file__).resolve().parents[1]
LANGUAGES = ("zh", "en")


def grammar_of(language: str) -> Grammar:
    return load_grammar(ROOT / "conf" / "corpus" / f"{language}.yaml")


@pytest.fixture(scope="module", params=LANGUAGES)
def written(request: pytest.FixtureRequest) -> tuple[Grammar, list[Example]]:
    grammar = grammar_of(request.param)
    return grammar, list(examples(grammar, seed=5, count=300))


def test_the_same_seed_writes_the_same_corpus(written):
    grammar, made = written
    assert list(examples(grammar, seed=5, count=40)) == made[:40]
    assert list(examples(grammar, seed=6, count=40)) != made[:40]


def test_every_reason_is_right_by_the_judge_and_a_sentence_of_the_grammar(written):
    grammar, made = written
    wrong = [
        (one.reason, judge(grammar, one.frame, one.reason)) for one in made if judge(grammar, one.frame, one.reason)
    ]
    assert wrong == []
    assert all(derivable(grammar, one.frame, one.reason) for one in made)


def test_a_reason_with_evidence_cites_it_and_any_reason_has_a_mark_and_no_digit(written):
    _, made = written
    for one in made:
        sources = {match.group(1) for match in MARK.finditer(one.reason)}
        assert sources
        assert not one.frame.evidence or sources - {"i"}
        assert not any(char.isdigit() for char in MARK.sub("", one.reason))


def test_training_meets_nothing_that_is_held_out(written):
    grammar, made = written
    lexicon = {*grammar.words, *grammar.attributes, *(noun for nouns in grammar.nouns.values() for noun in nouns)}
    kinds = {"word": grammar.words, "attribute": grammar.attributes}
    for one in made:
        seen = {"word": {*one.frame.words}, "attribute": {one.frame.attribute}}
        for kind, words in seen.items():
            assert not any(
                word in lexicon and word in kinds[kind] and held_out(kind, grammar.language, word) for word in words
            )
        assert not held_out("shape", grammar.language, shape(one.frame))
        assert not held_out("plan", grammar.language, " ".join(one.plan))


def test_held_out_frames_hold_only_what_training_never_met(written):
    grammar, made = written
    rng = random.Random(1)
    frames = [sample_frame(grammar, rng, held=True) for _ in range(60)]
    assert all(held_out("shape", grammar.language, shape(frame)) for frame in frames)
    assert {shape(frame) for frame in frames}.isdisjoint(shape(one.frame) for one in made)
    known = set(grammar.words)
    assert all(held_out("word", grammar.language, word) for frame in frames for word in frame.words if word in known)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_lexicon_is_broad_and_its_classes_are_those_of_frames(language):
    grammar = grammar_of(language)
    assert sum(map(len, grammar.nouns.values())) >= 40
    assert len(grammar.words) >= 200
    assert len(grammar.attributes) >= 30
    assert set(grammar.paraphrases) <= set(grammar.words)
    assert set(grammar.verbs) == {"browse", "click", "comment", "share", "cart", "purchase"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_facet_act_and_size_can_be_written(language):
    grammar, rng = grammar_of(language), random.Random(2)
    for facet, word in (("category", ""), ("brand", ""), ("tag", "zzz"), ("attribute", "zzz")):
        for act in grammar.verbs:
            for size in ("one", "few", "many"):
                frame = Frame(
                    language,
                    "recommendation",
                    "zzz",
                    "use",
                    brand=True,
                    evidence=(EvidenceRow(facet, word, act, size),),
                )
                assert write_reason(grammar, frame, rng, tries=400) is not None


def test_sentences_are_varied(written):
    _, made = written
    assert len({one.reason for one in made}) > 0.8 * len(made)


def test_a_prompt_shows_each_fact_beside_its_mark():
    template = load_template(ROOT / "conf" / "prompts" / "reference.yaml")
    rows = (EvidenceRow("tag", "soft", "cart", "few"), EvidenceRow("category", "", "browse", "one"))
    frame = Frame("en", "recommendation", "tent", "use", ("light",), "material", True, rows)
    assert template.render(frame, None) == (
        "en use [i.noun] tent [i.word1] light [i.name] material [i.brand] "
        "[e1.word] soft tag cart few [e2.items] category browse one =>"
    )
    bare = Frame("zh", "recommendation", "帐篷", "use", evidence=(EvidenceRow("attribute", "材质", "click", "many"),))
    assert template.render(bare, None) == "zh use[i.noun]帐篷[e1.name]材质 attribute click many =>"


def test_a_grammar_that_calls_an_unknown_slot_is_refused(tmp_path):
    text = (
        (ROOT / "conf" / "corpus" / "en.yaml")
        .read_text(encoding="utf-8")
        .replace("{opener} {alone}", "{opner} {alone}")
    )
    (tmp_path / "en.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="opner"):
        load_grammar(tmp_path / "en.yaml")
