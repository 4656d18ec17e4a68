"""The engine against what a user would take instead, on the default model, one core, float32.

    python benchmarks/engine.py --quick --json .local/bench/engine.json     # below 8 minutes
    python benchmarks/engine.py --rounds 9 --rows 2000 --model DIR          # any model of a known family

Every round times every peer on the same prompts, in an order that turns; all are warm. Seconds are CPU seconds of one
core, since the clock says more of the neighbours than of the engine. A ratio is made within a round; its median counts,
smallest and largest stand beside it. A figure that was not taken is null, and `reasons` says why.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from around import pairs_and_prompts, pipeline, spark_overhead
from peers import Peer, ctranslate2, generate, ours
from workload import ROOT, Prompt, bound, in_batches, prompts

from reasongen.config import EngineSettings
from reasongen.engine.load import load
from reasongen.engine.torch_engine import TorchEngine

BATCHES = (32, 64)  # of the peers; the better one of a warm round counts
LAYOUTS = tuple((partitions, rows) for partitions in (1, 7, 64) for rows in (1, 8, 32, 64))
NOT_TAKEN = {"default_over_vllm_cpu": "its CPU build is not installed beside this environment"}


def main() -> int:
    """Prints the figures as JSON, and writes them to --json."""
    wanted = arguments()
    # Counting the threads is the engine's business; here everybody gets one.
    settings = EngineSettings(backend="torch", model=wanted.model, device="cpu", threads=1)
    rows = prompts(wanted.rows, wanted.model)
    told = timed(members(settings, rows[: wanted.rows // 4]), rows, wanted.rounds)
    found = figures(told) | {"identical_text": identical(settings, rows[:70])}
    found |= bounded(settings, rows, told["torch"]) | dict.fromkeys(NOT_TAKEN)
    over = spark_overhead(wanted.model, rows=2 * wanted.rows, rounds=wanted.rounds)
    found |= {"spark_overhead": statistics.median(over), "spark_overhead_spread": [min(over), max(over)]}
    naive, why = naive_night(told)
    found |= naive
    found |= {"reasons": NOT_TAKEN | missing(told) | why, "rounds": told, "rows": wanted.rows, "cores": 1}
    text = json.dumps(found, indent=1)
    if wanted.json:
        with open(wanted.json, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    print(text)
    return 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="3 rounds of 1000 prompts")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--model", default=str(ROOT / "models" / "default"))
    parser.add_argument("--json", metavar="FILE")
    wanted = parser.parse_args()
    if wanted.quick:
        wanted.rounds, wanted.rows = 3, 1000
    return wanted


def members(settings: EngineSettings, few: list[Prompt]) -> dict[str, Peer]:
    """Everybody who is installed, warm, and with the better of some batch sizes."""
    made = {"torch": ours(settings), "transformers": ours(settings.model_copy(update={"backend": "transformers"}))}
    kinds: dict[str, Callable[[EngineSettings, int], Peer | None]] = {
        "generate": generate,
        "pipeline": pipeline,
        "ctranslate2": ctranslate2,
        "ctranslate2_int8": lambda how, batch: ctranslate2(how, batch, "int8"),
    }
    for name, kind in kinds.items():
        peers = [peer for batch in BATCHES if (peer := kind(settings, batch)) is not None]
        if peers:
            made[name] = min(peers, key=lambda peer: (peer(few), spent(peer, few)[0])[1])
    for name in ("torch", "transformers"):
        made[name](few)
    return made


def timed(peers: dict[str, Peer], rows: list[Prompt], rounds: int) -> dict[str, list[float]]:
    """Per peer the CPU milliseconds for each new token, a number per round."""
    told: dict[str, list[float]] = {name: [] for name in peers}
    names = list(peers)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            seconds, tokens = spent(peers[name], rows)
            told[name].append(round(1000 * seconds / tokens, 4))
            print(f"bench: round {turn + 1}, {name}: {told[name][-1]} ms a token, {tokens} tokens", file=sys.stderr)
    return told


def spent(peer: Peer, rows: list[Prompt]) -> tuple[float, int]:
    """CPU seconds of this process, and new tokens."""
    began = time.process_time()
    tokens = peer(rows)
    return time.process_time() - began, tokens


def figures(told: dict[str, list[float]]) -> dict[str, Any]:
    """The ratios of a peer's time to ours: above 1 we are faster."""
    found: dict[str, Any] = {"milliseconds_per_token": {name: statistics.median(told[name]) for name in told}}
    named = {
        "default_over_hf_batched": "generate",
        "default_over_ctranslate2_fp32": "ctranslate2",
        "default_over_ctranslate2_int8": "ctranslate2_int8",
        "default_over_our_transformers": "transformers",
    }
    for figure, name in named.items():
        ratios = [theirs / own for theirs, own in zip(told.get(name, ()), told["torch"], strict=False)]
        found[figure] = round(statistics.median(ratios), 2) if ratios else None
        found[f"{figure}_spread"] = [round(min(ratios), 2), round(max(ratios), 2)] if ratios else None
    return found


def missing(told: dict[str, list[float]]) -> dict[str, str]:
    """Why a ratio is null."""
    how = "uv pip install --target .local/ctranslate2 --no-deps ctranslate2"
    return {} if "ctranslate2" in told else {"default_over_ctranslate2_fp32": f"not installed: {how}"}


def naive_night(told: dict[str, list[float]]) -> tuple[dict[str, Any], dict[str, str]]:
    """Engine seconds for each published reason of the default world's last night: a pipeline that writes a prompt for
    each pair, over ours that writes each distinct prompt once. The same model and sampling, so the same pass rate."""
    stands = pairs_and_prompts()
    if stands is None:
        return {"naive_night_ratio": None}, {"naive_night_ratio": "no night stands: make generate"}
    shared = stands[0] / stands[1]
    ratios = [theirs / own for theirs, own in zip(told["pipeline"], told["torch"], strict=True)]
    causes = {"distinct_prompts": round(shared, 2), "engine": round(statistics.median(ratios), 2)}
    found = {"naive_night_ratio": round(shared * statistics.median(ratios), 2), "naive_night_causes": causes}
    return found, {}


def identical(settings: EngineSettings, rows: list[Prompt]) -> float:
    """Share of (layout, prompt) whose text and log-probability are those of all prompts at once; 12 layouts."""
    whole = _written(TorchEngine(settings), rows)
    same = 0
    for partitions, batch_rows in LAYOUTS:
        engine = TorchEngine(settings.model_copy(update={"batch_rows": batch_rows}))
        for part in range(partitions):
            found = _written(engine, rows[part::partitions])
            same += sum(whole[key] == said for key, said in found.items())
    return same / (len(LAYOUTS) * len(rows))


def _written(engine: TorchEngine, rows: list[Prompt]) -> dict[str, tuple[str, float]]:
    out = [row for batch in engine.generate(in_batches(rows, 50)) for row in batch.to_pylist()]
    return {row["prompt_hash"]: (row["text"], row["logprob"]) for row in out}


def bounded(settings: EngineSettings, rows: list[Prompt], told: list[float]) -> dict[str, Any]:
    """How near we come to what the machine can do."""
    tokenizer = load(settings).tokenizer
    ids = [tuple(one) for one in tokenizer([text for _, text in rows])["input_ids"]]
    written = ours(settings)(rows)
    least = bound(settings.model, ids, written, settings.batch_rows)
    return {"bound_share": round(1000 * least / written / statistics.median(told), 3), "tokens": written}


if __name__ == "__main__":
    sys.exit(main())
