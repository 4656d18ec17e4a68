"""The weights of a causal LM as the model step wants them: Llama, Qwen2, Qwen3 and GPT-2, fused where one product does.

Reads modules that transformers has loaded and checked; knows nothing of files. What a family can be set to and the step
does not do (sliding windows, rotary kinds that depend on the length, adapters that stay beside the weights) is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from reasongen.errors import ModelError

Function = Callable[[Tensor], Tensor]  # rows x numbers in, rows x numbers out
ROTARY = ("default", "linear", "llama3", "yarn")  # kinds whose frequencies are the same at every length


@dataclass(frozen=True)
class Block:
    """One layer. `up` holds gate and up where the family has a gate. Query and key norms work on single heads."""

    first_norm: Function
    qkv: Function
    query_norm: Function | None
    key_norm: Function | None
    out: Function
    second_norm: Function
    up: Function
    down: Function


@dataclass(frozen=True)
class Weights:
    """A whole model. `places`: learned positions; `frequencies`: rotary ones, one per pair of a head's numbers."""

    tokens: Tensor
    places: Tensor | None
    frequencies: Tensor | None
    rotary_scale: float
    blocks: tuple[Block, ...]
    last_norm: Function
    head: Function
    heads: int
    key_heads: int
    head_size: int
    activation: Function
    gated: bool


def weights_of(model: Any, where: str) -> Weights:
    """The weights of a transformers model. `where` names it in a ModelError."""
    kind = getattr(model.config, "model_type", "?")
    if kind not in ("llama", "qwen2", "qwen3", "gpt2") or hasattr(model, "peft_config"):
        found = f"{kind} with an adapter beside its weights" if hasattr(model, "peft_config") else kind
        raise ModelError(
            f"{where}: wanted llama, qwen2, qwen3 or gpt2 for engine.backend torch; found {found}."
            " Set engine.backend: transformers."
        )
    return _gpt2(model, where) if kind == "gpt2" else _llama(model, where)


def _llama(model: Any, where: str) -> Weights:
    config, inner = model.config, model.model
    _plain_attention(config, where)
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return Weights(
        tokens=inner.embed_tokens.weight.detach(),
        places=None,
        frequencies=inner.rotary_emb.inv_freq.detach().float(),
        rotary_scale=float(inner.rotary_emb.attention_scaling),
        blocks=tuple(_llama_block(layer) for layer in inner.layers),
        last_norm=_norm(inner.norm),
        head=_linear(model.lm_head),
        heads=config.num_attention_heads,
        key_heads=config.num_key_value_heads,
        head_size=size,
        activation=inner.layers[0].mlp.act_fn,
        gated=True,
    )


def _llama_block(layer: Any) -> Block:
    attention, mlp = layer.self_attn, layer.mlp
    return Block(
        first_norm=_norm(layer.input_layernorm),
        qkv=_linear(attention.q_proj, attention.k_proj, attention.v_proj),
        query_norm=_norm(attention.q_norm) if hasattr(attention, "q_norm") else None,
        key_norm=_norm(attention.k_norm) if hasattr(attention, "k_norm") else None,
        out=_linear(attention.o_proj),
        second_norm=_norm(layer.post_attention_layernorm),
        up=_linear(mlp.gate_proj, mlp.up_proj),
        down=_linear(mlp.down_proj),
    )


def _plain_attention(config: Any, where: str) -> None:
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if getattr(config, "use_sliding_window", False) or kinds != {"full_attention"}:
        raise ModelError(f"{where}: wanted full attention; found a sliding window. Set engine.backend: transformers.")
    rotary = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    if rotary not in ROTARY:
        raise ModelError(
            f"{where}: wanted rotary positions of kind {', '.join(ROTARY)}; found {rotary}."
            " Set engine.backend: transformers."
        )


def _gpt2(model: Any, where: str) -> Weights:
    config, inner = model.config, model.transformer
    if config.scale_attn_by_inverse_layer_idx or not config.scale_attn_weights:
        raise ModelError(f"{where}: wanted attention scaled by its head's size. Set engine.backend: transformers.")
    return Weights(
        tokens=inner.wte.weight.detach(),
        places=inner.wpe.weight.detach(),
        frequencies=None,
        rotary_scale=1.0,
        blocks=tuple(_gpt2_block(layer) for layer in inner.h),
        last_norm=_norm(inner.ln_f),
        head=_linear(model.lm_head),
        heads=config.n_head,
        key_heads=config.n_head,
        head_size=config.n_embd // config.n_head,
        activation=inner.h[0].mlp.act,
        gated=False,
    )


def _gpt2_block(layer: Any) -> Block:
    attention, mlp = layer.attn, layer.mlp
    return Block(
        first_norm=_norm(layer.ln_1),
        qkv=_conv(attention.c_attn),
        query_norm=None,
        key_norm=None,
        out=_conv(attention.c_proj),
        second_norm=_norm(layer.ln_2),
        up=_conv(mlp.c_fc),
        down=_conv(mlp.c_proj),
    )


def _linear(*modules: Any) -> Function:
    """One product for all of them: their outputs stand side by side."""
    biases = [module.bias.detach() for module in modules if module.bias is not None]
    return _product(torch.cat([module.weight.detach() for module in modules]), torch.cat(biases) if biases else None)


def _conv(module: Any) -> Function:
    """GPT-2 keeps its weights as in x out."""
    return _product(module.weight.detach().t().contiguous(), module.bias.detach())


def _product(weight: Tensor, bias: Tensor | None) -> Function:
    """x @ weight.T + bias; weight: out x in.

    Packed for oneDNN where it can be: a tenth less time on the default model, and the same bits at any number of rows.
    Else as in x out, which a CPU multiplies faster than out x in; the bits agree from MIN_ROWS rows on.
    """
    if weight.device.type == "cpu" and weight.dtype == torch.float32 and torch.backends.mkldnn.is_available():
        packed = torch.ops.mkldnn._reorder_linear_weight(weight)
        return lambda x: torch.ops.mkldnn._linear_pointwise(x, packed, bias, "none", [], "")
    turned = weight.t().contiguous()
    return lambda x: torch.mm(x, turned) if bias is None else torch.addmm(bias, x, turned)


def _norm(module: Any) -> Function:
    """Layer norm where the module has a bias, else the root mean square norm of Llama (computed in float32)."""
    weight = module.weight.detach()
    if getattr(module, "bias", None) is not None:
        bias, eps = module.bias.detach(), module.eps
        return lambda x: torch.nn.functional.layer_norm(x, weight.shape, weight, bias, eps)
    epsilon = module.variance_epsilon

    def rms(x: Tensor) -> Tensor:
        wide = x.float()
        return weight * (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + epsilon)).to(x.dtype)

    return rms
