"""The torch engine: text and log-probability are the row's own to the last bit in every layout; faults stay apart."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from engines import KINDS, Row, in_batches, make_model, real, rows_of, scripted, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reasongen.engine import engine_here
from reasongen.errors import ModelError
from reasongen.evaluation.grammar import load_grammar
from reasongen.prompts.template import load_template
from reasongen.training.corpus import examples

ROOT = Path(__file__).resolve().parent.parent
COUNT = 70


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A directory with random weights and a real tokenizer per family."""
    root = tmp_path_factory.mktemp("models")
    return {kind: make_model(root / kind, kind) for kind in KINDS}


@pytest.fixture(scope="module")
def default_rows() -> list[Row]:
    """Prompts as the trained default model gets them."""
    template = load_template(ROOT / "models/default/prompt_template.yaml")
    grammars = [load_grammar(ROOT / "conf" / "corpus" / f"{language}.yaml") for language in ("zh", "en")]
    prompts = [template.render(one.frame) for grammar in grammars for one in examples(grammar, 5, COUNT // 2)]
    return [(f"{number:064}", prompt, None, number % 2) for number, prompt in enumerate(prompts)]


@pytest.fixture(scope="module")
def wholes(homes: dict[str, Path]) -> dict[str, dict[tuple[str, int], tuple[Any, ...]]]:
    """What each family writes for all rows at once."""
    return {kind: written(real(homes[kind], batch_rows=64), rows_of(COUNT)) for kind in KINDS}


@pytest.mark.parametrize("batch_rows", [1, 8, 32, 64])
@pytest.mark.parametrize("partitions", [1, 7, 64])
def test_the_default_model_writes_the_same_in_twelve_layouts(
    partitions: int, batch_rows: int, default_rows: list[Row]
) -> None:
    other = {"temperature": 0.5, "max_new_tokens": 20}
    home = ROOT / "models" / "default"
    whole = written(real(home, batch_rows=48, threads=2, **other), default_rows)
    found: dict[tuple[str, int], tuple[Any, ...]] = {}
    for part in range(partitions):
        if rows := default_rows[part::partitions]:
            found |= written(real(home, batch_rows=batch_rows, **other), rows)
    assert found == whole


@pytest.mark.parametrize("kind", KINDS)
@given(
    chosen=st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=30, unique=True),
    batch_rows=st.integers(1, 40),
    size=st.integers(1, 30),
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rows_in_any_order_are_written_as_among_all(
    kind: str,
    chosen: list[int],
    batch_rows: int,
    size: int,
    homes: dict[str, Path],
    wholes: dict[str, dict[tuple[str, int], tuple[Any, ...]]],
) -> None:
    rows = rows_of(COUNT)
    found = written(real(homes[kind], batch_rows=batch_rows), [rows[number] for number in chosen], size)
    assert found == {key: wholes[kind][key] for key in found}


def test_samples_of_one_prompt_differ_and_do_not_depend_on_each_other(homes: dict[str, Path]) -> None:
    rows: list[Row] = [("a" * 64, "tent 帐篷 light rain", None, sample) for sample in range(16)]
    together = written(real(homes["llama"]), rows)
    assert len({said[0] for said in together.values()}) > 8
    for row in rows[::5]:
        assert written(real(homes["llama"]), [row])[row[0], row[3]] == together[row[0], row[3]]


def test_a_row_whose_numbers_break_is_a_code_and_its_slot_is_clean(homes: dict[str, Path]) -> None:
    rows = rows_of(40)
    settings = real(homes["llama"], batch_rows=4)
    whole = written(settings, rows)
    engine: Any = engine_here(settings)
    asked = {(row[0], row[3]): engine._intake._tokenizer(row[1])["input_ids"] for row in rows}
    token = asked[rows[0][0], rows[0][3]][-1]
    engine._weights.tokens[token] = float("nan")
    found = written(settings, rows)
    engine_here(scripted())  # nobody else is to meet the spoilt weights
    sick = {key for key, said in found.items() if said[1] == "error:not_finite"}
    assert {key for key, ids in asked.items() if token in ids} <= sick
    assert all(found[key][0] == "" and found[key][4] is None for key in sick)
    well = set(found) - sick
    assert len(sick) > 3
    assert len(well) > 3
    assert {key: found[key] for key in well} == {key: whole[key] for key in well}


def test_a_row_that_breaks_does_not_break_what_begins_like_it(homes: dict[str, Path]) -> None:
    rows: list[Row] = [
        (mark * 64, f"tent stove light rain {word}", None, 0) for mark, word in (("a", "few"), ("b", "wool"))
    ]
    settings = real(homes["llama"], batch_rows=4)
    whole = written(settings, rows)
    for spoilt, other in (rows, rows[::-1]):  # one of them is read before the other
        engine: Any = engine_here(settings)
        mine, theirs = (engine._intake._tokenizer(row[1])["input_ids"] for row in (spoilt, other))
        assert mine[0] == theirs[0]
        engine._weights.tokens[next(token for token in mine if token not in theirs)] = float("nan")
        found = written(settings, rows)
        engine_here(scripted())
        assert found[spoilt[0], 0][1] == "error:not_finite"
        assert found[other[0], 0] == whole[other[0], 0]


def test_what_ends_a_lane_is_raised_and_an_abandoned_run_ends(
    homes: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from reasongen.engine.decoder import Decoder

    engine = engine_here(real(homes["llama"], threads=2))
    run = engine.generate(in_batches(rows_of(60), 10))
    next(run)
    run.close()  # type: ignore[attr-defined]

    def broken(*_: object) -> None:
        raise RuntimeError("no such step")

    monkeypatch.setattr(Decoder, "step", broken)
    with pytest.raises(RuntimeError, match="no such step"):
        list(engine.generate(in_batches(rows_of(60), 10)))


def test_a_fault_of_the_input_is_raised(homes: dict[str, Path]) -> None:
    def spoilt() -> Iterator[pa.RecordBatch]:
        yield from in_batches(rows_of(5))
        raise OSError("the feed broke")

    with pytest.raises(OSError, match="the feed broke"):
        list(engine_here(real(homes["llama"])).generate(spoilt()))


@pytest.mark.parametrize(
    ("kind", "change", "says"),
    [
        ("qwen2", {"use_sliding_window": True, "layer_types": None, "max_window_layers": 0}, "sliding window"),
        ("llama", {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}}, "found dynamic"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scaled by its head"),
        ("llama", {"model_type": "mistral", "architectures": ["MistralForCausalLM"]}, "found mistral"),
    ],
)
def test_what_the_step_does_not_do_is_refused(kind: str, change: dict[str, Any], says: str, tmp_path: Path) -> None:
    home = make_model(tmp_path / kind, kind)
    config = json.loads((home / "config.json").read_text())
    (home / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(ModelError, match=says) as raised:
        engine_here(real(home))
    assert "engine.backend: transformers" in str(raised.value)


def test_shuffled_batches_of_one_row_are_written_too(homes: dict[str, Path], wholes: dict[str, Any]) -> None:
    rows = random.Random(2).sample(rows_of(COUNT), COUNT)
    assert written(real(homes["llama"], threads=3), rows, size=1) == wholes["llama"]
