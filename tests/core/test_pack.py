"""Model files: the same bytes every time, refused when damaged, read back exactly."""

from __future__ import annotations

import json
import math
import re
import subprocess
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from magik_core import container, pack, toolchain, unpack
from magik_core.errors import LoadError, PackError
from magik_core.header import as_header
from magik_core.net import Net
from magik_core.plan import Plan, plan
from magik_core.program import Program
from magik_core.run import run
from tests.runtime.corpus import nets, programs
from tests.runtime.native import compile_c

Edit = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def program() -> Program:
    return nets()["net border"]


@pytest.fixture(scope="module")
def mgk(program: Program) -> bytes:
    return pack.pack(program, plan(program), names=True)


@pytest.fixture(scope="module")
def stripped(program: Program) -> bytes:
    return pack.pack(program, plan(program), names=False)


def repaired(data: bytes) -> bytes:
    """The file with the checksums that its bytes have."""
    out = bytearray(data)
    count = int.from_bytes(out[20:24], "little")
    for at in range(32, 32 + 16 * count, 16):
        offset, size = (int.from_bytes(out[at + k : at + k + 4], "little") for k in (4, 8))
        out[at + 12 : at + 16] = zlib.crc32(out[offset : offset + size]).to_bytes(4, "little")
    out[28:32] = b"\0\0\0\0"
    out[28:32] = zlib.crc32(out[: 32 + 16 * count]).to_bytes(4, "little")
    return bytes(out)


def refusal(data: bytes) -> str:
    with pytest.raises(LoadError) as error:
        Net(data)
    (problem,) = error.value.problems
    return problem.found


# ---- bytes ---------------------------------------------------------------------------------------


def test_the_same_program_gives_the_same_bytes(mgk: bytes, stripped: bytes) -> None:
    again = nets()["net border"]
    assert pack.pack(again, plan(again), names=True) == mgk
    assert pack.pack(again, plan(again), names=False) == stripped


def test_a_stripped_file_runs_the_same(mgk: bytes, stripped: bytes) -> None:
    x = np.random.default_rng(0).uniform(0, 255, (1, 3, 9, 7)).astype(np.float32)
    a, b = Net(mgk).run(x), Net(stripped).run(x)
    assert len(stripped) < len(mgk) and b"residual" in mgk and b"residual" not in stripped
    assert all(np.array_equal(a[k], b[k]) for k in a)


def test_the_container_is_read_as_written() -> None:
    parts = [(b"ABCD", b"12345"), (b"EFGH", b""), (b"ABCD", b"second")]
    assert container.read(container.write(parts, 640)) == ({b"ABCD": b"12345", b"EFGH": b""}, 640)


def test_too_large(program: Program) -> None:
    huge = replace(plan(program), arena_bytes=5 << 30)
    for write in (lambda: container.write([], 2**31), lambda: pack.pack(program, huge, names=False)):
        with pytest.raises(PackError, match="need: below 2 GiB"):
            write()


def test_as_header_compiles_to_the_same_bytes(tmp_path: Path, stripped: bytes) -> None:
    (tmp_path / "m.h").write_bytes(b"".join(as_header(stripped, "Net-é*/ 1")))
    symbol = re.findall(r"\w+_mk(?=\[)", (tmp_path / "m.h").read_text())[0]
    assert symbol == "magik_model_net_____1_mk"
    main = f'#include "m.h"\n#include <stdio.h>\nint main(void) {{ fwrite({symbol}, 1, sizeof {symbol}, stdout);'
    main += f" return (int)((unsigned long){symbol} % 64); }}\n"
    (tmp_path / "m.c").write_text(main)
    tool = compile_c(tmp_path / "m", [tmp_path / "m.c"])
    done = subprocess.run([tool], capture_output=True, check=True)  # it exits with what is left over of 64 bytes
    assert done.stdout == stripped


def test_headers_of_two_models_under_one_name_do_not_hide_each_other(tmp_path: Path, stripped: bytes) -> None:
    for file, data in (("a.h", stripped), ("b.h", stripped + b"1")):
        (tmp_path / file).write_bytes(b"".join(as_header(data, "模型")))
    for second, is_fine in (("a.h", True), ("b.h", False)):
        (tmp_path / "m.c").write_text(f'#include "a.h"\n#include "{second}"\n')
        command = [*toolchain.host().cc, "-fsyntax-only", str(tmp_path / "m.c")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == is_fine
        assert is_fine or ("error: " in done.stderr and "magik_model" in done.stderr)


def test_as_header_is_a_class_in_cxx(tmp_path: Path, stripped: bytes) -> None:
    """As programs for T40 use it: `MagikModel<Name>Mk model; load_model((const char *)model.data, true)`."""
    (tmp_path / "m.h").write_bytes(b"".join(as_header(stripped, "t40_graph_vgg16")))
    main = '#include "m.h"\n#include <cstdio>\nint main() { MagikModelT40GraphVgg16Mk model;'
    main += " return std::fwrite(model.data, 1, model.size, stdout) != model.size; }\n"
    (tmp_path / "m.cc").write_text(main)
    command = [*toolchain.host().cxx, "-std=c++11", str(tmp_path / "m.cc"), "-o", str(tmp_path / "m")]
    subprocess.run(command, check=True)
    assert subprocess.run([tmp_path / "m"], capture_output=True, check=True).stdout == stripped


# ---- damaged files --------------------------------------------------------------------------------


def test_a_cut_file_is_refused(stripped: bytes) -> None:
    for size in sorted({*range(200), *range(0, len(stripped), 97), len(stripped) - 1}):
        assert refusal(stripped[:size]) in ("not a magik model file", "cut short"), size


def test_bytes_after_the_file_do_not_matter(stripped: bytes) -> None:
    assert Net(stripped + b"padding of a flash page").outputs == Net(stripped).outputs


def test_any_changed_byte_is_refused_or_lies_in_a_gap(stripped: bytes) -> None:
    sections, _ = container.read(stripped)
    x = np.full((1, 3, 9, 7), 99, np.float32)
    want = Net(stripped).run_quantized(x)
    unnoticed = 0
    for at in range(0, len(stripped), 3):
        data = bytearray(stripped)
        data[at] ^= 1 << (at % 8)
        try:
            net = Net(bytes(data))
        except LoadError:
            continue
        unnoticed += 1
        got = net.run_quantized(x)
        assert all(np.array_equal(got[k], want[k]) for k in want)
    assert unnoticed <= container.DATA_ALIGNMENT * len(sections) / 3 + 1  # the bytes between sections


def test_any_changed_byte_with_right_checksums_is_refused_or_runs(stripped: bytes) -> None:
    rng = np.random.default_rng(1)
    ran = 0
    for at in rng.integers(32, len(stripped), 600):
        data = bytearray(stripped)
        data[at] ^= rng.integers(1, 256)
        try:
            net = Net(repaired(bytes(data)))
            if net.arena_bytes < 2**24:
                net.run({p.name: np.zeros(p.shape, np.float32) for p in net.inputs})
                ran += 1
        except LoadError:
            continue
    assert 0 < ran < 600


def test_a_newer_file_is_refused_with_both_versions(stripped: bytes) -> None:
    data = stripped[:12] + (7).to_bytes(4, "little") + stripped[16:]
    for read in (Net, unpack.unpack):
        with pytest.raises(LoadError) as error:
            read(data)
        assert str(error.value) == (
            "error: a model file needs a newer magik\nwhere: model\nfound: reader version 7\n"
            " need: version 2 or older, which this magik reads\n\n hint: pip install --upgrade magik-core"
        )


TENSOR = "a tensor's type, size or place is wrong"
TENSOR_EDITS = [
    (0, 0),
    (0, 8),
    (1, 9),
    (2, 2),
    (3, 2**31 - 1),
    (3, 2**32 - 1),
    (4, 0),
    (4, 2**32 - 1),
    (5, 17),
    (6, 0),
    (8, 0),
    (8, 2**32 - 1),
    (8, 2**31 - 1),
    (16, 1),
    (16, 2**32 - 1),
]
TENSOR_EDITS += [(6, int(np.float32(v).view(np.uint32))) for v in (-1.0, math.inf, math.nan)]
TENSOR_EDITS += [(7, int(np.float32(v).view(np.uint32))) for v in (-0.5, 256.0, math.nan)]


@pytest.mark.parametrize(("word", "value"), TENSOR_EDITS)
def test_a_wrong_tensor_record_is_refused_by_both_readers(mgk: bytes, word: int, value: int) -> None:
    """Words of record 0, the input: dtype, rank, is_constant, offset, bytes, bits, scale, zero_point, dims, axes."""
    at = mgk.index(container.read(mgk)[0][b"TENS"]) + 4 * word
    data = repaired(mgk[:at] + value.to_bytes(4, "little") + mgk[at + 4 :])
    assert refusal(data) == TENSOR
    with pytest.raises(LoadError):
        unpack.unpack(data)


# ---- reading back -----------------------------------------------------------------------------------


def test_every_case_is_read_back_exactly() -> None:
    for name, program, _ in programs():
        placed = plan(program)
        data = pack.pack(program, placed, names=True)
        again, same = unpack.unpack(data)
        assert pack.pack(again, same, names=True) == data, name
        assert again.steps == program.steps and again.inputs == program.inputs and again.outputs == program.outputs
        assert (same.offsets, same.arena_bytes, same.lower_bound) == (
            placed.offsets,
            placed.arena_bytes,
            placed.lower_bound,
        )


def test_what_is_read_back_runs(tmp_path: Path, mgk: bytes, program: Program) -> None:
    (tmp_path / "a.mgk").write_bytes(mgk)
    again, _ = unpack.read(tmp_path / "a.mgk")
    x = np.random.default_rng(2).integers(0, 256, (1, 9, 7, 3), np.uint8)
    a, b = run(program, {"x": x}), run(again, {"x": x})
    assert all(np.array_equal(a[k], b[k]) for k in program.outputs)


def test_a_stripped_file_has_no_program(stripped: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(stripped)
    with pytest.raises(LoadError) as error:
        unpack.read(tmp_path / "a.bin")
    assert str(error.value) == (
        f"error: a model file holds no program\nwhere: {tmp_path / 'a.bin'}\n"
        "found: no section PROG, as in a stripped .bin\n need: a .mgk\n\n"
        " hint: `magik convert -o` writes it beside the .bin, "
        "magik-transform-tools with --save_quantize_model true"
    )


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="a model file cannot be read"):
        unpack.read(tmp_path / "none.mgk")


def test_damage_is_refused_by_unpack(mgk: bytes) -> None:
    for data in (
        b"",
        b"PK\x03\x04",
        mgk[:31],
        mgk[:100],
        mgk[:-1],
        mgk[:50] + b"!" + mgk[51:],
        mgk[:-5] + b"!" + mgk[-4:],
    ):
        with pytest.raises(LoadError):
            unpack.unpack(data)


def steps(text: dict[str, Any]) -> Any:
    return text["steps"][0]


EDITS: dict[str, Edit] = {
    "no tensors": lambda t: t.pop("tensors"),
    "no source": lambda t: t.pop("source"),
    "a source that is no table": lambda t: t.update(source=[1, 2]),
    "a record that is not there": lambda t: t["tensors"][0].update(record=10**6),
    "a negative record": lambda t: t["tensors"][0].update(record=-1),
    "another record": lambda t: t["tensors"][1].update(record=0),
    "a record that is no number": lambda t: t["tensors"][0].update(record="0"),
    "a name that is a list": lambda t: t["tensors"][0].update(name=[]),
    "a scale that is no number": lambda t: t["tensors"][0].update(quant=["x", 0, 8]),
    "another scale": lambda t: t["tensors"][0].update(quant=[0.5, 0, 8]),
    "a huge scale": lambda t: t["tensors"][0].update(quant=[10**400, 0, 8]),
    "many bits": lambda t: t["tensors"][0].update(quant=[1.0, 0, 10**9]),
    "an unknown operator": lambda t: steps(t).update(op="Exec"),
    "an operator that is a list": lambda t: steps(t).update(op=[]),
    "another operator": lambda t: steps(t).update(op="Sigmoid", attributes={}),
    "an unknown attribute": lambda t: steps(t)["attributes"].update(__class__="x"),
    "a missing attribute": lambda t: [s["attributes"].clear() for s in t["steps"]],
    "another attribute": lambda t: steps(t)["attributes"].update(strides=[7, 7]),
    "an attribute of another type": lambda t: steps(t)["attributes"].update(strides="many"),
    "an attribute that is null": lambda t: steps(t)["attributes"].update(pads=None),
    "a huge attribute": lambda t: steps(t)["attributes"].update(groups=10**30),
    "attributes that are a list": lambda t: steps(t).update(attributes=[1]),
    "too few inputs": lambda t: steps(t)["in"].pop(),
    "no inputs": lambda t: steps(t)["in"].clear(),
    "no outputs": lambda t: steps(t)["out"].clear(),
    "an unknown input": lambda t: steps(t)["in"].__setitem__(0, "nothing"),
    "steps that are a number": lambda t: t.update(steps=3),
    "steps that are missing": lambda t: t["steps"].pop(),
    "no steps": lambda t: t["steps"].clear(),
    "an unknown output": lambda t: t["outputs"].append("nothing"),
    "another output": lambda t: t["outputs"].reverse(),
    "a bound that is no number": lambda t: t.update(lower_bound={}),
}


def hostile(mgk: bytes) -> Iterator[tuple[str, bytes]]:
    """(what was done, section PROG)."""
    text = container.read(mgk)[0][b"PROG"]
    for name, edit in EDITS.items():
        changed = json.loads(text)
        edit(changed)
        yield name, json.dumps(changed).encode()
    yield "deep nesting", text.replace(b'"strides":[', b'"strides":[' + b"[" * 100_000, 1)
    yield "closed deep nesting", b"[" * 100_000 + b"]" * 100_000
    yield "a list", b"[]"
    yield "nothing", b""
    yield "no text", b"\xff\xfe\x00"
    yield "half", text[: len(text) // 2]


def test_a_hostile_description_is_refused(mgk: bytes) -> None:
    sections, arena_bytes = container.read(mgk)
    accepted = []
    for name, text in hostile(mgk):
        data = container.write([*((k, v) for k, v in sections.items() if k != b"PROG"), (b"PROG", text)], arena_bytes)
        try:
            unpack.unpack(data)
            accepted.append(name)
        except LoadError as error:
            assert error.problems[0].what == "a model file's description does not fit it", name
    assert accepted == []


def test_a_plan_is_read_back(mgk: bytes) -> None:
    _, placed = unpack.unpack(mgk)
    assert isinstance(placed, Plan) and placed.arena_bytes == Net(mgk, isa="portable").arena_bytes
