"""Fine-tuning: what is learnt from, which weights move, and that the engine loads every outcome and writes with it."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from engines import real, rows_of, written
from lessons import FAMILIES, METHODS, brief, files_of, lessons, make_base, write
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from reasongen.engine.intake import Intake
from reasongen.errors import ModelError
from reasongen.training import finetune as module
from reasongen.training.finetune import finetune
from reasongen.training.loop import summed_loss
from reasongen.training.pairs import IGNORED, LengthBatches, Row, collate, draw_few


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("bases")
    return {family: make_base(root / family, family) for family in FAMILIES}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("pairs") / "pairs.parquet", lessons(train=24, validation=8))


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The model as it is when it is saved."""
    models: list[Any] = []
    save = module.save_finetuned
    monkeypatch.setattr(
        module, "save_finetuned", lambda settings, model, *rest: (models.append(model), save(settings, model, *rest))
    )
    return models


def nll(model: Any, row: Row) -> float:
    """Negative log-likelihood of the learnt tokens, one by one, from all logits of the row alone."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([row.ids])).logits[0].double().log_softmax(-1)
    shift = len(logits) - len(row.ids)  # nothing but what an adapter puts before
    return -sum(float(logits[shift + at - 1, row.ids[at]]) for at in range(row.prompt, len(row.ids)))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_is_the_negative_log_likelihood_of_reason_and_end_alone(family: str, bases: dict[str, Path]) -> None:
    model = AutoModelForCausalLM.from_pretrained(bases[family], dtype=torch.float32).eval()
    rows = [Row((5, 9, 30, 41, 1), 3), Row((7, 7, 12, 1), 2), Row((8, 33, 34, 35, 36, 37, 1), 1)]
    inputs = collate(rows)
    labels = inputs.pop("labels")
    assert int((labels != IGNORED).sum()) == sum(row.learnt for row in rows) == 10
    with torch.no_grad():
        logits = model(**inputs).logits
    assert float(summed_loss(logits, labels)) == pytest.approx(sum(nll(model, row) for row in rows), rel=1e-5)


@pytest.mark.parametrize(("batch", "accumulation"), [(8, 1), (4, 2), (2, 4), (3, 3)])
def test_a_step_takes_the_mean_over_the_tokens_of_all_its_batches(
    batch: int,
    accumulation: int,
    bases: dict[str, Path],
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[Row] = []
    monkeypatch.setattr("reasongen.training.loop.collate", lambda rows: (seen.extend(rows), collate(rows))[1])
    sets = (f"train.batch={batch}", f"train.accumulation={accumulation}", "train.max_steps=1", "train.eval_steps=9")
    with caplog.at_level(logging.INFO):
        tuned = finetune(brief(bases["llama"], pairs, tmp_path / "out", "full", *sets, "train.save_steps=9"))
    model = AutoModelForCausalLM.from_pretrained(bases["llama"], dtype=torch.float32).eval()
    measured = 7  # rows of the validation split stand before those of the first step
    taught = seen[measured : measured + batch * accumulation]
    wanted = sum(nll(model, row) for row in taught) / sum(row.learnt for row in taught)
    assert f"step 1 of 1, loss {wanted:.4f}," in caplog.text
    looked = seen[:measured]
    before = sum(nll(model, row) for row in looked) / sum(row.learnt for row in looked)
    assert tuned.validation_loss_before == pytest.approx(before, rel=1e-5)


def test_the_run_takes_the_rows_in_our_order_anew_in_each_epoch(
    bases: dict[str, Path], pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Row] = []
    monkeypatch.setattr("reasongen.training.loop.collate", lambda rows: (seen.extend(rows), collate(rows))[1])
    taught: list[Row] = []
    read = module.read_lessons

    def told(*given: Any) -> Any:
        lessons = read(*given)
        taught.extend(lessons.train)
        return lessons

    monkeypatch.setattr(module, "read_lessons", told)
    sets = ("train.max_steps=10", "train.eval_steps=99", "train.save_steps=99")
    finetune(brief(bases["llama"], pairs, tmp_path / "out", "full", *sets))
    order = LengthBatches(taught, 4, 7)
    wanted = list(order)
    order.set_epoch(1)
    wanted += list(order)
    assert seen[7 : 7 + 2 * len(taught)] == [taught[number] for number in wanted]  # after a look at the validation rows


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_what_it_claims_and_the_engine_writes_with_it(
    family: str, method: str, bases: dict[str, Path], pairs: Path, tmp_path: Path, kept: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    base, out = bases[family], tmp_path / "out"
    before = files_of(base)
    tuned = finetune(brief(base, pairs, out, method))
    assert files_of(base) == before
    assert tuned.steps == 2
    assert not out.with_name("out.work").exists()
    _only_the_claimed_moved(base, kept[0], method)

    adapted = method not in ("full", "top")
    backend = "transformers" if method == "prefix" else "torch"
    settings = real(base, backend, adapter=str(out)) if adapted else real(out, backend)
    told: list[Any] = []
    say = Intake._out
    monkeypatch.setattr(Intake, "_out", lambda self, one: (told.append(one), say(self, one))[1])
    texts = written(settings, rows_of(6))
    assert all(reason in ("stop", "length") for _, reason, *_ in texts.values())
    # What the engine says of its tokens is what the trained model says of them: one model, one order of positions.
    lead = 3 if method == "prompt" else 0
    for one in told:
        row = Row((*one.row.tokens[lead:], *one.ids), len(one.row.tokens) - lead)
        assert one.logprob == pytest.approx(-nll(kept[0], row), abs=2e-3)
    if method == "prompt":  # the other backend too
        other = written(real(base, "transformers", adapter=str(out)), rows_of(6))
        assert {key: text[0] for key, text in other.items()} == {key: text[0] for key, text in texts.items()}


def _only_the_claimed_moved(base: Path, model: Any, method: str) -> None:
    whole = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).state_dict()
    own = model.get_base_model() if hasattr(model, "peft_config") else model
    now = {name.replace(".base_layer", ""): weight for name, weight in own.state_dict().items()}
    moved = {name for name, weight in whole.items() if not torch.equal(weight, now[name])}
    top = ("layers.1.", "h.1.", "model.norm.", "ln_f.")
    claimed = {
        "full": set(whole),
        "top": {name for name in whole if any(part in name for part in top)},
    }.get(method, set())
    assert moved == claimed
    assert hasattr(model, "peft_config") == (not claimed)


def test_backend_torch_refuses_a_prefix_and_says_what_to_set(
    bases: dict[str, Path], pairs: Path, tmp_path: Path
) -> None:
    finetune(brief(bases["llama"], pairs, tmp_path / "out", "prefix"))
    with pytest.raises(ModelError, match=r"engine\.backend: transformers"):
        written(real(bases["llama"], adapter=str(tmp_path / "out")), rows_of(1))


def test_a_directory_holds_what_a_night_loads_and_a_recipe(bases: dict[str, Path], pairs: Path, tmp_path: Path) -> None:
    tuned = finetune(brief(bases["llama"], pairs, tmp_path / "full"))
    own = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "prompt_template.yaml"}
    assert set(files_of(tmp_path / "full")) == {*own, "model.safetensors"}
    there = files_of(bases["llama"])
    assert {name: files_of(tmp_path / "full")[name] for name in own} == {name: there[name] for name in own}
    finetune(brief(bases["llama"], pairs, tmp_path / "lora", "lora", "seed=8"))
    adapter = {"adapter_config.json", "adapter_model.safetensors", "base.json", "prompt_template.yaml"}
    assert set(files_of(tmp_path / "lora")) == adapter

    (stage,) = json.loads((tmp_path / "full" / "recipe.json").read_text())["stages"]
    assert stage["counts"]["train"] == {"pairs": 24, "too_long": 5, "learnt": 19, "tokens": 3816}
    assert (stage["steps"], stage["parameters_trained"]) == (2, stage["parameters"])
    assert stage["validation_loss"] == tuned.validation_loss < stage["validation_loss_before"]
    assert stage["peak_memory_mb"] > 100
    assert set(stage["versions"]) == {"torch", "transformers", "peft"}
    assert len(stage["base_weights"]) == len(stage["examples_sha256"]) == 64
    assert "out" not in stage["settings"]


def test_a_bf16_base_stays_bf16_and_what_did_not_learn_stays_as_it_was(
    bases: dict[str, Path], pairs: Path, tmp_path: Path
) -> None:
    low = make_base(tmp_path / "low", "llama")
    AutoModelForCausalLM.from_pretrained(low, dtype=torch.bfloat16).save_pretrained(low)
    (low / "generation_config.json").unlink()
    finetune(brief(low, pairs, tmp_path / "out", "top"))
    assert not (tmp_path / "out" / "generation_config.json").exists()  # nor is one made up
    was, now = (load_file(folder / "model.safetensors") for folder in (low, tmp_path / "out"))
    assert {weight.dtype for weight in now.values()} == {torch.bfloat16}
    same = [name for name, weight in was.items() if torch.equal(weight, now[name])]
    assert {"model.embed_tokens.weight", "lm_head.weight", "model.layers.0.mlp.up_proj.weight"} <= set(same)
    assert "model.layers.1.mlp.up_proj.weight" not in same


def test_a_smaller_draw_is_part_of_a_larger_one_and_another_seed_draws_others(
    bases: dict[str, Path], pairs: Path, tmp_path: Path
) -> None:
    assert set(draw_few(500, 8, 3)) < set(draw_few(500, 16, 3)) < set(draw_few(500, 500, 3))
    assert draw_few(500, 8, 3) != draw_few(500, 8, 4)
    finetune(brief(bases["llama"], pairs, tmp_path / "out", "full", "few_shot=5"))
    (stage,) = json.loads((tmp_path / "out" / "recipe.json").read_text())["stages"]
    assert stage["counts"]["train"] | {"tokens": 0} == {
        "pairs": 24, "too_long": 5, "not_drawn": 14, "learnt": 5, "tokens": 0,
    }  # fmt: skip


def test_a_batch_holds_rows_of_about_one_length_and_an_epoch_holds_each_row_once() -> None:
    rows = [Row((1,) * (2 + number * 7 % 90), 1) for number in range(203)]
    sampler = LengthBatches(rows, 8, 1)
    first, again = list(sampler), list(sampler)
    sampler.set_epoch(1)
    assert first == again != list(sampler)
    assert sorted(first) == sorted(sampler) == list(range(203))
    lengths = [[len(rows[number].ids) for number in first[at : at + 8]] for at in range(0, 200, 8)]
    padded = sum(max(batch) * len(batch) for batch in lengths)
    assert padded < 1.1 * sum(sum(batch) for batch in lengths)
    assert [batch[0] for batch in lengths] != sorted(batch[0] for batch in lengths)


def test_it_stops_when_the_validation_loss_gets_no_better_and_keeps_the_best(
    bases: dict[str, Path], pairs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sets = ("train.learning_rate=0.3", "train.max_steps=40", "train.eval_steps=1", "train.save_steps=1")
    with caplog.at_level(logging.INFO):
        tuned = finetune(brief(bases["llama"], pairs, tmp_path / "out", "full", *sets, "train.patience=3"))
    assert tuned.steps < 40
    assert tuned.best_step == tuned.steps - 3
    assert "no better validation loss in 3 looks" in caplog.text
    looks = [
        float(line.rpartition(" ")[2])
        for line in caplog.messages
        if "validation loss 0" in line or ", validation loss " in line
    ]
    assert tuned.validation_loss == pytest.approx(min(looks), abs=1e-4)


def test_progress_tells_step_loss_rate_and_time_left(
    bases: dict[str, Path], pairs: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        finetune(brief(bases["llama"], pairs, tmp_path / "out", "lora", f"tracking_dir={tmp_path / 'curves'}"))
    (line,) = [line for line in caplog.messages if "step 2 of 2" in line]
    assert all(word in line for word in ("loss", "rate", "tokens/s", "min left"))


@pytest.mark.parametrize(
    ("optimizer", "schedule"), [("adamw", "linear"), ("sgd", "polynomial"), ("adamw", "inverse_sqrt")]
)
def test_every_optimiser_and_schedule_learns_and_measures_without_smoothing(
    optimizer: str, schedule: str, bases: dict[str, Path], pairs: Path, tmp_path: Path
) -> None:
    sets = (f"train.optimizer={optimizer}", f"train.schedule={schedule}", "train.warmup=1", "train.learning_rate=0.01")
    more = ("train.dropout=0.1", "train.label_smoothing=0.1", "train.max_steps=3", "train.bf16=true")
    tuned = finetune(brief(bases["gpt2"], pairs, tmp_path / "out", "full", *sets, *more))
    assert tuned.validation_loss < tuned.validation_loss_before
    plain = finetune(brief(bases["gpt2"], pairs, tmp_path / "out", "full", "train.max_steps=1"))
    assert plain.validation_loss_before == tuned.validation_loss_before


def test_curves_are_written_where_the_settings_say(bases: dict[str, Path], pairs: Path, tmp_path: Path) -> None:
    sets = ("tracking=tensorboard", f"tracking_dir={tmp_path / 'curves'}")
    finetune(brief(bases["llama"], pairs, tmp_path / "out", "full", *sets))
    (run,) = (tmp_path / "curves").iterdir()
    assert run.name.startswith("out-")
    assert [path.stat().st_size > 100 for path in run.glob("events*")] == [True]
