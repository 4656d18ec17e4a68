"""A row under a mask cannot write what that bans, in whatever tokens; every other row is as if there were no mask."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import torch
from engines import KINDS, MEMBERS, Row, frame, in_batches, make_model, real, rows_of, scripted, written
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reasongen.config import EngineSettings
from reasongen.engine import INPUT, MASK, Mask, engine_here
from reasongen.engine.guard import Guard, Guards, spellings_of
from reasongen.engine.intake import TRIES
from reasongen.engine.load import load
from reasongen.errors import ModelError
from reasongen.evaluation.grammar import load_grammar
from reasongen.prompts.template import load_template
from reasongen.training.corpus import examples

ROOT = Path(__file__).resolve().parent.parent

MARKS = ("[a.b]", "[a.cd]", "[e.b]")
LETTERS = st.text("ab[].ce 轻防 TtEeNn", max_size=12)


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


@pytest.fixture(scope="module")
def tokenizer(homes: dict[str, Path]) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(homes["llama"])


def some_mask(row: Row) -> Mask | None:
    """No mask for a third of the rows; else marks, and what random weights write all the time."""
    kind = int(row[0][:6], 16) % 3
    common = ("tent", "light", "帐", "看过", "you", "这")
    return None if kind == 0 else Mask(("[i.title]", "[e1.items]")[:kind], (common, ("轻", "买")[:kind]))


def test_what_a_mask_permits() -> None:
    mask = Mask(MARKS, (("tent", " in", "轻便"), ("7",)))
    assert mask.permits("a stove [a.b] ten t, 轻 便")
    for text in ("a tent", "a TeNt", "in", "a in", "[a.b]in", "轻便", "[a.x]", "[a.b", "[a[a.b]", "7", "x[e.b]7"):
        assert not mask.permits(text), text
    assert mask.permits("[a.b] bin [a.cd]")
    assert Mask((), (("[x",),)).permits("[y]")
    assert Mask(("[b7]",), (("7",),)).permits("[b7]")
    assert Mask().permits("7 tents [")
    assert Mask.from_json(mask.to_json()) == mask


@pytest.mark.parametrize("allowed", [("a.b]",), ("[a.b]", "<a>"), ("[a[b]",), ("[]]",), ("[",), ("",), (" ",), ("((",)])
def test_allowed_strings_of_another_shape_are_refused(allowed: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="mask: wanted"):
        Mask(allowed)


@given(
    text=LETTERS,
    allowed=st.lists(st.sampled_from(MARKS), unique=True),
    banned=st.lists(
        st.lists(st.text("ab]. 轻防tEn", min_size=1, max_size=4).filter(str.strip), max_size=4).map(tuple), max_size=3
    ),
    cuts=st.randoms(use_true_random=False),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_guard_stops_a_text_just_where_the_mask_does_not_permit_it(
    text: str, allowed: list[str], banned: list[tuple[str, ...]], cuts: random.Random, tokenizer: Any
) -> None:
    for may in _guarded(Mask(tuple(allowed), tuple(banned)), text, cuts, tokenizer):
        assert all(may) == Mask(tuple(allowed), tuple(banned)).permits(text)
        assert may == sorted(may, reverse=True), "once it was stopped it stays so"


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("x[a.b]in", False),  # behind an allowed string as behind a space
        ("in", False),
        ("x[a.b]bin", True),
        ("abd", False),  # a beginning of one that turns out to be the middle of another
        ("ababd", False),
        ("abcab", False),
        ("轻轻便", False),
        ("a\u8f7b\u8f7c", True),
        ("[a.c[a.b]", False),
    ],
)
def test_a_guard_finds_a_string_where_another_one_had_begun(text: str, may: bool, tokenizer: Any) -> None:
    mask = Mask(MARKS, ((" in", "abca", "bd", "轻便"),))
    assert mask.permits(text) == may
    assert {all(one) for one in _guarded(mask, text, random.Random(1), tokenizer)} == {may}


def _guarded(mask: Mask, text: str, cuts: random.Random, tokenizer: Any) -> list[list[bool]]:
    """What a guard says to each token and the end mark: in single bytes, as the tokenizer cuts it, and cut anyhow."""
    guards, spelt = Guards(tokenizer, (1,)), spellings_of(tokenizer)
    ids = {spelling: token for token, spelling in reversed(list(enumerate(spelt)))}
    raw, odd = text.encode(), []
    while raw:
        size = next(n for n in range(cuts.randint(1, 6), 0, -1) if raw[:n] in ids)
        odd.append(ids[raw[:size]])
        raw = raw[size:]
    if not (automata := guards.of(mask)):
        return [[True]]
    found = []
    for tokens in ([ids[bytes([one])] for one in text.encode()], tokenizer(text)["input_ids"], odd):
        guard = Guard(automata)
        found.append([guard.take(token) for token in [*tokens, 1]])
    return found


def test_a_masked_row_says_what_it_says_without_where_its_mask_permits_that_and_else_another_thing(
    member: Callable[..., EngineSettings],
) -> None:
    rows = rows_of(90)
    free, found = written(member(), rows), written(member(), rows, masks=some_mask)
    masked = {(row[0], row[3]): mask for row in rows if (mask := some_mask(row))}
    assert 40 < len(masked) < 80
    assert {key: found[key] for key in free if key not in masked} == {k: v for k, v in free.items() if k not in masked}
    ends: Counter[str] = Counter()
    for key, mask in masked.items():
        if mask.permits(_known(free[key], mask)):
            assert found[key] == free[key]
            ends["as without"] += 1
        else:
            assert mask.permits(_known(found[key], mask))
            assert found[key] != free[key]
            ends[found[key][1]] += 1
    assert min(ends["as without"], ends["stop"] + ends["length"]) > 3, "wanted a mask that has work, and can be kept"


def _known(said: tuple[Any, ...], mask: Mask) -> str:
    """The text, less the beginning of an allowed string at the place where it was cut off."""
    text: str = said[0]
    begun = [one[:size] for one in mask.allowed for size in range(1, len(one)) if text.endswith(one[:size])]
    return text.removesuffix(max(begun, key=len)) if begun and said[1] == "length" else text


def test_masked_rows_do_not_depend_on_order_neighbours_or_batch_size(member: Callable[..., EngineSettings]) -> None:
    rows = rows_of(90)
    whole = written(member(), rows, masks=some_mask)
    shuffled = random.Random(1).sample(rows, len(rows))
    assert written(member(), shuffled, 7, some_mask) == whole
    for row in [row for row in rows if some_mask(row)][:4]:
        assert written(member(), [row], masks=some_mask)[row[0], row[3]] == whole[row[0], row[3]]
    for rows_at_once in (1, 32):
        assert written(member(batch_rows=rows_at_once), rows, masks=some_mask) == whole
    assert written(member(threads=2), rows, masks=some_mask) == whole


@pytest.mark.parametrize("kind", KINDS)
@given(
    chosen=st.lists(st.integers(0, 59), min_size=1, max_size=30, unique=True),
    batch_rows=st.integers(1, 40),
    size=st.integers(1, 30),
)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_masked_rows_in_any_order_are_written_as_among_all(
    kind: str, chosen: list[int], batch_rows: int, size: int, homes: dict[str, Path], wholes: dict[str, Any]
) -> None:
    rows = rows_of(60)
    found = written(real(homes[kind], batch_rows=batch_rows), [rows[number] for number in chosen], size, some_mask)
    assert found == {key: wholes[kind][key] for key in found}


@pytest.fixture(scope="module")
def wholes(homes: dict[str, Path]) -> dict[str, Any]:
    """What each family writes for all rows at once, under their masks."""
    return {kind: written(real(homes[kind], batch_rows=64), rows_of(60), masks=some_mask) for kind in KINDS}


def test_a_mask_that_bans_nothing_changes_nothing(member: Callable[..., EngineSettings]) -> None:
    rows = rows_of(40)
    never = Mask((), (("no such words stand here",),))
    assert written(member(), rows, masks=lambda _: never) == written(member(), rows)
    assert written(member(), rows, masks=lambda _: Mask()) == written(member(), rows)
    assert written(member(), rows, masks=lambda _: None) == written(member(), rows)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("backend", ["torch", "transformers"])
def test_a_row_that_its_mask_lets_say_nothing_is_a_code_after_some_tries(
    backend: str, temperature: float, homes: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, how = rows_of(12), real(homes["llama"], backend, temperature=temperature)
    free, asked = written(how, rows), list[int]()
    monkeypatch.setattr(Guard, "take", lambda _, token: bool(asked.append(token)))
    found = written(how, rows, masks=some_mask)
    masked = {(row[0], row[3]) for row in rows if some_mask(row)}
    assert {found[key][:2] + found[key][3:] for key in masked} == {("", "error:banned", 0, None)}
    assert {key: said for key, said in found.items() if key not in masked} == {
        key: said for key, said in free.items() if key not in masked
    }
    assert len(asked) == len(masked) * (TRIES if temperature else 1), "greedily, a second try would be the first again"


def test_a_text_that_is_begun_again_is_written_as_one_from_its_beginning() -> None:
    """Against a plain forward pass of the row alone: what was given up leaves nothing behind in its slot."""
    how = real(ROOT / "models" / "default", temperature=0.5, max_new_tokens=48)
    template = load_template(ROOT / "models" / "default" / "prompt_template.yaml")
    grammars = [load_grammar(ROOT / "conf" / "corpus" / f"{language}.yaml") for language in ("zh", "en")]
    prompts = [template.render(one.frame) for grammar in grammars for one in examples(grammar, 5, 30)]
    rows: list[Row] = [(f"{number:064}", prompt, None, 0) for number, prompt in enumerate(prompts)]
    mask = Mask((), ((" you ", "也", "[i.title]"),))
    free, found = written(how, rows), written(how, rows, masks=lambda _: mask)
    loaded, compared = load(how), 0
    for key, prompt, _, sample in rows:
        text, reason, _, count, logprob = found[key, sample]
        if reason != "stop" or text == free[key, sample][0]:
            continue
        assert mask.permits(text)
        asked, new = loaded.tokenizer(prompt)["input_ids"], [*loaded.tokenizer(text)["input_ids"], loaded.ends[0]]
        if len(new) == count:
            logits = loaded.model(torch.tensor([[*asked, *new]])).logits[0, len(asked) - 1 : -1]
            wanted = logits.log_softmax(-1).gather(1, torch.tensor(new)[:, None]).sum().item()
            assert logprob == pytest.approx(wanted, abs=1e-3)
            compared += 1
    assert compared > 5


@pytest.mark.parametrize(
    "broken", ["", "no json", "[]", "{}", '{"allowed": ["x"], "banned": []}', '{"allowed": [], "banned": ["x"]}']
)
def test_a_mask_that_cannot_be_read_is_a_code(broken: str, member: Callable[..., EngineSettings]) -> None:
    rows = rows_of(4)
    whole = written(member(), rows[1:])
    batch = next(in_batches(rows))
    masks = pa.array([broken, None, None, None], MASK.type)
    batch = pa.RecordBatch.from_arrays([*batch.columns, masks], schema=INPUT.append(MASK))
    found = [row for out in engine_here(member()).generate(iter([batch])) for row in out.to_pylist()]
    said = {(row["prompt_hash"], row["sample"]): row for row in found}
    assert said.pop((rows[0][0], rows[0][3]))["finish_reason"] == "error:bad_mask"
    assert {key: row["text"] for key, row in said.items()} == {key: row[0] for key, row in whole.items()}


def test_the_scripted_engine_turns_to_a_sentence_that_the_mask_permits() -> None:
    faulty = scripted(scripted={"fault_rate": 1.0})
    rows: list[Row] = [(f"{number:064}", "p", frame(1, "en", 1), 0) for number in range(40)]
    marks = json.loads(frame(1, "en", 1)) and Mask(("[i.title]", "[i.this]", "[e1.items]"), (("2",), ("well",)))
    found = written(faulty, rows, masks=lambda _: marks)
    assert all(marks.permits(text) for text, *_ in found.values())
    assert sum("[" in text for text, *_ in found.values()) > 10


def test_bytes_of_tokens(tokenizer: Any, tmp_path: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    spelt = spellings_of(tokenizer)
    for text in ("a tent, 帐篷\n<end>", "防水 [e1.items]"):
        assert b"".join(spelt[token] for token in tokenizer(text)["input_ids"]) == text.encode()
    core = Tokenizer(models.BPE(vocab={"<0xE8>": 0, "\u2581a": 1, "b": 2}, merges=[], byte_fallback=True))
    core.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    assert spellings_of(PreTrainedTokenizerFast(tokenizer_object=core)) == [b"\xe8", b" a", b"b"]
    core.decoder, core.pre_tokenizer = decoders.WordPiece(), pre_tokenizers.Whitespace()
    with pytest.raises(ModelError, match=r"engine\.mask: false"):
        spellings_of(PreTrainedTokenizerFast(tokenizer_object=core))
