"""Trains the tokenizer: byte-level BPE (any text survives), each reference mark one token, alone and after a space.

Knows nothing of models. A mark is an ordinary added token, so decoding never drops it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from reasongen.prompts.frame import EVIDENCE_FORMS, ITEM_FORMS, MAX_EVIDENCE

END = "<|end|>"
PAD = "<|pad|>"


def all_marks() -> list[str]:
    """Every mark that any frame may allow, in a fixed order."""
    item = [f"[i.{form}]" for form in ITEM_FORMS]
    return item + [f"[e{row}.{form}]" for row in range(1, MAX_EVIDENCE + 1) for form in EVIDENCE_FORMS]


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """A tokenizer of at most `vocab_size` entries, marks and the two control tokens included."""
    marks = all_marks()
    # English puts a space before nearly every mark; with it in the token, a mark still costs one step.
    added = [form for mark in marks for form in (mark, f" {mark}")]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(added),
        special_tokens=[END, PAD],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        min_frequency=8,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(form, normalized=False, special=False) for form in added])
    return _wrapped(tokenizer)


def load_tokenizer(folder: str | Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a directory that training saved, as it was made: no class of transformers adds tokens to it."""
    return _wrapped(Tokenizer.from_file(str(Path(folder, "tokenizer.json"))))


def _wrapped(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        model_max_length=512,
    )
