"""What a symbol says of the shapes of its inputs: a `__shape__`, or the layers that read them."""

from __future__ import annotations

import onnx

from magik_frontend_mxnet.attributes import Attributes
from magik_frontend_mxnet.builder import Input, Size
from magik_frontend_mxnet.reader import Source
from magik_frontend_mxnet.refusal import Refusal
from magik_frontend_mxnet.symbol import VARIABLE, Node

DTYPES = {
    3: onnx.TensorProto.UINT8,
    4: onnx.TensorProto.INT32,
    5: onnx.TensorProto.INT8,
    6: onnx.TensorProto.INT64,
    7: onnx.TensorProto.BOOL,
}
MAX_STEPS = 1 << 10  # layers between an input and one that says how many axes it has
SPATIAL = {1: ("width",), 2: ("height", "width"), 3: ("depth", "height", "width")}
# layers behind which a tensor has the axes and channels that it had before …
SAME = frozenset([
    "BatchNorm", "BatchNorm_v1", "Activation", "relu", "sigmoid", "tanh", "clip", "Dropout", "Cast", "cast",
    "amp_cast", "identity", "_copy", "BlockGrad", "_plus_scalar", "_minus_scalar", "_mul_scalar", "_div_scalar",
    "_PlusScalar", "_MinusScalar", "_MulScalar", "_DivScalar",
])  # fmt: skip
# … the axes, but other channels perhaps
SAME_AXES = frozenset([
    "Concat", "concat", "Pad", "pad", "slice", "slice_axis", "crop", "Crop", "slice_like", "elemwise_add",
    "elemwise_sub", "elemwise_mul", "elemwise_div", "_Plus", "_Minus", "_Mul", "_Div", "UpSampling",
    "_contrib_BilinearResize2D", "L2Normalization", "LRN", "InstanceNorm",
])  # fmt: skip


def inputs(source: Source) -> dict[str, Input]:
    """The declaration of each variable that has no stored value."""
    readers: dict[int, list[Node]] = {}
    for node in source.symbol.nodes:
        for index, _ in node.inputs[:1]:
            readers.setdefault(index, []).append(node)
    by_name = {node.name: index for index, node in reversed(list(enumerate(source.symbol.nodes)))}
    found = {}
    for index, node in enumerate(source.symbol.nodes):
        if node.op == VARIABLE and node.name not in source.params and node.name not in found:
            shape = _stated(node) or _from_readers(index, readers, by_name, source)
            found[node.name] = Input(node.name, _dtype(node), shape)
    return found


def _dtype(node: Node) -> int:
    try:
        return int(DTYPES.get(Attributes(node.attrs).integer("__dtype__", 0), onnx.TensorProto.FLOAT))
    except Refusal:
        return int(onnx.TensorProto.FLOAT)


def _stated(node: Node) -> tuple[Size, ...] | None:
    """The shape that the variable was made with; 0 and -1 are open sizes."""
    try:
        found = Attributes(node.attrs).optional_integers("__shape__")
    except Refusal:
        return None
    sizes = [n if n is not None and 0 < n < 1 << 31 else None for n in found]
    return tuple(n or ("batch" if axis == 0 else f"size{axis}") for axis, n in enumerate(sizes)) if sizes else None


def _from_readers(
    index: int, readers: dict[int, list[Node]], by_name: dict[str, int], source: Source
) -> tuple[Size, ...] | None:
    """The first layer that has a window says how many axes there are, and its weights how many channels."""
    waiting, seen = [(index, 1)], {index}  # 0 where a layer between changes the channels
    while waiting and len(seen) < MAX_STEPS:
        before, factor = waiting.pop(0)
        for node in readers.get(before, []):
            shape = _read_by(node, source)
            if shape is not None:
                channels = shape[1] * factor if isinstance(shape[1], int) else 0
                return shape if shape[1] == "batch" else (shape[0], channels or "channels", *shape[2:])
            step = _kept(node)
            kept = -1 if step < 0 else step * factor
            if kept >= 0 and (own := by_name[node.name]) not in seen:
                seen.add(own)
                waiting.append((own, kept))
    return None


def _kept(node: Node) -> int:
    """How many times the channels of a layer's output its input has; 0 is unknown, -1 is other axes."""
    if node.op in SAME:
        return 1
    attrs = Attributes(node.attrs)
    try:
        if node.op in ("SliceChannel", "split") and not attrs.flag("squeeze_axis", False):
            return attrs.integer("num_outputs", least=1, most=1 << 16) if attrs.integer("axis", 1) == 1 else 0
    except Refusal:
        return -1
    return 0 if node.op in SAME_AXES else -1


def _read_by(node: Node, source: Source) -> tuple[Size, ...] | None:
    if node.op == "RNN":
        return ("time", "batch", None)
    if node.op not in ("Convolution", "Convolution_v1", "Deconvolution", "Pooling", "Pooling_v1"):
        return None
    attrs = Attributes(node.attrs)
    try:
        spatial = SPATIAL.get(len(attrs.integers("kernel", ())))
        group = attrs.integer("num_group", 1, least=1)
    except Refusal:  # the layer itself says so when its turn comes
        return None
    return None if spatial is None else ("batch", _channels(node, source, group) or "channels", *spatial)


def _channels(node: Node, source: Source, group: int) -> int | None:
    variable = source.symbol.nodes[node.inputs[1][0]] if len(node.inputs) > 1 else None
    weight = source.params.get(variable.name) if variable is not None and variable.op == VARIABLE else None
    if weight is None or weight.ndim < 2:
        return None
    return int(weight.shape[1]) * group if node.op.startswith("Convolution") else int(weight.shape[0])
