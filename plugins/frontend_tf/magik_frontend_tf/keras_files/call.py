"""What the function of a layer works with: its configuration, tensors and weights, and how it emits nodes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from magik_frontend_tf.keras_files.builder import Builder, Shape, Size
from magik_frontend_tf.keras_files.refusal import Refusal
from magik_frontend_tf.keras_files.source import Layer
from magik_frontend_tf.keras_files.tensor import Order, Tensor, channels_first, plain

Operand = str | np.ndarray | np.generic
FLOAT, INT64, INT32, BOOL = (getattr(onnx.TensorProto, n) for n in ("FLOAT", "INT64", "INT32", "BOOL"))
FIRST, LAST = "channels_first", "channels_last"
MAX_NUMBER = 1 << 20  # of a size or count in a configuration


class Call:
    """One call of a layer.

    Args:
        args, kwargs: as in source.Call, with a Tensor for each Ref; version: the major one of Keras.
        path: the layer's name, behind those of the models that it is in.
        run: convert a layer that this one wraps, or a model, on tensors.
    """

    def __init__(
        self,
        builder: Builder,
        layer: Layer,
        path: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        version: int,
        run: Callable[[Layer, str, Sequence[Any], Mapping[str, Any]], list[Tensor]],
        stored: dict[tuple[int, str], str],
    ) -> None:
        self.builder, self.layer, self.path, self.version, self.run = builder, layer, path, version, run
        self.args, self.kwargs, self.config, self._stored = list(args), dict(kwargs), layer.config, stored
        self.inputs = list(tensors([*self.args, *self.kwargs.values()]))

    # ---- configuration -------------------------------------------------------------------------------------

    def number(self, key: str, default: float, config: Mapping[str, Any] | None = None) -> float:
        value = (self.config if config is None else config).get(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise Refusal(f"{key} of the layer is no number", repr(value)[:80])
        return float(value)

    def integer(self, key: str, default: int | None = None, least: int = 1) -> int:
        return self.whole(self.config.get(key, default), key, least)

    def whole(self, value: Any, key: str, least: int = 1) -> int:
        if type(value) is not int or not least <= value <= MAX_NUMBER:
            raise Refusal(f"{key} of the layer is no sensible number", repr(value)[:80], f"{least} to {MAX_NUMBER}")
        return value

    def integers(self, key: str, count: int, default: Any = None, least: int = 1) -> list[int]:
        """As many numbers as there are axes; one stands for all."""
        value = self.config.get(key)
        value = default if value is None else value
        items = [value] * count if type(value) is int else value
        if not isinstance(items, (list, tuple)) or len(items) != count:
            raise Refusal(f"{key} of the layer does not fit its axes", repr(value)[:80], f"{count} numbers")
        return [self.whole(item, key, least) for item in items]

    def flag(self, key: str, default: bool = False) -> bool:
        return bool(self.config.get(key, default))

    def choice(self, key: str, known: Sequence[str], default: str) -> str:
        value = self.config.get(key)
        value = default if value is None else value
        if value not in known:
            raise Refusal(f"{key} of the layer is not supported", repr(value)[:80], f"one of: {', '.join(known)}")
        return str(value)

    @property
    def data_format(self) -> str:
        return self.choice("data_format", (LAST, FIRST), LAST)

    # ---- tensors -------------------------------------------------------------------------------------------

    @property
    def x(self) -> Tensor:
        """The only input."""
        if len(self.inputs) != 1:
            raise Refusal("the layer has another number of inputs", len(self.inputs), "1")
        return self.inputs[0]

    def image(self, rank: int) -> Tensor:
        """The only input, which has so many axes."""
        if self.x.rank != rank:
            raise Refusal("the layer does not fit its input", list(self.shape(self.x)), f"{rank} axes")
        return self.x

    def shape(self, x: Tensor) -> Shape:
        """Sizes in Keras's order."""
        sizes = self.builder.shape(x.forms[x.order])
        return tuple(sizes[x.order.index(axis)] for axis in range(x.rank))

    def axis(self, x: Tensor, axis: Any, extra: int = 0) -> int:
        rank = x.rank + extra
        if type(axis) is not int or not -rank <= axis < rank:
            raise Refusal("an axis does not exist", f"axis {axis!r} of {list(self.shape(x))}")
        return axis % rank

    def axes(self, x: Tensor, value: Any) -> list[int]:
        """Axes from the front, rising; one or several."""
        return sorted({self.axis(x, item) for item in (value if isinstance(value, (list, tuple)) else [value])})

    def static(self, x: Tensor, axis: int) -> int:
        size = self.shape(x)[axis]
        if not isinstance(size, int):
            need, hint = "a size that is known", "give the sizes of the input: INPUT_SHAPE"
            raise Refusal("a size is not known here", f"axis {axis} of {list(self.shape(x))}", need, hint)
        return size

    def form(self, x: Tensor, order: Order) -> str:
        """The value with the axes in an order; a Transpose where there is none yet."""
        if order not in x.forms:
            perm = [x.order.index(axis) for axis in order]
            x.forms[order] = self.emit("Transpose", x.forms[x.order], perm=perm)
        return x.forms[order]

    def plain(self, x: Tensor) -> str:
        """The value with the axes as in Keras."""
        return self.form(x, plain(x.rank))

    def first(self, x: Tensor, data_format: str) -> str:
        """The value with the channels behind the batch."""
        return self.form(x, image_order(x.rank, data_format))

    def tensor(self, value: str, order: Order | None = None) -> Tensor:
        return Tensor({order or plain(len(self.builder.shape(value))): value})

    def from_first(self, value: str, data_format: str) -> Tensor:
        """The tensor of a value with the channels behind the batch."""
        return self.tensor(value, image_order(len(self.builder.shape(value)), data_format))

    def each(self, x: Tensor, op: str, *operands: Operand, **attributes: Any) -> Tensor:
        """An operator that treats every element alike."""
        return self.tensor(self.emit(op, x.forms[x.order], *operands, **attributes), x.order)

    # ---- weights -------------------------------------------------------------------------------------------

    def weight(self, index: int, shape: Sequence[int | None], what: str) -> np.ndarray:
        """Weight `index`, in f32, of a shape; None is any size.

        Raises: Refusal: there is none, it has another shape, or holds what is not a number.
        """
        held = self.layer.weights
        if index >= len(held):
            hint = "save the whole model, model.save(...)"
            raise Refusal("the layer has no weights in the file", f"{len(held)} weights", what, hint)
        array = held[index]
        if len(shape) != array.ndim or any(n not in (None, m) for n, m in zip(shape, array.shape, strict=True)):
            need = f"{what} of [{', '.join('?' if n is None else str(n) for n in shape)}]"
            raise Refusal("the weights do not fit the layer", f"{list(array.shape)}", need)
        out = array.astype(np.float32)
        if not np.isfinite(out).all():
            nan, inf = int(np.isnan(out).sum()), int(np.isinf(out).sum())
            raise Refusal("a weight is not a number", f"{nan} NaN and {inf} infinite of {out.size} values", what)
        return out

    def stored(self, what: str, array: np.ndarray) -> str:
        """A weight as a constant, one for all calls of the layer."""
        key = (id(self.layer), what)
        if key not in self._stored:
            ordered = np.ascontiguousarray(array, np.float32)
            self._stored[key] = self.builder.add_constant(f"{self.path}/{what}", ordered, is_made=False)
        return self._stored[key]

    def only(self, *allowed: str) -> None:
        """Raises: Refusal: the layer is called with arguments that change what it computes."""
        given = {k: v for k, v in self.kwargs.items() if v is not None and v is not False}
        unknown = [key for key in given if key not in allowed and key not in ("training", "name")]
        if unknown:
            found = ", ".join(unknown)
            hint = "masks are not supported: leave them out" if "mask" in found else ""
            raise Refusal("the layer is called with arguments that are not supported", found, hint=hint)

    # ---- nodes ---------------------------------------------------------------------------------------------

    def emit(self, op: str, *inputs: Operand, **attributes: Any) -> str:
        """Append a node with one output and return it; arrays become constants."""
        return self.emit_many(op, 1, *inputs, **attributes)[0]

    def emit_many(self, op: str, outputs: int, *inputs: Operand, **attributes: Any) -> list[str]:
        name = self.builder.unique(f"{self.path}/{op.lower()}")
        names = [
            item if isinstance(item, str) else self.builder.add_constant(f"{name}/{i}", np.asarray(item))
            for i, item in enumerate(inputs)
        ]
        made = [name] + [self.builder.unique(f"{name}:{i}") for i in range(1, outputs)]
        given = {key: value for key, value in attributes.items() if value is not None}
        self.builder.add_node(op, names, made, name, given)
        return made

    def reshape(self, value: str, sizes: Sequence[Size]) -> str:
        """To sizes of which the first is kept from the value, as the batch is, unless it is -1; -1 is the rest."""
        dims = [0 if i == 0 and n != -1 else n if isinstance(n, int) else -1 for i, n in enumerate(sizes)]
        if dims.count(-1) > 1:
            raise Refusal("several sizes are not known here", list(sizes), hint="give the sizes: INPUT_SHAPE")
        made = self.emit("Reshape", value, ints(*dims))
        if None in self.builder.shape(made) and -1 not in sizes:
            self.builder.set_shape(made, (self.builder.shape(value)[0], *sizes[1:]))
        return made


def image_order(rank: int, data_format: str) -> Order:
    return plain(rank) if data_format == FIRST else channels_first(rank)


def tensors(value: Any) -> list[Tensor]:
    """Every tensor in a value, in order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    return [t for item in value for t in tensors(item)] if isinstance(value, (list, tuple)) else []


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def f32(value: Any) -> np.ndarray:
    return np.asarray(value, np.float32)
