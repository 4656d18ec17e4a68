"""Every way to fine-tune, side by side: what it gains, what it trains, how long, in how much memory; and our loop
against a bare one.

    python benchmarks/finetune.py --examples .local/lake/examples --base models/default --steps 100
    python benchmarks/finetune.py --steps 60 --json .local/bench/finetune.json   # own examples

Own examples are of words that the base never met, and the seed decides which.
Each method runs as jobs/train.py in a process of its own, with its own file of conf/finetune and the same steps. The
loops take turns on the same rows of the same model; seconds are CPU seconds, a ratio is made within a round.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from transformers import TrainerCallback

from reasongen.config import EngineSettings, load_settings
from reasongen.engine.load import load
from reasongen.evaluation.grammar import load_grammar
from reasongen.prompts.template import load_template
from reasongen.schema import EXAMPLES
from reasongen.training.corpus import sample_frame, write_reason
from reasongen.training.loop import ReasonTrainer, arguments, summed_loss
from reasongen.training.pairs import LengthBatches, Lessons, Reader, Row, collate, read_lessons
from reasongen.training.settings import FinetuneSettings

ROOT = Path(__file__).resolve().parents[1]
METHODS = ("full", "top", "lora", "prompt", "prefix")
FIGURES = ("validation_loss_before", "validation_loss", "parameters_trained", "parameters", "seconds", "peak_memory_mb")
LOOPS = ("trainer", "bare", "naive")


def main() -> int:
    """Prints the table and the ratios; writes them to --json."""
    wanted = parsed()
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        examples = wanted.examples or write_examples(room / "examples.parquet", wanted)
        found: dict[str, Any] = {"base": wanted.base, "steps": wanted.steps}
        found["methods"] = {name: trained(name, examples, wanted, room / name) for name in wanted.methods}
        found |= loops(examples, wanted, room)
    print(f"{'method':8} {'loss before':>12} {'after':>8} {'trained':>12} {'of':>12} {'seconds':>8} {'peak MB':>8}")
    for name, row in found["methods"].items():
        before, after, learnt, every, seconds, peak = (row[key] for key in FIGURES)
        print(f"{name:8} {before:12.4f} {after:8.4f} {learnt:12,} {every:12,} {seconds:8.1f} {peak:8,}")
    for name in LOOPS[1:]:
        low, middle, high = found[f"over_{name}"]
        print(f"tokens a second, our loop over the {name} one: {middle:.2f} ({low:.2f} to {high:.2f})")
    if wanted.json:
        Path(wanted.json).parent.mkdir(parents=True, exist_ok=True)
        Path(wanted.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", help="labelled pairs; without it, the grammar of the corpus writes some")
    parser.add_argument("--pairs", type=int, default=2000, help="so many, where the grammar writes them")
    parser.add_argument("--seed", type=int, default=101, help="decides their words")
    parser.add_argument("--base", default=str(ROOT / "models" / "default"))
    parser.add_argument("--steps", type=int, default=60, help="of each method")
    parser.add_argument("--methods", nargs="*", default=METHODS, choices=METHODS, help="none: the loops alone")
    parser.add_argument("--rounds", type=int, default=5, help="in which the loops take turns")
    parser.add_argument("--json", metavar="FILE")
    return parser.parse_args()


def write_examples(place: Path, wanted: argparse.Namespace) -> Path:
    """Pairs whose nouns, words, names and shapes training never met; one in ten is for validation."""
    rows = []
    for language in ("zh", "en"):
        grammar = load_grammar(ROOT / "conf" / "corpus" / f"{language}.yaml")
        rng = random.Random(f"finetune {language} {wanted.seed}")
        frames = (sample_frame(grammar, rng, held=True) for _ in count())
        made = (write_reason(grammar, frame, rng) for frame in frames)
        for number, one in enumerate(islice((one for one in made if one), wanted.pairs // 2)):
            row: dict[str, Any] = dict.fromkeys(EXAMPLES.names)
            row |= {"item_id": f"{language}{number:06d}", "locale": language, "frame": one.frame.to_json()}
            row |= {"template": load_template(ROOT / "conf/prompts/reference.yaml").key, "literals": "{}"}
            split = "train" if number % 10 else "validation"
            rows.append(row | {"split": split, "reason": one.reason, "target": one.reason})
    pq.write_table(pa.Table.from_pylist(rows), place)
    return place


def trained(method: str, examples: str | Path, wanted: argparse.Namespace, out: Path) -> dict[str, Any]:
    """What the job says of one run."""
    given = (f"model={wanted.base}", f"examples={examples}", f"out={out}", "tracking=none", "train.patience=0")
    given += (f"train.max_steps={wanted.steps}", f"train.eval_steps={wanted.steps}", f"train.save_steps={wanted.steps}")
    command = [sys.executable, "jobs/train.py", "--config", f"conf/finetune/{method}.yaml", "--json", f"{out}.json"]
    command += [part for one in given for part in ("--set", one)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    figures = json.loads(Path(f"{out}.json").read_text(encoding="utf-8"))
    return {key: figures[key] for key in FIGURES}


def loops(examples: str | Path, wanted: argparse.Namespace, room: Path) -> dict[str, Any]:
    """CPU seconds of every loop and round, and our loop's tokens a second over each other's: least, median, most."""
    given = [f"model={wanted.base}", f"examples={examples}", f"out={room / 'loop'}", "device=cpu"]
    steps = [f"train.max_steps={wanted.steps // 2}", "train.eval_steps=1000000", "train.save_steps=1000000"]
    settings = load_settings(FinetuneSettings, ROOT / "conf" / "finetune" / "full.yaml", [*given, *steps])
    torch.set_num_threads(settings.threads)
    loaded = load(EngineSettings(model=wanted.base, device="cpu"))
    template = load_template(Path(wanted.base, "prompt_template.yaml"))
    lessons = read_lessons(
        str(examples), Reader(template, loaded.tokenizer, loaded.ends[0], loaded.positions), None, settings.seed
    )
    few = Lessons(lessons.train, lessons.validation[:8], lessons.counts, lessons.digest)
    speeds: dict[str, list[float]] = {name: [] for name in LOOPS}
    for turn in range(-1, wanted.rounds):  # the first warms everybody up
        for name in LOOPS[:: 1 if turn % 2 else -1]:
            run = {"trainer": with_trainer, "bare": bare, "naive": naive}[name]
            speed = run(settings, loaded.model, few, room)
            speeds[name] += [speed] * (turn >= 0)
    found: dict[str, Any] = {"tokens_per_second": speeds}
    for name in LOOPS[1:]:
        over = sorted(ours / theirs for ours, theirs in zip(speeds["trainer"], speeds[name], strict=True))
        found[f"over_{name}"] = [over[0], statistics.median(over), over[-1]]
    return found


class Clock(TrainerCallback):  # type: ignore[misc]
    """CPU seconds from the first step's batch to the last step's end; what the last look and checkpoint take is not in
    it."""

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.began = time.process_time()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.seconds = time.process_time() - self.began


def with_trainer(settings: FinetuneSettings, model: Any, lessons: Lessons, room: Path) -> float:
    """Tokens a second of our loop."""
    clock = Clock()
    trainer = ReasonTrainer(model, lessons, settings.train, arguments(settings, room / "work"))
    trainer.add_callback(clock)
    trainer.train()
    return tokens_of(grouped(settings, lessons)) / clock.seconds


def bare(settings: FinetuneSettings, model: Any, lessons: Lessons, room: Path) -> float:
    """Tokens a second of the plainest loop over the same batches with the same loss."""
    batches = list(grouped(settings, lessons))
    return tokens_of(batches) / stepped(settings, model, batches, whole=False)


def naive(settings: FinetuneSettings, model: Any, lessons: Lessons, room: Path) -> float:
    """Tokens a second of a loop over shuffled batches, padded as they come, with the model's own loss."""
    rows = lessons.train * (1 + settings.train.max_steps * settings.train.batch // len(lessons.train))
    random.Random(settings.seed).shuffle(rows)
    size = settings.train.batch
    batches = [rows[at * size : at * size + size] for at in range(settings.train.max_steps)]
    return tokens_of(batches) / stepped(settings, model, batches, whole=True)


def stepped(settings: FinetuneSettings, model: Any, batches: list[list[Row]], whole: bool) -> float:
    """CPU seconds. `whole`: logits of every position, and a mask of padding."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.train.learning_rate)
    model.train()
    began = time.process_time()
    for batch in batches:
        inputs = collate(batch)
        labels = inputs.pop("labels")
        if whole:
            mask = torch.tensor([[at < len(row.ids) for at in range(labels.shape[1])] for row in batch])
            loss = model(input_ids=inputs["input_ids"], attention_mask=mask, labels=labels).loss
        else:
            loss = summed_loss(model(**inputs).logits, labels) / (labels >= 0).sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.train.clip)
        optimizer.step()
        optimizer.zero_grad()
    return time.process_time() - began


def grouped(settings: FinetuneSettings, lessons: Lessons) -> Iterator[list[Row]]:
    """The batches of a run in our order."""
    size, order = settings.train.batch, LengthBatches(lessons.train, settings.train.batch, settings.seed)
    left = settings.train.max_steps
    for epoch in range(left):
        order.set_epoch(epoch)
        rows = iter(order)
        while left and (batch := [lessons.train[number] for number in islice(rows, size)]):
            left -= 1
            yield batch


def tokens_of(batches: Any) -> int:
    """Tokens without padding."""
    return sum(len(row.ids) for batch in batches for row in batch)


if __name__ == "__main__":
    sys.exit(main())
