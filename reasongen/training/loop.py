"""The loop of fine-tuning: transformers' Trainer with our order of rows, our loss and our way to measure.

The loss is the mean over the learnt tokens of a whole optimiser step, however many batches it has. The output layer
sees only the positions that speak of a reason. Knows neither templates nor folders' contents beyond checkpoints.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.integrations import TensorBoardCallback

from reasongen.errors import ConfigError, ModelError
from reasongen.training.checkpoints import seal
from reasongen.training.pairs import IGNORED, LengthBatches, Lessons, Row, collate, in_order_of_length
from reasongen.training.settings import FinetuneLoopSettings, FinetuneSettings

Look = Callable[[int, float], None]
LOG = logging.getLogger(__name__)
KEPT = 2  # checkpoints, besides the best: the newest may be torn
METRIC = "eval_loss"


def summed_loss(logits: torch.Tensor, labels: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    """Negative log-likelihood (nats), summed over the labelled tokens.

    logits: rows x last positions x vocabulary; labels: rows x all positions, unshifted.
    """
    spoken = logits[:, :-1]  # the last position speaks of what follows the row
    wanted = labels[:, labels.shape[1] - spoken.shape[1] :]
    learnt = wanted != IGNORED
    return cross_entropy(spoken[learnt].float(), wanted[learnt], reduction="sum", label_smoothing=smoothing)


class ReasonTrainer(Trainer):  # type: ignore[misc]
    """A Trainer for rows: order by length, loss per learnt token, validation loss without padding's weight."""

    control: Any

    def __init__(self, model: Any, lessons: Lessons, loop: FinetuneLoopSettings, args: TrainingArguments) -> None:
        def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any) -> torch.Tensor:
            return summed_loss(outputs.logits, labels, loop.label_smoothing) / num_items_in_batch

        super().__init__(
            model, args, data_collator=collate, train_dataset=lessons.train, eval_dataset=lessons.validation,
            compute_loss_func=loss,
        )  # fmt: skip
        self.remove_callback(PrinterCallback)

    def _get_train_sampler(self, train_dataset: Any = None) -> LengthBatches:
        """Not the Trainer's own grouping by length: it draws from torch's generator, whose state at the beginning of
        an epoch a resumed run does not have, and its batches of one pool come longest first."""
        return LengthBatches(self.train_dataset, self.args.train_batch_size, self.args.seed)

    def evaluate(self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval") -> Any:
        """The validation loss per learnt token; logged, and given to the callbacks. Draws no random number."""
        metrics = {METRIC: self.measure(self.eval_dataset)}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def measure(self, rows: Sequence[Row]) -> float:
        """Mean negative log-likelihood (nats) of the rows' learnt tokens under the model as it is."""
        self.model.eval()
        total = 0.0
        with torch.no_grad():
            for batch in in_order_of_length(rows, self.args.train_batch_size):
                inputs = self._prepare_inputs(collate(batch))
                labels = inputs.pop("labels")
                total += float(summed_loss(self.model(**inputs, use_cache=False).logits, labels))
        return total / sum(row.learnt for row in rows)


class DivergedError(ModelError):
    """The loss is no number any more."""


class Watch(TrainerCallback):  # type: ignore[misc]
    """Prints progress, seals checkpoints, stops a run that learns no more or has lost its numbers.

    `tokens`: in one pass over the rows; `before`: seconds that earlier tries of this run took.
    """

    def __init__(self, tokens: int, patience: int, before: float) -> None:
        self._tokens, self._patience, self._before = tokens, patience, before
        self._began, self._first = time.monotonic(), 0

    @property
    def seconds(self) -> float:
        """What the run has taken, earlier tries too."""
        return self._before + time.monotonic() - self._began

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._began, self._first = time.monotonic(), state.global_step

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
        loss = logs.get("loss", logs.get(METRIC, 0.0))
        if not math.isfinite(loss):
            raise DivergedError(
                f"step {state.global_step}: wanted a finite loss; found {loss}. Lower train.learning_rate."
            )
        if METRIC in logs:
            LOG.info("fine-tuning: step %d, validation loss %.4f", state.global_step, loss)
        elif "loss" in logs:
            took, done = time.monotonic() - self._began, state.global_step - self._first
            tokens = self._tokens * state.epoch * done / state.global_step
            left = took / done * (state.max_steps - state.global_step)
            LOG.info(
                "fine-tuning: step %d of %d, loss %.4f, rate %.2g, %.0f tokens/s, %.1f min left",
                state.global_step, state.max_steps, loss, logs["learning_rate"], tokens / took, left / 60,
            )  # fmt: skip

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        seal(Path(args.output_dir, f"checkpoint-{state.global_step}"), self.seconds)

    def on_evaluate(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if stale(state.log_history, self._patience):
            LOG.info("fine-tuning: no better validation loss in %d looks, stopping", self._patience)
            control.should_training_stop = True


class Looks(TrainerCallback):  # type: ignore[misc]
    """Hands each validation loss on."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
        self._look(state.global_step, metrics[METRIC])


def stale(history: Sequence[dict[str, float]], patience: int) -> bool:
    """Whether the last `patience` looks were none better than the best before them; 0: never."""
    looks = [entry[METRIC] for entry in history if METRIC in entry]
    return bool(patience) and len(looks) > patience and min(looks[-patience:]) >= min(looks[:-patience])


def finished(state: Any, patience: int) -> bool:
    """Whether a run that saved this state had nothing left to do."""
    return state.global_step >= state.max_steps or stale(state.log_history, patience)


def arguments(settings: FinetuneSettings, work: Path) -> TrainingArguments:
    """The Trainer's arguments."""
    loop = settings.train
    made = TrainingArguments(
        output_dir=str(work),
        seed=settings.seed,
        use_cpu=settings.device == "cpu",
        num_train_epochs=loop.epochs,
        max_steps=loop.max_steps or -1,
        per_device_train_batch_size=loop.batch,
        gradient_accumulation_steps=loop.accumulation,
        optim="adamw_torch" if loop.optimizer == "adamw" else "sgd",
        learning_rate=loop.learning_rate,
        lr_scheduler_type=loop.schedule,
        warmup_steps=loop.warmup,
        weight_decay=loop.weight_decay,
        max_grad_norm=loop.clip,
        bf16=loop.bf16,
        eval_strategy="steps",
        eval_steps=loop.eval_steps,
        save_strategy="steps",
        save_steps=loop.save_steps,
        save_total_limit=KEPT,
        metric_for_best_model="loss" if loop.patience else None,
        greater_is_better=False,
        logging_steps=loop.log_steps,
        logging_nan_inf_filter=False,
        report_to=["wandb"] if settings.tracking == "wandb" else [],
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        disable_tqdm=True,
    )
    made._n_gpu = min(made.n_gpu, 1)  # else it splits every batch over all that it sees
    return made


def trackers(settings: FinetuneSettings, run: str) -> list[TrainerCallback]:
    """What draws the curves of this run, which bears the name `run`. Raises ConfigError where a package is missing."""
    if settings.tracking == "wandb" and importlib.util.find_spec("wandb") is None:
        raise ConfigError(
            "tracking: wanted the package wandb; found none. Install it (pip install wandb), or set tracking:"
            " tensorboard."
        )
    if settings.tracking != "tensorboard":
        return []
    from torch.utils.tensorboard import SummaryWriter

    return [TensorBoardCallback(SummaryWriter(str(Path(settings.tracking_dir, run))))]
