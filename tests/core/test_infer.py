"""What onnx says of a single node."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import helper

from magik_core.infer import SMALL, infer_node, infer_types

FLOAT = ir.DataType.FLOAT


def value(name: str, shape: tuple[int | None, ...], array: np.ndarray | None = None) -> ir.Value:
    const = None if array is None else ir.tensor(array, name=name)
    dtype = FLOAT if array is None else ir.DataType.from_numpy(array.dtype)
    return ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(dtype), const_value=const)


def test_every_output_of_a_node_has_its_dtype_and_shape() -> None:
    node = ir.Node("", "TopK", [value("x", (2, 7)), value("k", (1,), np.array([3]))], num_outputs=2)

    assert infer_node(node) == [(FLOAT, (2, 3)), (ir.DataType.INT64, (2, 3))]


def test_an_input_that_is_read_twice_or_left_out_is_no_trouble() -> None:
    x = value("x", (2, 3))
    least = value("least", (), np.float32(0))

    assert infer_node(ir.Node("", "Add", [x, x])) == [(FLOAT, (2, 3))]
    assert infer_node(ir.Node("", "Clip", [x, None, least])) == [(FLOAT, (2, 3))]


def test_a_shape_with_an_open_size_is_none() -> None:
    assert infer_node(ir.Node("", "NonZero", [value("x", (2, 3))])) == [(ir.DataType.INT64, None)]


def test_inputs_that_do_not_fit_are_an_error_of_onnx() -> None:
    with pytest.raises(onnx.shape_inference.InferenceError, match=r"[Ii]ncompatible dimensions"):
        infer_node(ir.Node("", "MatMul", [value("a", (2, 3)), value("b", (4, 5))]))


def types(**shapes: tuple[int, ...]) -> dict[str, onnx.TypeProto]:
    return {name: helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items()}


def test_types_follow_from_types_and_small_constants() -> None:
    node = helper.make_node("Reshape", ["x", "shape"], ["y"])
    known = types(x=(2, 6)) | {"shape": helper.make_tensor_type_proto(onnx.TensorProto.INT64, (2,))}

    (found,) = infer_types(node, known, {"shape": np.array([3, -1])})

    assert found == types(y=(3, 4))["y"]


def test_a_large_constant_is_not_looked_at() -> None:
    node = helper.make_node("Expand", ["x", "shape"], ["y"])
    known = types(x=(1,)) | {"shape": helper.make_tensor_type_proto(onnx.TensorProto.INT64, (SMALL + 1,))}

    (found,) = infer_types(node, known, {"shape": np.ones(SMALL + 1, np.int64)})

    assert not found.tensor_type.HasField("shape")


def test_what_onnx_says_of_inputs_that_do_not_fit_is_one_line() -> None:
    node = helper.make_node("MatMul", ["a", "b"], ["y"])

    with pytest.raises(ValueError, match=r"[Ii]ncompatible dimensions") as caught:
        infer_types(node, types(a=(2, 3), b=(4, 5)), {})

    assert "\n" not in str(caught.value)
