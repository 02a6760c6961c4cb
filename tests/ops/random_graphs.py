"""Random small graphs for hypothesis: a few nodes over NCHW tensors, of operators that have a kernel."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from magik_core.ops import by_onnx
from tests.ops.random_graph import BUILDERS, Graph, Misfit, Shape, builds, need

TRIES = 40  # nodes to think of for one graph


def _out(size: int, kernel: int, stride: int, dilation: int, pads: int) -> int:
    return (size + pads - dilation * (kernel - 1) - 1) // stride + 1


def _window(g: Graph, s: Shape, dilations: Shape = (1, 1)) -> tuple[Shape, Shape, dict[str, Any]]:
    """(kernel, sizes of the result, attributes) of a window that fits."""
    kernel = tuple(g.integer(1, min(3, n)) for n in s[2:])
    strides = tuple(g.integer(1, 2) for _ in kernel)
    pads = tuple(g.integer(0, k - 1) for k in (*kernel, *kernel))
    rows = zip(s[2:], kernel, strides, dilations, (pads[0] + pads[2], pads[1] + pads[3]), strict=True)
    out = tuple(_out(*row) for row in rows)
    need(min(out) > 0)
    return kernel, out, {"kernel_shape": kernel, "strides": strides, "pads": pads}


@builds("Conv")
def conv(g: Graph, x: str, s: Shape) -> None:
    groups = g.one_of(1, s[1], *(n for n in (2,) if s[1] % n == 0))
    dilations = (g.integer(1, 2), 1)
    kernel, out, attributes = _window(g, s, dilations)
    channels = groups * g.integer(1, 2 if groups > 1 else 6)
    w = g.floats(channels, s[1] // groups, *kernel, gain=2 / prod(kernel))
    b = [g.floats(channels)] if g.one_of(True, False) else []
    g.add("Conv", [x, w, *b], (s[0], channels, *out), group=groups, dilations=dilations, **attributes)


@builds("ConvTranspose")
def conv_transpose(g: Graph, x: str, s: Shape) -> None:
    k, stride, channels = g.integer(1, 3), g.integer(1, 2), g.integer(1, 4)
    out = tuple((n - 1) * stride + k for n in s[2:])
    w = g.floats(s[1], channels, k, k, gain=1 / k)
    g.add("ConvTranspose", [x, w], (s[0], channels, *out), strides=[stride, stride])


@builds("MaxPool", "AveragePool")
def pool(g: Graph, x: str, s: Shape) -> None:
    _, out, attributes = _window(g, s)
    op = g.one_of("MaxPool", "AveragePool")
    more = {"count_include_pad": g.integer(0, 1)} if op == "AveragePool" else {}
    g.add(op, [x], (*s[:2], *out), **attributes, **more)


@builds("GlobalAveragePool", "GlobalMaxPool")
def global_pool(g: Graph, x: str, s: Shape) -> None:
    g.add(g.one_of("GlobalAveragePool", "GlobalMaxPool"), [x], (*s[:2], 1, 1))


# bounded on any input, and without jumps, so that f32 can be compared
POINTWISE: Mapping[str, Mapping[str, Any]] = {
    "Sigmoid": {},
    "Relu": {},
    "Tanh": {},
    "HardSwish": {},
    "HardSigmoid": {"alpha": 0.3},
    "LeakyRelu": {"alpha": 0.2},
    "Elu": {},
    "Softplus": {},
    "Neg": {},
    "Abs": {},
    "Gelu": {},
    "Mish": {},
    "Swish": {"alpha": 1.5},
    "Erf": {},
    "Sin": {},
    "Cos": {},
    "Selu": {},
    "Celu": {"alpha": 0.5},
    "Softsign": {},
    "Identity": {},
}


@builds("Sigmoid")
def pointwise(g: Graph, x: str, s: Shape) -> None:
    op = g.one_of(*(name for name in POINTWISE if name in by_onnx()))
    g.add(op, [x], s, **POINTWISE[op])


@builds("Clip")
def clip(g: Graph, x: str, s: Shape) -> None:
    low, high = g.constant(np.array(-0.5, np.float32)), g.constant(np.array(0.75, np.float32))
    g.add("Clip", [x, *g.one_of([low, high], [low], ["", high])], s)


@builds("Add", "Sub")
def constant_term(g: Graph, x: str, s: Shape) -> None:
    c = g.one_of((1,), (s[1], 1, 1), (s[3],), s)
    op = g.one_of(*(o for o in ("Add", "Sub", "Mul") if o in by_onnx()))
    both = [x, g.floats(*c)]
    g.add(op, both if g.one_of(True, False) else both[::-1], s)


@builds("Add")
def branches(g: Graph, x: str, s: Shape) -> None:
    """Two values of one shape, or one of them reduced to where it broadcasts."""
    same = [n for n, t in g.shapes.items() if t == s or (t[:2] == s[:2] and t[2:] == (1, 1))]
    op = g.one_of(*(o for o in ("Add", "Sub", "Mul", "Max", "Min") if o in by_onnx()))
    both = [x, g.one_of(*same)]
    g.add(op, both if g.one_of(True, False) else both[::-1], s)


@builds("Concat")
def concat(g: Graph, x: str, s: Shape) -> None:
    axis = g.integer(0, 3)
    others = [(n, t) for n, t in g.shapes.items() if len(t) == 4]
    fits = [n for n, t in others if t[:axis] == s[:axis] and t[axis + 1 :] == s[axis + 1 :]]
    parts = [x, *(g.one_of(*fits) for _ in range(g.integer(1, 2)))]
    total = sum(g.shapes[p][axis] for p in parts)
    g.add("Concat", parts, (*s[:axis], total, *s[axis + 1 :]), axis=axis)


@builds("Resize")
def resize(g: Graph, x: str, s: Shape) -> None:
    size = (*s[:2], *(g.integer(1, 2 * n) for n in s[2:]))
    how = g.one_of("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
    mode = g.one_of("nearest", "linear")
    if mode == "nearest":  # whole factors: no position near a tie, where f32 and exact ratios may differ
        size = (*s[:2], *(n * g.integer(1, 3) for n in s[2:]))
        how = g.one_of("half_pixel", "asymmetric")
    more = {"nearest_mode": "floor"} if mode == "nearest" and how == "asymmetric" else {}
    inputs = [x, "", "", g.ints(*size)]
    g.add("Resize", inputs, size, mode=mode, coordinate_transformation_mode=how, **more)


@builds("Slice")
def slice_(g: Graph, x: str, s: Shape) -> None:
    axis = g.integer(0, 3)
    step = g.one_of(1, 1, 2, -1, -2)
    start, end = sorted((g.integer(0, s[axis] - 1), g.integer(0, s[axis])))
    start, end = (start, end) if step > 0 else (max(end - 1, start), start - 1 if start else -(2**60))
    taken = range(s[axis])[start : end if end >= 0 else None : step]
    need(len(taken) > 0)
    inputs = [x, g.ints(start), g.ints(end), g.ints(axis), g.ints(step)]
    g.add("Slice", inputs, (*s[:axis], len(taken), *s[axis + 1 :]))


@builds("Split")
def split(g: Graph, x: str, s: Shape) -> None:
    axis = g.integer(0, 3)
    need(s[axis] > 1)
    first = g.integer(1, s[axis] - 1)
    shapes = [(*s[:axis], n, *s[axis + 1 :]) for n in (first, s[axis] - first)]
    g.add("Split", [x, g.ints(first, s[axis] - first)], *shapes, axis=axis)


@builds("Pad")
def pad(g: Graph, x: str, s: Shape) -> None:
    mode = g.one_of("constant", "edge", "reflect")
    pads = [g.integer(-1 if n > 2 else 0, min(2, n - 2) if n > 2 else 0) for n in s]
    after = [max(p, 0) for p in pads]
    shape = tuple(n + a + b for n, a, b in zip(s, pads, after, strict=True))
    g.add("Pad", [x, g.ints(*pads, *after)], shape, mode=mode)


@builds("Transpose")
def transpose(g: Graph, x: str, s: Shape) -> None:
    perm = g.pick(st.permutations(range(4)))
    g.add("Transpose", [x], tuple(s[p] for p in perm), perm=perm)


@builds("Reshape")
def reshape(g: Graph, x: str, s: Shape) -> None:
    new = g.one_of(
        (s[0], s[1] * s[2], s[3], 1),
        (s[0], s[1], s[2] * s[3], 1),
        (s[0], s[1], 1, s[2] * s[3]),
        (1, s[0] * s[1], s[2], s[3]),
        (s[0], s[3], s[1], s[2]),
        (prod(s), 1, 1, 1),
    )
    g.add("Reshape", [x, g.ints(*new)], new)


@builds("Softmax")
def softmax(g: Graph, x: str, s: Shape) -> None:
    g.add("Softmax", [x], s, axis=g.integer(-4, 3))


@builds("LayerNormalization")
def layer_norm(g: Graph, x: str, s: Shape) -> None:
    b = [g.floats(s[3])] if g.one_of(True, False) else []
    g.add("LayerNormalization", [x, g.floats(s[3]), *b], s, epsilon=0.1)


@builds("BatchNormalization")
def batch_norm(g: Graph, x: str, s: Shape) -> None:
    deviation = g.constant(g.rng.uniform(0.5, 2, s[1]).astype(np.float32))
    g.add("BatchNormalization", [x, *(g.floats(s[1]) for _ in range(3)), deviation], s)


@builds("InstanceNormalization")
def instance_norm(g: Graph, x: str, s: Shape) -> None:
    g.add("InstanceNormalization", [x, g.floats(s[1]), g.floats(s[1])], s, epsilon=0.1)


@builds("PRelu")
def prelu(g: Graph, x: str, s: Shape) -> None:
    g.add("PRelu", [x, g.floats(*g.one_of((1,), (s[1], 1, 1)))], s)


@builds("Expand")
def expand(g: Graph, x: str, s: Shape) -> None:
    new = [g.integer(1, 3) if n == 1 else n for n in s]
    g.add("Expand", [x, g.ints(*new)], tuple(new))


@builds("Squeeze", "Unsqueeze")
def squeeze(g: Graph, x: str, s: Shape) -> None:
    """Take an axis of size 1 out and put one in elsewhere."""
    need(1 in s)
    axis, at = s.index(1), g.integer(0, 3)
    three = (*s[:axis], *s[axis + 1 :])
    g.add("Squeeze", [x, g.ints(axis)], three)
    g.add("Unsqueeze", [g.nodes[-1].output[0], g.ints(at)], (*three[:at], 1, *three[at:]))


@builds("ReduceMean")
def reduce(g: Graph, x: str, s: Shape) -> None:
    op = g.one_of(*(o for o in ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum") if o in by_onnx()))
    axes = sorted(g.pick(st.sets(st.integers(0, 3), min_size=1, max_size=3)))
    g.add(op, [x, g.ints(*axes)], tuple(1 if i in axes else n for i, n in enumerate(s)), keepdims=1)


@builds("MatMul")
def mat_mul(g: Graph, x: str, s: Shape) -> None:
    columns = g.integer(1, 6)
    g.add("MatMul", [x, g.floats(s[3], columns)], (*s[:3], columns))


@builds("Gemm", "Flatten", "Reshape")
def gemm(g: Graph, x: str, s: Shape) -> None:
    k, columns = prod(s[1:]), g.integer(1, 6)
    need(k <= 300)
    g.add("Flatten", [x], (s[0], k))
    flat = g.nodes[-1].output[0]
    g.add("Gemm", [flat, g.floats(k, columns, gain=2 / k), g.floats(columns)], (s[0], columns))
    dense = g.nodes[-1].output[0]
    g.add("Reshape", [dense, g.ints(s[0], columns, 1, 1)], (s[0], columns, 1, 1))


@builds("Gather")
def gather(g: Graph, x: str, s: Shape) -> None:
    axis, n = g.integer(0, 3), g.integer(1, 4)
    indices = [g.integer(-s[axis], s[axis] - 1) for _ in range(n)]
    g.add("Gather", [x, g.ints(*indices)], (*s[:axis], n, *s[axis + 1 :]), axis=axis)


@builds("Tile")
def tile(g: Graph, x: str, s: Shape) -> None:
    repeats = [g.one_of(1, 1, 2) for _ in s]
    g.add("Tile", [x, g.ints(*repeats)], tuple(n * r for n, r in zip(s, repeats, strict=True)))


@builds("DepthToSpace", "SpaceToDepth")
def blocks(g: Graph, x: str, s: Shape) -> None:
    if s[1] % 4 == 0:
        mode = g.one_of("DCR", "CRD")
        g.add("DepthToSpace", [x], (s[0], s[1] // 4, s[2] * 2, s[3] * 2), blocksize=2, mode=mode)
    else:
        need(s[2] % 2 == 0 and s[3] % 2 == 0)
        g.add("SpaceToDepth", [x], (s[0], s[1] * 4, s[2] // 2, s[3] // 2), blocksize=2)


@builds("LSTM", "GRU", "RNN", "Reshape")
def recurrent(g: Graph, x: str, s: Shape) -> None:
    """A layer over the first axes as time; its states are outputs of the graph."""
    times, batch, size = s[0] * s[1], s[2], s[3]
    need(times <= 8 and batch <= 3)
    op, hidden = g.one_of("LSTM", "GRU", "RNN"), g.integer(1, 4)
    gates, direction = {"LSTM": 4, "GRU": 3, "RNN": 1}[op], g.one_of("forward", "reverse", "bidirectional")
    dirs = 2 if direction == "bidirectional" else 1
    w, r = (g.floats(dirs, gates * hidden, n) for n in (size, hidden))
    b = g.floats(dirs, 2 * gates * hidden) if g.one_of(True, False) else ""
    lengths = g.constant(np.array([g.integer(1, times) for _ in range(batch)], np.int32))
    more = {"linear_before_reset": g.integer(0, 1)} if op == "GRU" else {}
    g.add("Reshape", [x, g.ints(times, batch, size)], (times, batch, size))
    inputs = [g.nodes[-1].output[0], w, r, b, g.one_of("", lengths)]
    state = (dirs, batch, hidden)
    shapes = [(times, dirs, batch, hidden), *[state] * (2 if op == "LSTM" else 1)]
    g.add(op, inputs, *shapes, hidden_size=hidden, direction=direction, **more)


OFTEN = ("conv", "conv", "conv", "pointwise", "pointwise", "pointwise", "branches")  # as in real nets


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """A graph of 5 to 12 nodes; every value that nothing reads is an output."""
    g = Graph(draw, np.random.default_rng(draw(st.integers(0, 2**32 - 1))))
    for i in range(draw(st.integers(1, 2))):
        shape = (draw(st.integers(1, 2)), *(draw(st.integers(1, 7)) for _ in range(3)))
        g.inputs[f"x{i}"] = g.shapes[f"x{i}"] = shape
    count = draw(st.integers(5, 12))
    for _ in range(TRIES):
        if len(g.nodes) >= count:
            break
        images = [n for n, shape in g.shapes.items() if len(shape) == 4]
        x = draw(st.sampled_from(images[::-1]))
        build = BUILDERS[draw(st.sampled_from([*sorted(BUILDERS), *OFTEN]))]
        with contextlib.suppress(Misfit):
            build(g, x, g.shapes[x])
    assume(len(g.nodes) >= count)
    return g
