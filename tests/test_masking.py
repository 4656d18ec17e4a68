"""What a frame's mask says comes from the rules themselves; a night under masks says so in its rows and spends less."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from nights import ROOT, night_over
from pyspark.sql import SparkSession

from reasongen.config import NightConfig, load_config
from reasongen.engine import Mask
from reasongen.pipeline import generate_night
from reasongen.pipeline.judging import Judge
from reasongen.pipeline.masking import NO_MASK, Masking
from reasongen.pipeline.tools import tools_of
from reasongen.prompts import Frame, Literals
from reasongen.validation import Verdict

LAMP = {"l": "zh", "s": "recommendation", "c": "台灯", "k": "use", "w": ["复古"]}
TENT = {"l": "en", "s": "recommendation", "c": "tent", "k": "use", "w": ["2 in 1"], "b": True}
ROW = {"f": "tag", "w": "light", "a": "browse", "n": "few"}
LITERALS = Literals.from_dict({"title": "Ridge", "brand": "Peak", "e": [{"count": 3, "title": "Fell"}]})


@pytest.fixture(scope="module")
def night_tools() -> tuple[Masking, Judge]:
    """Masks and verdict of one night."""
    config = load_config(ROOT / "conf" / "local.yaml", [f"engine.model={ROOT}/models/default"])
    tools = tools_of(config)
    masking = tools.masking(config)
    assert masking is not None
    return masking, tools.judge(config)


def masking_of(config: NightConfig) -> Masking:
    masking = tools_of(config).masking(config)
    assert masking is not None
    return masking


def mask_of(masking: Masking, frame: dict[str, object], **more: object) -> Mask:
    return Mask.from_json(masking.of(Frame.from_dict({**frame, "e": [], **more})))


def test_marks_that_a_frame_has_not_are_banned(night_tools: tuple[Masking, Judge]) -> None:
    mask = mask_of(night_tools[0], TENT, e=[ROW])
    assert mask.permits("You looked at [e1.items] like [i.title] by [i.brand], both [e1.word].")
    for mark in ("[e2.title]", "[e1.value]", "[i.attr]", "[i.word2]", "[e1.", "[E1.word]", "【i.title】", "]"):
        assert not mask.permits(f"A tent {mark} it is."), mark
    assert not mask_of(night_tools[0], LAMP).permits("[i.brand]")


def test_digits_are_banned_unless_the_frame_s_own_words_hold_them(night_tools: tuple[Masking, Judge]) -> None:
    assert mask_of(night_tools[0], TENT).permits("A 2 in 1 tent")
    assert not mask_of(night_tools[0], TENT).permits("A 3 in 1 tent")
    assert not mask_of(night_tools[0], LAMP).permits("三款，３盏")


def test_terms_of_the_law_are_banned_as_far_as_the_category_asks(night_tools: tuple[Masking, Judge]) -> None:
    assert not mask_of(night_tools[0], LAMP).permits("这是顶级的灯")
    assert not mask_of(night_tools[0], TENT).permits("Second to None, this tent")
    novel = {**TENT, "c": "novel", "k": "read"}
    assert mask_of(night_tools[0], novel).permits("second to none"), "an exemption holds for novels"
    assert not mask_of(night_tools[0], {**TENT, "c": "tea", "k": "drink"}).permits("a superfood")


def test_uses_of_other_things_and_acts_undone_are_banned(night_tools: tuple[Masking, Judge]) -> None:
    assert not mask_of(night_tools[0], LAMP).permits("适合读的[i.noun]")
    assert mask_of(night_tools[0], {**LAMP, "c": "小说", "k": "read"}).permits("适合读的[i.noun]")
    assert mask_of(night_tools[0], LAMP, w=["阅读灯"]).permits("适合读的[i.noun]"), "its own word holds it"
    assert not mask_of(night_tools[0], TENT).permits("You passed on a stove, this tent")
    assert not mask_of(night_tools[0], TENT).permits("It tastes well.")


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (TENT, "You looked at [e1.items], and [i.title] is a {} tent by [i.brand]."),
        (LAMP, "你看过[e1.items]，[i.title]也{}值得看一眼。"),
    ],
)
def test_what_strings_ban_the_verdict_refuses(
    frame: dict[str, object], text: str, night_tools: tuple[Masking, Judge]
) -> None:
    """Each string by itself, among words that pass: else the mask decided something that no rule says."""
    masking, judge = night_tools
    shown = Frame.from_dict({**frame, "e": [{**ROW, "w": "轻" if frame is LAMP else "light"}]})
    mask, passed = Mask.from_json(masking.of(shown)), list[str]()

    def verdict(word: str) -> Verdict:
        skeleton = text.format(word)
        return judge.verdict(judge.renderer.fill(skeleton, shown, LITERALS), skeleton, "stop", shown)

    assert verdict("").passed
    for group in mask.banned:
        passed += [one for one in group if verdict(one.strip()).passed]
    assert set(passed) <= {" passed on"}, "this one the verdict refuses behind you alone"


def test_what_was_withdrawn_is_banned_and_enters_the_version(night_tools: tuple[Masking, Judge]) -> None:
    masking, _ = night_tools
    later = replace(masking, withdrawn=("miracle stove",))
    assert masking.version != later.version
    assert replace(later, withdrawn=()).version == masking.version != NO_MASK
    assert mask_of(masking, TENT).permits("A Miracle Stove")
    assert not mask_of(later, TENT).permits("A Miracle Stove")
    literal = replace(later, marks=False)
    assert literal.version != later.version
    assert mask_of(literal, TENT).permits("3 in 1 [x]"), "a template that shows literals has them in its texts"
    assert not mask_of(literal, TENT).permits("a miracle stove")
    moved = pickle.loads(pickle.dumps(later))
    assert (moved.version, mask_of(moved, TENT)) == (later.version, mask_of(later, TENT))


@pytest.mark.long
def test_a_night_under_masks_spends_fewer_samples_and_uses_what_was_written_without(
    spark: SparkSession, small_world: Path, tmp_path: Path
) -> None:
    """Half of the scripted engine's faults are marks that no frame has, and digits."""
    faulty = ("engine.scripted.fault_rate=0.3", "engine.retries=1", "gate.max_fallback_share=0.3")
    free = generate_night(spark, night_over(small_world, tmp_path / "free", *faulty))
    config = night_over(small_world, tmp_path / "masked", *faulty, "engine.mask=true")
    masked = generate_night(spark, config)
    made = pl.read_delta(f"{config.root}/generations")
    assert made["mask_version"].unique().to_list() == [masking_of(config).version]
    assert pl.read_delta(f"{tmp_path}/free/generations")["mask_version"].unique().to_list() == [NO_MASK]
    assert 0 < masked.prompts["retried"] < 0.7 * free.prompts["retried"]
    assert masked.prompts["generated"] == free.prompts["generated"]
    rules = pl.read_delta(f"{config.root}/quarantine").explode("failures").unnest("failures")["rule"]
    assert not {"stray_number", "unknown_reference"} & set(rules)
    # The mask is no part of a sample's key: where it is set later, only what is lacking is written under it.
    again = night_over(small_world, tmp_path / "free", *faulty, "engine.mask=true", "serving.renew_days=31")
    run = generate_night(spark, again)
    assert (run.prompts["generated"], run.prompts.get("retried", 0), run.tokens_out) == (0, 0, 0)
    masked.check_conservation()
