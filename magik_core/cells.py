"""The c of LSTM layers over time: no output of the ONNX operator shows it, and its range is that of all times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper

from magik_core.graph import IR_VERSION
from magik_core.ops.recurrent_check import LENGTHS, PEEPHOLES, B, C, H, R, W, X
from magik_core.spelling import runtime_opset

NAMES = {X: "x", W: "w", R: "r", B: "b", H: "h", C: "c", PEEPHOLES: "p"}
GIVEN = (X, LENGTHS, H, C)  # inputs that may be activations


class Cell:
    """An LSTM node, run by onnxruntime one time after the other."""

    def __init__(self, node: ir.Node) -> None:
        import onnxruntime as ort

        self._inputs = {i: v for i, v in enumerate(node.inputs) if v is not None}
        shape = self._inputs[R].shape
        assert shape is not None
        self._dirs, self._hidden = int(shape[0]), int(shape[2])  # type: ignore[arg-type]
        self._is_reverse = node.attributes.get_string("direction", "forward") == "reverse"
        self._batch_first = node.attributes.get_int("layout", 0) == 1
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        model = _step(node).SerializeToString()
        self._session: Any = ort.InferenceSession(model, options, ["CPUExecutionProvider"])

    @property
    def reads(self) -> list[str]:
        """Values that `over_time` needs."""
        return [v.name or "" for i, v in self._inputs.items() if i in GIVEN and v.const_value is None]

    def over_time(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """c (T, D, N, H) after each time, zeros beyond the length of a sequence; `arrays` holds what it reads."""
        x = self._time_first(arrays, X)
        assert x is not None
        times, batch = x.shape[:2]
        lengths = self._given(arrays, LENGTHS)
        length = np.full(batch, times) if lengths is None else np.clip(lengths, 0, times)
        out = np.zeros((times, self._dirs, batch, self._hidden), np.float32)
        zeros = np.zeros(out.shape[1:], np.float32)
        start = (self._time_first(arrays, i) for i in (H, C))
        h, c = (np.tile(zeros if s is None else s, (1, self._dirs, 1)) for s in start)
        each = np.arange(batch)
        for i in range(times):
            at = [np.maximum(length - 1 - i, 0) if d or self._is_reverse else np.minimum(i, length - 1)
                  for d in range(self._dirs)]  # fmt: skip
            rows = np.concatenate([x[t, each] for t in at])[None]  # a part of the batch for each direction
            h, c = self._session.run(["h'", "c'"], {"x": rows, "h": h, "c": c})
            for d in range(self._dirs):
                out[i, d] = np.where((i < length)[:, None], c[d, d * batch : (d + 1) * batch], 0)
        return out

    def _given(self, arrays: Mapping[str, np.ndarray], index: int) -> np.ndarray | None:
        value = self._inputs.get(index)
        if value is None:
            return None
        return arrays[value.name or ""] if value.const_value is None else value.const_value.numpy()

    def _time_first(self, arrays: Mapping[str, np.ndarray], index: int) -> np.ndarray | None:
        found = self._given(arrays, index)
        return found.swapaxes(0, 1) if found is not None and self._batch_first else found


def cells(model: ir.Model) -> dict[str, Cell]:
    """By the value of its last c, every LSTM that sees several times."""
    out = {}
    for node in model.graph:
        if node.op_type != "LSTM" or node.domain not in ("", "ai.onnx"):
            continue
        x, c = node.inputs[X], node.outputs[2] if len(node.outputs) > 2 else None
        assert x is not None and x.shape is not None
        if c is not None and c.name and x.shape[node.attributes.get_int("layout", 0)] != 1:
            out[c.name] = Cell(node)
    return out


def _step(node: ir.Node) -> onnx.ModelProto:
    """A model of the node for one time, from x (1, N, I), h and c (D, N, H) to h' and c'."""
    constants = {i: v.const_value for i, v in enumerate(node.inputs) if v is not None and i in (W, R, B, PEEPHOLES)}
    known = [onnx.numpy_helper.from_array(c.numpy(), NAMES[i]) for i, c in constants.items() if c is not None]
    names = [NAMES[i] if i in (X, H, C) or constants.get(i) is not None else "" for i in range(PEEPHOLES + 1)]
    one = helper.make_node("LSTM", names, ["", "h'", "c'"])
    one.attribute.extend(ir.to_proto(a) for a in node.attributes.values() if a.name != "layout")
    inputs, outputs = (_floats(some) for some in (("x", "h", "c"), ("h'", "c'")))
    graph = helper.make_graph([one], "step", inputs, outputs, known)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", runtime_opset())], ir_version=IR_VERSION)


def _floats(names: Sequence[str]) -> list[onnx.ValueInfoProto]:
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
