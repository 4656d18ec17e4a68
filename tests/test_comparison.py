"""Models on labelled pairs: the job from end to end, its faults, and the likelihood of targets."""

from __future__ import annotations

import json
import math
import runpy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from deltalake import write_deltalake
from labelled import CONF, TEMPLATE, rows, write
from transformers import AutoModelForCausalLM

from reasongen.config import EngineSettings
from reasongen.errors import ConfigError
from reasongen.evaluation.labelled import LabelledPair, read_labelled
from reasongen.prompts import load_template
from reasongen.training.comparison import Comparison, ComparisonSettings, compare
from reasongen.training.likelihood import likelihood
from reasongen.training.tokenizer import load_tokenizer
from reasongen.training.train import IGNORED, encode, reason_loss

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "models" / "default"


def settings(examples: Path, *models: dict[str, Any], **other: Any) -> ComparisonSettings:
    plain: dict[str, Any] = {"engine": {"threads": 1, "device": "cpu"}, "draws": 60, **CONF, **other}
    return ComparisonSettings(examples=str(examples), models=models, **plain)


def test_a_lake_in_a_folder_with_spaces_is_read(tmp_path: Path) -> None:
    place, given = tmp_path / "a lake" / "examples", rows(2, 2)
    write_deltalake(place, pq.read_table(write(tmp_path / "examples.parquet", given)))
    assert len(read_labelled(place, ("train", "validation"))) == len(given)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("labelled") / "examples.parquet", rows(60, 20))


@pytest.fixture(scope="module")
def compared(examples: Path) -> Comparison:
    """The default model twice: a tuned one that is the same must come out as the same."""
    model = {"model": str(MODEL)}
    return compare(settings(examples, {"name": "base", **model}, {"name": "tuned", **model}))


def figure(compared: Comparison, writer: str, name: str) -> float:
    found = compared.figures["writers"][writer]["figures"][name]
    assert isinstance(found, float)
    return found


def test_the_model_stands_between_the_baselines_and_the_target(compared: Comparison) -> None:
    assert figure(compared, "target", "rouge1_target") == pytest.approx(1)
    assert figure(compared, "label", "rouge1_label") == pytest.approx(1)
    assert figure(compared, "constant", "lift_skeleton") == pytest.approx(0)
    lifts = [figure(compared, name, "lift_skeleton") for name in ("constant", "nearest", "base", "target")]
    assert lifts == sorted(lifts)
    assert figure(compared, "base", "borne") > 0.9 > figure(compared, "nearest", "borne")
    assert figure(compared, "label", "borne") < figure(compared, "target", "borne")  # opinions are borne by nothing
    assert 1 < compared.figures["writers"]["base"]["perplexity"] < 4


def test_two_models_that_are_one_do_not_differ(compared: Comparison) -> None:
    ours = [one for one in compared.figures["comparisons"] if (one["first"], one["second"]) == ("tuned", "base")]
    assert len(ours) == 6
    assert all((one["difference"], one["low"], one["high"], one["p"]) == (0, 0, 0, 1) for one in ours)
    sure = [one for one in compared.figures["comparisons"] if one["second"] == "constant" and one["p"] < 0.05]
    assert {"rouge1_label", "gain_skeleton"} <= {one["figure"] for one in sure}


def test_segments_hold_every_pair_once_and_their_own_figures(compared: Comparison) -> None:
    segments = compared.figures["writers"]["nearest"]["segments"]
    assert set(segments) == {"locale", "noun_class", "evidence_rows"}
    assert all(sum(row["pairs"] for row in kind.values()) == 40 for kind in segments.values())
    shares = {}
    for locale in ("zh", "en"):
        told = [
            one for pair, one in zip(compared.pairs, compared.told["nearest"], strict=True) if pair.locale == locale
        ]
        shares[locale] = sum(not one.failures for one in told) / len(told)
        assert segments["locale"][locale]["passed"] == pytest.approx(shares[locale])
        borne = sum(one.borne / one.claims for one in told) / len(told)
        assert segments["locale"][locale]["borne"] == pytest.approx(borne)
    assert figure(compared, "nearest", "passed") == pytest.approx(sum(shares.values()) / 2) != 1
    assert shares["zh"] != shares["en"]


def test_the_same_settings_give_the_same_figures_and_hold_no_text(examples: Path, compared: Comparison) -> None:
    again = compare(settings(examples, {"name": "base", "model": str(MODEL)}, perplexity=False))
    base = compared.figures["writers"]["base"]
    assert again.figures["writers"]["base"]["figures"] == base["figures"]
    assert again.figures["writers"]["base"]["intervals"] == base["intervals"]
    plain = json.dumps(compared.figures, ensure_ascii=False)
    assert not any(one.reason in plain or one.literals.title in plain for one in compared.pairs)


def test_a_limit_draws_pairs_by_the_seed(examples: Path) -> None:
    drawn = [compare(settings(examples, limit=6, seed=seed)).pairs for seed in (1, 1, 2)]
    assert [len(one) for one in drawn] == [6, 6, 6]
    assert drawn[0] == drawn[1] != drawn[2]


def run(argv: Sequence[str]) -> int:
    code = runpy.run_path(str(ROOT / "jobs" / "evaluate.py"))["main"](list(argv))
    assert isinstance(code, int)
    return code


def test_the_job_prints_a_table_and_writes_figures_and_page(
    examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    sets = [f"examples={examples}", "engine.backend=scripted", "template=conf/prompts/reference.yaml", "draws=40"]
    options = [option for one in sets for option in ("--set", one)]
    files = ["--json", str(tmp_path / "figures.json"), "--html", str(tmp_path / "new" / "page.html")]
    assert run(["--config", "conf/evaluate_pairs.yaml", *options, *files]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert set(figures["writers"]) == {"base", "constant", "template", "nearest", "target", "label"}
    assert figures["writers"]["base"]["finish"] == {"stop": 40}
    assert "perplexity" not in figures["writers"]["base"]
    out = capsys.readouterr().out
    assert "40 pairs of validation" in out
    assert all(name in out for name in ("rouge1_label", "lift_skeleton", "borne", "self_bleu", "repetition"))
    assert "</html>" in (tmp_path / "new" / "page.html").read_text(encoding="utf-8")


def test_the_job_judges_one_model_that_is_named(
    examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    sets = ["--set", f"examples={examples}", "--set", "limit=4", "--set", "draws=10", "--set", "engine.threads=1"]
    command = ["--config", "conf/evaluate_pairs.yaml", *sets, "--json", str(tmp_path / "figures.json")]
    assert run([*command, "--model", str(MODEL)]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert figures["models"] == ["model"]
    assert figures["writers"]["model"]["model"] == str(MODEL)
    assert run([*command, "--model", str(tmp_path / "none")]) == 2
    assert "none" in capsys.readouterr().err


def with_rows(path: Path, **changed: Any) -> Path:
    return write(path / "changed.parquet", [{**row, **changed} for row in rows(4, 4)])


def test_faults_say_what_was_wanted_what_was_found_and_what_to_do(tmp_path: Path, examples: Path) -> None:
    model = {"name": "base", "model": str(MODEL)}
    with pytest.raises(ConfigError, match=r"wanted the template other@2.*found reference@1.*Write the pairs anew"):
        compare(settings(with_rows(tmp_path, template="other@2"), model))
    with pytest.raises(ConfigError, match=r"wanted 2 pairs or more.*found 0 of 8.*Choose another split"):
        compare(settings(with_rows(tmp_path, target=None)))
    with pytest.raises(ConfigError, match=r"wanted a file for the locales fr.*found \['en', 'zh'\].*add the files"):
        compare(settings(with_rows(tmp_path, locale="fr")))
    with pytest.raises(ConfigError, match=r"wanted .*prompt_template\.yaml, or a setting `template`; found neither"):
        compare(settings(examples, {"name": "bare", "model": str(tmp_path)}))
    with pytest.raises(ConfigError, match="found none of test"):
        compare(settings(examples, split="test"))


@pytest.mark.parametrize("name", ["target", "nearest", "twice"])
def test_a_model_has_a_name_of_its_own(examples: Path, name: str) -> None:
    with pytest.raises(ValueError, match="wanted names of their own"):
        settings(examples, {"name": name}, {"name": "twice"})


def test_the_likelihood_is_the_loss_that_training_measures(examples: Path) -> None:
    template = load_template(MODEL / "prompt_template.yaml")
    assert template.key == TEMPLATE
    pairs: list[LabelledPair] = read_labelled(examples, ("validation",))[::9]
    given = [(template.render(one.frame), one.target or "") for one in pairs]
    found = likelihood(EngineSettings(model=str(MODEL), device="cpu"), given)
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32, local_files_only=True).eval()
    tokenizer = load_tokenizer(MODEL)
    nats = learnt = 0.0
    for prompt, target in given:
        ids, head = encode(tokenizer, prompt, target)
        labels = [IGNORED] * head + ids[head:]
        with torch.inference_mode():
            nats += float(reason_loss(model, torch.tensor([ids]), torch.tensor([labels]))) * (len(ids) - head)
        learnt += len(ids) - head
    assert found.tokens == learnt
    assert found.nats == pytest.approx(nats, rel=1e-4)
    assert found.perplexity == pytest.approx(math.exp(nats / learnt), rel=1e-4)
    assert found.bits_per_character == pytest.approx(
        nats / math.log(2) / sum(len(target) for _, target in given), rel=1e-4
    )
