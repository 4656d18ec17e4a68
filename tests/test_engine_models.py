"""What the engine loads and what it refuses, and how it draws a token."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engines import make_adapter, make_model, real, rows_of, written

from reasongen.engine import engine_here, model_version
from reasongen.errors import MachineError, ModelError


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A directory with random weights and a real tokenizer per family."""
    root = tmp_path_factory.mktemp("models")
    return {kind: make_model(root / kind, kind) for kind in ("llama",)}


def test_an_adapter_changes_texts_and_goes_only_onto_its_base(homes: dict[str, Path], tmp_path: Path) -> None:
    adapter = make_adapter(homes["llama"], tmp_path / "adapter")
    rows = rows_of(20)
    plain, adapted = real(homes["llama"]), real(homes["llama"], adapter=str(adapter))
    assert written(plain, rows) != written(adapted, rows)
    assert model_version(plain) != model_version(adapted)
    other = make_model(tmp_path / "other", "llama", seed=5)
    with pytest.raises(ModelError, match="another base"):
        engine_here(real(other, adapter=str(adapter)))
    (adapter / "adapter_model.safetensors").rename(adapter / "adapter_model.bin")
    with pytest.raises(ModelError, match="pickled adapters are refused"):
        engine_here(adapted.model_copy(update={"seed": 2}))


def pickled(home: Path) -> None:
    (home / "model.safetensors").rename(home / "pytorch_model.bin")


def with_code(home: Path) -> None:
    config = json.loads((home / "config.json").read_text())
    (home / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModelForCausalLM": "own.Model"}}))


def without_tokenizer(home: Path) -> None:
    (home / "tokenizer.json").unlink()


def with_a_weight_missing(home: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(home / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, home / "model.safetensors", metadata={"format": "pt"})


def with_another_shape(home: Path) -> None:
    config = json.loads((home / "config.json").read_text())
    (home / "config.json").write_text(json.dumps({**config, "vocab_size": 100}))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (pickled, "pickled weights"),
        (with_code, "auto_map"),
        (without_tokenizer, "wanted a tokenizer"),
        (with_a_weight_missing, "up_proj"),
        (with_another_shape, "wanted"),
        (shutil.rmtree, "found none there"),
    ],
)
def test_an_unsafe_or_broken_directory_is_refused(
    spoil: Callable[[Path], None], says: str, homes: dict[str, Path], tmp_path: Path
) -> None:
    home = shutil.copytree(homes["llama"], tmp_path / "copy")
    spoil(home)
    with pytest.raises(ModelError, match=says):
        engine_here(real(home))


def test_a_device_that_is_not_there_is_the_machines_fault(
    homes: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(MachineError, match="wanted cuda"):
        engine_here(real(homes["llama"], device="cuda"))


def test_draws_follow_the_softmax() -> None:
    """Chi-square over 40,000 draws against the cut and tempered distribution; 0.1 % bound for the cells used."""
    import torch

    from reasongen.engine.sampling import Sampling, choose, row_keys

    logits = torch.linspace(0, 3, 200)[torch.randperm(200, generator=torch.Generator().manual_seed(1))]
    count = 40_000
    keys = row_keys([f"{n}" for n in range(count)], [0] * count, 7)
    for how in (
        Sampling(1.0, 0, 1.0, 7),
        Sampling(0.6, 0, 0.9, 7),
        Sampling(1.3, 12, 1.0, 7),
        Sampling(1.0, 30, 0.5, 7),
    ):
        wanted = expected(logits, how)
        got = torch.bincount(
            choose(logits.repeat(count, 1), keys, torch.full_like(keys, 3), how), minlength=200
        ).double()
        assert float(got[wanted == 0].sum()) == 0
        cells = wanted > 0
        square = float(((got - count * wanted)[cells] ** 2 / (count * wanted[cells])).sum())
        freedom = int(cells.sum()) - 1
        assert square < freedom + 3.1 * (2 * freedom) ** 0.5 + 6, how


def expected(logits: Any, how: Any) -> Any:
    """The plain way: sort, cut, renormalise."""
    import torch

    shares = (logits.double() / how.temperature).softmax(0)
    order = shares.argsort(descending=True)
    kept = torch.ones_like(shares, dtype=torch.bool)
    if how.top_k:
        kept[order[how.top_k :]] = False
    shares = torch.where(kept, shares, 0.0) / shares[kept].sum()
    before = shares[order].cumsum(0) - shares[order]
    shares[order[before >= how.top_p]] = 0.0
    return shares / shares.sum()


def test_logits_that_are_no_numbers_end_their_row_only() -> None:
    import torch

    from reasongen.engine.hf import Chooser
    from reasongen.engine.sampling import Sampling, row_keys

    chooser = Chooser(row_keys(["a", "b"], [0, 0], 0), (1,), 3, Sampling(1.0, 0, 0.9, 0))
    scores = torch.zeros(2, 90)
    scores[0, 5] = torch.nan
    forced = chooser(torch.zeros(2, 3, dtype=torch.long), scores)
    assert chooser.broken.tolist() == [True, False]
    assert forced[0].argmax() == 1


@pytest.mark.parametrize("top_p", [0.3, 0.9])
def test_a_certain_row_takes_the_short_way_to_the_same_token(top_p: float) -> None:
    import torch

    from reasongen.engine.sampling import Sampling, choose, draw, row_keys

    noise = torch.Generator().manual_seed(4)
    logits = torch.randn(300, 401, generator=noise) * torch.linspace(0.5, 6, 300)[:, None]
    keys, steps = row_keys(["a"] * 300, range(300), 0), torch.arange(300)
    how = Sampling(0.5, 0, top_p, 0)
    tokens, logprobs, sick = draw(logits, keys, steps, how)
    assert torch.equal(tokens, choose(logits, keys, steps, how))
    assert not sick.any()
    for row in range(0, 300, 37):  # alone, in pairs, among all: the same bits
        for count in (1, 2, 5):
            part = slice(row, row + count)
            alone = draw(logits[part], keys[part], steps[part], how)
            assert torch.equal(alone[0], tokens[part])
            assert torch.equal(alone[1], logprobs[part])
