"""Each claim check stops its own fault and lets the true neighbour pass: same evidence, one thing changed."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from reasongen.validation.claims import Claim
from reasongen.validation.record import Record
from reasongen.validation.texts import TextJudge, load_text_judge

JUDGE: TextJudge = load_text_judge(ROOT / "conf", opinion=False)  # each check alone

LAMP: dict[str, Any] = {
    "item": {
        "title": "Ravel reading lamp",
        "description": "Walnut base with a brass arm. Dimmable in 4 steps, 800 lumens. No bulb included. USB-C.",
        "tags": ["reading", "desk"],
        "attributes": {"Weight": "1.2 kg", "Height": "42 cm", "Cable": "1.8 m"},
        "category": "Home/Lighting",
        "brand": "Ravel",
    },
    "events": [
        {"event": "purchase", "title": "Oak bookshelf", "category": "Home/Furniture", "days_ago": 15, "count": 2},
        {"event": "browse", "title": "Paper lantern, red", "category": "Home/Lighting", "days_ago": 3, "count": 3},
    ],
    "user": {"tags": ["novels"]},
}
STEAMER: dict[str, Any] = {
    "item": {
        "title": "双层竹蒸笼 22厘米",
        "description": "毛竹手工编成，两层一盖，可蒸馒头和鱼。使用前需用清水浸泡。不可放入洗碗机。",
        "tags": ["蒸菜", "竹制"],
        "attributes": {"直径": "22厘米", "高度": "15厘米", "重量": "680克"},
        "category": "厨具/蒸锅",
        "brand": "竹里",
    },
    "events": [
        {"event": "purchase", "title": "铸铁炒锅", "category": "厨具/炒锅", "days_ago": 20, "count": 1},
        {"event": "browse", "title": "不锈钢蒸锅 三层", "category": "厨具/蒸锅", "days_ago": 2, "count": 4},
    ],
    "user": {"tags": ["下厨"]},
}

CAFE: dict[str, Any] = {
    "item": {
        "title": "Corner bakery",
        "description": "Sourdough baked on site. Open Tue-Sun, 8:00 to 16:00.",
        "tags": ["bread"],
        "attributes": {},
        "category": "Places/Cafes",
        "brand": "",
    },
    "events": [{"event": "browse", "title": "Market hall", "category": "Places/Shops", "days_ago": 3, "count": 1}],
    "user": {"tags": []},
}
DAILY = {**CAFE, "item": {**CAFE["item"], "description": "Sourdough. Open daily except Mondays."}}
SATURDAY = {**CAFE, "item": {**CAFE["item"], "description": "Sourdough, open on Saturdays."}}
NOODLES: dict[str, Any] = {
    "item": {
        "title": "手擀面馆",
        "description": "牛骨汤，手擀面。周一休息，11点到20点。",
        "tags": ["面"],
        "attributes": {},
        "category": "餐饮/面馆",
        "brand": "",
    },
    "events": [],
    "user": {"tags": []},
}


def verdict(text: str, evidence: dict[str, Any], locale: str) -> tuple[str, set[str]]:
    found = JUDGE.check(Record.model_validate({**evidence, "text": text, "locale": locale}))
    return found.outcome, {one.rule for one in found.findings}


ENGLISH = [
    ("R18_word", "A reading lamp with a walnut base.", "A reading lamp with a velvet shade."),
    ("R18_number", "The lamp gives 800 lumens.", "The lamp gives 900 lumens."),
    ("R18_number", "It dims in four steps.", "It dims in six steps."),
    ("R18_number", "It weighs under 1.3 kg.", "It weighs under 1.1 kg."),
    ("R18_unit", "The cable is 180 cm long.", "The cable is 1.8 cm long."),
    ("R18_unit", "It weighs 1.2 kilograms.", "It weighs 1.2 pounds."),
    ("R18_act", "You bought an oak bookshelf; here is a reading lamp.", "You bought a paper lantern; here is a lamp."),
    ("R18_act", "You bought an oak bookshelf; here is a lamp.", "You were about to buy a lamp; here is one."),
    ("R18_act", "If you want to buy a lamp, here is a reading lamp.", "You meant to buy a bookshelf; here is a lamp."),
    ("R18_count", "You looked at a paper lantern three times.", "You looked at a paper lantern twice."),
    ("R18_time", "You bought a bookshelf two weeks ago.", "You bought a bookshelf yesterday."),
    ("R18_time", "You viewed a lantern three days ago.", "You viewed a lantern last month."),
    ("R18_swap", "You viewed a red lantern; this lamp has a brass arm.", "You bought a bookshelf; this lamp is red."),
    ("R18_polarity", "The bulb is not included.", "The bulb is included."),
    ("R18_name", "A Ravel lamp with a brass arm.", "A lamp by Norvik with a brass arm."),
    ("R18_name", "Ravel's lamp has a brass arm.", "Norvik's lamp has a brass arm."),
    ("R18_comparison", "A lamp of more than 40 cm.", "A lamp that is brighter than the lantern."),
    ("R18_comparison", "Half of the base is walnut.", "Half the weight of an ordinary lamp."),
    ("R18_cause", "A lamp for reading at the desk.", "A lamp that helps you fall asleep."),
    ("R18_interest", "You like novels; here is a reading lamp.", "You like brass; here is a reading lamp."),
    ("R18_act", "Your bookshelf could have a lamp beside it.", "Your lantern could have a lamp beside it."),
    # two acts in one clause: each has its own object
    ("R18_act", "You bought a bookshelf and viewed a lantern.", "You viewed a bookshelf and bought a lantern."),
    ("R18_count", "You once looked at a paper lantern.", "You looked at a paper lantern once."),
    ("R18_swap", "This lamp has a brass arm too.", "This lamp is red too, as a lantern is."),
    (
        "R18_swap",
        "You viewed a lantern, and this lamp goes with it.",
        "You viewed a lantern; this red lamp goes with it.",
    ),
    ("R18_same", "It is of the same kind as the paper lantern.", "It is of the same kind as the bookshelf you bought."),
    ("R18_same", "The lamp is from Ravel.", "The lamp is from the same brand as the bookshelf you bought."),
    ("R18_comparison", "A brass arm, and dimmable in four steps.", "Most lamps are not dimmable, this one is."),
    ("R18_polarity", "The weight is 1.2 kg and the arm is brass.", "The arm is anything else than brass."),
    ("R18_cause", "A walnut base and a brass arm.", "The base is walnut, which makes it dimmable."),
    ("R18_cause", "You bought a bookshelf, so it may suit you.", "The weight is 1.2 kg, therefore it is dimmable."),
    ("R18_others", "A reading lamp for friends.", "Friends who read love a reading lamp."),
    (
        "R18_swap",
        "You bought a bookshelf; a lamp goes with it.",
        "You bought a bookshelf; this bookshelf goes with it.",
    ),
    ("R18_swap", "You viewed a lantern; here is a lamp too.", "You viewed a lantern; the lamp is a red lantern too."),
    ("R18_life", "You like novels; here is a reading lamp.", "You live alone, and this lamp has a brass arm."),
    ("R18_has", "A lamp for the desk by the window.", "A lamp with a drawer and a brass arm."),
    ("R18_sign", "A reading lamp.", "A reading lamp \u2b50."),
    ("R18_word", "The lamp is 42 cm tall.", "The lamp is tall."),  # a stated height lets nobody say high
    ("R18_word", "The lamp weighs 1.2 kg.", "The lamp is heavy."),
    # a time or a count beside what an event alone is about, and a verb that nobody knows
    ("R18_time", "A lamp: two weeks ago it was a bookshelf.", "A lamp: last month it was a bookshelf."),
    ("R18_count", "The lantern got three looks; here is a lamp.", "The lantern got two looks; here is a lamp."),
    ("R18_time", "Fifteen days on from the bookshelf, a lamp.", "Forty days on from the bookshelf, a lamp."),
    ("R18_time", "In the last five days you viewed a lantern.", "In the last two days you viewed a lantern."),
    # what the next clause takes up is the event's
    ("R18_swap", "A paper lantern, viewed by you; here is a lamp.", "A paper lantern, with a brass arm."),
    ("R18_act", "An oak bookshelf came home with you.", "A paper lantern came home with you."),
    ("R18_act", "You viewed a lantern; here is a lamp.", "You grumbled about the lantern."),
    (
        "R18_time",
        "Lately, you bought a bookshelf and viewed a lantern.",
        "A year ago, you bought a shelf and viewed a lantern.",
    ),
    ("R18_act", "You bought the bookshelf; here is a lamp.", "You bought the bookshelf and the lantern."),
    ("R18_word", "A neatly made lamp that hardly needs space.", "An organically made lamp."),
    ("R18_number", "One day you may want a reading lamp.", "The lamp runs for one day."),
    # which of two things is meant
    ("R18_swap", "You bought a bookshelf; this lamp has a brass arm.", "This bookshelf has a brass arm."),
    ("R18_swap", "You like novels; here is a reading lamp.", "Here is a novel with a brass arm."),
    ("R18_swap", "You viewed a paper lantern; here is a lamp.", "You viewed a brass lantern; here is a lamp."),
    ("R18_swap", "The lantern you viewed is red; this is a lamp.", "The lantern you viewed is dimmable."),
    ("R18_swap", "The red lantern you viewed; this is a lamp.", "The dimmable lantern you viewed; this is a lamp."),
    ("R18_act", "You bought a bookshelf; here is a lamp.", "You bought this lamp; it has a brass arm."),
    ("R18_act", "You viewed a red lantern.", "You always look for a red lantern."),
    ("R18_act", "You viewed a red lantern.", "You viewed a red lantern but did not like it."),
    ("R18_others", "You bought a bookshelf; here is a lamp.", "You bought a bookshelf for a friend."),
    ("R18_general", "The lamp has a cable.", "Every lamp has a cable."),
    ("R18_general", "A lamp for the desk.", "This lamp suits any desk."),
    ("R18_word", "The lamp is 42 cm high.", "The lamp is wide."),
    ("R18_word", "A lamp for evenings.", "A lamp for winter."),
    ("R18_number", "A lamp for a day at home.", "The lamp works for a week."),
    ("R18_number", "The lamp has 4 steps.", "A lamp in several colours."),
    ("R18_act", "You viewed a red lantern.", "You loved a red lantern."),
    ("R18_attribute", "The cable is 1.8 m.", "The cable is 42 cm."),
    ("R18_attribute", "1.8 m for the cable.", "42 cm for the cable."),
    ("R18_part", "The arm is brass.", "The brass is dimmable."),
    ("R18_polarity", "Dimmable it is.", "Dimmable it is not."),
    ("R18_comparison", "The lamp is dimmable.", "Only this lamp is dimmable."),
    ("R18_comparison", "Here are a base and an arm.", "Few lamps are dimmable."),
    ("R18_cause", "The base is walnut.", "The walnut base makes it dimmable."),
    ("R18_swap", "You viewed a red lantern and this lamp is brass.", "You viewed a red lantern and this lamp is red."),
    ("R18_same", "A lamp of brass.", "The lamp is of the same colour as the lantern you viewed."),
    (
        "R18_act",
        "You viewed a red lantern; here is a lamp.",
        "You viewed a red lantern and then got it; here is a lamp.",
    ),
    ("R18_others", "You viewed a red lantern.", "You viewed a red lantern with your family."),
    ("R18_others", "A reading lamp.", "Everyone at the office has this lamp."),
    ("R18_has", "A lamp for dinner.", "A lamp, dinner included."),
    ("R18_comparison", "A lamp of brass.", "A sequel to the lantern you viewed."),
    ("R18_cause", "The lamp is dimmable.", "The lamp saves time."),
    ("R18_general", "A lamp for the desk.", "A reading lamp for everyone."),
    ("R18_general", "The lighting is dimmable.", "A lighting is dimmable."),
]
CHINESE = [
    ("R18_word", "毛竹编的蒸笼，能蒸鱼。", "毛竹编的蒸笼，附一张蒸布。"),
    ("R18_number", "蒸笼直径22厘米。", "蒸笼直径26厘米。"),
    ("R18_number", "两层的竹蒸笼。", "四层的竹蒸笼。"),
    ("R18_number", "重量不到七百克。", "重量不到六百克。"),
    ("R18_unit", "高15厘米的竹蒸笼。", "高15毫米的竹蒸笼。"),
    ("R18_unit", "重一斤三两多的竹蒸笼。", "重680斤的竹蒸笼。"),
    ("R18_act", "你买过铸铁炒锅，可以再看看这个竹蒸笼。", "你买过三层的不锈钢蒸锅，再看看这个竹蒸笼。"),
    ("R18_count", "三层的不锈钢蒸锅你看了四次。", "三层的不锈钢蒸锅你看了六次。"),
    ("R18_time", "二十天前你买了铸铁炒锅。", "前天你买了铸铁炒锅。"),
    ("R18_swap", "你看过不锈钢蒸锅，这个是竹的。", "你买过炒锅，这个蒸笼是不锈钢的。"),
    ("R18_polarity", "用前要用清水浸泡，不可放洗碗机。", "用前要用清水浸泡，可放洗碗机。"),
    ("R18_name", "竹里的双层蒸笼。", "苏泊尔的双层蒸笼。"),
    ("R18_comparison", "竹编的双层蒸笼。", "这个蒸笼比不锈钢的更轻。"),
    ("R18_cause", "能蒸馒头和鱼的竹蒸笼。", "能蒸馒头和鱼的竹蒸笼，让你胃口变好。"),
    ("R18_interest", "喜欢下厨的你可以看看这个竹蒸笼。", "喜欢馒头的你可以看看这个竹蒸笼。"),
    ("R18_act", "你的炒锅旁边可以放这个竹蒸笼。", "你的不锈钢蒸锅旁边可以放这个竹蒸笼。"),
    ("R18_act", "你买过炒锅又看过三层的蒸锅。", "你看过炒锅又买过三层的蒸锅。"),
    ("R18_swap", "这个蒸笼也是竹的。", "这个蒸笼同样是不锈钢的。"),
    ("R18_same", "这个蒸笼和你看过的蒸锅算同类。", "这个蒸笼和你买过的炒锅算同类。"),
    ("R18_same", "竹里的双层蒸笼。", "这个蒸笼和你买过的炒锅同品牌。"),
    ("R18_polarity", "可蒸馒头和鱼。", "这个蒸笼谈不上竹制。"),
    ("R18_cause", "毛竹编成，两层一盖。", "毛竹编成，于是重680克。"),
    ("R18_cause", "有这个竹蒸笼，可以蒸鱼。", "有了这个竹蒸笼，就不用炒锅了。"),
    ("R18_others", "能蒸馒头，可以请朋友来吃。", "朋友们都喜欢竹蒸笼。"),
    ("R18_life", "喜欢下厨的你可以看看这个竹蒸笼。", "你一个人住，可以看看这个竹蒸笼。"),
    ("R18_has", "竹蒸笼放在厨房。", "竹蒸笼，附带抽屉。"),
    ("R18_time", "最近，你买了铸铁炒锅，看过不锈钢蒸锅。", "半年前，你买了铸铁炒锅，看过不锈钢蒸锅。"),
    ("R18_number", "第二天可以再蒸馒头。", "竹蒸笼能用两天。"),
    ("R01_absolute", "能蒸鱼的竹蒸笼。", "竹蒸笼里的第1名。"),
    # 说的是哪一件
    ("R18_swap", "你买过炒锅，这个蒸笼是竹的。", "这个炒锅是竹的。"),
    ("R18_swap", "你看过不锈钢蒸锅，再看看这个蒸笼。", "你看过竹制的蒸锅，再看看这个蒸笼。"),
    ("R18_swap", "你买过的炒锅是铸铁的。", "你买过的炒锅是竹制的。"),
    ("R18_act", "你买过铸铁炒锅。", "你买过这个蒸笼。"),
    ("R18_act", "你买过铸铁炒锅。", "你总是挑竹制的。"),
    ("R18_act", "你买过铸铁炒锅。", "你买过铸铁炒锅，但并不喜欢。"),
    ("R18_others", "你买过铸铁炒锅。", "你给朋友买过铸铁炒锅。"),
    ("R18_general", "蒸笼高度15厘米。", "每款蒸笼都有高度。"),
    ("R18_word", "蒸笼高约15厘米。", "蒸笼很深。"),
    ("R18_word", "晚上也能用的竹蒸笼。", "冬天也能用的竹蒸笼。"),
    ("R18_number", "一天也能用的竹蒸笼。", "竹蒸笼保温一整天。"),
    ("R18_number", "这是双层竹蒸笼。", "竹蒸笼有好几种尺寸。"),
    ("R18_general", "这个蒸锅可蒸馒头。", "蒸锅都可蒸馒头。"),
    ("R18_attribute", "高度是15厘米。", "重量是15厘米。"),
    ("R18_same", "你买过铸铁炒锅，这是竹蒸笼。", "竹蒸笼和你买过的铸铁炒锅是一家的。"),
    ("R18_same", "你买过铸铁炒锅，这是竹蒸笼。", "竹蒸笼和你买过的铸铁炒锅是同款做工。"),
    ("R18_part", "手工编成，可蒸馒头。", "可蒸手工馒头。"),
    ("R18_polarity", "可蒸馒头。", "手工编成，它可不是。"),
    ("R18_comparison", "这个蒸笼是竹的。", "只有这个蒸笼是竹的。"),
    ("R18_cause", "毛竹编的，能蒸鱼。", "毛竹让它能蒸鱼。"),
    ("R18_swap", "你看过不锈钢蒸锅，这个蒸笼是竹的。", "你看过不锈钢蒸锅和它是不锈钢的。"),
    ("R18_same", "竹里的双层蒸笼。", "这个蒸笼和你买过的炒锅一个颜色。"),
    ("R18_act", "你看过不锈钢蒸锅。", "你看过不锈钢蒸锅，搬回家了。"),
    ("R18_word", "蒸笼高15厘米。", "这个蒸笼很高。"),
    ("R18_comparison", "蒸笼高15厘米。", "这个蒸笼的高度只有普通蒸锅的一半。"),
    ("R18_word", "净重680克的蒸笼。", "这个蒸笼很重。"),
    ("R18_time", "炒锅买了二十天，添个蒸笼。", "炒锅买了两个月，添个蒸笼。"),
    ("R18_time", "二十天前的铸铁炒锅，配这个蒸笼。", "两天前的铸铁炒锅，配这个蒸笼。"),
    ("R18_count", "不锈钢蒸锅你看了四遍，再看蒸笼。", "不锈钢蒸锅你三度看过，再看蒸笼。"),
    ("R18_count", "不锈钢蒸锅，你看了四遍。", "不锈钢蒸锅，你看了三遍。"),
    ("R18_time", "三天里看了四遍不锈钢蒸锅。", "两个月前看了四遍不锈钢蒸锅。"),
    ("R18_act", "铸铁炒锅跟着你回了家，这是蒸笼。", "不锈钢蒸锅跟着你回了家，这是蒸笼。"),
    ("R18_act", "你买过铸铁炒锅。", "你买过铸铁炒锅，天天用。"),
    ("R18_swap", "这个蒸笼可以蒸鱼。", "不锈钢的，两层，可以蒸鱼。"),
]


@pytest.mark.parametrize(("check", "true", "planted"), ENGLISH)
def test_an_english_claim_check_stops_its_fault_alone(check: str, true: str, planted: str) -> None:
    assert verdict(true, LAMP, "en") == ("pass", set())
    outcome, rules = verdict(planted, LAMP, "en")
    assert outcome != "pass"
    assert check in rules


@pytest.mark.parametrize(("check", "true", "planted"), CHINESE)
def test_a_chinese_claim_check_stops_its_fault_alone(check: str, true: str, planted: str) -> None:
    assert verdict(true, STEAMER, "zh") == ("pass", set())
    outcome, rules = verdict(planted, STEAMER, "zh")
    assert outcome != "pass"
    assert check in rules


TEA: dict[str, Any] = {
    "item": {
        "title": "晚樱花茶",
        "description": "这款花茶清淡。无保温功能，不含色素和香精。",
        "tags": ["无糖", "清淡", "小份"],
        "category": "茶饮/花茶",
        "brand": "知更堂",
        "attributes": {"产地": "福州"},
    },
    "events": [
        {"event": "share", "title": "知更堂 小园花茶 独立包装", "category": "茶饮/花茶", "count": 1},
        {"event": "browse", "title": "更生坊 小份花茶", "category": "茶饮/花茶", "count": 1},
    ],
}


@pytest.mark.parametrize(
    "true",
    [
        "标签里有无糖、清淡和小份。",  # the tag that denies says nothing of the tag behind it
        "一款清淡的无糖花茶。",  # 无糖 is one word: the tea is not denied
        "知更堂的花茶，清淡小份。",  # 更 inside a name compares nothing
        "这款和知更堂小园花茶是一个牌子。",
        "你分享过小园花茶，这款花茶清淡。",
        "你分享过的花茶清淡，这款花茶小份。",  # 花茶清淡 in a row is the item's alone, yet names the event's noun
        "你看过更生坊的花茶，这款清淡。",
        "一款小份花茶。",  # 小份花茶 in a row is the other's alone, yet each word is the item's
        "福州的花茶，不含色素。",
    ],
)
def test_a_true_chinese_sentence_passes(true: str) -> None:
    assert verdict(true, TEA, "zh") == ("pass", set())


@pytest.mark.parametrize(
    "planted", ["这款花茶甜，不清淡。", "福州的花茶，独立包装。", "花茶带保温功能。", "花茶里有香精。"]
)
def test_words_of_two_fields_make_no_third(planted: str) -> None:
    assert verdict(planted, TEA, "zh")[0] != "pass"


def test_a_tag_that_denies_says_nothing_of_the_next_tag() -> None:
    oil = {"item": {"title": "山茶油", "tags": ["不刺鼻", "清淡", "小瓶"], "category": "粮油/山茶油"}}
    assert verdict("这款山茶油清淡，小瓶。", oil, "zh") == ("pass", set())
    assert verdict("这款山茶油刺鼻。", oil, "zh")[0] != "pass"


def test_a_clock_before_opening_is_no_click() -> None:
    shop = {"item": {"title": "老街面馆", "description": "上午11点开门，周一休息。", "category": "餐饮/面馆"}}
    assert verdict("这家面馆上午11点开门。", shop, "zh") == ("pass", set())
    assert verdict("这家面馆上午10点开门。", shop, "zh")[0] != "pass"


def test_what_is_denied_denies_what_it_means_and_nothing_that_it_implies() -> None:
    inn = {"item": {"title": "Old Mill Inn", "description": "No parking. Without palm oil or perfume."}}
    assert verdict("The Old Mill Inn, for a walk.", inn, "en") == ("pass", set())
    assert verdict("The Old Mill Inn has parking.", inn, "en")[0] != "pass"
    assert verdict("The Old Mill Inn has perfume.", inn, "en")[0] != "pass"


def test_this_lamp_is_the_item_even_where_another_lamp_is_named() -> None:
    two = {**LAMP, "events": [{"event": "browse", "title": "Paper lamp, red", "category": "Home/Lighting"}]}
    assert verdict("You viewed a paper lamp; this lamp goes with it.", two, "en") == ("pass", set())
    assert "R18_swap" in verdict("You viewed a paper lamp; this red lamp goes with it.", two, "en")[1]


def test_what_upstream_knows_of_an_event_is_believed() -> None:
    text = "It is from the same brand as the bookshelf you bought."
    told = {**LAMP, "events": [{**LAMP["events"][0], "same": ["brand"]}]}
    assert verdict(text, told, "en") == ("pass", set())
    assert verdict(text, LAMP, "en") == ("review", {"R18_same"})


def test_every_claim_names_the_field_that_bears_it() -> None:
    text = "You bought a bookshelf; this lamp has a brass arm and gives 800 lumens."
    found = JUDGE.check(Record.model_validate({**LAMP, "text": text, "locale": "en"}))
    said = {text[claim.start : claim.end]: claim.evidence for claim in found.claims}
    assert said["bought"] == "event.0"
    assert said["800 lumens"] == "item.description"
    assert None not in said.values()


def test_what_nothing_bears_is_a_claim_without_evidence() -> None:
    found = JUDGE.check(Record.model_validate({**LAMP, "text": "A lamp with a velvet shade.", "locale": "en"}))
    assert [claim.evidence for claim in found.claims if claim.evidence is None] == [None, None][: len(found.findings)]


def test_without_evidence_every_content_word_is_open() -> None:
    assert verdict("A brass lamp.", {}, "en") == ("review", {"R18_word"})
    assert verdict("黄铜台灯。", {}, "zh")[1] == {"R18_word"}


def test_many_open_words_are_refused_at_once() -> None:
    assert verdict("Velvet trim, silver thread, marble plinth and cork feet.", LAMP, "en")[0] == "refuse"


@given(st.text(max_size=120), st.sampled_from(["zh", "en"]))
def test_any_text_gets_a_verdict_with_spans_inside_it(text: str, locale: str) -> None:
    evidence = STEAMER if locale == "zh" else LAMP
    found = JUDGE.check(Record.model_validate({**evidence, "text": text, "locale": locale}))
    assert all(0 <= one.start <= one.end <= len(text) for one in (*found.findings, *found.claims))
    assert "R18_broke" not in {one.rule for one in found.findings}


@given(st.text(max_size=200), st.sampled_from(["zh", "en"]))
def test_any_evidence_can_be_read(description: str, locale: str) -> None:
    record = {"text": "A lamp, 一盏灯。", "locale": locale, "item": {"title": "灯 lamp", "description": description}}
    assert "R18_broke" not in {one.rule for one in JUDGE.check(Record.model_validate(record)).findings}


def test_a_filled_span_is_a_claim_as_it_stands() -> None:
    text = "The Zephyr 9000 stands beside a bookshelf."
    record = Record.model_validate({**LAMP, "text": text, "locale": "en"})
    filled = Claim(4, 15, "i")
    assert JUDGE.check(record).outcome == "refuse"
    found = JUDGE.check(record, bound=[filled])
    assert "R18_number" not in {one.rule for one in found.findings}
    assert "R18_name" not in {one.rule for one in found.findings}
    assert filled in found.claims


def test_a_rule_reads_filled_spans_too() -> None:
    record = Record.model_validate({**LAMP, "text": "The best lamp ever is a lamp.", "locale": "en"})
    assert JUDGE.check(record, bound=[Claim(4, 18, "i")]).outcome == "refuse"


def changed(evidence: dict[str, Any], **item: Any) -> dict[str, Any]:
    return {**evidence, "item": evidence["item"] | item}


CHALK = changed(LAMP, title="Chalk bag", description="With a belt, chalk not included.", category="Sports/Climbing")
HEAVY = LAMP | {
    "events": [
        {"event": "comment", "title": "Iron lamp", "category": "Home/Lighting", "count": 1, "text": "A wobbly clamp."}
    ]
}
TRIP = LAMP | {"events": [{"event": "purchase", "title": "Two weeks in Lisbon", "days_ago": 40, "count": 1}]}
TOUR = STEAMER | {"events": [{"event": "browse", "title": "海岛七天攻略", "days_ago": 40, "count": 1}]}
DISH = STEAMER | {"events": [{"event": "purchase", "title": "牛肉面", "category": "餐饮/面馆", "count": 2}]}
PAPER = STEAMER | {"events": [{"event": "click", "title": "水彩纸", "category": "文具/画材", "count": 2}]}
BALLS = changed(LAMP, title="Felt ball, set of six", description="For the dryer.", attributes={})
CAKE = changed(LAMP, title="Plum cake", category="Food/Cake", description="It is not gluten-free.")
HOUSE = changed(LAMP, title="Mill house", description="Its wall is of brick and its floor of slate.")
WARM = changed(LAMP, attributes={"Colour": "white", "Colour temperature": "3000 K"})
RICE = STEAMER | {"events": [{"event": "browse", "title": "下饭菜谱", "category": "图书/菜谱"}]}
OTHER = STEAMER | {"events": [{"event": "browse", "title": "竹制蒸锅 三层", "category": "厨具/蒸锅"}]}


@pytest.mark.parametrize(
    ("check", "evidence", "true", "planted"),
    [
        ("R18_polarity", CAKE, "The cake is not gluten-free.", "The cake is gluten-free."),
        ("R18_polarity", CHALK, "A chalk bag with a belt.", "Chalk is already in, and a belt."),
        ("R18_polarity", CHALK, "A chalk bag with a belt.", "It comes with chalk and a belt."),
        # their own words, handed back as a question, are not told of the item
        ("R18_swap", HEAVY, "A wobbly clamp? This lamp has a brass arm.", "A wobbly clamp, and a brass arm."),
        # a number inside a name counts nothing back; behind an act it does
        ("R18_time", TRIP, "You booked two weeks in Lisbon; here is a lamp.", "You booked Lisbon two weeks ago."),
        ("R18_time", TOUR, "你看过七天攻略，这是蒸笼。", "七天攻略你看了七天，这是蒸笼。"),
        # 点过 is clicked, or ordered
        ("R18_count", DISH, "牛肉面点过两遍，这是蒸笼。", "牛肉面点过三遍，这是蒸笼。"),
        (
            "R18_act",
            HEAVY,
            "You grumbled about a wobbly clamp; this lamp has a brass arm.",
            "You grumbled about a brass arm; here is a lamp.",
        ),
        ("R18_act", PAPER, "水彩纸点过两遍，这是蒸笼。", "水彩纸买过两遍，这是蒸笼。"),
        ("R18_unit", BALLS, "Six balls of felt for the dryer.", "Six sets of felt for the dryer."),
        ("R18_unit", BALLS, "Six balls of felt for the dryer.", "Six dryers for the balls."),
        ("R18_part", HOUSE, "A house with a brick wall.", "A house with a slate wall."),
        ("R18_attribute", WARM, "3000 K for colour temperature.", "3000 K for colour."),
        ("R18_act", LAMP, "You viewed a red lantern.", "You viewed this; here is a lamp."),
        (
            "R18_swap",
            LAMP | {"user": {"tags": ["bookshelf"]}},
            "You like a bookshelf; here is a lamp.",
            "Bookshelf, with a brass arm.",
        ),
        ("R18_swap", RICE, "这个蒸笼可以蒸鱼。", "这个蒸笼下饭。"),
        ("R18_number", OTHER, "这个竹制蒸锅可以蒸鱼。", "这个蒸锅是三层的。"),
    ],
)
def test_what_is_said_of_which_thing(check: str, evidence: dict[str, Any], true: str, planted: str) -> None:
    locale = "en" if true.isascii() else "zh"
    assert verdict(true, evidence, locale) == ("pass", set())
    outcome, rules = verdict(planted, evidence, locale)
    assert outcome != "pass"
    assert check in rules


@pytest.mark.parametrize(
    ("evidence", "locale", "text", "stopped"),
    [
        (CAFE, "en", "A bakery that is open on Sundays.", False),
        (CAFE, "en", "Open from Tuesday to Sunday.", False),
        (CAFE, "en", "Open from Sunday to Tuesday.", True),
        (CAFE, "en", "A bakery that is open every day.", True),
        (CAFE, "en", "Sourdough for a Monday.", True),
        (CAFE, "en", "Closed on Mondays.", False),
        (CAFE, "en", "Closed on Sundays.", True),
        (CAFE, "en", "Sourdough for the weekend.", False),
        (SATURDAY, "en", "Sourdough for the weekend.", False),
        (SATURDAY, "en", "Open at the weekend.", True),
        (DAILY, "en", "Open on Tuesdays.", False),
        (DAILY, "en", "Open on Mondays.", True),
        (DAILY, "en", "Open daily except Mondays.", False),
        (DAILY, "en", "Open daily except Tuesdays.", True),
        (LAMP, "en", "A reading lamp for a Sunday.", False),
        (LAMP, "en", "A lamp, open on Sunday.", True),
        (NOODLES, "zh", "面馆周二也营业。", False),
        (NOODLES, "zh", "周六至周日营业。", False),
        (NOODLES, "zh", "周日至周二营业。", True),
        (NOODLES, "zh", "面馆天天营业。", True),
        (NOODLES, "zh", "周一也能吃到手擀面。", True),
        (NOODLES, "zh", "周一休息的面馆。", False),
    ],
)
def test_a_day_of_the_week_is_one_on_which_the_evidence_says_open(
    evidence: dict[str, Any], locale: str, text: str, stopped: bool
) -> None:
    assert ("R18_day" in verdict(text, evidence, locale)[1]) is stopped
