"""The engine's door, on every member: what comes out depends on the row alone, and a fault of a row is a code."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from reasongen.config import EngineSettings
from reasongen.engine import INPUT, OUTPUT, decode_hash, engine_here, model_version
from reasongen.errors import MachineError, ModelError
from reasongen.prompts import MARK, Frame, allowed_marks

WORDS = [
    "tent",
    "stove",
    "light",
    "rain",
    "wool",
    "few",
    "many",
    "bought",
    "帐篷",
    "轻",
    "防水",
    "买过",
    "看过",
    "三顶",
]
END = "<end>"
KINDS = ("llama", "gpt2", "qwen2")
Row = tuple[str, str | None, str | None, int]


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A directory with random weights and a real tokenizer per family."""
    root = tmp_path_factory.mktemp("models")
    return {kind: make_model(root / kind, kind) for kind in KINDS}


def make_model(folder: Path, kind: str, seed: int = 0) -> Path:
    import torch
    import transformers as hf
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    core = Tokenizer(models.BPE())
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<pad>", END], initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator([" ".join(WORDS)] * 4, trainer)
    tokenizer = hf.PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", eos_token=END)
    size = len(tokenizer)
    ends: dict[str, Any] = {"vocab_size": size, "eos_token_id": 1, "bos_token_id": None, "pad_token_id": 0}
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2}
    wide: dict[str, Any] = {**shape, "intermediate_size": 64, "max_position_embeddings": 256}
    torch.manual_seed(seed)
    model = {
        "llama": lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**ends, **wide)),
        "qwen2": lambda: hf.Qwen2ForCausalLM(hf.Qwen2Config(**ends, **wide)),
        "gpt2": lambda: hf.GPT2LMHeadModel(hf.GPT2Config(**ends, n_embd=32, n_layer=2, n_head=2, n_positions=256)),
    }[kind]()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.mul_(4)  # away from the uniform distribution, so that a text says something of its prompt
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_adapter(base: Path, folder: Path) -> Path:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    adapted.save_pretrained(folder)
    return folder


def real(home: Path, **other: Any) -> EngineSettings:
    plain = {"device": "cpu", "threads": 1, "batch_rows": 8, "max_new_tokens": 12, "temperature": 1.0, **other}
    return EngineSettings(backend="transformers", model=str(home), **plain)


def scripted(**other: Any) -> EngineSettings:
    return EngineSettings(backend="scripted", **other)


def frame(number: int, locale: str = "zh", rows: int = 2) -> str:
    facets = [{"f": "tag", "w": "轻", "a": "browse", "n": "one"}, {"f": "brand", "a": "purchase", "n": "few"}]
    head = {"l": locale, "s": "recommendation", "c": f"tent{number}", "k": "use", "w": ["轻", "防水"][: number % 3]}
    shown = {**head, "a": "材质" if number % 2 else "", "b": number % 5 > 0, "e": facets[:rows]}
    return json.dumps({key: value for key, value in shown.items() if value or key == "e"}, ensure_ascii=False)


def rows_of(count: int, seed: int = 3) -> list[Row]:
    draw = random.Random(seed)
    made = []
    for number in range(count):
        prompt = " ".join(draw.choice(WORDS) for _ in range(draw.randint(1, 25)))
        key = hashlib.sha256(f"{number} {prompt}".encode()).hexdigest()
        made.append((key, prompt, frame(number, ("zh", "en")[number % 2], number % 3), number % 2))
    return made


def in_batches(rows: Sequence[Row], size: int = 1000) -> Iterator[pa.RecordBatch]:
    for first in range(0, len(rows), size):
        columns = zip(*rows[first : first + size], strict=True)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, INPUT, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=INPUT)


def written(settings: EngineSettings, rows: Sequence[Row], size: int = 1000) -> dict[tuple[str, int], tuple[Any, ...]]:
    """(prompt_hash, sample) to text, finish_reason, tokens_in, tokens_out, logprob."""
    batches = list(engine_here(settings).generate(in_batches(rows, size)))
    assert all(batch.schema == OUTPUT for batch in batches)
    found = [row for batch in batches for row in batch.to_pylist()]
    assert sorted((r["prompt_hash"], r["sample"]) for r in found) == sorted((r[0], r[3]) for r in rows)
    names = ("text", "finish_reason", "tokens_in", "tokens_out", "logprob")
    return {(r["prompt_hash"], r["sample"]): tuple(r[name] for name in names) for r in found}


@pytest.fixture(params=["scripted", *KINDS])
def member(request: pytest.FixtureRequest, homes: dict[str, Path]) -> Callable[..., EngineSettings]:
    """Makes settings of one member, with changes."""
    if request.param == "scripted":
        return scripted
    return lambda **other: real(homes[request.param], **other)


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


def test_a_prompt_over_the_limit_is_a_code(homes: dict[str, Path]) -> None:
    rows: list[Row] = [("a" * 64, "tent " * 300, None, 0), ("b" * 64, "tent", None, 0)]
    found = written(real(homes["llama"], max_prompt_tokens=64), rows)
    assert found["a" * 64, 0][:2] == ("", "error:prompt_too_long")
    assert found["b" * 64, 0][1] in ("stop", "length")
    # 256 positions less 200 new tokens leave 56, whatever the setting says.
    assert written(real(homes["gpt2"], max_new_tokens=200), rows)["a" * 64, 0][1] == "error:prompt_too_long"


def test_counts_and_logprob_are_the_models_own(homes: dict[str, Path]) -> None:
    """Against a plain forward pass of each row alone, without padding, temperature 1, uncut, up to the end mark."""
    import torch

    from reasongen.engine.hf import Row as Written

    settings = real(homes["llama"], temperature=0.7, top_k=20, max_new_tokens=40)
    engine: Any = engine_here(settings)
    loaded = engine._loaded
    prompts = [row for row in rows_of(60) if 16 <= len(loaded.tokenizer(row[1])["input_ids"]) < 32][:8]
    found = written(settings, prompts)
    rows = [Written(key, sample, tuple(loaded.tokenizer(prompt)["input_ids"])) for key, prompt, _, sample in prompts]
    with torch.inference_mode():
        ids, _ = engine._run(rows)
        for row, new in zip(rows, ids, strict=True):
            new = new[: new.index(1) + 1] if 1 in new else new
            logits = loaded.model(torch.tensor([[*row.tokens, *new]])).logits[0, len(row.tokens) - 1 : -1]
            wanted = logits.log_softmax(-1).gather(1, torch.tensor(new)[:, None]).sum().item()
            _, reason, tokens_in, tokens_out, logprob = found[row.prompt_hash, row.sample]
            assert (tokens_in, tokens_out) == (len(row.tokens), len(new))
            assert reason == ("stop" if new[-1] == 1 else "length")
            assert logprob == pytest.approx(wanted, abs=1e-3)


def test_greedy_writes_what_generate_writes_alone(homes: dict[str, Path]) -> None:
    import torch

    for kind in KINDS:
        settings = real(homes[kind], temperature=0.0)
        rows = rows_of(12)
        found, loaded = written(settings, rows), engine_here(settings)._loaded  # type: ignore[attr-defined]
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
        got = torch.bincount(choose(logits.repeat(count, 1), keys, 3, how), minlength=200).double()
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
    for change in ({"seed": 1}, {"temperature": 0.5}, {"top_k": 3}, {"top_p": 0.5}, {"max_new_tokens": 9}):
        assert decode_hash(real(home, **change)) != decode_hash(settings), change
    before = model_version(settings)
    (home / "README.md").write_text("a note")
    (home / "recipe.json").write_text("{}")
    assert model_version(settings) == before
    (home / "prompt_template.yaml").write_text("id: other")
    assert model_version(settings) != before


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


def with_more_layers(home: Path) -> None:
    config = json.loads((home / "config.json").read_text())
    (home / "config.json").write_text(json.dumps({**config, "vocab_size": 100}))


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (pickled, "pickled weights"),
        (with_code, "auto_map"),
        (without_tokenizer, "wanted a tokenizer"),
        (with_a_weight_missing, "up_proj"),
        (with_more_layers, "wanted"),
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


def test_the_door_imports_no_torch_and_no_spark() -> None:
    code = "import sys, reasongen.engine; sys.exit(bool({'torch', 'pyspark', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
