"""Decides which weights learn: all, those of the last layers, or new ones beside a frozen base (PEFT).

Knows no data and no loop. `top` is the last layers and the norm after them. Embeddings and output layer stay: in most
of our bases they are one matrix, whose move would change every token's meaning.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from reasongen.errors import ConfigError
from reasongen.training.settings import MethodSettings


def make_learn(model: Any, method: MethodSettings, dropout: float) -> Any:
    """`model` (float32), or `model` with an adapter, where exactly what the method claims wants a gradient.

    New weights are drawn from torch's seed. Raises ConfigError for layers or targets that the model has not.
    """
    if not method.adapter:
        _learn_own(model, method)
        _drop(model, dropout)
        return model
    from peft import get_peft_model  # seconds, only where an adapter is made

    if method.kind != "lora":
        _drop(model, dropout)
    try:
        return get_peft_model(model, _adapter(model, method, dropout))
    except ValueError as error:  # peft names the targets that are not there
        raise ConfigError(f"method.targets: wanted modules of the model; found: {error}") from error


def layers_of(model: Any) -> tuple[nn.ModuleList, nn.Module]:
    """The layers of a causal model, first to last, and the norm after them. Raises ConfigError."""
    inner = getattr(model, "transformer", None) or getattr(model, "model", None)
    layers = getattr(inner, "h", getattr(inner, "layers", None))
    norm = getattr(inner, "ln_f", getattr(inner, "norm", None))
    if not isinstance(layers, nn.ModuleList) or not isinstance(norm, nn.Module):
        kind = getattr(model.config, "model_type", "?")
        raise ConfigError(f"method: wanted a model of layers and a last norm (Llama, Qwen2, GPT-2); found {kind}.")
    return layers, norm


def parameters(model: Any) -> tuple[int, int]:
    """Weights that learn, and all of them; tied ones count once."""
    every = list(model.parameters())
    return sum(one.numel() for one in every if one.requires_grad), sum(one.numel() for one in every)


def _learn_own(model: Any, method: MethodSettings) -> None:
    model.requires_grad_(method.kind == "full")
    if method.kind == "top":
        layers, norm = layers_of(model)
        _enough(method, len(layers))
        for part in (*layers[len(layers) - method.layers :], norm):
            part.requires_grad_(True)


def _drop(model: Any, share: float) -> None:
    """Sets the dropout of the modules; the config that is saved with the weights stays the base's own."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = share


def _adapter(model: Any, method: MethodSettings, dropout: float) -> Any:
    from peft import LoraConfig, PrefixTuningConfig, PromptTuningConfig

    if method.kind == "prompt":
        # Starts at tokens that the model knows: random numbers lie far from every embedding, and learn slowly.
        return PromptTuningConfig(
            task_type="CAUSAL_LM", num_virtual_tokens=method.tokens, prompt_tuning_init="SAMPLE_VOCAB"
        )
    if method.kind == "prefix":
        return PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=method.tokens)
    layers, _ = layers_of(model)
    _enough(method, len(layers))
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=method.rank,
        lora_alpha=method.alpha,
        lora_dropout=dropout,
        target_modules=list(method.targets) if method.targets else "all-linear",
        layers_to_transform=list(range(len(layers) - method.layers, len(layers))) if method.layers else None,
        fan_in_fan_out=model.config.model_type == "gpt2",  # it keeps its weights as in x out
    )


def _enough(method: MethodSettings, there: int) -> None:
    if method.layers > there:
        raise ConfigError(f"method.layers: wanted at most the model's {there}; found {method.layers}.")


def restore(model: Any, weights: dict[str, torch.Tensor]) -> None:
    """Puts the saved weights of a checkpoint (an adapter's, or all) back into the model."""
    if hasattr(model, "peft_config"):
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(model, weights)
        return
    model.load_state_dict(weights, strict=False)  # a tied output layer is saved once
