"""From a local Hugging Face directory to a model and its tokenizer: safetensors only, no remote code, no network.

Every fault is a ModelError that says what was wanted, found and where; a device that is not there is a MachineError.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before the import: the hub is never asked
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedTokenizerFast
from transformers.utils import logging as hf_logging

from reasongen.engine.adapter import Adapted, with_adapter
from reasongen.errors import MachineError, ModelError

if TYPE_CHECKING:
    from reasongen.config import EngineSettings

PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.pickle", "*.ckpt", "*.msgpack", "*.h5")
CORES = torch.get_num_threads()  # as torch finds them, before an engine pins each of its lanes to one
_PLAIN = ("PreTrainedTokenizerFast", "TokenizersBackend")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")


@dataclass(frozen=True)
class Loaded:
    """A model ready to write. `ends` are the ids that end a text, `pad` fills the left, `positions` bounds a row,
    `lead` and `prefix` stand before every prompt (engine/adapter.py); the prefix is not a part of the row."""

    model: Any
    tokenizer: Any
    device: torch.device
    ends: tuple[int, ...]
    pad: int
    positions: int | None
    lead: tuple[int, ...] = ()
    prefix: tuple[tuple[torch.Tensor, torch.Tensor], ...] = ()

    @property
    def parameters(self) -> int:
        """Weights, tied ones once."""
        return sum(weight.numel() for weight in self.model.parameters())


def load(settings: EngineSettings) -> Loaded:
    """The model of `settings`, with its adapter, on its device. Raises ModelError, MachineError."""
    device = device_of(settings)
    folder = safe_directory(settings.model)
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    tokenizer = _tokenizer(folder)
    model = _model(folder, getattr(torch, settings.dtype))
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        raise ModelError(
            f"{folder}: wanted a tokenizer for {model.get_input_embeddings().num_embeddings} tokens; found one with"
            f" {len(tokenizer)}. Tokenizer and weights are not of one training."
        )
    ends = _ends(folder, model, tokenizer)
    adapted = Adapted(model)
    if settings.adapter is not None:
        adapted = with_adapter(model, settings.model, settings.adapter)
    # The directory's own sampling defaults must not leak into ours: generate() fills what we leave open from them.
    adapted.model.generation_config = GenerationConfig()
    pad = ends[0] if tokenizer.pad_token_id is None else int(tokenizer.pad_token_id)
    positions = getattr(model.config, "max_position_embeddings", None)
    prefix = tuple((keys.to(device), values.to(device)) for keys, values in adapted.prefix)
    if prefix and positions is not None:
        positions -= prefix[0][0].shape[2]
    return Loaded(adapted.model.to(device).eval(), tokenizer, device, ends, pad, positions, adapted.lead, prefix)


def device_of(settings: EngineSettings) -> torch.device:
    """The device that `settings.device` means here. Raises MachineError where CUDA is wanted and absent."""
    there = torch.cuda.is_available()
    if settings.device == "cuda" and not there:
        raise MachineError("engine.device: wanted cuda; found none on this machine. Set engine.device to cpu or auto.")
    return torch.device("cuda" if there and settings.device != "cpu" else "cpu")


def safe_directory(directory: str) -> Path:
    """The directory, once it is seen to hold safetensors, a tokenizer and no code. Raises ModelError."""
    folder = Path(directory)
    if not folder.is_dir():
        raise ModelError(f"{directory}: wanted a local Hugging Face directory; found none there. Set engine.model.")
    if not (folder / "config.json").is_file():
        raise ModelError(f"{directory}: wanted config.json of a causal language model; found none there.")
    if not any(folder.glob("*.safetensors")):
        pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
        found = f"pickled weights ({', '.join(pickles[:3])}), which may run code" if pickles else "no weights"
        raise ModelError(f"{directory}: wanted weights as *.safetensors; found {found}. Save it with safetensors.")
    for name in ("config.json", "tokenizer_config.json"):
        if (folder / name).is_file() and "auto_map" in read_json(folder / name):
            raise ModelError(f"{directory}: wanted a model without code of its own; found auto_map in {name}. Refused.")
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        raise ModelError(f"{directory}: wanted a tokenizer ({', '.join(_TOKENIZERS)}); found none there.")
    return folder


def read_json(path: Path) -> dict[str, Any]:
    """An object from a JSON file. Raises ModelError."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path}: wanted JSON; found {error}") from error
    if not isinstance(read, dict):
        raise ModelError(f"{path}: wanted a JSON object; found {type(read).__name__}.")
    return read


def _tokenizer(folder: Path) -> Any:
    # AutoTokenizer goes by the model's family even where the directory names a plain tokenizer, and then adds tokens.
    config = folder / "tokenizer_config.json"
    plain = config.is_file() and read_json(config).get("tokenizer_class") in _PLAIN
    kind = PreTrainedTokenizerFast if plain and (folder / "tokenizer.json").is_file() else AutoTokenizer
    try:
        return kind.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers raises many kinds here, all of them faults of the directory
        raise ModelError(f"{folder}: wanted a tokenizer that loads; found: {type(error).__name__}: {error}") from error


def _model(folder: Path, dtype: torch.dtype) -> Any:
    try:
        model, notes = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:  # as above
        raise ModelError(f"{folder}: wanted a causal LM that loads; found: {type(error).__name__}: {error}") from error
    absent = sorted([*notes["missing_keys"], *(str(key) for key in notes.get("mismatched_keys") or ())])
    if absent:  # transformers only logs this and goes on with random weights
        raise ModelError(f"{folder}: wanted every weight of its config; missing or misshapen: {', '.join(absent[:5])}.")
    return model


def _ends(folder: Path, model: Any, tokenizer: Any) -> tuple[int, ...]:
    stated = model.generation_config.eos_token_id if model.generation_config is not None else None
    stated = tokenizer.eos_token_id if stated is None else stated
    ends = tuple(stated) if isinstance(stated, list) else (stated,)
    if None in ends or not ends:
        raise ModelError(f"{folder}: wanted an end token (eos_token_id); found none in generation_config or tokenizer.")
    return tuple(int(end) for end in ends)
