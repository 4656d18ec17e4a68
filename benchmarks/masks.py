"""What masks cost and change, on the default model, one core:  python benchmarks/masks.py [--rows 1000] [--rounds 3]

The same prompts in turn, all warm: without the column `mask`, with the column and nothing in it, under masks that the
model never meets (terms of the law alone), and under the night's own. Milliseconds are CPU time of the process for each
token of the texts that come out; those of texts that were given up are in it. Then what comes of a prompt as a night
would have it, with up to two second tries: whether a sample passes the verdict (with made-up literals), and whether the
examination finds it right that knows the training grammar (evaluation/judge.py), which no verdict does.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pyarrow as pa
from workload import ROOT, frames

from reasongen.config import load_config
from reasongen.engine import INPUT, MASK
from reasongen.engine.torch_engine import TorchEngine
from reasongen.evaluation.grammar import load_grammar
from reasongen.evaluation.judge import judge as faults
from reasongen.pipeline.generating import with_prompts
from reasongen.pipeline.judging import Judge
from reasongen.pipeline.masking import Masking
from reasongen.pipeline.tools import tools_of
from reasongen.prompts import Frame, Literals

Said = dict[str, tuple[str, str, int]]  # prompt_hash: text, finish reason, new tokens


def main() -> int:
    """Prints the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    wanted = parser.parse_args()
    config = load_config(ROOT / "conf" / "local.yaml", ["engine.threads=1", f"engine.model={ROOT}/models/default"])
    tools = tools_of(config)
    masking, judge = tools.masking(config), tools.judge(config)
    assert masking is not None
    engine, rows = TorchEngine(config.engine), frames(wanted.rows)
    table = pa.table({"prompt_hash": [key for key, _ in rows], "frame": [text for _, text in rows]})
    table = table.append_column("sample", pa.array([0] * len(rows), pa.int32()))

    def batches(kind: str) -> list[pa.RecordBatch]:
        made = {"masked": masking, "never met": replace(masking, marks=False)}.get(kind)
        given = with_prompts(iter(table.to_batches(2000)), tools.template, made)
        return list(map(_with_nulls, given) if kind == "column of nulls" else given)

    kinds = ("no column", "column of nulls", "never met", "masked")
    told: dict[str, list[float]] = {kind: [] for kind in kinds}
    said: dict[str, Said] = {}
    for turn in range(wanted.rounds + 1):  # the first one warms
        for kind in kinds[turn % 4 :] + kinds[: turn % 4]:
            given = batches(kind)
            began = time.process_time()
            said[kind] = _written(engine, iter(given))
            spent = 1000 * (time.process_time() - began) / sum(tokens for _, _, tokens in said[kind].values())
            if turn:
                told[kind].append(round(spent, 4))
    found: dict[str, Any] = {"ms a token": told, "rows": wanted.rows}
    for kind in kinds[1:]:
        found[f"{kind} over no column"] = _ratio(told[kind], told["no column"])
    found["texts the same without a mask"] = said["no column"] == said["column of nulls"]
    found["texts the same under masks never met"] = said["no column"] == said["never met"]
    found["texts the same under masks"] = sum(said["no column"][key] == one for key, one in said["masked"].items())
    found["ms to make a mask, first time"] = _making(masking, [text for _, text in rows])
    for kind in ("no column", "masked"):
        tries = [said[kind]]
        for sample in range(1, config.engine.retries + 1):
            numbered = [_sampled(batch, sample) for batch in batches(kind)]
            tries.append(_written(engine, iter(numbered)))
        found[f"prompts, {kind}"] = _outcome(judge, dict(rows), tries)
    print(json.dumps(found, ensure_ascii=False, indent=1))
    return 0


def _sampled(batch: pa.RecordBatch, sample: int) -> pa.RecordBatch:
    place = batch.schema.get_field_index("sample")
    return batch.set_column(place, batch.schema.field(place), pa.array([sample] * len(batch), pa.int32()))


def _with_nulls(batch: pa.RecordBatch) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([*batch.columns, pa.nulls(len(batch), MASK.type)], schema=INPUT.append(MASK))


def _written(engine: TorchEngine, batches: Iterator[pa.RecordBatch]) -> Said:
    rows = [row for batch in engine.generate(batches) for row in batch.to_pylist()]
    return {row["prompt_hash"]: (row["text"], row["finish_reason"], row["tokens_out"]) for row in rows}


def _ratio(some: Sequence[float], others: Sequence[float]) -> list[float]:
    """Middle, smallest, largest of the ratios within a round."""
    ratios = [one / other for one, other in zip(some, others, strict=True)]
    return [round(one, 3) for one in (statistics.median(ratios), min(ratios), max(ratios))]


def _making(masking: Masking, texts: Sequence[str]) -> float:
    fresh = Masking(masking.forbidden, masking.marks)
    shown = [Frame.from_json(text) for text in texts]
    began = time.process_time()
    for frame in shown:
        fresh.of(frame)
    return round(1000 * (time.process_time() - began) / len(shown), 4)


def _outcome(judge: Judge, shown: dict[str, str], tries: Sequence[Said]) -> dict[str, Any]:
    """Of the first samples: how many pass, why not, distinct-2 with marks. Then the first of all tries that passes."""
    literals = Literals.from_dict({"title": "Ridge", "brand": "Peak", "attr": "slate", "e": [_ROW] * 4})
    grammars = {name: load_grammar(ROOT / "conf" / "corpus" / f"{name}.yaml") for name in ("zh", "en")}
    rules, seen, count = Counter[str](), list[tuple[str, str]](), Counter[str]()
    for key, shape in shown.items():
        frame = Frame.from_json(shape)
        for number, said in enumerate(tries):
            text, reason, _ = said[key]
            verdict = judge.verdict(judge.renderer.fill(text, frame, literals), text, reason, frame)
            count["samples written"] += 1
            if not number:
                seen += pairwise(text.split() if frame.locale == "en" else list(text))
                count["first samples that pass"] += verdict.passed
                rules.update({failure.rule for failure in verdict.failures})
            if verdict.passed:
                count["prompts with a sample that passes"] += 1
                count["of these, wrong by the examination"] += bool(faults(grammars[frame.locale], frame, text))
                break
    distinct = round(len(set(seen)) / max(1, len(seen)), 4)
    return {**count, "distinct-2 of first samples": distinct, "first samples refused by": dict(rules.most_common())}


_ROW = {"count": 3, "title": "Fell", "value": "slate", "noun": "thing"}

if __name__ == "__main__":
    sys.exit(main())
