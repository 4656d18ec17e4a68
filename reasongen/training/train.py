"""Trains the default model from nothing: a small Llama on the corpus of conf/corpus, saved as a Hugging Face directory.

A plain loop: no padding is computed twice, the output layer sees only the reason's tokens. Knows no Spark.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging as transformers_logging

from reasongen.errors import ModelError
from reasongen.evaluation.grammar import load_grammar
from reasongen.prompts.template import PromptTemplate, load_template
from reasongen.training.corpus import examples
from reasongen.training.directory import Figures, millions, save
from reasongen.training.settings import LoopSettings, TrainSettings
from reasongen.training.tokenizer import load_tokenizer, train_tokenizer

LOG = logging.getLogger(__name__)
IGNORED = -100  # label of a position that is not learnt
Batch = tuple[torch.Tensor, torch.Tensor]  # ids and labels, (rows, tokens)
_POOL = 32  # batches that are made together, so that a batch holds examples of about one length


def train(settings: TrainSettings) -> Figures:
    """Train, save checkpoints on the way and the finished model at the end; returns the figures."""
    transformers_logging.disable_progress_bar()  # its bars would stand between our progress lines
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    template = load_template(settings.corpus.prompt_template)
    tokenizer, model = _start(settings, template)
    total = _total_steps(settings)
    optimizers = _optimizers(model, settings.train)
    figures = Figures()
    started = saved = time.monotonic()
    LOG.info("training: %.2f M parameters, vocabulary %d, %d steps", millions(model), len(tokenizer), total)
    for batch in islice(_batches(settings, template, tokenizer), total):
        _set_rates(optimizers, settings.train, figures.steps, total)
        figures.losses.append(_step(model, optimizers, batch, settings.train.clip))
        figures.steps += 1
        figures.examples += batch[0].shape[0]
        figures.tokens += int((batch[0] != tokenizer.pad_token_id).sum())
        now = time.monotonic()
        figures.seconds = now - started
        if figures.steps % settings.train.log_steps == 0:
            _progress(figures, total)
        if now - saved > 60 * settings.train.save_minutes:
            save(settings, model, tokenizer, figures)
            saved = now
        if figures.seconds > 60 * settings.train.minutes:
            LOG.warning("training: the minutes are spent after %d of %d steps", figures.steps, total)
            break
    save(settings, model, tokenizer, figures)
    return figures


def reason_loss(model: Any, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean negative log-likelihood (nats) of the labelled tokens; ids and labels (rows, tokens), unshifted."""
    hidden = model.model(input_ids=ids).last_hidden_state[:, :-1]
    wanted = labels[:, 1:]
    learnt = wanted != IGNORED
    return torch.nn.functional.cross_entropy(model.lm_head(hidden[learnt]).float(), wanted[learnt])


def encode(tokenizer: Any, prompt: str, reason: str) -> tuple[list[int], int]:
    """Token ids of prompt, reason and end mark, and how many of them are the prompt."""
    head: list[int] = tokenizer(prompt)["input_ids"]
    return [*head, *tokenizer(reason)["input_ids"], tokenizer.eos_token_id], len(head)


def _start(settings: TrainSettings, template: PromptTemplate) -> tuple[Any, Any]:
    if settings.train.init:
        if not Path(settings.train.init, "config.json").is_file():
            raise ModelError(f"train.init: wanted a model directory; found none at {settings.train.init}")
        tokenizer = load_tokenizer(settings.train.init)
        model = AutoModelForCausalLM.from_pretrained(settings.train.init, dtype=torch.float32, local_files_only=True)
        return tokenizer, model
    sample = [text for _, pair in islice(_pairs(settings, template), 2 * settings.tokenizer.sample) for text in pair]
    tokenizer = train_tokenizer(sample, settings.tokenizer.vocab_size)
    shape = settings.model
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.mlp,
        max_position_embeddings=shape.max_positions,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return tokenizer, LlamaForCausalLM(config)


def _pairs(settings: TrainSettings, template: PromptTemplate) -> Iterator[tuple[str, tuple[str, str]]]:
    """Prompt and reason, languages taking turns."""
    grammars = [load_grammar(path) for path in settings.corpus.grammars]
    streams = [examples(grammar, settings.seed, settings.corpus.examples) for grammar in grammars]
    for row in zip(*streams, strict=True):
        for one in row:
            yield one.frame.locale, (template.render(one.frame, None), one.reason)


def _batches(settings: TrainSettings, template: PromptTemplate, tokenizer: Any) -> Iterator[Batch]:
    """Pairs of ids and labels, right-padded; what follows a row's end is never attended to, so no mask is needed."""
    rng = random.Random(settings.seed)
    pairs = _pairs(settings, template)
    size = settings.train.batch
    while pool := [encode(tokenizer, *pair) for _, pair in islice(pairs, size * _POOL)]:
        pool.sort(key=lambda row: len(row[0]))
        cuts = [pool[at : at + size] for at in range(0, len(pool), size)]
        rng.shuffle(cuts)
        for cut in cuts:
            yield _padded(cut, tokenizer.pad_token_id)


def _padded(rows: list[tuple[list[int], int]], pad: int) -> Batch:
    width = max(len(ids) for ids, _ in rows)
    ids = torch.full((len(rows), width), pad)
    labels = torch.full((len(rows), width), IGNORED)
    for number, (row, prompt) in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        labels[number, prompt : len(row)] = torch.tensor(row[prompt:])
    return ids, labels


def _optimizers(model: Any, loop: LoopSettings) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers (it needs far fewer steps than AdamW here), AdamW for the rest."""
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    known = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in known]
    muon = torch.optim.Muon(matrices, lr=loop.learning_rate, weight_decay=loop.weight_decay)
    adam = torch.optim.AdamW(rest, lr=loop.vector_rate, betas=(0.9, 0.95), weight_decay=0.0)
    for optimizer in (muon, adam):
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return [muon, adam]


def _set_rates(optimizers: list[torch.optim.Optimizer], loop: LoopSettings, step: int, total: int) -> None:
    """Linear warm-up, then a cosine down to the floor."""
    rise = min(1.0, (step + 1) / max(loop.warmup, 1))
    done = min(1.0, step / max(total, 1))
    factor = rise * (loop.floor + (1 - loop.floor) * 0.5 * (1 + math.cos(math.pi * done)))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * factor


def _step(model: Any, optimizers: list[torch.optim.Optimizer], batch: Batch, clip: float) -> float:
    loss = reason_loss(model, *batch)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
    return float(loss.detach())


def _total_steps(settings: TrainSettings) -> int:
    by_corpus = settings.corpus.examples * len(settings.corpus.grammars) // settings.train.batch
    return min(by_corpus, settings.train.max_steps or by_corpus)


def _progress(figures: Figures, total: int) -> None:
    left = figures.seconds / figures.steps * (total - figures.steps)
    LOG.info(
        "training: step %d of %d, loss %.3f, %.0f tokens/s, %.1f min left",
        figures.steps, total, figures.recent_loss(), figures.tokens / figures.seconds, left / 60,
    )  # fmt: skip
