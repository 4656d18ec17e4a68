"""Puts a PEFT adapter onto its base: from safetensors only, and only onto the base that it was made for.

Of the kinds that jobs/train.py makes, the plain base comes out, not a model of peft, whose own generate leaves padding
between virtual tokens and prompt, and (0.21 over transformers 5.24) passes a prefix by with no more than a warning.
LoRA is merged into the weights. Virtual tokens become rows of the table of embeddings, which no output layer knows:
every prompt begins with their ids. A prefix is given to the engine, which puts it before each row; backend torch has
no place for it yet.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reasongen.engine.door import directory_digest
from reasongen.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

BASE_FILE = "base.json"  # {"weights": weights_digest(base)}: written where an adapter is trained
_WEIGHTS = ("*.safetensors",)


def weights_digest(directory: str) -> str:
    """What `base.json` beside an adapter names its base by: sha-256 over the safetensors of the directory."""
    return directory_digest(directory, _WEIGHTS)


@dataclass(frozen=True)
class Adapted:
    """A model, the ids that every prompt begins with, and what every row has seen before: per layer keys and values,
    1 x key heads x tokens x head size."""

    model: Any
    lead: tuple[int, ...] = ()
    prefix: tuple[tuple[Tensor, Tensor], ...] = ()


def with_adapter(model: Any, base: str, adapter: str) -> Adapted:
    """`model` with the adapter. Raises ModelError."""
    folder = Path(adapter)
    config = _config(folder)
    _made_for(base, folder, config)
    from peft import PeftModel, get_peft_model_state_dict  # 8 s, only where an adapter is used
    from safetensors import safe_open

    try:
        adapted = PeftModel.from_pretrained(model, adapter, local_files_only=True, use_safetensors=True)
    except Exception as error:  # peft raises many kinds here, all of them faults of the pair
        raise ModelError(f"{adapter}: wanted an adapter for {base}; found: {type(error).__name__}: {error}") from error
    with safe_open(folder / "adapter_model.safetensors", framework="pt") as file:
        stray = sorted(set(file.keys()) ^ set(get_peft_model_state_dict(adapted)))
    if stray:  # peft skips these without a word
        raise ModelError(f"{adapter}: wanted an adapter for {base}; {len(stray)} weights have no place, as {stray[0]}.")
    match config.get("peft_type"):
        case "LORA":
            return Adapted(adapted.merge_and_unload())
        case "PROMPT_TUNING":
            return _with_virtual_tokens(adapted)
        case "PREFIX_TUNING":
            stored = adapted.get_prompt(batch_size=1).layers
            return Adapted(
                adapted.get_base_model(), prefix=tuple((one.keys.detach(), one.values.detach()) for one in stored)
            )
        case _:
            return Adapted(adapted)


def _with_virtual_tokens(adapted: Any) -> Adapted:
    from torch import cat, nn

    virtual = adapted.get_prompt_embedding_to_save(adapted.active_adapter)
    model = adapted.get_base_model()
    table = model.get_input_embeddings()
    known = table.weight.detach()
    # A new parameter, not a resized model: a tied output layer keeps the old one and never writes a virtual token.
    table.weight = nn.Parameter(cat([known, virtual.to(known)]), requires_grad=False)
    return Adapted(model, lead=tuple(range(len(known), len(known) + len(virtual))))


def _config(folder: Path) -> dict[str, Any]:
    if not (folder / "adapter_config.json").is_file():
        raise ModelError(f"{folder}: wanted a PEFT adapter (adapter_config.json); found none. Set engine.adapter.")
    if not (folder / "adapter_model.safetensors").is_file():
        raise ModelError(f"{folder}: wanted adapter_model.safetensors; found none (pickled adapters are refused).")
    config: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    library = str((config.get("auto_mapping") or {}).get("parent_library") or "transformers")
    if library.partition(".")[0] != "transformers":  # peft imports the module that stands there
        raise ModelError(f"{folder}: wanted an adapter of a transformers model; found code of {library}. Refused.")
    return config


def _made_for(base: str, folder: Path, config: dict[str, Any]) -> None:
    """By the base's digest where the adapter names it, else by the weights at the path it names, else by that name."""
    named = str(config.get("base_model_name_or_path") or "")
    if (folder / BASE_FILE).is_file():
        wanted = json.loads((folder / BASE_FILE).read_text(encoding="utf-8")).get("weights")
        fits = wanted == weights_digest(base)
    elif named and Path(named).is_dir() and any(Path(named).glob(_WEIGHTS[0])):
        fits = weights_digest(named) == weights_digest(base)
    else:
        fits = not named or Path(named).name == Path(base).name
    if not fits:
        found = f" ({Path(named).name})" if named else ""
        raise ModelError(f"{folder}: wanted an adapter made for {base}; found one for another base{found}.")
