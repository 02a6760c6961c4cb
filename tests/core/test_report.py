"""Descriptions of programs and source models, and the page made of them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from magik_core.html import render
from magik_core.live import BEFORE
from magik_core.plan import plan
from magik_core.program import QuantParams, Tensor
from magik_core.report import Description, Port, describe_graph, live_bytes, short_bytes

from . import plan_cases
from .graphs import source_of
from .plan_cases import Conv, Net


def small() -> Description:
    """input -> conv with a weight -> relu -> f32 conv, then an output."""
    net = Net("small")
    x = net.input(64)
    net.tensors["w"] = Tensor("w", "s8", (3, 5), data=np.zeros((3, 5), np.int8))
    y = net.add(Conv(), [x, "w"], 100)
    net.tensors[y] = replace(net.tensors[y], quant=QuantParams(0.5, 3.0, 8))
    z = net.add(Conv(), [net.relu(y)], 10, dtype="f32")
    program = net.program(z)
    return Description.of(program, plan(program))


def graph(batch: int | str = 1) -> ir.Model:
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "first", group=2, kernel_shape=[3, 3]),
        helper.make_node("ConvTranspose", ["a", "u"], ["b"], "up", strides=[2, 2]),
        helper.make_node("Flatten", ["b"], ["c"], "flat"),
        helper.make_node("Gemm", ["c", "m"], ["d"], "dense"),
        helper.make_node("MatMul", ["d", "n"], ["y"], ""),
    ]
    shapes = {"w": (8, 2, 3, 3), "u": (8, 5, 2, 2), "m": (5 * 12 * 12, 7), "n": (7, 3)}
    weights = [numpy_helper.from_array(rng.random(s).astype(np.float32), n) for n, s in shapes.items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (batch, 4, 8, 8))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, (batch, 3))
    made = helper.make_model(helper.make_graph(nodes, "g", [x], [y], weights), ir_version=10)
    import onnx

    return ir.from_proto(onnx.shape_inference.infer_shapes(made))


def test_rows_hold_each_step() -> None:
    first, second, third = small().rows
    assert (first.name, first.op, first.kernel, first.is_float) == ("Conv_0", "Conv", "conv_u8", False)
    assert first.inputs == (Port("t0", (64,), "u8"), Port("w", (3, 5), "s8", 0, True))
    assert first.outputs == (Port("t2", (100,), "u8", 8),)
    assert (first.dtype, first.bits, first.params, first.weight_bytes) == ("u8", 8, 15, 15)
    assert (first.macs, first.activation_bytes) == (900, 164)
    assert (second.kernel, second.params, second.macs) == ("relu_u8", 0, 0)
    assert (third.kernel, third.is_float, third.activation_bytes) == ("conv_f32", True, 140)


def test_totals() -> None:
    found = small()
    assert (found.macs, found.params, found.weight_bytes, found.float_steps) == (990, 15, 15, 1)
    assert [(t.op, t.steps, t.macs, t.weight_bytes) for t in found.ops] == [("Conv", 2, 990, 15), ("Relu", 1, 0, 0)]
    assert [port.name for port in (*found.inputs, *found.outputs)] == ["t0", "t4"]
    assert (found.arena_bytes, found.lower_bound, found.arena_excess) == (192, 192, 0.0)
    assert replace(found, arena_bytes=102, lower_bound=100).arena_excess == pytest.approx(0.02)
    assert not found.has_open_sizes


def test_memory_map_holds_every_activation() -> None:
    slots = {slot.tensor: slot for slot in small().memory}
    assert list(slots) == ["t0", "t2", "t3", "t4"]
    assert (slots["t0"].first, slots["t0"].last, slots["t4"].first, slots["t4"].last) == (BEFORE, 0, 2, 3)
    assert slots["t2"].offset == slots["t3"].offset
    assert slots["t2"].shares == ("t3",) and slots["t3"].shares == ("t2",) and slots["t0"].shares == ()
    assert (slots["t4"].nbytes, slots["t4"].shape, slots["t4"].dtype) == (40, (10,), "f32")


def test_live_bytes_count_shared_bytes_once() -> None:
    assert live_bytes(small()) == [64, 164, 100, 140, 40]


def test_json_is_the_whole_description_and_repeats() -> None:
    text = small().to_json()
    found = json.loads(text)
    assert text == small().to_json()
    assert found["kind"] == "program" and found["arena_bytes"] == 192
    assert found["rows"][0]["inputs"][1] == {
        "name": "w", "shape": [3, 5], "dtype": "s8", "bits": 0, "is_constant": True, "color": ""
    }  # fmt: skip
    assert found["memory"][0]["tensor"] == "t0"


def test_graph_counts_what_its_operators_compute() -> None:
    found = describe_graph(graph())
    assert [row.name for row in found.rows] == ["first", "up", "flat", "dense", "y"]
    conv, up = 8 * 6 * 6 * 2 * 9, 8 * 6 * 6 * 5 * 4
    assert [row.macs for row in found.rows] == [conv, up, 0, 720 * 7, 7 * 3]
    assert found.macs == conv + up + 5040 + 21
    assert found.params == 8 * 2 * 9 + 8 * 5 * 4 + 720 * 7 + 21 and found.weight_bytes == 4 * found.params
    assert (found.kind, found.arena_bytes, found.memory) == ("graph", None, ())
    assert found.float_steps == 5 and not found.has_open_sizes
    assert found.inputs == (Port("x", (1, 4, 8, 8), "f32"),)


def test_a_recurrent_layer_takes_all_its_weights_at_every_time() -> None:
    text = "agraph (float[5,2,3] x) => (float[5,1,2,4] y) { y = LSTM<hidden_size=4>(x, w, r) }"
    model = source_of(text, w=np.ones((1, 16, 3), np.float32), r=np.ones((1, 16, 4), np.float32))
    assert describe_graph(model).macs == 5 * 2 * (16 * 3 + 16 * 4)


def test_graph_with_open_sizes_says_so() -> None:
    found = describe_graph(graph("N"))
    assert found.inputs[0].shape == (-1, 4, 8, 8)
    assert found.has_open_sizes and found.macs == 0
    assert found.params == describe_graph(graph()).params


def test_graph_without_shapes_is_described() -> None:
    model = graph()
    for node in model.graph:
        for value in node.outputs:
            value.shape = None
    found = describe_graph(model)
    assert found.rows[0].outputs[0].shape is None and found.has_open_sizes


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1536, "1.5 KiB"), (5 << 20, "5 MiB"), (3 << 30, "3 GiB")]
)
def test_short_bytes(count: int, text: str) -> None:
    assert short_bytes(count) == text


# The page

VOID = {"meta", "rect", "line"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; fails where tags do not close."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def count(self, tag: str, style: str = "") -> int:
        return sum(t == tag and style in (a.get("class") or "").split(" ") for t, a in self.tags)


def large() -> Description:
    program = plan_cases.inception(20)
    return Description.of(program, plan(program))


def test_page_draws_every_step_and_tensor() -> None:
    found = large()
    page = Page(render(found))
    assert len(found.rows) == 200
    assert page.count("rect", "slot") == len(found.memory)
    assert page.count("rect", "bar") == 3 * len(found.rows)  # MACs, bytes, live bytes
    assert sum(tag == "tr" and "id" in attributes for tag, attributes in page.tags) == len(found.rows)
    assert any(f"arena ({found.arena_bytes:,} bytes)" in word for word in page.words)


def test_page_rectangles_lie_where_the_plan_says() -> None:
    found = small()
    svg = re.search(r"<svg.*?</svg>", render(found), re.DOTALL)
    assert svg is not None
    shapes = list(ElementTree.fromstring(svg[0]).iter("rect"))
    named = {(e.findtext("title") or "").partition("\n")[0]: e.attrib for e in shapes}
    step, unit = 1200 / 5, 380 / 192
    last = next(slot for slot in found.memory if slot.tensor == "t4")
    assert float(named["t4"]["x"]) == pytest.approx(70 + 3 * step, abs=0.01)
    assert float(named["t4"]["width"]) == pytest.approx(2 * step, abs=0.01)
    assert float(named["t4"]["height"]) == pytest.approx(40 * unit, abs=0.01)
    assert float(named["t4"]["y"]) == pytest.approx(380 - (last.offset + 40) * unit, abs=0.01)


def test_page_needs_no_other_file() -> None:
    text = render(large())
    page = Page(text)
    assert not [a for _, attributes in page.tags for a in attributes if a in ("src", "href", "xlink:href")]
    assert "http" not in text and "@import" not in text and "url(" not in text


def test_page_escapes_names() -> None:
    evil = "</script><script>alert('1')&\"x\"</script>"
    net = Net(evil)
    x = net.input(640)
    net.tensors[evil] = Tensor(evil, "u8", (640,))
    program = net.program(net.conv(x, 640))
    step = replace(program.steps[0], name=evil, outputs=(evil,))
    program = replace(program, steps=(step,), outputs=(evil,))
    text = render(Description.of(program, plan(program)))
    assert Page(text).count("script") == 1 and "<script>alert" not in text
    assert "&lt;script&gt;alert(&#x27;1&#x27;)&amp;&quot;x&quot;" in text


def test_page_repeats() -> None:
    assert render(large()) == render(large())


def test_page_of_a_source_model_and_of_nothing() -> None:
    page = Page(render(describe_graph(graph("N"))))
    assert page.count("rect", "slot") == 0 and page.count("rect", "bar") == 10
    assert "?×4×8×8" in page.words
    empty = Net("empty").program()
    assert Page(render(Description.of(empty, plan(empty)))).count("rect") == 0
