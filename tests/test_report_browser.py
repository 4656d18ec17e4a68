"""The pages in a real Chromium, on a desk and on a telephone: drawn whole, in both languages, without a complaint."""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM
from probe import look, with_probe
from report_lake import NIGHT, claim, config_over, reason_rows, run_row, sample_row, write_lake

from reasongen.report import write_report

NIGHTS = ["2026-03-02-recommendation", "2026-03-03-recommendation", "2026-03-04-recommendation"]
LOOKS = list(product([*NIGHTS, "index"], ["en", "zh"], [1280, 390]))

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an index and the pages of a published night, a refused one, and one that never ran."""
    folder = tmp_path_factory.mktemp("pages")
    item = {"item_id": "i1", "title": "全新升级" * 40, "category": "户外/帐篷"}
    (folder / "items.jsonl").write_text(json.dumps(item) + "\n")
    text = "你看过的一件商品和这顶帐篷都标着防水。"
    claims = [claim(text, "这顶帐篷", "i", "[i.this]"), claim(text, "防水", "e1", "[e1.word]")]
    rows = reason_rows(["a", "b", "c"], text, skeleton="s", claims=claims, locale="zh")
    rows += reason_rows(["a", "b", "c"], "A" * 180 + " tent.", skeleton="long")
    nights = [run_row(NIGHT - timedelta(day), 40 - day) for day in range(35, -1, -1)]
    check = {"name": "a_check_with_a_very_long_name_" * 3, "wanted": "0 to 0.1", "found": 0.9, "passed": False}
    gate = json.dumps({"passed": False, "checks": [check]})
    nights.append(run_row(NIGHT + timedelta(1), 41, status="refused", gate=gate, delta_version=None))
    write_lake(folder / "lake", runs=nights, reasons=rows, generations=[sample_row("s")])
    failure = {"rule": "unknown_" * 9, "start": 0, "end": 3, "detail": "-"}
    refused = {"user_id": "a", "item_id": "i1", "scenario": "recommendation", "sample": 0, "text": "你看过的"}
    refused |= {"run_id": nights[-2]["run_id"], "failures": [failure]}
    write_lake(folder / "lake", quarantine=[refused | {"user_id": user} for user in "abc"])
    for night in range(3):
        config = config_over(folder / "lake", folder / "items.jsonl", f"night='{NIGHT + timedelta(night)}'")
        write_report(config, out=str(folder / "pages"))
    for page in (folder / "pages").glob("*.html"):
        page.write_text(with_probe(page.read_text()))
    return folder / "pages"


@pytest.fixture(scope="module")
def looks(pages: Path) -> dict[str, Any]:
    """What the probe found in each page, by `name language width`; `console`: every line that they wrote there."""
    return look(
        pages,
        {f"{name} {language} {width}": (f"{name}.html#{language}", width) for name, language, width in LOOKS},
    )


@pytest.mark.parametrize(("name", "language", "width"), LOOKS)
def test_a_page_fits_and_asks_for_nothing(looks: dict[str, Any], name: str, language: str, width: int) -> None:
    found = looks[f"{name} {language} {width}"]
    assert (found["width"], found["outside"]) == (width, [])
    assert (found["wide"], found["scroll"]) == ([], width)
    assert found["language"] == {"en": "en", "zh": "zh-Hans"}[language]


def test_no_page_complains(looks: dict[str, Any]) -> None:
    assert looks["console"] == []


def test_pictures_are_drawn_in_their_size_on_a_telephone(looks: dict[str, Any]) -> None:
    pictures = looks["2026-03-02-recommendation en 390"]["pictures"]
    assert len(pictures) == 5
    assert all(300 < width <= 390 for width in pictures)


def test_the_switch_shows_one_language_and_its_letters_are_drawn(looks: dict[str, Any]) -> None:
    if not subprocess.run(["fc-list", ":lang=zh"], capture_output=True, check=False).stdout.strip():
        pytest.skip("no font with Chinese letters on this machine")
    chinese, english = (looks[f"2026-03-02-recommendation {language} 390"] for language in ("zh", "en"))
    assert (chinese["missing"], chinese["blank"]) == ([], False)
    assert "2026-03-02 之夜" in chinese["heading"]
    assert "Night of" not in chinese["heading"]
    assert "Night of" in english["heading"]
