"""What a label teaches is true of the pair, whatever stands beside the truth in the label."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from reasongen.config import load_config
from reasongen.pipeline.teaching import Teacher
from reasongen.pipeline.tools import judge_of
from reasongen.prompts import EvidenceLiterals, EvidenceRow, Frame, Literals
from reasongen.validation import Withdrawn

ROOT = Path(__file__).resolve().parent.parent
TENT = Frame(
    "en", "recommendation", "tent", "use", ("light", "waterproof"), "capacity", True,
    (EvidenceRow("tag", "waterproof", "browse", "one"), EvidenceRow("category", "", "purchase", "few")),
)  # fmt: skip
OF_TENT = Literals(
    "Ridgewind two", "Moorline", "2 people",
    (EvidenceLiterals(1, "Dune parasol", "", "parasol", True), EvidenceLiterals(3, "Old camp", "", "tent", False)),
)  # fmt: skip
LAMP = Frame(
    "zh", "recommendation", "台灯", "use", ("木质", "可调光"), "功率", True,
    (EvidenceRow("tag", "可调光", "browse", "one"), EvidenceRow("category", "", "purchase", "few")),
)  # fmt: skip
OF_LAMP = Literals(
    "夜航 台灯", "苔石", "9瓦",
    (EvidenceLiterals(1, "晨光落地灯", "", "落地灯", True), EvidenceLiterals(3, "旧书桌灯", "", "台灯", False)),
)  # fmt: skip


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    return Teacher(judge_of(load_config(ROOT / "conf" / "local.yaml")), marks=True)


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def target(teacher: Teacher, reason: str) -> str | None:
    """What a label teaches of the tent or of the lamp."""
    facts = (TENT, OF_TENT) if reason.isascii() else (LAMP, OF_LAMP)
    return teacher.read(reason, *facts).target


@pytest.mark.parametrize(
    "reason",
    [
        "This tent is not famous, but it is waterproof.",
        "This tent is not only waterproof but also delicious.",
        "It is hardly waterproof, and it has awful poles.",
        "Unlike cheap tents, this tent is waterproof.",
        "This tent is waterproof, except at the seams.",
        "You bought three tents earlier and hated their poles, so this tent is light.",
        "Your neighbour bought three tents earlier, and this tent is light.",
        "You bought one product that is waterproof, and this tent is light.",
        "You bought Ridgewind two earlier, and this tent is waterproof.",
        "Who says this tent is light, waterproof, and cheap lies.",
        "A tent that is anything but light, with a huge bag.",
        "Anna Miller from Leeds wants a light tent; call 07700 900123.",
        "Ridgewind two is the best tent in the world, light and waterproof.",
        "这盏台灯不仅木质，还能治近视。",
        "这盏台灯不木质，但可调光。",
        "除了木质，这盏台灯没有别的优点。",
        "只有买了滤光片，这盏台灯才木质。",
        "因为您穷，所以这盏台灯木质。",
        "这盏台灯哪里木质，全是广告。",
        "这盏台灯差点就可调光了，可惜坏了。",
        "您从没买过三盏台灯，这盏台灯木质。",
        "小明买过三盏台灯，这盏台灯木质。",
        "全球第一木质的台灯，可调光。",
    ],
)
def test_nothing_is_learnt_of_what_means_something_else_without_its_falsehood(teacher: Teacher, reason: str) -> None:
    assert target(teacher, reason) is None


def test_what_was_taken_down_is_not_taught(teacher: Teacher) -> None:
    reason = "This tent is waterproof, and you bought three tents earlier."
    assert target(teacher, reason) is not None
    for gone in (
        Withdrawn(("moorline", "waterproof")),
        Withdrawn((), frozenset({hashlib.sha256(b"[i.this] is [i.word1].").hexdigest()})),
    ):
        strict = Teacher(replace(teacher.judge, withdrawn=gone), marks=True)
        assert target(strict, reason if gone.terms else "This tent is light.") is None


@pytest.mark.parametrize(
    ("reason", "wanted"),
    [
        ("This tent is waterproof but not light with the poles.", "[i.this] is [i.word2]."),
        ("You bought three tents earlier, two of which broke, and this tent is light.",
         "You bought [e2.items] [e2.when], and [i.this] is [i.word1]."),
        ("This tent is light for 2 people and a dog named Rex.", "[i.this] is [i.word1] for [i.attr]."),
        ("您最近看过晨光落地灯，嫌它丑，这盏台灯可调光。", "您[e1.when]看过[e1.title]，[i.this][i.word2]。"),
    ],
)  # fmt: skip
def test_the_true_part_is_learnt(teacher: Teacher, reason: str, wanted: str) -> None:
    assert target(teacher, reason) == wanted
