"""Walk the layers of a model and call the function of each; everything that is wrong is reported together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnx
import onnx_ir as ir

from magik_core import graph
from magik_core.errors import GraphError, Problem
from magik_core.hookspecs import Request
from magik_core.naming import take_name
from magik_frontend_tf.keras_files import functions, layers, order
from magik_frontend_tf.keras_files.builder import Builder, Shape
from magik_frontend_tf.keras_files.call import FLOAT, Call, tensors
from magik_frontend_tf.keras_files.config import INPUT
from magik_frontend_tf.keras_files.refusal import Refusal
from magik_frontend_tf.keras_files.source import Layer, Model, Ref, Source
from magik_frontend_tf.keras_files.tensor import Tensor, channels_first, plain

INTEGERS = {"int32": onnx.TensorProto.INT32, "int64": onnx.TensorProto.INT64}
REALS = frozenset({"float16", "bfloat16", "float32", "float64", "uint8", "int8", "int16", "uint16", "bool", "uint32"})
KEEPS_INTEGERS = frozenset({"Embedding", "Dropout", "Identity", "Reshape", "Flatten"})
IMAGE_RANK = 4
Values = dict[Ref, Tensor | None]  # None behind a layer that could not be converted


def convert(source: Source, request: Request) -> ir.Model:
    """Return the graph of a model.

    Raises: GraphError: every layer that cannot be taken.
    """
    walk = _Walk(source, request)
    found = walk.model(source.model, "", None)
    if not walk.problems:
        walk.outputs(source.model, [t for t in found if t is not None])
    if walk.problems:
        raise GraphError(problems=list(dict.fromkeys(walk.problems)))
    made: ir.Model = ir.from_proto(walk.builder.graph(source.name))
    graph.remove_dead(made)
    return made


class _Walk:
    """The state between layers."""

    def __init__(self, source: Source, request: Request) -> None:
        self.source, self.builder, self.problems = source, Builder(source.where), list[Problem]()
        self._stored: dict[tuple[int, str], str] = {}
        self._shapes = () if request.inputs else request.input_shapes

    # ---- models --------------------------------------------------------------------------------------------

    def model(self, model: Model, path: str, given: Sequence[Tensor | None] | None) -> list[Tensor | None]:
        """The outputs of a model; given: its inputs, None for those of the graph."""
        gone = order.missing(model)
        for who, ref in gone[:8]:
            found = f"call {ref.call} of '{ref.layer}'"
            self._report(f"'{who}'", Refusal("a tensor is made by no layer", found, "a call of a layer of the model"))
        values: Values = dict.fromkeys((ref for _, ref in gone), None)
        if given is not None:
            values.update(zip(model.inputs, given, strict=True))
        for layer, number, call in order.calls(model):
            if layer.kind == INPUT:
                ref = Ref(layer.name, 0, 0)
                if given is None:
                    values[ref] = self._guarded(layer, path, lambda layer=layer: [self._input(layer, model)])[0]
                continue
            args, kwargs = _filled(call.args, values), _filled(call.kwargs, values)
            if any(values.get(ref) is None for ref in call.refs()):
                made: list[Tensor | None] = []
            else:
                made = self._guarded(
                    layer,
                    path,
                    lambda layer=layer, args=args, kwargs=kwargs: self.run(layer, path, args, kwargs),
                )
            values.update({Ref(layer.name, number, i): tensor for i, tensor in enumerate(made)})
        self._check_reached(model, values)
        return [values.get(ref) for ref in model.outputs]

    def _check_reached(self, model: Model, values: Values) -> None:
        if self.problems:
            return
        for ref in model.outputs:
            if values.get(ref) is None:
                need = "layers that hang on the inputs and not on each other"
                self._report(f"an output of '{model.name}'", Refusal("a tensor is made by no layer", ref.layer, need))

    def _guarded(self, layer: Layer, path: str, make: Any) -> list[Tensor | None]:
        """What a layer makes; nothing where it is refused, which is noted."""
        try:
            return list(make())
        except Refusal as refusal:
            self._report(f"{layer.kind} '{_join(path, layer.name)}'", refusal)
        except (ValueError, TypeError, IndexError, KeyError, OverflowError, AttributeError) as error:
            # a configuration that Keras would not write
            found = f"{type(error).__name__}: {error}"
            self._report(f"{layer.kind} '{_join(path, layer.name)}'", Refusal("the layer is damaged", found))
        return [None]

    def _report(self, who: str, refusal: Refusal) -> None:
        where = f"{who} in {self.source.where}"
        self.problems.append(Problem(refusal.what, where, refusal.found, refusal.need, refusal.hint))

    # ---- layers --------------------------------------------------------------------------------------------

    def run(self, layer: Layer, path: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Tensor]:
        """The outputs of a layer.

        Raises: Refusal.
        """
        own, since = _join(path, layer.name), len(self.builder.nodes)
        if layer.model is not None:
            return self._nested(layer.model, own, args, kwargs)
        _check_policy(layer)
        call = Call(self.builder, layer, own, args, kwargs, self.source.version, self.run, self._stored)
        if layer.kind not in KEEPS_INTEGERS:
            self._to_float(call)
        made = functions.call(call) if layer.is_function else layers.layer(layer.kind)(call)
        found = [made] if isinstance(made, Tensor) else list(made)
        self._name(own, found, since)
        return found

    def _nested(self, model: Model, path: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Tensor]:
        given = tensors(list(args))
        if args and isinstance(args[0], dict):
            names = [ref.layer for ref in model.inputs]
            given = [args[0][name] for name in names] if set(names) == set(args[0]) else given
        if kwargs.get("mask") is not None or len(given) != len(model.inputs):
            raise Refusal("a model is called with other inputs", f"{len(given)} tensors", f"{len(model.inputs)}")
        before = len(self.problems)
        found = self.model(model, path, given)
        if any(tensor is None for tensor in found):
            if len(self.problems) == before == 0:
                raise Refusal("a model has no outputs", model.name)
            return []
        return [tensor for tensor in found if tensor is not None]

    def _to_float(self, call: Call) -> None:
        for tensor in call.inputs:
            name = tensor.forms[tensor.order]
            if self.builder.dtype(name) != FLOAT:
                cast = call.emit("Cast", name, to=FLOAT)
                key = tensor.order
                tensor.forms.clear()
                tensor.forms[key] = cast

    def _name(self, path: str, made: Sequence[Tensor], since: int) -> None:
        """Name the first node and the values for the layer."""
        nodes = self.builder.nodes[since:]
        names = {}
        for i, tensor in enumerate(made):
            old = tensor.forms[tensor.order]
            maker = next((node for node in nodes if old in node.output), None)
            if maker is None or old in names or not old.startswith(f"{path}/"):
                continue  # handed on, or named by the layer inside
            names[old] = self.builder.unique(path if i == 0 else f"{path}:{i}")
            if i == 0:
                maker.name = take_name(path, self.builder.node_names)
            self.builder.types[names[old]] = self.builder.types[old]
        self.builder.rename(names, since)
        for tensor in made:
            for key, old in tensor.forms.items():
                tensor.forms[key] = names.get(old, old)

    # ---- inputs and outputs --------------------------------------------------------------------------------

    def _input(self, layer: Layer, model: Model) -> Tensor:
        config = layer.config
        shape = config.get("batch_shape") or config.get("batch_input_shape")
        if config.get("sparse") or config.get("ragged"):
            raise Refusal("an input is sparse or ragged", layer.name, "dense tensors")
        index = next((i for i, ref in enumerate(model.inputs) if ref.layer == layer.name), len(self._shapes))
        sizes = self._sizes(shape, index, layer.name)
        dtype = str(config.get("dtype") or "float32")
        if dtype not in INTEGERS and dtype not in REALS:
            raise Refusal(
                "an input is of a type that is not read", dtype, f"one of: {', '.join(sorted((*INTEGERS, *REALS)))}"
            )
        name = self.builder.add_input(layer.name, INTEGERS.get(dtype, FLOAT), sizes)
        tensor = Tensor({plain(len(sizes)): name})
        if len(sizes) == IMAGE_RANK:  # what comes first is the form that layers work in
            call = Call(self.builder, layer, layer.name, [tensor], {}, self.source.version, self.run, self._stored)
            turned = call.form(tensor, channels_first(IMAGE_RANK))
            tensor = Tensor({channels_first(IMAGE_RANK): turned, **tensor.forms})
        return tensor

    def _sizes(self, shape: Any, index: int, name: str) -> Shape:
        if shape is None:
            hint = "put a keras.Input in front of its layers, or call model.build(input_shape), then save it"
            raise Refusal("the model is not built: its input has no shape", name, "a model that is built", hint)
        if not isinstance(shape, list) or not all(n is None or (type(n) is int and 0 < n < 1 << 31) for n in shape):
            need = "a size for every axis, or null"
            raise Refusal("the shape of an input is not known", repr(shape)[:80], need, "build the model, then save it")
        given = self._shapes[index] if index < len(self._shapes) else ()
        if len(given) == len(shape) and all(
            a is None or a == b or i == 0 for i, (a, b) in enumerate(zip(shape, given, strict=True))
        ):
            return tuple(given)
        return tuple(n or ("batch" if axis == 0 else f"{name}_{axis}") for axis, n in enumerate(shape))

    def outputs(self, model: Model, found: Sequence[Tensor]) -> None:
        """Give the outputs their names, and the axes that Keras has them in."""
        builder = self.builder
        pairs = [(ref.layer, tensor) for ref, tensor in zip(model.outputs, found, strict=True)]
        for wanted, tensor in [*pairs, *builder.states]:
            layer = Layer("output", wanted, {})
            call = Call(builder, layer, wanted, [tensor], {}, self.source.version, self.run, self._stored)
            first, name = tensor.forms[tensor.order], call.plain(tensor)
            if name in builder.outputs or name in builder.inputs:
                name = call.emit("Identity", name)
            elif name != first and first not in builder.outputs and first not in builder.inputs:
                self._swap(tensor, first, name)
                name = first
            builder.outputs.append(name)

    def _swap(self, tensor: Tensor, first: str, plain_name: str) -> None:
        """Let the value with Keras's axes have the name that the layer's own value has."""
        inner = self.builder.unique(f"{first}/channels_first")
        self.builder.rename({first: inner})
        self.builder.rename({plain_name: first})
        new = {first: inner, plain_name: first}
        for key, old in tensor.forms.items():
            tensor.forms[key] = new.get(old, old)


def _check_policy(layer: Layer) -> None:
    """Raises: Refusal: the layer computes in integers."""
    policy = layer.config.get("dtype")
    kind = policy.get("class_name", "") if isinstance(policy, dict) else ""
    if kind.startswith("Quantized") or (layer.config.get("quantization_config") is not None):
        need, hint = "a layer of floats", "save the model before model.quantize(...)"
        raise Refusal("the layer is quantized", kind or "quantization_config", need, hint)


def _filled(value: Any, values: Values) -> Any:
    """A value with the tensors in the place of their references."""
    if isinstance(value, Ref):
        return values.get(value)
    if isinstance(value, (list, tuple)):
        return [_filled(item, values) for item in value]
    if isinstance(value, Mapping):
        return {key: _filled(item, values) for key, item in value.items()}
    return value


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
