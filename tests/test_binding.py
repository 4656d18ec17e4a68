"""Figures and what they are figures of, opposites, answers, lives: each check beside a true sentence that passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reasongen.validation.record import Record
from reasongen.validation.texts import load_text_judge

JUDGE = load_text_judge(Path(__file__).resolve().parent.parent / "conf", opinion=False)

LANTERN = {
    "title": "Fjord Camping Lantern",
    "description": "Shines for 12 hours on low and 3 hours on high. A steel hook and a canvas pouch. Charges before"
    " use in 2 hours. Holds candles up to 9 cm. Batteries are not included; a tripod is sold separately. Two red"
    " filters and five clear filters. The hook sits inside the lid. It burns 4 g an hour. All filters are glass.",
    "tags": ["lantern", "camping"],
    "attributes": {"weight": "310 g", "minimum age": "8", "hook": "steel", "pouch": "canvas"},
    "category": "outdoor/lanterns",
    "brand": "Fjord",
}
EVENTS = (
    {"event": "purchase", "title": "Folding Stool", "category": "outdoor/stools", "days_ago": 9, "count": 1},
    {
        "event": "comment",
        "title": "Paper Lampion",
        "category": "home/lamps",
        "days_ago": 3,
        "count": 1,
        "text": "It was flimsy, not sturdy.",
    },
)
KETTLE = {
    "title": "远山保温壶",
    "description": "保温12小时，保冷20小时。壶身配6个杯子，附4片茶滤。开盖前请放气，壶盖内有密封圈。"
    "适合3岁以上使用，不含底座。",
    "tags": ["保温", "户外"],
    "attributes": {"容量": "900毫升", "内胆材质": "不锈钢", "提手材质": "皮革"},
    "category": "厨房/保温壶",
    "brand": "远山",
}
ACTS = (
    {"event": "purchase", "title": "折叠凳", "category": "户外/凳子", "days_ago": 9, "count": 1},
    {"event": "comment", "title": "搪瓷缸", "category": "厨房/杯子", "days_ago": 3, "count": 1, "text": "把手很烫手"},
)


def codes(text: str, locale: str, item: dict[str, Any] | None = None, tags: tuple[str, ...] = ()) -> set[str]:
    """What stops a text; empty where it passes."""
    item, events = (item or KETTLE, ACTS) if locale == "zh" else (item or LANTERN, EVENTS)
    row = {"text": text, "locale": locale, "item": item, "events": events, "user": {"tags": tags}}
    return {one.rule for one in JUDGE.check(Record.model_validate(row)).findings}


ENGLISH = [
    ("R18_unit", "It shines for 12 hours on low.", "It shines for 3 hours on low."),
    ("R18_unit", "The lantern weighs 310 g.", "The pouch weighs 310 g."),
    ("R18_unit", "For candles up to 9 cm.", "For candles of at least 9 cm."),
    ("R18_unit", "For ages 8 and up.", "For ages 8 and under."),
    ("R18_number", "A lantern of 310 g.", "A lantern of less than 310 g."),
    ("R18_polarity", "It charges before use.", "It charges after use."),
    ("R18_polarity", "The hook sits inside the lid.", "The hook sits outside the lid."),
    ("R18_polarity", "Batteries are not included.", "Batteries are included."),
    ("R18_polarity", "Batteries are not included.", "Are batteries included? Yes."),
    ("R18_polarity", "You wrote that the lampion was flimsy.", "You wrote that the lampion was sturdy."),
    ("R18_attribute", "A steel hook and a canvas pouch.", "A canvas hook and a steel pouch."),
    ("R18_general", "A lantern for camping.", "Only for camping."),
    ("R18_general", "Every filter is glass.", "Every hook is steel."),
    ("R18_polarity", "The tripod isn't part of it.", "The tripod is part of it."),
    ("R18_unit", "It burns 4 g an hour.", "It burns 4 g a day."),
    ("R18_unit", "A lantern of 310 g.", "With 310 g of canvas."),
    ("R18_number", "It charges in 2 hours.", "It charges in minutes."),
    ("R18_life", "A lantern for camping, with a steel hook.", "Your body made a baby; a lantern with a steel hook."),
    ("R18_act", "You bought a folding stool.", "You ate on the folding stool."),
    ("R18_others", "A lantern with a steel hook.", "We took the lantern camping."),
    ("R18_cause", "A lantern with a steel hook.", "The lantern keeps you young."),
    ("R18_comparison", "It weighs 310 g.", "It weighs less."),
    ("R18_same", "A canvas pouch.", "The same canvas as your folding stool."),
]
CHINESE = [
    ("R18_unit", "保温12小时。", "保温20小时。"),
    ("R18_unit", "附4片茶滤。", "附6片茶滤。"),
    ("R18_unit", "适合3岁以上使用。", "适合3岁以下使用。"),
    ("R18_unit", "壶身配6个杯子。", "附6个密封圈。"),
    ("R18_number", "容量900毫升。", "容量不到900毫升。"),
    ("R18_polarity", "开盖前请放气。", "开盖后请放气。"),
    ("R18_polarity", "壶盖内有密封圈。", "壶盖外有密封圈。"),
    ("R18_polarity", "不含底座。", "底座？有的。"),
    ("R18_polarity", "你评论说搪瓷缸的把手烫手。", "你评论说搪瓷缸的把手不烫手。"),
    ("R18_general", "适合户外用。", "只能户外用。"),
    ("R18_life", "你买过折叠凳，户外正好用。", "你就在户外，保温12小时。"),
    ("R18_act", "你买过折叠凳。", "你还没买折叠凳。"),
    ("R18_others", "适合户外用。", "户外的人都用它。"),
    ("R18_cause", "壶盖内有密封圈。", "壶盖不会漏水。"),
    ("R18_comparison", "远山的保温壶。", "保温壶里的头一个。"),
]


@pytest.mark.parametrize(("rule", "true", "false"), ENGLISH)
def test_an_english_sentence_is_stopped_beside_a_true_one(rule: str, true: str, false: str) -> None:
    assert codes(true, "en") == set()
    assert rule in codes(false, "en")


@pytest.mark.parametrize(("rule", "true", "false"), CHINESE)
def test_a_chinese_sentence_is_stopped_beside_a_true_one(rule: str, true: str, false: str) -> None:
    assert codes(true, "zh") == set()
    assert rule in codes(false, "zh")


@pytest.mark.parametrize("text", ["Good on the road, in separated bags.", "A roller blind of 10 kg."])
def test_a_comment_that_tells_of_no_person_stays(text: str) -> None:
    event = EVENTS[1] | {"text": text}
    record = Record.model_validate({"locale": "en", "text": "x", "item": LANTERN, "events": [event]})
    assert JUDGE.private is not None
    assert JUDGE.private.without(record).events[0].text == text


def test_a_table_of_figures_is_read_by_a_person() -> None:
    assert "R18_number" in codes("It weighs 310 g. " * 17, "en")
    assert codes("It weighs 310 g.", "en") == set()


def test_what_the_item_says_of_itself_word_for_word_may_be_said() -> None:
    said = LANTERN | {"description": "Only for camping. Shines all night on one charge."}
    assert codes("Only for camping.", "en", said) == set()
    assert "R18_general" in codes("Only for camping.", "en")


@pytest.mark.parametrize("tag", ["lives in Hull", "low income", "over 60", "pregnant", "Muslim"])
def test_a_tag_that_tells_of_a_person_licenses_nothing(tag: str) -> None:
    word = tag.split()[-1].lower()
    assert codes(f"A lantern for {word} days.", "en", tags=(tag,))
    assert codes("A lantern for sailing days.", "en", tags=("sailing",)) == set()


def test_nothing_counts_beside_an_item_that_tells_of_a_person() -> None:
    test = LANTERN | {"title": "Ovulation Test Lantern"}
    assert "R18_act" in codes("You bought a folding stool.", "en", test)
    assert codes("A lantern with a steel hook.", "en", test) == set()
