"""Attention."""

from __future__ import annotations

from typing import Any

import numpy as np

from magik_frontend_tf.keras_files.call import Call, f32
from magik_frontend_tf.keras_files.layers.registry import layer
from magik_frontend_tf.keras_files.refusal import Refusal
from magik_frontend_tf.keras_files.tensor import Tensor

HIDDEN = -1e9  # a score that softmax makes 0


@layer("MultiHeadAttention")
def multi_head_attention(c: Call) -> list[Tensor]:
    """Four MatMul with weights, two between tensors, for each head."""
    c.only("value", "key", "query", "use_causal_mask", "return_attention_scores")
    query, value, key = _inputs(c)
    given = c.config.get("attention_axes")
    if any(x.rank != 3 for x in (query, value, key)) or given not in (None, [1], 1):
        raise Refusal("the layer does not fit its inputs", [list(c.shape(x)) for x in (query, value)], "3 axes")
    heads, size = c.integer("num_heads"), c.integer("key_dim")
    depth = size if c.config.get("value_dim") is None else c.integer("value_dim")
    has_bias = c.flag("use_bias", True)
    q, k, v = (
        _projected(c, x, i, name, heads, n, has_bias)
        for i, (x, name, n) in enumerate(((query, "query", size), (key, "key", size), (value, "value", depth)))
    )
    q = c.emit("Mul", q, f32(1 / np.sqrt(size)))
    scores = c.emit("MatMul", q, c.emit("Transpose", k, perm=[0, 1, 3, 2]))
    if c.kwargs.get("use_causal_mask"):
        scores = c.emit("Add", scores, _causal(c.static(query, 1), c.static(value, 1)))
    weights = c.emit("Softmax", scores, axis=-1)
    mixed = c.emit("Transpose", c.emit("MatMul", weights, v), perm=[0, 2, 1, 3])
    index = 3 * (1 + has_bias)
    out = c.weight(index, [heads, depth, None], "output kernel")
    joined = c.reshape(mixed, [*c.builder.shape(mixed)[:1], c.shape(query)[1], heads * depth])
    y = c.emit("MatMul", joined, c.stored("output_kernel", out.reshape(heads * depth, -1)))
    if has_bias:
        y = c.emit("Add", y, c.stored("output_bias", c.weight(index + 1, [out.shape[2]], "output bias")))
    return [c.tensor(y), *([c.tensor(weights)] if c.kwargs.get("return_attention_scores") else [])]


def _inputs(c: Call) -> tuple[Tensor, Tensor, Tensor]:
    """Query, value, key; the key is the value where it is left out."""
    names: list[Any] = [*c.args, *[None] * 3]
    flat = names[0] if isinstance(names[0], list) else names
    query, value, key = [*flat, *[None] * 3][:3]
    query, value = query or c.kwargs.get("query"), value or c.kwargs.get("value")
    key = key or c.kwargs.get("key") or value
    if not all(isinstance(x, Tensor) for x in (query, value, key)):
        raise Refusal("the layer has another number of inputs", len(c.inputs), "query, value, and perhaps key")
    return query, value, key  # type: ignore[return-value]


def _projected(c: Call, x: Tensor, number: int, name: str, heads: int, size: int, has_bias: bool) -> str:
    """[batch, heads, time, size]"""
    index = number * (1 + has_bias)
    kernel = c.weight(index, [c.static(x, 2), heads, size], f"{name} kernel")
    y = c.emit("MatMul", c.plain(x), c.stored(f"{name}_kernel", kernel.reshape(len(kernel), -1)))
    if has_bias:
        bias = c.weight(index + 1, [heads, size], f"{name} bias")
        y = c.emit("Add", y, c.stored(f"{name}_bias", bias.reshape(-1)))
    shape = c.shape(x)
    return c.emit("Transpose", c.reshape(y, [shape[0], shape[1], heads, size]), perm=[0, 2, 1, 3])


def _causal(rows: int, columns: int) -> np.ndarray:
    if rows * columns > 1 << 24:
        raise Refusal("the mask of the layer is too large", f"{rows} x {columns}")
    return f32(np.triu(np.full((rows, columns), HIDDEN), 1))


@layer("Attention")
def attention(c: Call) -> list[Tensor]:
    """softmax(query key') value"""
    c.only("use_causal_mask", "return_attention_scores")
    if c.config.get("score_mode", "dot") != "dot":
        raise Refusal("score_mode of the layer is not supported", c.config.get("score_mode"), "dot")
    query, value, key = _inputs(c)
    if any(x.rank != 3 for x in (query, value, key)):
        raise Refusal("the layer does not fit its inputs", [list(c.shape(x)) for x in (query, value)], "3 axes")
    scores = c.emit("MatMul", c.plain(query), c.form(key, (0, 2, 1)))
    if c.flag("use_scale"):
        scores = c.emit("Mul", scores, c.stored("scale", c.weight(0, [], "scale")))
    if c.kwargs.get("use_causal_mask") or c.flag("causal"):
        scores = c.emit("Add", scores, _causal(c.static(query, 1), c.static(value, 1)))
    weights = c.emit("Softmax", scores, axis=-1)
    made = c.tensor(c.emit("MatMul", weights, c.plain(value)))
    return [made, *([c.tensor(weights)] if c.kwargs.get("return_attention_scores") else [])]
