"""The ONNX frontend on good files and on files that nobody should trust."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import parser

from magik_core import graph, model_file
from magik_core.builtin import onnx_checks, onnx_frontend
from magik_core.errors import GraphError, MagikError, ModelError, Problem
from tests.core.graphs import SHARED, needs_shared, proto_of, run

TEXT = "agraph (float[1,4] x) => (float[1,4] y) { r = Relu(x) y = Mul(r, c) }"
C = np.array([[1, 2, 3, 4]], np.float32)


def write(path: Path, proto: onnx.ModelProto) -> Path:
    path.write_bytes(proto.SerializeToString())
    return path


def problems_of(path: Path, error: type[MagikError]) -> tuple[Problem, ...]:
    with pytest.raises(error) as caught:
        onnx_frontend.load(path)
    assert type(caught.value) is error
    return caught.value.problems


def test_load_gives_the_working_opset(tmp_path: Path) -> None:
    model = onnx_frontend.load(write(tmp_path / "m.onnx", proto_of(TEXT, opset=11, c=C)))
    assert dict(model.graph.opset_imports) == {"": graph.OPSET}
    np.testing.assert_array_equal(run(model, {"x": C})[0], C * C)


def test_initializers_that_are_inputs_too_are_constants(tmp_path: Path) -> None:
    proto = proto_of("agraph (float[1,4] x, float[1,4] c) => (float[1,4] y) { y = Mul(x, c) }", opset=9, c=C)
    proto.ir_version = 3
    model = onnx_frontend.load(write(tmp_path / "m.onnx", proto))
    assert [v.name for v in model.graph.inputs] == ["x"]


def test_nodes_in_any_order_are_sorted(tmp_path: Path) -> None:
    proto = proto_of(TEXT, c=C)
    nodes = [onnx.NodeProto.FromString(n.SerializeToString()) for n in reversed(proto.graph.node)]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    model = onnx_frontend.load(write(tmp_path / "m.onnx", proto))
    assert [node.op_type for node in model.graph] == ["Relu", "Mul"]


def test_a_model_without_a_graph_name_takes_the_files(tmp_path: Path) -> None:
    proto = proto_of(TEXT, c=C)
    proto.graph.name = "g"
    assert onnx_frontend.load(write(tmp_path / "m.onnx", proto)).graph.name == "g"


@pytest.mark.parametrize(("name", "data", "answer"), [
    ("m.onnx", b"", True), ("M.ONNX", b"text", True), ("m.pb", b"\x08\x07\x12\x04test", True),
    ("m.bin", b"\x08\x0a\x3a\x04", True), ("m.txt", b"hello", False), ("m.bin", b"\x08", False),
    ("m.bin", b"\x00" * 9, False),
])  # fmt: skip
def test_sniff(tmp_path: Path, name: str, data: bytes, answer: bool) -> None:
    (tmp_path / name).write_bytes(data)
    assert onnx_frontend.sniff(tmp_path / name) is answer


def test_sniff_of_what_cannot_be_read(tmp_path: Path) -> None:
    assert onnx_frontend.sniff(tmp_path) is False
    assert onnx_frontend.sniff(tmp_path / "missing") is False


def test_a_missing_file(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path / "m.onnx", ModelError)
    assert problem.what == "there is no such model"
    assert problem.where == str(tmp_path / "m.onnx")


def test_a_directory(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path, ModelError)
    assert (problem.what, problem.found) == ("the model is not a file", "a directory")


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_frontend, "MAX_BYTES", 10)
    (problem,) = problems_of(write(tmp_path / "m.onnx", proto_of(TEXT, c=C)), ModelError)
    assert (problem.what, problem.need) == ("the model is too large", "at most 10 bytes")


@pytest.mark.parametrize(
    "data", [b"", b"not a model at all", b"\x00" * 100, b"\x89PNG\r\n\x1a\n" + b"x" * 50, b"\x08\x07"]
)
def test_what_is_no_onnx(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    (problem,) = problems_of(path, ModelError)
    assert problem.what == "the model is no ONNX file, or a truncated one"
    assert problem.found == model_file.content(path)


def test_every_truncation_is_an_error(tmp_path: Path) -> None:
    data, path = proto_of(TEXT, c=C).SerializeToString(), tmp_path / "m.onnx"
    for size in range(len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(MagikError):
            onnx_frontend.load(path)


def test_mutated_files_are_refused_or_read(tmp_path: Path) -> None:
    data, path, rng = proto_of(TEXT, opset=13, c=C).SerializeToString(), tmp_path / "m.onnx", random.Random(0)
    refused = 0
    for _ in range(500):
        mutated = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            mutated[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(mutated)
        try:
            onnx_frontend.load(path)
        except MagikError:
            refused += 1
    assert 0 < refused < 500


def test_a_cycle_names_its_nodes(tmp_path: Path) -> None:
    text = "agraph (float[4] x) => (float[4] y) { <op_a> a = Add(x, b) b = Relu(a) y = Exp(b) }".replace("<op_a> ", "")
    (problem,) = problems_of(write(tmp_path / "m.onnx", proto_of(text)), GraphError)
    assert problem.what == "the graph has a cycle"
    assert "Add -> 'a'" in problem.found
    assert "Relu -> 'b'" in problem.found


def test_undefined_and_doubled_names_are_reported_together(tmp_path: Path) -> None:
    proto = proto_of(
        "agraph (float[4] x) => (float[4] y) { r = Add(x, ghost) r = Relu(x) s = Exp(phantom) y = Abs(r) }"
    )
    proto.graph.output.append(onnx.ValueInfoProto(name="lost"))
    found = problems_of(write(tmp_path / "m.onnx", proto), GraphError)
    assert [(p.what, p.found) for p in found] == [
        ("names are defined more than once", "'r'"),
        ("an input is defined nowhere", "'ghost'"),
        ("an input is defined nowhere", "'phantom'"),
        ("graph outputs are defined nowhere", "'lost'"),
    ]


def test_a_doubled_initializer(tmp_path: Path) -> None:
    proto = proto_of(TEXT, c=C)
    proto.graph.initializer.append(proto.graph.initializer[0])
    assert problems_of(write(tmp_path / "m.onnx", proto), GraphError)[0].found == "'c'"


def test_unknown_operators_are_reported_together(tmp_path: Path) -> None:
    text = """<ir_version: 10, opset_import: ["" : 21, "com.example" : 1, "ai.onnx.ml" : 3]>
        agraph (float[4] x) => (float[4] y) { a = com.example.Magic(x) b = Relo(a)
        c = ai.onnx.ml.Scaler(b) y = Swish(c) }"""
    found = problems_of(write(tmp_path / "m.onnx", parser.parse_model(text)), GraphError)
    assert [(p.what, p.found) for p in found] == [
        ("an operator is not standard ONNX", "com.example.Magic"),
        ("an operator does not exist", "Relo"),
        ("an operator is not standard ONNX", "ai.onnx.ml.Scaler"),
        ("an operator does not exist", "Swish"),  # standard from opset 24 on
    ]
    assert found[0].where == "node Magic -> 'a' in m.onnx"


def test_no_opset_and_one_from_the_future(tmp_path: Path) -> None:
    proto = proto_of(TEXT, c=C)
    proto.opset_import[0].version = 999
    (problem,) = problems_of(write(tmp_path / "m.onnx", proto), GraphError)
    assert (problem.what, problem.found) == ("the model's opset is too new", "opset 999")
    assert problem.hint == "pip install --upgrade onnx"
    proto.opset_import[0].domain = "other"
    (problem,) = problems_of(write(tmp_path / "m.onnx", proto), GraphError)
    assert problem.what == "the model names no opset"


def test_weights_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    text = "agraph (float[4] x) => (float[4] y) { a = Add(x, n) b = Mul(a, i) y = Mul(b, g) }"
    good = np.ones(4, np.float32)
    bad = {"n": good * [1, np.nan, 1, np.nan], "i": good * [1, 1, np.inf, 1]}
    proto = proto_of(text, g=good, **{k: v.astype(np.float32) for k, v in bad.items()})
    found = problems_of(write(tmp_path / "m.onnx", proto), GraphError)
    assert [(p.what, p.where, p.found) for p in found] == [
        ("a weight is not a number", "initializer 'n' in m.onnx", "2 NaN and 0 infinite of 4 values"),
        ("a weight is not a number", "initializer 'i' in m.onnx", "0 NaN and 1 infinite of 4 values"),
    ]


def test_attributes_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    """A clip may be infinite, and a constant anything."""
    proto = proto_of("agraph (float[4] x) => (float[4] y) { y = Relu(x) }")
    make = onnx.helper.make_node
    proto.graph.node.extend(
        [
            make("RNN", ["x"], ["a"], "rnn", clip=np.inf, activations=["HardSigmoid"], activation_beta=[0.5, np.inf]),
            make("Elu", ["x"], ["b"], "elu", alpha=np.nan),
            make("Constant", [], ["c"], value_float=-np.inf),
        ]
    )
    what, need = "an attribute is not a number", "finite attributes"
    assert problems_of(write(tmp_path / "m.onnx", proto), GraphError) == (
        Problem(what, "node 'rnn' in m.onnx", "activation_beta inf", need),
        Problem(what, "node 'elu' in m.onnx", "alpha nan", need),
    )


def test_a_weight_of_too_few_bytes(tmp_path: Path) -> None:
    proto = proto_of(TEXT, c=C)
    proto.graph.initializer[0].dims[1] = 1 << 40
    (problem,) = problems_of(write(tmp_path / "m.onnx", proto), GraphError)
    assert (problem.what, problem.where) == ("an initializer cannot be read", "initializer 'c' in m.onnx")


def test_outputs_without_a_shape_are_named(tmp_path: Path) -> None:
    proto = proto_of("agraph (float[4] x) => (float[4] y, float[4] z) { y = Relu(x) z = Abs(x) }")
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    proto.graph.output[1].ClearField("type")
    path = write(tmp_path / "m.onnx", proto)
    assert problems_of(path, GraphError) == tuple(
        Problem(
            "an input or output of the graph has no shape",
            f"'{name}' in {path}",
            need="a dtype and axes; their sizes may be open",
        )
        for name in "yz"
    )


def test_the_checker_has_the_last_word(tmp_path: Path) -> None:
    proto = proto_of("agraph (float[4] x) => (float[4] y) { y = Relu(x) }")
    proto.graph.node[0].attribute.append(onnx.helper.make_attribute("bogus", 1))
    (problem,) = problems_of(write(tmp_path / "m.onnx", proto), GraphError)
    assert problem.what == "the model is no valid ONNX"
    assert "bogus" in problem.found


def test_functions_are_inlined_and_circles_of_them_refused(tmp_path: Path) -> None:
    text = """<ir_version: 10, opset_import: ["" : 21, "own" : 1]> agraph (float[4] x) => (float[4] y) { y = own.f(x) }
        <domain: "own", opset_import: ["" : 21, "own" : 1]> f (a) => (b) { b = %s(a) }"""
    model = onnx_frontend.load(write(tmp_path / "m.onnx", parser.parse_model(text % "Abs")))
    assert [node.op_type for node in model.graph] == ["Abs"]
    (problem,) = problems_of(write(tmp_path / "m.onnx", parser.parse_model(text % "own.f")), ModelError)
    assert (problem.what, problem.found) == ("functions of the model call each other in a circle", "f")


def test_subgraphs_nested_too_deeply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_checks, "MAX_NESTING", 2)
    body = "a = Relu(x)"
    for level in range(3):
        other = f"n{level} () => (float[4] a) {{ a = Exp(x) }}"
        body = f"a = If(t) <then_branch = y{level} () => (float[4] a) {{ {body} }}, else_branch = {other}>"
    proto = proto_of(f"agraph (float[4] x, bool t) => (float[4] a) {{ {body} }}")
    (problem,) = problems_of(write(tmp_path / "m.onnx", proto), ModelError)
    assert problem.what == "the model nests its subgraphs too deeply"
    assert problem.need == "at most 2 levels of subgraphs"


def external(proto: onnx.ModelProto, location: str, **more: str) -> onnx.ModelProto:
    (tensor,) = proto.graph.initializer
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=value)
    return proto


def test_external_data_is_read(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "c.bin").write_bytes(b"\xff" * 8 + C.tobytes())
    proto = external(proto_of(TEXT, c=C), "w/c.bin", offset="8", length="16")
    model = onnx_frontend.load(write(tmp_path / "m.onnx", proto))
    np.testing.assert_array_equal(run(model, {"x": C})[0], C * C)


def link_out(folder: Path) -> str:
    (folder.parent / "secret.bin").write_bytes(C.tobytes())
    (folder / "link.bin").symlink_to(folder.parent / "secret.bin")
    return "link.bin"


OUTSIDE: dict[str, Callable[[Path], str]] = {
    "above": lambda folder: "../secret.bin",
    "absolute": lambda folder: "/etc/hostname",
    "a link": link_out,
    "nothing": lambda folder: "",
}


@pytest.mark.parametrize("kind", OUTSIDE)
def test_external_data_outside_of_the_folder_is_refused(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    location = OUTSIDE[kind](folder)
    (problem,) = problems_of(write(folder / "m.onnx", external(proto_of(TEXT, c=C), location)), ModelError)
    assert problem.what == "external data cannot be read"
    assert problem.found == f"location {location!r} is outside the model's folder"
    assert problem.need == f"a file under {folder.resolve()}"


@pytest.mark.parametrize(("more", "found"), [
    ({}, "'gone.bin' does not exist"),
    ({"offset": "8", "length": "16"}, "offset 8, length 16 in 'c.bin' of 16 bytes"),
    ({"offset": "-4"}, "offset -4, length to the end in 'c.bin' of 16 bytes"),
    ({"length": "many"}, "offset 0, length many in 'c.bin' of 16 bytes"),
])  # fmt: skip
def test_external_data_that_is_missing_or_short(tmp_path: Path, more: dict[str, str], found: str) -> None:
    (tmp_path / "c.bin").write_bytes(C.tobytes())
    location = "c.bin" if more else "gone.bin"
    (problem,) = problems_of(write(tmp_path / "m.onnx", external(proto_of(TEXT, c=C), location, **more)), ModelError)
    assert problem.where == "initializer 'c' in m.onnx"
    assert problem.found == found


def test_a_weight_with_external_data_is_checked_for_nan(tmp_path: Path) -> None:
    (tmp_path / "c.bin").write_bytes((C * np.nan).tobytes())
    path = write(tmp_path / "m.onnx", external(proto_of(TEXT, c=C), "c.bin"))
    assert problems_of(path, GraphError)[0].what == "a weight is not a number"


@pytest.mark.shared
@needs_shared
def test_a_real_model_gives_its_reference() -> None:
    folder = SHARED / "models/fastestdet"
    model = onnx_frontend.load(folder / "FastestDet.onnx")
    reference = np.load(folder / "ref.npz")
    images = np.ascontiguousarray(reference["image_bgr_u8"].transpose(0, 3, 1, 2)).astype(np.float32) / 255
    for image, out in zip(images, reference["out"], strict=True):
        np.testing.assert_allclose(run(model, {"input.1": image[None]})[0][0], out, rtol=1e-3, atol=1e-4)
