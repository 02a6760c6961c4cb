"""`magik inspect`, the drawing of the plan, and reading a `.mgk` back."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from magik_core import pipeline, unpack
from magik_core.cli import _console, _drawing
from magik_core.errors import LoadError
from magik_core.pack import pack
from magik_core.plan import check_plan, plan
from magik_core.report import Description, Slot
from magik_core.result import Result
from tests.core import plan_cases


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Two convolutions, joined; the batch is open."""
    rng = np.random.default_rng(1)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "left", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], "relu"),
        helper.make_node("Conv", ["b", "v"], ["c"], "right", kernel_shape=[1, 1]),
        helper.make_node("Add", ["b", "c"], ["y"], "sum"),
    ]
    weights = [numpy_helper.from_array(rng.standard_normal(s).astype(np.float32), n)
               for n, s in (("w", (8, 3, 3, 3)), ("v", (8, 8, 1, 1)))]  # fmt: skip
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ("N", 3, 16, 16))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ("N", 8, 16, 16))
    path = tmp_path / "two.onnx"
    made = helper.make_model(helper.make_graph(nodes, "two", [x], [y], weights), ir_version=10,
                             opset_imports=[helper.make_opsetid("", 17)])  # fmt: skip
    onnx.save(made, path)
    return path


@pytest.fixture
def converted(model: Path) -> Result:
    return pipeline.convert(model, model.with_suffix(".mgk"), is_float=True)


def test_a_program_is_read_back(converted: Result, model: Path) -> None:
    program, placed = unpack.read(model.with_suffix(".mgk"))
    assert Description.of(program, placed) == Description.of(converted.program, converted.plan)
    assert placed == converted.plan
    check_plan(program, placed)
    assert pack(program, placed, names=True) == model.with_suffix(".mgk").read_bytes()


def test_a_stripped_file_points_to_its_twin(converted: Result, model: Path) -> None:
    board = model.with_suffix(".bin")
    with pytest.raises(LoadError) as caught:
        unpack.read(board)
    assert str(caught.value) == (
        f"error: a model file holds no program\nwhere: {board}\nfound: no section PROG, as in a stripped .bin\n"
        " need: a .mgk\n\n hint: `magik convert -o` writes it beside the .bin, "
        "magik-transform-tools with --save_quantize_model true"
    )


def test_a_damaged_file_is_refused(converted: Result, model: Path, magik: Callable[..., Any]) -> None:
    path = model.with_suffix(".mgk")
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)
    done = magik("inspect", path)
    assert done.code == 1 and done.out == "" and "error: a model file is refused" in done.err
    with pytest.raises(LoadError, match="cannot be read"):
        unpack.read(path.with_name("absent.mgk"))


def test_inspect_shows_a_program(converted: Result, model: Path, magik: Callable[..., Any]) -> None:
    done = magik("inspect", model.with_suffix(".mgk"))
    assert done.code == 0 and done.err == ""
    assert "left" in done.out and "conv_f32" in done.out and "1x16x16x8" in done.out
    assert "input      x 1x16x16x3 f32 RGB " in done.out
    assert f"arena      {_console.nbytes(converted.plan.arena_bytes)}, at the lower bound" in done.out
    assert "│" in done.out and "live" in done.out


def test_inspect_json_is_the_description(converted: Result, model: Path, magik: Callable[..., Any]) -> None:
    done = magik("inspect", model.with_suffix(".mgk"), "--json")
    assert json.loads(done.out) == json.loads(Description.of(converted.program, converted.plan).to_json())


def test_inspect_plan_lists_places(converted: Result, model: Path, magik: Callable[..., Any]) -> None:
    done = magik("inspect", model.with_suffix(".mgk"), "--plan")
    assert "conv_f32" not in done.out
    rows = [line.split() for line in done.out.splitlines()]
    for name, offset in converted.plan.offsets.items():
        assert any(row[:1] == [f"{offset:,}"] and name in row for row in rows)


def test_inspect_source_model(model: Path, magik: Callable[..., Any]) -> None:
    done = magik("inspect", model)
    assert done.code == 0 and "or more: sizes are open" in done.out
    assert done.err == "the model leaves sizes open: --input-shape fixes them\n"
    done = magik("inspect", model, "--input-shape", "1,3,16,16", "--json")
    found = json.loads(done.out)
    assert found["macs"] == 16 * 16 * 8 * (27 + 8) and found["arena_bytes"] is None
    assert "magik convert makes one" in magik("inspect", model, "--plan").err


def test_inspect_writes_a_page(converted: Result, model: Path, magik: Callable[..., Any]) -> None:
    page = model.with_suffix(".html")
    done = magik("inspect", model.with_suffix(".mgk"), "--html", page)
    assert done.err == f"wrote {page}\n"
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert magik("inspect", model, "--html", model / "no" / "page.html").code == 1


def test_inspect_without_a_model(tmp_path: Path, magik: Callable[..., Any]) -> None:
    done = magik("inspect", tmp_path / "absent.onnx")
    assert done.code == 1 and done.err.startswith("error: ")
    (tmp_path / "words.txt").write_text("no model")
    assert magik("inspect", tmp_path / "words.txt").code == 1


# The drawing


def described(make: Callable[[], Any]) -> Description:
    program = make()
    return Description.of(program, plan(program))


@pytest.mark.parametrize("width", [40, 80, 132])
@pytest.mark.parametrize("make", [plan_cases.unet, lambda: plan_cases.inception(20)], ids=["unet", "200 steps"])
def test_drawing_fits(make: Callable[[], Any], width: int) -> None:
    found = described(make)
    lines = _drawing.draw(found, width, 12)
    assert max(map(len, lines)) <= width
    assert len(lines) == 12 + 3 + 1 + len(_drawing.picture_of(found, width, 12).labels)
    assert lines[12].strip() == "└" + "─" * (width - _drawing.MARGIN)


def test_drawing_shows_every_cell_of_a_known_plan() -> None:
    slots = (Slot("low", 0, 50, -1, 0, (50,), "u8"), Slot("high", 50, 50, 0, 1, (50,), "u8"))
    found = _drawing.picture(slots, 100, 3, 6, 2)
    assert found.owners == ((-1, -1, 1, 1, 1, 1), (0, 0, 0, 0, -1, -1))
    assert found.shades[0] != found.shades[1]
    assert found.labels == {0: "A", 1: "B"}
    shade = [_drawing.SHADES[s] for s in found.shades]
    assert found.text(0) == f"  {shade[1]}B{shade[1] * 2}"
    assert found.text(1) == f"{shade[0]}A{shade[0] * 2}  "


def test_drawing_shows_a_part_above_its_whole() -> None:
    slots = (Slot("part", 0, 50, 0, 0, (50,), "u8"), Slot("whole", 0, 100, 0, 1, (100,), "u8"))
    found = _drawing.picture(slots, 100, 4, 4, 2)
    assert found.owners == ((-1, 1, 1, -1), (-1, 0, 1, -1))


def test_drawing_tells_neighbors_apart() -> None:
    found = _drawing.picture_of(described(plan_cases.unet), 80, 16)
    clashes = sum(a != b and -1 not in (a, b) and found.shades[a] == found.shades[b]
                  for row in found.owners for a, b in pairwise(row))  # fmt: skip
    assert clashes == 0


def test_drawing_explains_its_letters() -> None:
    found = described(plan_cases.unet)
    lines = _drawing.draw(found, 80, 16)
    letters = {c for line in lines[:16] for c in line[_drawing.MARGIN :] if c.isalpha()}
    assert letters == {line[2] for line in lines[20:]} and len(letters) == 12
    assert any("512 KiB  step 39 to step 40" in line for line in lines[20:])


def test_nothing_to_draw() -> None:
    assert _drawing.draw(described(plan_cases.Net().program), 80, 16) == []
