"""docs/model-format.md is true: its tables equal the C structs, and packed files are read by them alone."""

from __future__ import annotations

import re
import zlib
from typing import Any

import numpy as np
import pytest

from magik_core import container, pack
from magik_core.library import library
from magik_core.plan import Plan, plan
from magik_core.program import DTYPES, MAX_DIMS, Program, QuantParams
from tests import streams
from tests.runtime.corpus import nets
from tests.runtime.native import ROOT, RUNTIME

DOC = (ROOT / "docs" / "model-format.md").read_text()
SIZES = {"u8": 1, "u32": 4, "s32": 4, "f32": 4, "fourcc": 4}
C_TYPES = {"char": "u8", "uint32_t": "u32", "int32_t": "s32", "float": "f32"}
STRUCTS = {
    "Header": "file_header",
    "Section table": "file_section",
    "TENS": "file_tensor",
    "STEP": "file_step",
    "PORT": "file_port",
    "STAT": "file_state",
}
Fields = dict[str, tuple[int, str, int]]


def chapter(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", DOC, re.MULTILINE | re.DOTALL)
    assert found, title
    return found.group(1)


def rows(title: str, header: str) -> list[list[str]]:
    """Cells of the table of a chapter whose first column is named `header`."""
    table = re.search(rf"^\| {header} \|.*?\n\|[-|]+\n((?:\|.*\n)+)", chapter(title), re.MULTILINE)
    assert table, header
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.group(1).splitlines()]


def record(title: str) -> Fields:
    """Of a record's table: name -> (offset, type, how many)."""
    out = {}
    for offset, kind, name, _ in rows(title, "Offset"):
        m = re.fullmatch(r"(\w+)(?:\[(\d+)\])?", kind)
        assert m
        out[name] = int(offset), m[1], int(m[2] or 1)
    return out


def size_of(title: str) -> int:
    said = re.search(r"(\d+) bytes", chapter(title))
    assert said
    return int(said.group(1))


@pytest.mark.parametrize("title", STRUCTS)
def test_records_are_the_structs_of_file_h(title: str) -> None:
    text = (RUNTIME / "src" / "file.h").read_text().replace("MAGIK_MAX_DIMS", str(MAX_DIMS))
    source = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    body = re.search(rf"struct {STRUCTS[title]} \{{(.*?)\}};", source, re.DOTALL)
    assert body
    fields = []
    for kind, names in re.findall(r"(\w+) ([^;]+);", body.group(1)):
        for name, count in re.findall(r"(\w+)(?:\[(\d+)\])?", names):
            fields.append((name, C_TYPES[kind], int(count or 1)))
    said = record(title)
    assert fields == [(n, "u32" if k == "fourcc" else k, c) for n, (_, k, c) in said.items()]
    at = 0
    for offset, kind, count in said.values():
        assert offset == at
        at += SIZES[kind] * count
    assert at == size_of(title)


def test_dtypes() -> None:
    table = {name: (int(code), int(size)) for code, name, size, _ in rows("TENS", "dtype")}
    assert table == {n: (container.DTYPE_CODES[n], DTYPES[n].itemsize) for n in container.DTYPE_CODES}


def test_statuses() -> None:
    header = (RUNTIME / "include" / "magik" / "magik.h").read_text()
    in_c = {name: int(value) for name, value in re.findall(r"(MAGIK_\w+) = (-\d+)", header)}
    table = rows("What a reader checks", "Status")
    assert {name: int(status) for status, name, _ in table} == in_c
    assert [library().magik_phrase(int(status)).decode() for status, _, _ in table] == [
        phrase for _, _, phrase in table
    ]


def test_limits() -> None:
    source = (RUNTIME / "src" / "file.h").read_text()
    limits = dict(re.findall(r"(MAX_\w+) = ([\d<> ]+)", source))
    words = re.sub(r"[^\w\s]", " ", DOC).split()
    assert all(str(eval(v)) in words for v in limits.values()), limits
    assert {str(2**29 - 1), str(container.MOST_SECTIONS), str(container.READER)} <= set(words)


# ---- a reader that knows nothing but the page ------------------------------------------------------------


def values(data: bytes, fields: Fields) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, (offset, kind, count) in fields.items():
        raw = data[offset : offset + SIZES[kind] * count]
        if kind in ("fourcc", "u8"):
            out[name] = raw
        else:
            found = np.frombuffer(raw, {"u32": "<u4", "s32": "<i4", "f32": "<f4"}[kind]).tolist()
            out[name] = found if count > 1 else found[0]
    return out


def records(data: bytes, title: str) -> list[dict[str, Any]]:
    size = size_of(title)
    assert len(data) % size == 0
    return [values(data[at : at + size], record(title)) for at in range(0, len(data), size)]


def container_of(data: bytes) -> dict[str, bytes]:
    """Sections of a file, its header and checksums held against the page."""
    head = values(data, record("Header"))
    magic = re.search(r"`((?:[0-9a-f]{2} ?){8})`", chapter("Header"))
    assert magic and head["magic"] == bytes.fromhex(magic.group(1)) and head["bytes"] == len(data)
    first, at = size_of("Header"), record("Header")["crc"][0]
    end = first + size_of("Section table") * head["sections"]
    assert zlib.crc32(data[:at] + b"\0\0\0\0" + data[at + 4 : end]) == head["crc"]
    table = records(data[first:end], "Section table")
    order = dict.fromkeys(re.findall(r"`([A-Z]{4})`", chapter("What a writer does")))
    if head["reader"] == 1:
        del order["STAT"]
    assert [row["kind"].decode() for row in table] == list(order)
    out = {row["kind"].decode(): data[row["offset"] : row["offset"] + row["bytes"]] for row in table}
    for row in table:
        assert row["offset"] % 16 == 0 and zlib.crc32(out[row["kind"].decode()]) == row["crc"]
    return out


def check_tensors(program: Program, placed: Plan, sections: dict[str, bytes]) -> None:
    dtypes = {int(code): name for code, name, _, _ in rows("TENS", "dtype")}
    for t, r in zip(program.tensors.values(), records(sections["TENS"], "TENS"), strict=False):
        rank = r["rank"]
        assert (dtypes[r["dtype"]], tuple(r["dims"][:rank]), tuple(r["axes"][:rank])) == (t.dtype, t.shape, t.axes)
        assert r["dims"][rank:] == r["axes"][rank:] == [0] * (8 - rank) and r["bytes"] == t.nbytes
        if t.data is not None:
            assert r["is_constant"] and sections["DATA"][r["offset"] : r["offset"] + r["bytes"]] == t.data.tobytes()
        else:
            assert not r["is_constant"] and r["offset"] == placed.offsets[t.name]
        q = t.quant if isinstance(t.quant, QuantParams) else QuantParams(0.0, 0.0, 0)
        assert (r["scale"], r["zero_point"], r["bits"]) == (q.scale, q.zero_point, q.bits)


def text(sections: dict[str, bytes], at: int) -> str:
    return sections["STRS"][at : sections["STRS"].index(b"\0", at)].decode()


def check_steps(program: Program, sections: dict[str, bytes]) -> None:
    names, tensors = list(program.tensors), records(sections["TENS"], "TENS")
    listed = np.frombuffer(sections["LIST"], "<u4").tolist()
    words = np.frombuffer(sections["PARM"], "<i4")
    for s, r in zip(program.steps, records(sections["STEP"], "STEP"), strict=True):
        x, y = program.reads(s), program.writes(s)
        inputs, outputs = listed[r["in"] : r["in"] + r["n_in"]], listed[r["out"] : r["out"] + r["n_out"]]
        assert text(sections, r["kernel"]) == s.op.kernel(x, y) and tuple(names[i] for i in outputs) == s.outputs
        assert tuple(names[i] for i in inputs[: len(x)]) == s.inputs
        assert np.array_equal(words[r["params"] : r["params"] + r["n_params"]], s.op.params(x, y).words())
        for i, table in zip(inputs[len(x) :], s.op.tables(x, y), strict=True):
            at = tensors[i]["offset"]
            assert sections["DATA"][at : at + tensors[i]["bytes"]] == np.ascontiguousarray(table).tobytes()


MEMORY = {f"lstm {kind}": program for kind, program in streams.programs(*streams.recurrent("LSTM")).items()}


@pytest.mark.parametrize("name", ["net u8", "net f32", "net border", *MEMORY])
def test_a_packed_file_is_read_by_the_page(name: str) -> None:
    program = {**MEMORY, **nets()}[name]
    placed = plan(program)
    data = pack.pack(program, placed, names=True)
    sections = container_of(data)
    assert values(data, record("Header"))["arena"] == placed.arena_bytes
    check_tensors(program, placed, sections)
    check_steps(program, sections)
    names = list(program.tensors)
    ports = [(names[r["tensor"]], text(sections, r["name"]), r["is_output"]) for r in records(sections["PORT"], "PORT")]
    wanted = [(n, n, 0) for n in program.inputs] + [(n, program.source.get(n, n), 1) for n in program.outputs]
    assert ports == wanted
    states = [
        (names[r["before"]], names[r["after"]], text(sections, r["name"]))
        for r in records(sections.get("STAT", b""), "STAT")
    ]
    assert states == [(s.before, s.after, s.before) for s in program.states]
    assert values(data, record("Header"))["reader"] == (2 if states else 1)
