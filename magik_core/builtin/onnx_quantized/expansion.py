"""A model being brought into the quantize-dequantize form, node by node; what converters read from and emit into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from onnx import AttributeProto, NodeProto, TensorProto, helper, numpy_helper

from magik_core.builtin import onnx_checks
from magik_core.builtin.onnx_quantized import moved, reading
from magik_core.builtin.onnx_quantized.params import Params
from magik_core.builtin.onnx_quantized.source import Source
from magik_core.builtin.onnx_quantized.table import Converter, Function, table
from magik_core.errors import Problem
from magik_core.naming import take_name

if TYPE_CHECKING:
    from collections.abc import Iterator


class Dynamic(NamedTuple):
    """What DynamicQuantizeLinear made of the float tensor `x`: codes whose scale and zero point are found later."""

    x: str
    scale: str
    zero: str


class Expansion:
    """One walk over a model's nodes.

    Values keep their names: what was a tensor of codes is a tensor of floats, behind the QuantizeLinear that
    makes `name/codes` and the DequantizeLinear that reads them. Only what a QuantizeLinear of the source itself
    makes stays codes.

    Args:
        source: the model. wanted: what codes of integer inputs and of looked-up constants mean, as far as an
            earlier walk has seen.
    """

    def __init__(self, source: Source, wanted: Mapping[str, Params]) -> None:
        self.source, self.wanted = source, wanted
        self.nodes: list[NodeProto] = []
        self.tensors: list[TensorProto] = []
        self.params: dict[str, Params] = {}  # of tensors of codes
        self.floats: set[str] = set()  # integers in the source, but floats here: sums that nothing rounds
        self.dynamic: dict[str, Dynamic] = {}
        self.origin: dict[str, str] = {}  # of codes whose meaning is not known yet: where they come from
        self.asked: dict[str, Params] = {}  # what `wanted` did not say
        self.problems: list[Problem] = []
        self.done: set[int] = set()  # ids of nodes that another one's conversion has taken in
        self._codes: dict[str, str] = {}
        self._reals: dict[tuple[str, Params], str] = {}
        self._constants: dict[tuple[str, Params], tuple[str, str]] = {}
        self._lost: set[str] = set()  # outputs of nodes that could not be converted
        self._taken = set(source.taken) | source.node_names
        self._node: NodeProto | None = None
        self._is_named = False
        self._faults = 0

    def run(self) -> None:
        """Convert every node; `problems` holds what cannot be."""
        for name, params in self.wanted.items():
            self._adopt(name, params)
        for node in self.source.nodes:
            if id(node) in self.done:
                continue
            if self._lost.intersection(node.input):
                self._lost.update(node.output)
                continue
            self._node, self._is_named, self._faults = node, False, len(self.problems)
            self._convert(node)
            if len(self.problems) > self._faults:
                self._lost.update(node.output)

    def _adopt(self, name: str, params: Params) -> None:
        """Begin with a QuantizeLinear behind an integer input, which becomes a float one."""
        self.params[name] = params
        if name in self.source.inputs:
            self._codes[name] = self.unique(f"{name}/codes")
            self._quantization("QuantizeLinear", name, self._codes[name], name, params)

    def _convert(self, node: NodeProto) -> None:
        domain = "" if node.domain in onnx_checks.STANDARD else node.domain
        converter = table().get((domain, node.op_type))
        if converter is not None:
            if self._counts(node, converter):
                self._guarded(converter.function, node)
        elif not moved.convert(node, self):
            self._copy(node)

    def _guarded(self, function: Function, node: NodeProto) -> None:
        """Call a converter; attributes of other types than the operator's are the node's fault."""
        try:
            function(node, self)
        except UnicodeError:
            raise
        except (TypeError, ValueError, OverflowError) as error:  # helpers of onnx and protobuf raise these
            self.problem("a node holds a field that cannot be read", f"{type(error).__name__}: {error}"[:200])

    def _counts(self, node: NodeProto, converter: Converter) -> bool:
        """Whether a node has as many inputs and outputs as its operator."""
        for what, names, (low, high) in (
            ("inputs", node.input, converter.inputs),
            ("outputs", node.output, converter.outputs),
        ):
            optional = converter.optional if what == "inputs" else ()
            lacking = [i for i in range(low) if i not in optional and not "".join(names[i : i + 1])]
            if lacking or len(names) > high:
                need = f"{low}" if low == high else f"{low} or more" if high > 1 << 20 else f"{low} to {high}"
                self.problem(f"an operator has the wrong number of {what}", str(len([n for n in names if n])), need)
        return self.is_sound

    def _copy(self, node: NodeProto) -> None:
        """Take a node over as it is; one that would compute on codes is none of magik's."""
        coded = [name for name in onnx_checks.reads(node) if name in self.params or name in self.dynamic]
        if coded:
            need = "an operator that has a quantized form, or DequantizeLinear before it"
            self.problem("an operator computes with the codes of a quantized tensor", f"'{coded[0]}'", need)
        self.nodes.append(node)

    # ---- what is wrong

    def problem(self, what: str, found: str = "", need: str = "", hint: str = "") -> None:
        """Note something that is wrong with the node at hand; it and what reads it are not converted."""
        assert self._node is not None
        node, label = self._node, onnx_checks.label(self._node)
        domain = f"{node.domain}." if node.domain not in onnx_checks.STANDARD else ""
        where = label if not node.name else f"{domain}{node.op_type} {label}"
        self.problems.append(Problem(what, f"{where} in {self.source.path.name}", found, need, hint))

    def read(self, codes: str, scale: str, zero: str, axis: int | None = None, like: str = "") -> Params:
        """Scale and zero point of a tensor from constants; a stand-in, and problems, where they are unsound.

        Args: axis: of the scales where there may be several. like: a constant of its shape, if not itself.
        """
        return reading.params(self, codes, scale, zero, axis, like or codes)

    def read_at(self, node: NodeProto, place: int, axis: int | None = None) -> Params:
        """`read` of the input at `place`, its scale and its zero point behind it."""
        codes, scale, zero = (at(node, place + i) for i in range(3))
        return self.read(codes, scale, zero, axis)

    def real_at(self, node: NodeProto, place: int, axis: int | None = None) -> str:
        """The float values of the input at `place`, its scale and its zero point behind it."""
        params = self.read_at(node, place, axis)
        return self.real(node.input[place], params) if self.is_sound else node.input[place]

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong with the node at hand so far."""
        return len(self.problems) == self._faults

    def dtype(self, name: str) -> int:
        """The type of a tensor of codes as a TensorProto.DataType; 0 where nothing says it."""
        if name in self.params:
            return self.params[name].dtype
        if name in self.dynamic:
            return int(TensorProto.UINT8)
        if name in self.source.tensors:
            return int(self.source.tensors[name].data_type)
        root = self.origin.get(name)
        if root is not None:
            return self.dtype(root)
        return self.source.inputs.get(name, 0)

    # ---- values

    def codes(self, name: str) -> str:
        """Where the codes of a tensor are."""
        return self._codes.get(name, name)

    def real(self, name: str, params: Params | None = None) -> str:
        """The float values of a tensor of codes; params: what the reader takes them for, else the maker's."""
        if name in self.floats:
            return name
        if name in self.dynamic:
            return self.dynamic[name].x
        params = params or self.params.get(name)
        assert params is not None, name
        return self.dequantized(name, params) if self.is_known(name, params) else name

    def is_known(self, name: str, params: Params) -> bool:
        """Whether the meaning of codes is settled; if not, the next walk knows it."""
        root = name if name in self.source.inputs else self.origin.get(name)
        if name in self.params or root is None or root in self.wanted or params.axis is not None:
            return True
        self.asked.setdefault(root, params)
        return False

    def quantizes_at_run_time(self, codes: str, x: str, scale: str, zero: str) -> None:
        """Note a DynamicQuantizeLinear."""
        self.dynamic[codes] = Dynamic(x, scale, zero)

    def dequantized(self, name: str, params: Params, out: str = "", label: str = "") -> str:
        """DequantizeLinear of a tensor of codes, each once; out: its name."""
        key = (name, params)
        if key not in self._reals or out:
            made = out or self.unique(f"{name}/real")
            self._quantization("DequantizeLinear", self.codes(name), made, name, params, label)
            self._reals.setdefault(key, made)
        return self._reals[key]

    def raw(self, name: str) -> str:
        """A name for the float values that are to be rounded to what `name` holds."""
        return self.unique(f"{name}/float")

    def quantized(self, name: str, params: Params, raw: str, label: str = "") -> None:
        """Round `raw` to codes and back: that is `name`."""
        codes = self._codes[name] = self.unique(f"{name}/codes")
        self._quantization("QuantizeLinear", raw, codes, name, params, label)
        self.params[name] = params
        self.dequantized(name, params, out=name)

    def rounded(self, x: str, params: Params, wanted: str) -> str:
        """A float tensor rounded to codes and back, under a new name."""
        name = self.unique(wanted)
        self.quantized(name, params, x)
        return name

    def result(self, name: str, params: Params, op: str, inputs: Sequence[str], **attributes: Any) -> None:
        """An operator in float whose result is rounded to the codes of `name`."""
        raw = self.raw(name)
        self.node(op, inputs, [raw], **attributes)
        self.quantized(name, params, raw)

    def stays_codes(self, name: str, params: Params, x: str, label: str) -> None:
        """QuantizeLinear under the source's own name."""
        self.params[name] = params
        self._quantization("QuantizeLinear", x, name, name, params, label)

    def _quantization(self, op: str, x: str, y: str, owner: str, params: Params, label: str = "") -> None:
        scale, zero = self._scale_and_zero(owner, params)
        name = label or self.unique(f"{y}/{op.removesuffix('Linear').lower()}")
        node = helper.make_node(op, [x, scale, zero], [y], name)
        if params.axis is not None:
            node.attribute.append(helper.make_attribute("axis", params.axis))
        self.nodes.append(node)

    def _scale_and_zero(self, owner: str, params: Params) -> tuple[str, str]:
        key = (owner, params)
        if key not in self._constants:
            dims = [] if params.axis is None else [len(params.scale)]
            scale, zero = params.names
            if not scale:
                scale = self.constant(f"{owner}/scale", np.asarray(params.scale, np.float32).reshape(dims))
            if not zero:
                zero = self.unique(f"{owner}/zero_point")
                self.tensors.append(helper.make_tensor(zero, params.dtype, dims, params.zero))
            self._constants[key] = scale, zero
        return self._constants[key]

    def constant(self, wanted: str, array: np.ndarray) -> str:
        """A new constant."""
        name = self.unique(wanted)
        self.tensors.append(numpy_helper.from_array(array, name))
        return name

    def tensor(self, name: str, array: np.ndarray, dtype: int) -> TensorProto:
        """A new constant of codes, under this very name."""
        made = numpy_helper.from_array(array.astype(helper.tensor_dtype_to_np_dtype(dtype)), name)
        self.tensors.append(made)
        return made

    def unique(self, wanted: str) -> str:
        """The name, numbered where it is taken; takes it."""
        return take_name(wanted, self._taken)

    # ---- nodes

    def node(self, op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> str:
        """A standard node, the first of a conversion named for the source's; returns its first output."""
        made = helper.make_node(op, list(inputs), list(outputs), self._label(op))
        for name, value in attributes.items():
            if isinstance(value, AttributeProto):
                made.attribute.append(value)
            elif value is not None:
                made.attribute.append(helper.make_attribute(name, value))
        self.nodes.append(made)
        return made.output[0]

    def between(self, op: str, inputs: Sequence[str], what: str, **attributes: Any) -> str:
        """A standard node whose output gets a name of its own."""
        return self.node(op, inputs, [self.unique(what)], **attributes)

    def aside(self, op: str, inputs: Sequence[str], what: str) -> str:
        """As `between`, of a node that only prepares: the source's name is for another."""
        before, self._is_named = self._is_named, True
        made = self.between(op, inputs, what)
        self._is_named = before
        return made

    def _label(self, op: str) -> str:
        assert self._node is not None
        name = self._node.name
        if not name or not self._is_named:
            self._is_named = True
            return name
        return self.unique(f"{name}/{op.lower()}")


def at(node: NodeProto, place: int) -> str:
    """The name of an input; "" where there is none."""
    return node.input[place] if place < len(node.input) else ""


def attributes(node: NodeProto, *names: str) -> dict[str, AttributeProto]:
    """Attributes of a node that carry over, those that it has."""
    return {a.name: a for a in node.attribute if a.name in names}


def used(nodes: Sequence[NodeProto], outputs: set[str]) -> Iterator[NodeProto]:
    """Yield, last first, the nodes that the outputs need."""
    needed = set(outputs)
    for node in reversed(nodes):
        if needed.intersection(node.output):
            needed.update(onnx_checks.reads(node))
            yield node
