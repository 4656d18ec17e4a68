"""Before and after: a model beside itself with an adapter."""

from __future__ import annotations

from pathlib import Path

import pytest
from engines import make_adapter
from labelled import CONF, rows, write
from safetensors.torch import load_file, save_file

from reasongen.training.comparison import ComparisonSettings, compare

MODEL = Path(__file__).resolve().parent.parent / "models" / "default"

pytestmark = pytest.mark.slow


def spoilt(adapter: Path) -> Path:
    """The adapter with weights so large that the model writes otherwise."""
    weights = adapter / "adapter_model.safetensors"
    save_file({name: 4 * weight for name, weight in load_file(weights).items()}, weights, {"format": "pt"})
    return adapter


def test_an_adapter_s_texts_and_likelihood_are_its_own(tmp_path: Path) -> None:
    examples = write(tmp_path / "examples.parquet", rows(6, 6))
    adapter = spoilt(make_adapter(MODEL, tmp_path / "adapter"))
    found = compare(
        ComparisonSettings(
            examples=str(examples),
            models=(
                {"name": "before", "model": str(MODEL)},
                {"name": "after", "model": str(MODEL), "adapter": str(adapter)},
            ),
            draws=50,
            engine={"threads": 1, "device": "cpu"},
            **CONF,
        )
    )
    before, after = (found.figures["writers"][name] for name in ("before", "after"))
    assert before["adapter"] is None
    assert after["adapter"] == str(adapter)
    assert after["perplexity"] > 1.2 * before["perplexity"]
    assert [one.text for one in found.told["before"]] != [one.text for one in found.told["after"]]
    ours = {one["figure"]: one for one in found.figures["comparisons"] if one["second"] == "before"}
    assert {one["first"] for one in ours.values()} == {"after"}
    assert ours["rouge1_target"]["difference"] < 0
