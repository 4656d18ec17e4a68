"""What README tells a reader to write or to type is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reasongen.config import load_config

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_settings_for_own_tables_load(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", README, re.S)
    own = tmp_path / "my.yaml"
    own.write_text(example.replace("extends: default.yaml", f"extends: {ROOT}/conf/default.yaml"), encoding="utf-8")
    config = load_config(own)
    assert config.inputs.events.table == "shop.events"
    assert config.inputs.items.columns["locale"] == "='zh'"


def test_every_make_target_that_it_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"^make ([a-z-]+)", README, re.M)) <= targets


@pytest.mark.parametrize("path", sorted(set(re.findall(r"\b((?:jobs|conf|benchmarks|reasongen)/[\w./-]*\w)", README))))
def test_every_file_that_it_names_exists(path: str) -> None:
    assert (ROOT / path).exists()
