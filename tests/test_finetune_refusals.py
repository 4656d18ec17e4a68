"""What fine-tuning refuses, before any step: the message says what was wanted, what was found, and what to do."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from lessons import TEMPLATE, brief, lesson, lessons, make_base, write

from reasongen.config import load_settings
from reasongen.errors import ConfigError, ModelError
from reasongen.training.finetune import finetune
from reasongen.training.settings import FinetuneSettings, TrainSettings, load_training

ROOT = TEMPLATE.parents[2]
FRAME = '{"l":"en","s":"recommendation","c":"tent","k":"use","e":[]}'


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "llama", "llama")


def pairs(folder: Path, *rows: dict[str, Any], train: int = 6, validation: int = 3) -> Path:
    return write(folder / "pairs.parquet", [*lessons(train, validation), *rows])


def copied(base: Path, folder: Path) -> Path:
    return shutil.copytree(base, folder / "base")


def without_template(home: Path) -> None:
    (home / "prompt_template.yaml").unlink()


def without_weights(home: Path) -> None:
    (home / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("spoil", "kind", "says"),
    [
        (shutil.rmtree, ModelError, r"wanted the folder of a base model; found none there\. Set model\."),
        (without_weights, ModelError, "wanted weights as"),
        (without_template, ConfigError, r"prompt_template\.yaml; found none\. Set template"),
    ],
)
def test_a_base_that_lacks_something_is_refused(
    spoil: Callable[[Path], None], kind: type[Exception], says: str, base: Path, tmp_path: Path
) -> None:
    home = copied(base, tmp_path)
    spoil(home)
    with pytest.raises(kind, match=says):
        finetune(brief(home, pairs(tmp_path), tmp_path / "out"))
    assert not (tmp_path / "out.work").exists()


def test_a_base_without_a_template_takes_the_one_that_is_named_and_passes_it_on(base: Path, tmp_path: Path) -> None:
    home = copied(base, tmp_path)
    without_template(home)
    finetune(brief(home, pairs(tmp_path), tmp_path / "out", "full", f"template={TEMPLATE}"))
    assert (tmp_path / "out" / "prompt_template.yaml").read_bytes() == TEMPLATE.read_bytes()


def test_a_named_template_may_not_differ_from_the_one_that_travels(base: Path, tmp_path: Path) -> None:
    other = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8")) | {"version": "9"}
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(other), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"wanted reference@1 as it travels .* found reference@9"):
        finetune(brief(base, pairs(tmp_path), tmp_path / "out", "full", f"template={tmp_path / 'other.yaml'}"))


def test_examples_for_another_template_are_refused(base: Path, tmp_path: Path) -> None:
    rows = [row | {"template": "literal@3"} for row in lessons(6, 3)]
    with pytest.raises(ConfigError, match="template of the model, reference@1; found literal@3"):
        finetune(brief(base, write(tmp_path / "pairs.parquet", rows), tmp_path / "out"))


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (
            [lesson(1, "train", FRAME, None), lesson(2, "validation", FRAME, "A tent.")],
            "train .* of 1: 1 the facts bear",
        ),
        ([lesson(1, "train", FRAME, "A tent."), lesson(2, "validation", FRAME, "tent " * 300)], "validation .* 1 more"),
        ([lesson(1, "train", FRAME, "A tent.")], "found none of validation"),
        ([lesson(1, "validation", FRAME, "A tent.")], "found none of train"),
    ],
)
def test_a_split_of_which_nothing_can_be_learnt_is_refused(
    rows: list[dict[str, Any]], says: str, base: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=says):
        finetune(brief(base, write(tmp_path / "pairs.parquet", rows), tmp_path / "out"))


def test_what_cannot_be_learnt_is_dropped_counted_and_told(
    base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = copied(base, tmp_path)
    plain = json.loads((home / "tokenizer.json").read_text(encoding="utf-8"))
    (home / "tokenizer.json").write_text(json.dumps(plain | {"normalizer": {"type": "Lowercase"}}), encoding="utf-8")
    rows = [
        lesson(90, "train", FRAME, None),
        lesson(91, "train", FRAME, "tent " * 300),
        lesson(92, "train", FRAME, "a Tent that it cannot say."),
        *(lesson(number, "train", FRAME, "a tent that it can say.") for number in range(93, 96)),
        lesson(96, "validation", FRAME, "a tent."),
    ]
    with caplog.at_level(logging.INFO):
        finetune(brief(home, write(tmp_path / "pairs.parquet", rows), tmp_path / "out"))
    (stage,) = json.loads((tmp_path / "out" / "recipe.json").read_text(encoding="utf-8"))["stages"]
    wanted = {"pairs": 6, "no_target": 1, "too_long": 1, "not_representable": 1, "learnt": 3}
    assert stage["counts"]["train"] | {"tokens": 0} == wanted | {"tokens": 0}
    assert "no_target 1, too_long 1, not_representable 1, learnt 3" in caplog.text


def test_the_tokens_of_a_prefix_take_room(base: Path, tmp_path: Path) -> None:
    place = pairs(tmp_path, train=24, validation=8)
    lost = []
    for method, tokens in (("full", 3), ("prefix", 60), ("prompt", 60)):
        finetune(brief(base, place, tmp_path / "out", method, f"method.tokens={tokens}"))
        recipe = json.loads((tmp_path / "out" / "recipe.json").read_text(encoding="utf-8"))
        lost.append(recipe["stages"][-1]["counts"]["train"]["too_long"])
    assert lost[0] < lost[1] == lost[2]


def test_a_tokenizer_without_pad_and_with_a_first_token_is_taken_as_the_engine_takes_it(
    base: Path, tmp_path: Path
) -> None:
    home = copied(base, tmp_path)
    config = json.loads((home / "tokenizer_config.json").read_text(encoding="utf-8"))
    config.pop("pad_token")
    (home / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    plain = json.loads((home / "tokenizer.json").read_text(encoding="utf-8"))
    first = {
        "type": "TemplateProcessing",
        "special_tokens": {"<end>": {"id": "<end>", "ids": [1], "tokens": ["<end>"]}},
    }
    first |= {
        name: [{"SpecialToken": {"id": "<end>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
        for name in ("single", "pair")
    }
    (home / "tokenizer.json").write_text(json.dumps(plain | {"post_processor": first}), encoding="utf-8")
    from reasongen.config import EngineSettings
    from reasongen.engine.load import load
    from reasongen.prompts.template import load_template
    from reasongen.training.pairs import Reader, Row, read_lessons

    loaded = load(EngineSettings(model=str(home)))
    assert loaded.tokenizer.pad_token_id is None
    reader = Reader(load_template(TEMPLATE), loaded.tokenizer, loaded.ends[0], loaded.positions)
    for row in read_lessons(str(pairs(tmp_path)), reader, None, 1).train:
        assert isinstance(row, Row)
        assert row.ids[0] == row.ids[-1] == 1
        assert 1 not in row.ids[1:-1]
    finetune(brief(home, pairs(tmp_path), tmp_path / "out"))


@pytest.mark.parametrize(
    ("method", "sets", "says"),
    [
        ("top", ["method.layers=3"], "wanted at most the model's 2; found 3"),
        ("lora", ["method.layers=3"], "wanted at most the model's 2; found 3"),
        ("lora", ["method.targets=[no_proj]"], r"method\.targets: wanted modules of the model"),
        ("full", ["tracking=wandb"], "wanted the package wandb; found none"),
    ],
)
def test_settings_that_do_not_fit_the_model_or_the_machine_are_refused(
    method: str, sets: list[str], says: str, base: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=says):
        finetune(brief(base, pairs(tmp_path), tmp_path / "out", method, *sets))
    assert not (tmp_path / "out.work").exists()


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        (["method.kind=top", "method.layers=0"], "kind top wants at least 1"),
        (["train.save_steps=4"], "wanted the same as eval_steps"),
        (["train.learning_rat=1"], "did you mean `learning_rate`"),
        (["method.kind=adapter"], "method.kind"),
        (["out=models/default"], "wanted another folder than model"),
        (["train.dropout=1"], "train.dropout"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(sets: list[str], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_settings(FinetuneSettings, ROOT / "conf" / "finetune" / "full.yaml", sets)


def test_a_rate_that_loses_the_numbers_stops_the_run(base: Path, tmp_path: Path) -> None:
    sets = ("train.learning_rate=1e30", "train.max_steps=9", "train.clip=0", "train.optimizer=sgd")
    with pytest.raises(ModelError, match=r"wanted a finite loss; found \w+\. Lower train\.learning_rate"):
        finetune(brief(base, pairs(tmp_path), tmp_path / "out", "full", *sets))
    assert not (tmp_path / "out").exists()


def test_examples_or_corpus_decide_what_is_trained() -> None:
    assert isinstance(load_training(ROOT / "conf" / "train.yaml"), TrainSettings)
    assert isinstance(load_training(ROOT / "conf" / "finetune" / "lora.yaml"), FinetuneSettings)
    with pytest.raises(ConfigError, match="corpus: no such setting"):
        load_training(ROOT / "conf" / "train.yaml", ["examples=here"])
