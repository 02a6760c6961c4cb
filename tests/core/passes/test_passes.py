"""The list of passes as a whole: order, fixed point, what it declines, real models."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from magik_core import graph, passes, verify
from magik_core.builtin import onnx_frontend
from magik_core.prepare import prepare
from tests.core.graphs import SHARED, needs_shared, random_feeds, run, source_of

MODELS = SHARED / "models"


def test_every_file_is_in_the_list_once() -> None:
    folder = Path(passes.__file__).parent
    files = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    names = [one.__name__ for one in passes.PASSES]
    assert sorted(names) == sorted(files)
    assert all(one.__module__ == f"magik_core.passes.{one.__name__}" for one in passes.PASSES)


def test_every_pass_says_before_and_after() -> None:
    for one in passes.PASSES:
        assert "becom" in (one.__doc__ or ""), one.__name__


def test_every_pass_has_a_test_of_its_name() -> None:
    for one in passes.PASSES:
        assert (Path(__file__).parent / f"test_{one.__name__}.py").exists()


def test_a_batch_norm_ends_in_the_conv_before_it() -> None:
    text = """agraph (float[1,3,8,8] x) => (float[1,4,6,6] y) {
        c = Conv(x, w) n = BatchNormalization(c, s, b, m, v) y = Relu(n) }"""
    rng = np.random.default_rng(0)
    stats = {k: rng.uniform(0.5, 2, 4).astype(np.float32) for k in "sbmv"}
    model = prepare(source_of(text, w=rng.standard_normal((4, 3, 3, 3)).astype(np.float32), **stats))
    before = run(model, random_feeds(model))
    assert passes.run(model) > 0
    assert [node.op_type for node in model.graph] == ["Conv", "Relu"]
    np.testing.assert_allclose(run(model, random_feeds(model))[0], before[0], rtol=1e-4, atol=1e-5)


def test_the_three_of_a_hard_sigmoid_does_not_go_into_the_conv() -> None:
    text = """agraph (float[1,3,8,8] x) => (float[1,4,6,6] y) {
        c = Conv(x, w) a = Add(c, three) l = Clip(a, zero, six) y = Div(l, six) }"""
    numbers = {name: np.float32(n) for name, n in (("three", 3), ("zero", 0), ("six", 6))}
    model = prepare(source_of(text, w=np.ones((4, 3, 3, 3), np.float32), **numbers))
    passes.run(model)
    assert [node.op_type for node in model.graph] == ["Conv", "HardSigmoid"]


def test_mean_and_normal_are_left_for_lowering() -> None:
    model = source_of(
        "agraph (float[1,3,8,8] x) => (float[1,4,6,6] y) { y = Conv(x, w) }", w=np.ones((4, 3, 3, 3), np.float32)
    )
    model = prepare(model, mean=[0, 0, 1], normal=[1, 2, 4])
    passes.run(model)
    assert [node.name for node in model.graph][:2] == ["x/mean", "x/normal"]


def test_a_refusal_is_said_once() -> None:
    text = "agraph (float[2,6] x) => (float[2,3] y, float[2,6] r) { r = Relu(x) g = Gather<axis=1>(r, i) y = Abs(g) }"
    model, said = prepare(source_of(text, i=np.array([0, 1, 3]))), []
    passes.run(model, decline=lambda node, reason: said.append((node, reason)))
    assert said == [("g", "indices [0, 1, 3] are not evenly spaced upwards")]


def test_extra_passes_run_after_the_others() -> None:
    def negate_twice(model: ir.Model, decline: Any) -> int:
        found = [node for node in model.graph if node.op_type == "Abs"]
        for node in found:
            graph.replace(node, graph.insert(node, "Neg", [graph.insert(node, "Neg", [node.inputs[0]])]))
        return len(found)

    model = prepare(source_of("agraph (float[2] x) => (float[2] y) { y = Abs(x) }"))
    assert passes.run(model, extra=(negate_twice,)) == 1
    assert [(node.op_type, node.name) for node in model.graph] == [("Neg", "y/neg"), ("Neg", "y")]


def test_a_pass_that_breaks_the_graph_is_named() -> None:
    def forget_a_shape(model: ir.Model, decline: Any) -> int:
        model.graph.inputs[0].shape = None
        return 1

    model = prepare(source_of("agraph (float[2] x) => (float[2] y) { y = Abs(x) }"))
    with pytest.raises(verify.InvariantError, match="after forget_a_shape: value 'x' has shape None"):
        passes.run(model, extra=(forget_a_shape,))


def test_passes_that_never_end_are_noticed() -> None:
    model = prepare(source_of("agraph (float[2] x) => (float[2] y) { y = Abs(x) }"))
    with pytest.raises(verify.InvariantError, match="passes still change the graph after 32 rounds"):
        passes.run(model, extra=(lambda model, decline: 1,))


# Nodes in the file, after prepare and after the passes; operators that must be there in the end.
TABLE: dict[str, tuple[int, int, int, dict[str, int]]] = {
    "dtln/model_1.onnx": (56, 36, 21, {"LSTM": 2}),
    "dtln/model_2.onnx": (94, 76, 62, {"LayerNormalization": 1}),
    "fastestdet/FastestDet.onnx": (211, 211, 170, {"Slice": 26, "Reshape": 0, "Transpose": 0, "Gather": 0}),
    "ppocr-cls/ch_ppocr_mobile_v2.0_cls_infer.onnx": (569, 234, 125, {"HardSwish": 18, "HardSigmoid": 9, "Gemm": 1}),
    "silero-vad/silero_vad_16k_op15.onnx": (122, 40, 29, {"If": 0, "LSTM": 1}),
    "silero-vad/silero_vad_16k_sequence.onnx": (63, 27, 27, {"LSTM": 1}),
    "ultraface-rfb320/onnx/version-RFB-320.onnx": (287, 165, 127, {"BatchNormalization": 0, "Conv": 52}),
    "ultraface-rfb320/onnx/version-RFB-320_simplified.onnx": (110, 110, 110, {"Conv": 52}),
    "ultraface-rfb320/onnx/version-RFB-320_without_postprocessing.onnx": (244, 147, 112, {"BatchNormalization": 0}),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "ppocr-cls/ch_ppocr_mobile_v2.0_cls_infer.onnx": {"input_shapes": [[1, 3, 48, 192]]},
    "silero-vad/silero_vad_16k_op15.onnx": {"input_shapes": [[1, 576]], "constants": {"sr": np.array(16000)}},
}


@pytest.mark.shared
@needs_shared
@pytest.mark.parametrize("name", TABLE)
def test_a_real_model_keeps_its_outputs(name: str) -> None:
    source = onnx_frontend.load(MODELS / name)
    options = OPTIONS.get(name, {})
    model = prepare(source, **options)
    counts, feeds = [len(source.graph), len(model.graph)], random_feeds(model)
    full = {**feeds, **options.get("constants", {})}
    before = run(source, {v.name: full[v.name] for v in source.graph.inputs})
    passes.run(model)
    after = run(model, feeds)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-4, atol=1e-4 * np.abs(old).max())
    assert [v.name for v in model.graph.outputs] == [v.name for v in source.graph.outputs]
    ops = Counter(node.op_type for node in model.graph)
    assert (*counts, len(model.graph)) == TABLE[name][:3]
    assert {op: ops[op] for op in TABLE[name][3]} == TABLE[name][3]


@pytest.mark.shared
@needs_shared
def test_two_runs_give_the_same_bytes() -> None:
    marks = set()
    for _ in range(2):
        model = prepare(onnx_frontend.load(MODELS / "ultraface-rfb320/onnx/version-RFB-320.onnx"))
        passes.run(model)
        marks.add(graph.fingerprint(model))
    assert len(marks) == 1
