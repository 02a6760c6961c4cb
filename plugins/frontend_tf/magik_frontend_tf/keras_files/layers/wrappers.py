"""Layers that run another layer at each time."""

from __future__ import annotations

from magik_frontend_tf.keras_files.call import Call
from magik_frontend_tf.keras_files.layers.registry import layer
from magik_frontend_tf.keras_files.refusal import Refusal
from magik_frontend_tf.keras_files.tensor import Tensor

POINTWISE = frozenset({"Activation", "Dense", "Dropout", "ELU", "LeakyReLU", "ReLU", "Rescaling"})


@layer("TimeDistributed")
def time_distributed(c: Call) -> Tensor:
    """The layer on a batch of all times; as it is, where it takes every element or the last axis alone."""
    c.only()
    x, (inner,) = c.inputs[0], c.layer.inner
    if inner.kind in POINTWISE:
        return c.run(inner, c.path, [x], {})[0]
    shape = c.shape(x)
    if not isinstance(shape[1], int):
        raise Refusal("the number of times is not known here", list(shape), hint="give the sizes: INPUT_SHAPE")
    rows = c.tensor(c.reshape(c.plain(x), [-1, *shape[2:]]))
    made = c.run(inner, c.path, [rows], {})
    if len(made) != 1:
        raise Refusal("the wrapped layer has several outputs", inner.kind, "one output")
    sizes = c.shape(made[0])[1:]
    y = c.reshape(c.plain(made[0]), [-1, shape[1], *sizes])
    c.builder.set_shape(y, (shape[0], shape[1], *sizes))
    return c.tensor(y)
