"""Writes valid texts by hash, without weights: the whole road runs on it, and its faults can be ordered.

Reads the frame, not the prompt. Knows no grammar beyond its own sentence pieces; what marks a frame allows is decided
in `prompts.frame`. Counts one token per character, plus the end mark.
"""

from __future__ import annotations

import hashlib
import json
import time
import zlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from hashlib import blake2b
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from reasongen.engine.door import OUTPUT, masks_of, new_engine_id, texts_of
from reasongen.engine.mask import Mask
from reasongen.prompts.frame import MARK, Frame, allowed_marks

if TYPE_CHECKING:
    from reasongen.config import EngineSettings

VERBS = {
    "zh": {
        "browse": "看过",
        "click": "点开过",
        "comment": "评论过",
        "share": "分享过",
        "cart": "加购过",
        "purchase": "买过",
    },
    "en": {
        "browse": "looked at",
        "click": "opened",
        "comment": "commented on",
        "share": "shared",
        "cart": "put in your cart",
        "purchase": "bought",
    },
}
# {v} is the verb of the act, {k} the number of the evidence row. A piece stands only if the frame allows all its marks.
FIRST = {
    "zh": (
        "[e{k}.when]你{v}[e{k}.items]，",
        "你[e{k}.when]{v}[e{k}.title]，",
        "[e{k}.items]你都{v}，",
        "因为你{v}[e{k}.items]，",
        "想到你[e{k}.when]{v}[e{k}.title]，",
        "你{v}带有[e{k}.word]的[e{k}.items]，",
        "说到[e{k}.word]，[e{k}.when]你{v}[e{k}.items]，",
        "你{v}[e{k}.name]为[e{k}.value]的[e{k}.items]，",
        "[e{k}.title]也写着[e{k}.name]，",
    ),
    "en": (
        "[e{k}.when] you {v} [e{k}.items], so ",
        "You {v} [e{k}.items], and ",
        "Since you {v} [e{k}.title], ",
        "You {v} [e{k}.title] [e{k}.when]; ",
        "After the [e{k}.items] you {v}, ",
        "You {v} [e{k}.items] tagged [e{k}.word], so ",
        "With [e{k}.word] in what you {v} [e{k}.when], ",
        "You {v} [e{k}.items] with [e{k}.name] [e{k}.value], so ",
        "[e{k}.title] has its [e{k}.name] listed, so ",
    ),
}
SECOND = {
    "zh": ("也{v}[e{k}.items]，", "还[e{k}.when]{v}[e{k}.title]，", "又{v}[e{k}.items]，", ""),
    "en": ("having {v} [e{k}.items] too, ", "and as you {v} [e{k}.title], ", "with [e{k}.items] beside it, ", ""),
}
ITEM = {
    "zh": (
        "这次看看[i.title]。",
        "[i.title]也合得来。",
        "[i.this]叫[i.title]，可以留意。",
        "给你挑了[i.a]：[i.title]。",
        "[i.brand]的[i.noun]值得看一眼。",
        "[i.title]的特点是[i.word1]。",
        "[i.this]既[i.word1]又[i.word2]。",
        "[i.title]的[i.name]是[i.attr]。",
        "[i.plural]里还有[i.title]。",
    ),
    "en": (
        "have a look at [i.title].",
        "[i.title] fits in well.",
        "here is [i.a]: [i.title].",
        "[i.this] may suit you: [i.title].",
        "[i.brand] makes [i.plural] worth a look.",
        "[i.title] is known for [i.word1].",
        "[i.this] brings [i.word1] and [i.word2].",
        "[i.title] has [i.name] [i.attr].",
        "among [i.plural] there is [i.title].",
    ),
}
ALONE = {
    "zh": ("", "推荐一件：", "换一件看看：", "给你看一件："),
    "en": ("", "Next, ", "Another one: ", "Something new: "),
}


def _cut_off(text: str) -> tuple[str, str]:
    return text[: len(text) // 2], "length"


FAULTS: tuple[Callable[[str], tuple[str, str]], ...] = (
    lambda text: ("", "stop"),
    _cut_off,
    lambda text: (text + "[e9.colour]", "stop"),
    lambda text: (text + " 24", "stop"),
)

_SCRIPT = json.dumps([VERBS, FIRST, SECOND, ITEM, ALONE], ensure_ascii=False, sort_keys=True)
SCRIPT_DIGEST = hashlib.sha256(f"scripted 2 {_SCRIPT}".encode()).hexdigest()


class Pieces(NamedTuple):
    """What may stand in each place of a text of one frame shape; every place has at least one."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    item: tuple[str, ...]


class ScriptedEngine:
    """One text per (prompt_hash, sample, seed), a pure function of these and the frame."""

    def __init__(self, settings: EngineSettings) -> None:
        self.engine_id = new_engine_id()
        self._salt = f":{settings.seed}".encode()
        self._fault_rate = settings.scripted.fault_rate
        self._faulty_below = min(int(self._fault_rate * 2**32), 2**32 - 1).to_bytes(4, "big")
        self._pause = settings.scripted.seconds_per_prompt

    def generate(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """One output batch per input batch, in its order. A row without a prompt or a readable frame becomes a code."""
        for batch in batches:
            hashes, prompts = texts_of(batch["prompt_hash"]), texts_of(batch["prompt"])
            frames, samples = texts_of(batch["frame"]), batch["sample"].to_pylist()
            rows = [self._masked(*row) for row in zip(masks_of(batch), hashes, prompts, frames, samples, strict=True)]
            if self._pause:
                time.sleep(self._pause * len(rows))
            yield self._out(batch, hashes, prompts, rows)

    def _masked(
        self, mask: str | None, prompt_hash: str | None, prompt: str | None, frame: str | None, sample: int
    ) -> tuple[str, str]:
        """The row's text if its mask permits that; else the first sentence that it permits."""
        said = self._row(prompt_hash, prompt, frame, sample)
        if mask is None or said[1].startswith("error:"):
            return said
        try:
            permits = Mask.from_json(mask).permits
        except ValueError:
            return "", "error:bad_mask"
        if permits(said[0]):
            return said
        texts = (_sentence(*parts) for parts in product(*(pieces_of(frame) or ())))
        found = next((text for text in texts if permits(text)), None)
        return ("", "error:banned") if found is None else (found, "stop")

    def _row(self, prompt_hash: str | None, prompt: str | None, frame: str | None, sample: int) -> tuple[str, str]:
        if not prompt:
            return "", "error:no_prompt"
        pieces = pieces_of(frame)
        if pieces is None:
            return "", "error:no_frame"
        key = b"%b:%d%b" % (str(prompt_hash).encode("utf-8", "replace"), sample, self._salt)
        draw = zlib.crc32(key)
        first, second, item = pieces
        text = _sentence(first[draw % len(first)], second[(draw >> 8) % len(second)], item[(draw >> 16) % len(item)])
        # No checksum here: those of two samples of a prompt differ by a constant, and would be faulty together.
        if self._fault_rate and blake2b(b"fault" + key, digest_size=4).digest() < self._faulty_below:
            return FAULTS[(draw >> 4) % len(FAULTS)](text)
        return text, "stop"

    def _out(
        self, batch: pa.RecordBatch, hashes: list[str | None], prompts: list[str | None], rows: list[tuple[str, str]]
    ) -> pa.RecordBatch:
        failed = [reason.startswith("error:") for _, reason in rows]
        tokens = [0 if bad else len(text) + 1 for (text, _), bad in zip(rows, failed, strict=True)]
        columns = [
            pa.array([h or "" for h in hashes], pa.string()),
            batch["sample"].cast(pa.int32()),
            pa.array([text for text, _ in rows], pa.string()),
            pa.array([reason for _, reason in rows], pa.string()),
            pa.array([0 if bad else len(p or "") for p, bad in zip(prompts, failed, strict=True)], pa.int32()),
            pa.array(tokens, pa.int32()),
            pa.array([None if bad else -0.5 * n for n, bad in zip(tokens, failed, strict=True)], pa.float64()),
            pa.array([self.engine_id] * len(rows), pa.string()),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=OUTPUT)


def _sentence(first: str, second: str, item: str) -> str:
    text = first + second + item
    return text[0].upper() + text[1:]


def pieces_of(frame: str | None) -> Pieces | None:
    """The pieces for a frame's JSON; None where it is no frame. Only its shape counts, so the cache stays small."""
    try:
        read: dict[str, Any] = json.loads(frame or "")
        evidence = tuple((row["f"], row["a"]) for row in read["e"][:2])
        return _pieces(read["l"], len(read.get("w") or ()), "a" in read, "b" in read, evidence)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


@lru_cache(maxsize=8192)
def _pieces(locale: str, words: int, attribute: bool, brand: bool, evidence: tuple[tuple[str, str], ...]) -> Pieces:
    frame: dict[str, Any] = {"l": locale, "s": "recommendation", "c": "x", "k": "thing", "w": ["x", "y"][:words]}
    frame |= ({"a": "x"} if attribute else {}) | ({"b": True} if brand else {})
    frame["e"] = [{"f": facet, "a": act, "n": "one"} | _word(facet) for facet, act in evidence]
    if not words:
        del frame["w"]
    marks = {mark.strip("[]") for mark in allowed_marks(Frame.from_json(json.dumps(frame)))}
    chosen = []
    for k, table in ((0, FIRST), (1, SECOND)):
        verb = VERBS[locale][evidence[k][1]] if k < len(evidence) else ""
        texts = [text.format(k=k + 1, v=verb) for text in table[locale]]
        chosen.append(tuple(t for t in texts if _marks_of(t) <= marks) if verb else ())
    item = tuple(text for text in ITEM[locale] if _marks_of(text) <= marks)
    return Pieces(chosen[0] or ALONE[locale], chosen[1] or ("",), item)


def _word(facet: str) -> dict[str, str]:
    return {"w": "x"} if facet in ("tag", "attribute") else {}


def _marks_of(text: str) -> set[str]:
    return {found.group(0).strip("[]") for found in MARK.finditer(text)}
