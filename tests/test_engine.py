"""The engine's door, on every member: what comes out depends on the row alone, and a fault of a row is a code."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from engines import KINDS, MEMBERS, Row, frame, make_model, real, rows_of, scripted, written

from reasongen.config import EngineSettings
from reasongen.engine import INPUT, decode_hash, engine_here, model_version
from reasongen.engine.load import load
from reasongen.prompts import MARK, Frame, allowed_marks


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A directory with random weights and a real tokenizer per family."""
    root = tmp_path_factory.mktemp("models")
    return {kind: make_model(root / kind, kind) for kind in KINDS}


@pytest.fixture(params=["scripted", *MEMBERS], ids=str)
def member(request: pytest.FixtureRequest, homes: dict[str, Path]) -> Callable[..., EngineSettings]:
    """Makes settings of one member, with changes."""
    if request.param == "scripted":
        return scripted
    backend, kind = request.param
    return lambda **other: real(homes[kind], backend, **other)


def test_a_row_does_not_depend_on_order_neighbours_or_batch_size(member: Callable[..., EngineSettings]) -> None:
    rows = rows_of(90)
    whole = written(member(), rows)
    assert len({said[0] for said in whole.values()}) > 40
    shuffled = random.Random(1).sample(rows, len(rows))
    assert written(member(), shuffled, size=7) == whole
    half = written(member(), shuffled[:30])
    assert half == {key: whole[key] for key in half}
    for rows_at_once in (1, 32):
        assert written(member(batch_rows=rows_at_once), rows) == whole
    assert written(member(threads=2), rows) == whole


def test_other_samples_and_seeds_give_other_texts(member: Callable[..., EngineSettings]) -> None:
    rows = rows_of(40)
    first = written(member(), rows)
    next_sample = written(member(), [(key, prompt, shown, sample + 2) for key, prompt, shown, sample in rows])
    other_seed = written(member(seed=9), rows)
    assert sum(first[key][0] != next_sample[key[0], key[1] + 2][0] for key in first) > 25
    assert sum(first[key][0] != other_seed[key][0] for key in first) > 25


def test_a_bad_row_is_a_code_and_the_others_are_written(member: Callable[..., EngineSettings]) -> None:
    good = rows_of(6)
    bad: list[Row] = [("0" * 64, None, None, 0), ("1" * 64, "", frame(1), 0)]
    found = written(member(), [*good[:3], *bad, *good[3:]])
    assert {found[row[0], row[3]][1] for row in bad} == {"error:no_prompt"}
    assert all(found[row[0], row[3]][:1] == ("",) for row in bad)
    alone = written(member(), good)
    assert {key: found[key] for key in alone} == alone


def test_bytes_that_are_no_text_never_raise(member: Callable[..., EngineSettings]) -> None:
    broken = pa.array([b"tent \xed\xa0\x80\xff", "好".encode()], pa.binary())
    prompts = pa.StringArray.from_buffers(2, *broken.buffers()[1:])
    others = [pa.array(["a" * 64, "b" * 64]), pa.array([frame(1), frame(2)]), pa.array([0, 0], pa.int32())]
    batch = pa.RecordBatch.from_arrays([others[0], prompts, *others[1:]], schema=INPUT)
    found = [row for out in engine_here(member()).generate(iter([batch])) for row in out.to_pylist()]
    assert {row["finish_reason"] for row in found} <= {"stop", "length"}


def test_nothing_in_gives_nothing_out(member: Callable[..., EngineSettings]) -> None:
    assert list(engine_here(member()).generate(iter([]))) == []


@pytest.mark.parametrize("backend", ["torch", "transformers"])
def test_a_prompt_over_the_limit_is_a_code(backend: str, homes: dict[str, Path]) -> None:
    rows: list[Row] = [("a" * 64, "tent " * 300, None, 0), ("b" * 64, "tent", None, 0)]
    found = written(real(homes["llama"], backend, max_prompt_tokens=64), rows)
    assert found["a" * 64, 0][:2] == ("", "error:prompt_too_long")
    assert found["b" * 64, 0][1] in ("stop", "length")
    # 256 positions less 200 new tokens leave 56, whatever the setting says.
    assert written(real(homes["gpt2"], backend, max_new_tokens=200), rows)["a" * 64, 0][1] == "error:prompt_too_long"


@pytest.mark.parametrize(("backend", "kind"), MEMBERS)
def test_counts_and_logprob_are_the_models_own(backend: str, kind: str, homes: dict[str, Path]) -> None:
    """Against a plain forward pass of each row alone, without padding, temperature 1, uncut, up to the end mark."""
    import torch

    settings = real(homes[kind], backend, temperature=0.7, top_k=20, max_new_tokens=40)
    loaded = load(settings)
    prompts = rows_of(24)
    found = written(settings, prompts)
    with torch.inference_mode():
        for key, prompt, _, sample in prompts:
            text, reason, tokens_in, tokens_out, logprob = found[key, sample]
            asked = loaded.tokenizer(prompt)["input_ids"]
            new = loaded.tokenizer(text)["input_ids"] + [1] * (reason == "stop")
            assert (tokens_in, reason == "length") == (len(asked), tokens_out == 40)
            if len(new) != tokens_out:  # broken letters and spaces at the edges do not come back from the text
                continue
            logits = loaded.model(torch.tensor([[*asked, *new]])).logits[0, len(asked) - 1 : -1]
            wanted = logits.log_softmax(-1).gather(1, torch.tensor(new)[:, None]).sum().item()
            assert logprob == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize(("backend", "kind"), MEMBERS)
def test_greedy_writes_what_generate_writes_alone(backend: str, kind: str, homes: dict[str, Path]) -> None:
    import torch

    settings = real(homes[kind], backend, temperature=0.0)
    rows = rows_of(12)
    found, loaded = written(settings, rows), load(settings)
    for key, prompt, _, sample in rows:
        ids = torch.tensor([loaded.tokenizer(prompt)["input_ids"]])
        plain = loaded.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=12,
            do_sample=False,
            eos_token_id=1,
            pad_token_id=0,
        )[0, ids.shape[1] :].tolist()
        kept = plain[: plain.index(1)] if 1 in plain else plain
        assert found[key, sample][0] == loaded.tokenizer.decode(kept).strip()


def test_the_scripted_engine_uses_only_marks_that_the_frame_allows() -> None:
    rows = rows_of(600)
    found = written(scripted(), rows)
    for key, _, shown, sample in rows:
        text = found[key, sample][0]
        assert {m.group(0) for m in MARK.finditer(text)} <= allowed_marks(Frame.from_json(shown or ""))
        assert text
        assert not any(letter.isdigit() for letter in MARK.sub("", text))
        assert "[" not in MARK.sub("", text)


def test_ordered_faults_come_in_their_share() -> None:
    rows = rows_of(800)
    clean, faulty = written(scripted(), rows), written(scripted(scripted={"fault_rate": 0.25}), rows)
    wrong = [key for key in clean if clean[key][:2] != faulty[key][:2]]
    assert 150 < len(wrong) < 250
    kinds = Counter(
        (faulty[key][0] == "", faulty[key][1], "e9" in faulty[key][0], "24" in faulty[key][0]) for key in wrong
    )
    assert len(kinds) == 4
    assert written(scripted(), [("a" * 64, "p", "no frame", 0)])["a" * 64, 0][1] == "error:no_frame"


def test_one_engine_per_process(homes: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    engine_here(scripted())
    capsys.readouterr()
    first = engine_here(real(homes["llama"]))
    assert engine_here(real(homes["llama"], samples=4, slice_prompts=9)) is first
    assert capsys.readouterr().err.count("loaded in") == 1
    assert engine_here(real(homes["llama"], seed=1)).engine_id != first.engine_id


def test_digests_name_what_changes_a_sample_and_nothing_else(homes: dict[str, Path], tmp_path: Path) -> None:
    home = shutil.copytree(homes["llama"], tmp_path / "copy")
    settings = real(home)
    assert model_version(settings) == model_version(real(homes["llama"]))
    assert decode_hash(settings) == decode_hash(real(home, batch_rows=99, threads=7, samples=3, slice_prompts=5))
    for change in (
        {"backend": "transformers"},
        {"seed": 1},
        {"temperature": 0.5},
        {"top_k": 3},
        {"top_p": 0.5},
        {"max_new_tokens": 9},
    ):
        assert decode_hash(real(home, **change)) != decode_hash(settings), change
    before = model_version(settings)
    (home / "README.md").write_text("a note")
    (home / "recipe.json").write_text("{}")
    assert model_version(settings) == before
    (home / "prompt_template.yaml").write_text("id: other")
    assert model_version(settings) != before


def test_the_door_imports_no_torch_and_no_spark() -> None:
    code = "import sys, reasongen.engine; sys.exit(bool({'torch', 'pyspark', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
