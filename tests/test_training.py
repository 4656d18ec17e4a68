"""Training: a tiny run in seconds is deterministic, learns, and saves a directory that loads."""

from __future__ import annotations

import json
import logging
import math
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from reasongen.config import load_settings
from reasongen.errors import ConfigError, ModelError
from reasongen.prompts.template import load_template
from reasongen.training.directory import stages_of
from reasongen.training.settings import TrainSettings
from reasongen.training.tokenizer import all_marks, train_tokenizer
from reasongen.training.train import IGNORED, encode, reason_loss, train

ROOT = Path(__file__).resolve().parents[1]
TINY = (
    "corpus.examples=96",
    "tokenizer.sample=40",
    "tokenizer.vocab_size=800",
    "model.hidden=32",
    "model.layers=1",
    "model.heads=2",
    "model.mlp=48",
    "train.batch=8",
    "train.max_steps=24",
    "train.warmup=2",
    "train.log_steps=5",
    "threads=1",
)


def tiny(out: Path, *sets: str) -> TrainSettings:
    settings = load_settings(TrainSettings, ROOT / "conf" / "train.yaml", [*TINY, f"out={out}", *sets])
    corpus = settings.corpus.model_copy(
        update={
            "grammars": tuple(str(ROOT / path) for path in settings.corpus.grammars),
            "prompt_template": str(ROOT / settings.corpus.prompt_template),
        }
    )
    return settings.model_copy(update={"corpus": corpus})


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "one"
    return out, train(tiny(out))


def test_the_same_seed_gives_the_same_losses(trained, tmp_path):
    _, first = trained
    again = train(tiny(tmp_path / "two", "train.max_steps=4"))
    assert again.losses[0] == first.losses[0]
    other = train(tiny(tmp_path / "three", "train.max_steps=1", "seed=8"))
    assert other.losses[0] != first.losses[0]


def test_the_loss_falls(trained):
    _, figures = trained
    assert figures.steps == 24
    assert figures.losses[0] == pytest.approx(math.log(800), rel=0.2)
    assert figures.losses[-1] < figures.losses[0] - 0.3


def test_the_saved_directory_loads_and_holds_what_travels_with_weights(trained):
    out, _ = trained
    model = AutoModelForCausalLM.from_pretrained(out, local_files_only=True)
    assert model.dtype == torch.bfloat16
    assert sorted(path.name for path in out.glob("*.safetensors")) == ["model.safetensors"]
    assert load_template(out / "prompt_template.yaml").marks
    recipe = json.loads((out / "recipe.json").read_text(encoding="utf-8"))
    assert [stage["settings"]["seed"] for stage in recipe["stages"]] == [7]
    assert set(recipe["stages"][0]["corpus_sha256"]) == {"zh.yaml", "en.yaml"}


def test_a_mark_is_one_token_and_every_text_comes_back(trained):
    out, _ = trained
    tokenizer = AutoTokenizer.from_pretrained(out, local_files_only=True)
    for mark in all_marks():
        assert len(tokenizer(mark)["input_ids"]) == 1
        assert len(tokenizer(f" {mark}")["input_ids"]) == 1
    for text in ("你[e1.when]看过[e1.items]，𠮷🙂。", "You bought [e1.items] [e1.when], and it is naïve.", "a\tb  c"):
        assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


def test_an_example_ends_with_one_end_mark():
    tokenizer = train_tokenizer(["abc abc"] * 20, 500)
    ids, prompt = encode(tokenizer, "abc", "abc [i.title]")
    assert ids[-1] == tokenizer.eos_token_id
    assert ids.count(tokenizer.eos_token_id) == 1
    assert prompt == len(tokenizer("abc")["input_ids"])


def test_the_loss_is_the_mean_negative_log_likelihood_of_the_reason_alone():
    logits = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125], [0.2, 0.2, 0.6], [0.1, 0.1, 0.8]]))
    model = SimpleNamespace(
        model=lambda input_ids: SimpleNamespace(last_hidden_state=logits[None]), lm_head=lambda hidden: hidden
    )
    ids = torch.tensor([[0, 0, 1, 2]])
    labels = torch.tensor([[IGNORED, IGNORED, 1, 2]])
    # Position 1 predicts token 1 with 0.75, position 2 predicts token 2 with 0.6; position 0 is the prompt's.
    wanted = -(math.log(0.75) + math.log(0.6)) / 2
    assert float(reason_loss(model, ids, labels)) == pytest.approx(wanted, rel=1e-6)


def test_progress_names_step_rate_and_time_left(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        train(tiny(tmp_path / "four", "train.max_steps=5"))
    assert any("step 5 of 5" in line and "tokens/s" in line and "min left" in line for line in caplog.messages)


def test_training_goes_on_from_a_saved_directory(trained, tmp_path):
    out, first = trained
    more = train(tiny(tmp_path / "five", f"train.init={out}", "train.max_steps=1"))
    assert more.losses[0] < first.losses[0] - 0.3
    assert [stage["steps"] for stage in stages_of(tmp_path / "five")] == [24, 1]
    with pytest.raises(ModelError, match=r"train\.init"):
        train(tiny(tmp_path / "six", f"train.init={tmp_path}"))


@pytest.mark.parametrize("name", ["train", "evaluate"])
def test_a_job_without_its_settings_file_exits_with_2(name, tmp_path, capsys):
    job = runpy.run_path(str(ROOT / "jobs" / f"{name}.py"))
    assert job["main"](["--config", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml" in capsys.readouterr().err


def test_an_unknown_setting_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="learning_rate"):
        load_settings(TrainSettings, ROOT / "conf" / "train.yaml", ["train.learning_rat=1"])
