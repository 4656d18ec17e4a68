"""Names and homes in what is said of an item, through the door by which items come in."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_tables import jsonl

from reasongen.schema import INPUTS
from reasongen.tables import clean_items, read_source

# What is said → what stays of it in a title.
HELD = {
    "手工灯 联系人：张伟 包邮": "手工灯 包邮",
    "手工灯，收货人欧阳娜娜电话13912345678": "手工灯， 电话",
    "手工灯 请联系李雪梅女士": "手工灯",
    "手工灯 陈建国先生，周日在": "手工灯 ，周日在",
    "手工灯 白雪 13912345678": "手工灯",
    "手工灯 寄到中山路12号": "手工灯",
    "手工灯 浙江省杭州市西湖区文三路90号东部公寓3幢2单元502室 310012": "手工灯",
    "手工灯 长宁路1200弄8号601室": "手工灯",
    "手工灯 阳光花园3号楼2单元1102室": "手工灯",
    "Lamp Contact: Ngozi Okafor now": "Lamp now",
    "Lamp, ask for Ann Miller": "Lamp,",
    "Lamp by Mrs. Jane O'Neill": "Lamp by",
    "Lamp Peter Wang, 555-123-4567": "Lamp",
    "Lamp 12 Hill Road Apt 4": "Lamp",
    "Lamp 12 Old Mill, New Haven, CT 06510": "Lamp",
    "Lamp pick up at 7 Station Street today": "Lamp today",
    "Lamp Flat 3, 12 Kelly Parkway, Port Kate, EX8 2BQ": "Lamp",
    "Lamp P.O. Box 112": "Lamp",
    "Lamp ann (at) example.com": "Lamp",
    "Lamp 07123 456789": "Lamp",
}
# Brands, makers, authors, figures, streets in a name, and words that look like a label.
TITLES = (Path(__file__).parent / "cases" / "whole_titles.txt").read_text(encoding="utf-8").splitlines()
MISTAKEN = {"Seller: Max Factor", "Name: Jordan Air"}


@pytest.fixture(scope="module")
def cleaned(spark, tmp_path_factory):
    """Text → its clean item, the text as title and as brand."""
    lines = [{"item_id": f"i{n}", "title": text, "brand": text} for n, text in enumerate([*HELD, *TITLES])]
    source = read_source(spark, jsonl(tmp_path_factory.mktemp("items") / "i.jsonl", lines), INPUTS["items"])
    rows = {row["item_id"]: row for row in clean_items(source.frame).collect()}
    return {line["title"]: rows[line["item_id"]] for line in lines}


@pytest.mark.parametrize("text", HELD)
def test_a_name_or_a_home_is_taken_out_and_counted(cleaned, text):
    row = cleaned[text]
    assert (row["title"], row["brand"], row["codes"]) == (HELD[text], None, ["personal_data"])


def test_brands_authors_and_shops_keep_their_names(cleaned):
    assert {text for text in TITLES if cleaned[text]["codes"]} == MISTAKEN
    assert all(cleaned[text]["title"] == text for text in TITLES if text not in MISTAKEN)
