"""The page of a comparison in a real Chromium, on a desk and on a telephone, in both languages."""

from __future__ import annotations

import re
import runpy
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM
from labelled import rows, write
from probe import look, with_probe

from reasongen.evaluation.scoring import COMPARED, MAIN, SEGMENTS
from reasongen.evaluation.table import COLUMNS
from reasongen.report.words import known

ROOT = Path(__file__).resolve().parent.parent
LOOKS = list(product(["en", "zh"], [1280, 390]))

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two scripted models, one with a name and one pair with words that fit no column."""
    folder = tmp_path_factory.mktemp("compared")
    given = rows(40, 10)
    given[-1]["reason"] = "<script>console.error('told')</script>" + "A" * 300
    examples = write(folder / "examples.parquet", given)
    models = "models=[{name: base, model: a}, {name: tuned_on_labels_for_a_month, model: b, adapter: some/adapter}]"
    sets = [
        f"examples={examples}",
        models,
        "engine.backend=scripted",
        "template=conf/prompts/reference.yaml",
        "draws=50",
        "show=20",
    ]
    job = runpy.run_path(str(ROOT / "jobs" / "evaluate.py"))
    options = [option for one in sets for option in ("--set", one)]
    config = ["--config", str(ROOT / "conf" / "evaluate_pairs.yaml"), "--html", str(folder / "page.html")]
    assert job["main"]([*config, *options]) == 0
    return folder / "page.html"


@pytest.fixture(scope="module")
def looks(page: Path) -> dict[str, Any]:
    """What the probe found, by `language width`; `console`: every line written there. All that folds is open."""
    text = page.read_text(encoding="utf-8").replace("<details>", "<details open>")
    (page.parent / "probed.html").write_text(with_probe(text))
    return look(page.parent, {f"{language} {width}": (f"probed.html#{language}", width) for language, width in LOOKS})


@pytest.mark.parametrize(("language", "width"), LOOKS)
def test_the_page_fits_and_asks_for_nothing(looks: dict[str, Any], language: str, width: int) -> None:
    found = looks[f"{language} {width}"]
    assert (found["width"], found["outside"]) == (width, [])
    assert (found["wide"], found["scroll"]) == ([], width)
    assert found["language"] == {"en": "en", "zh": "zh-Hans"}[language]
    assert found["heading"] == {"en": "Models on labelled pairs", "zh": "模型在标注配对上的表现"}[language]


def test_the_page_does_not_complain_and_runs_nothing_from_a_table(looks: dict[str, Any], page: Path) -> None:
    assert looks["console"] == []
    assert page.read_text(encoding="utf-8").count("<script>") == 1


def test_every_figure_has_its_words() -> None:
    for group, names in COLUMNS.items():
        assert known(f"group.{group}")
        for name in names:
            assert known(f"figure.{name}")
            assert known(f"figure_means.{name.removesuffix('_label').removesuffix('_target')}")
    assert all(known(f"figure.{name}") for name in (*MAIN, *COMPARED))
    assert all(known(f"compared.{name}") for name in SEGMENTS)


def test_labels_and_every_writer_s_words_stand_side_by_side(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    cards = text.split('<ol class="read">')[1].split('<dl class="told">')[1:]
    assert len(cards) == 20
    for card in cards:
        wanted = ["label", "target", "base", "tuned_on_labels_for_a_month", "constant", "template", "nearest"]
        assert re.findall("<dt>(.*?)</dt>", card) == wanted
    assert 'lang="zh"' in text
    assert 'lang="en"' in text
