"""What a recurrent node must be, said before anything is computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from magik_core import pipeline
from magik_core.errors import GraphError, LowerError, MagikError

SHAPES = {"W": (1, 16, 3), "R": (1, 16, 4), "B": (1, 32), "h": (1, 2, 4), "c": (1, 2, 4), "P": (1, 12)}


def model(*, lengths: tuple[int, ...] = (5, 3), computed: bool = False, **given: Any) -> onnx.ModelProto:
    """An LSTM with T = 5, N = 2, I = 3, H = 4; computed: its W is an Identity of a constant."""
    shapes = {k: given.pop(k, v) for k, v in SHAPES.items()}
    attributes = {k: v for k, v in {"hidden_size": 4, **given}.items() if v is not None}
    ones = [numpy_helper.from_array(np.full(v, 0.125, np.float32), k) for k, v in shapes.items()]
    ones.append(numpy_helper.from_array(np.array(lengths, np.int32), "lengths"))
    names = ["x", "w" if computed else "W", "R", "B", "lengths", "h", "c", "P"]
    nodes = [helper.make_node("LSTM", names, ["y", "last"], "layer", **attributes)]
    if computed:
        nodes.insert(0, helper.make_node("Identity", ["W"], ["w"], "same"))
    info = helper.make_tensor_value_info
    inputs, outputs = [info("x", TensorProto.FLOAT, (5, 2, 3))], [info("y", TensorProto.FLOAT, (5, 1, 2, 4))]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, ones)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def problems_of(tmp_path: Path, m: onnx.ModelProto, error: type[MagikError]) -> list[tuple[str, str, str]]:
    """What `check` says of it, and that it names the node."""
    path = tmp_path / "net.onnx"
    onnx.save(m, path)
    with pytest.raises(error) as caught:
        pipeline.check(path)
    assert all("node 'layer'" in p.where for p in caught.value.problems)
    return [(p.what.removeprefix("LSTM: "), p.found, p.need) for p in caught.value.problems]


def test_a_sound_node_passes(tmp_path: Path) -> None:
    onnx.save(model(computed=True, clip=np.inf, lengths=(0, 5)), tmp_path / "net.onnx")
    assert not [f for f in pipeline.check(tmp_path / "net.onnx") if not f.is_notice]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"hidden_size": None}, ("hidden_size is no size", "none", "1 or more")),
        ({"hidden_size": 0}, ("hidden_size is no size", "0", "1 or more")),
        ({"hidden_size": -4}, ("hidden_size is no size", "-4", "1 or more")),
        ({"direction": "up"}, ("unknown direction", "up", "forward, reverse, bidirectional")),
        ({"layout": 2}, ("unknown layout", "2", "0 or 1")),
        ({"clip": 0.0}, ("clip is no limit", "0", "above 0")),
        ({"clip": -1.0}, ("clip is no limit", "-1", "above 0")),
        ({"W": (16, 3)}, ("W has the wrong shape", "16x3", "1x16x?")),
        ({"W": (1, 15, 3)}, ("W has the wrong shape", "1x15x3", "1x16x?")),
        ({"R": (1, 16, 5)}, ("R has the wrong shape", "1x16x5", "1x16x4")),
        ({"B": (1, 31)}, ("B has the wrong shape", "1x31", "1x32")),
        ({"P": (1, 13)}, ("P has the wrong shape", "1x13", "1x12")),
        ({"h": (1, 2, 5)}, ("initial_h has the wrong shape", "1x2x5", "1x?x4")),
        ({"c": (1, 4)}, ("initial_c has the wrong shape", "1x4", "1x?x4")),
    ],
)
def test_the_file_alone_tells(tmp_path: Path, given: dict[str, Any], problem: tuple[str, str, str]) -> None:
    assert problems_of(tmp_path, model(**given), GraphError) == [problem]


def test_a_file_says_all_at_once(tmp_path: Path) -> None:
    found = problems_of(tmp_path, model(hidden_size=0, clip=-1.0, layout=3), GraphError)
    assert [what for what, _, _ in found] == ["hidden_size is no size", "unknown layout", "clip is no limit"]
    found = problems_of(tmp_path, model(direction="bidirectional"), GraphError)
    assert [what.split()[0] for what, _, _ in found] == ["W", "R", "B", "initial_h", "initial_c", "P"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"W": (1, 16, 7)}, ("W has the wrong shape", "1x16x7", "1x16x3")),
        ({"W": (16, 3), "computed": True}, ("W has the wrong shape", "16x3", "1x16x3")),
        ({"h": (1, 1, 4)}, ("initial_h has the wrong shape", "1x1x4", "1x2x4")),
        ({"lengths": (5, 3, 1)}, ("sequence_lens has the wrong shape", "3", "2")),
        ({"lengths": (-1, 5)}, ("sequence_lens are no lengths", "-1", "0 to 5")),
        ({"lengths": (50, 5)}, ("sequence_lens are no lengths", "50", "0 to 5")),
    ],
)
def test_the_shape_of_x_tells(tmp_path: Path, given: dict[str, Any], problem: tuple[str, str, str]) -> None:
    assert problems_of(tmp_path, model(**given), LowerError) == [problem]
