"""Digests: the same formula as the C program, the first difference, the stored form."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from magik_core import digests
from magik_core.digests import Difference, Digest, Golden, crc_of, first_difference
from magik_core.errors import LoadError

A = (Digest("conv_u8", "avx2", "00000001"), Digest("lut_u8", "portable", "00000002"))
GOLDEN = Golden("0badcafe", ((1, 3, 4, 4),), (b"\x01\x02", b""), (A, A))


def test_one_output_is_its_crc() -> None:
    y = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert crc_of([y]) == f"{zlib.crc32(y.tobytes()):08x}"
    assert crc_of([y[:, ::2]]) == f"{zlib.crc32(y[:, ::2].tobytes()):08x}", "whatever its strides"


def test_several_outputs_are_told_apart_by_their_order() -> None:
    a, b = np.array([1], np.int32), np.array([2], np.int32)
    assert crc_of([a, b]) != crc_of([b, a])
    assert crc_of([]) == "00000000"


def test_agreement_does_not_ask_which_kernel_ran() -> None:
    assert first_difference([A], [tuple(Digest(d.kernel, "", d.crc) for d in A)]) is None


def test_the_first_difference_is_named() -> None:
    other = (A[0], Digest("lut_u8", "msa", "00000003"))
    found = first_difference([A, other], [A, A], ["stem", "act"])
    assert found == Difference(1, 1, "act", "lut_u8", "msa", "00000003", "00000002")
    assert str(found) == "input 1: layer 1 lut_u8 'act' (msa) differs: 00000003, not 00000002"
    assert str(first_difference([A, other], [A, A])) == str(found).replace(" 'act'", "")


def test_another_kernel_or_number_of_layers_is_a_difference() -> None:
    assert first_difference([(Digest("add_u8", "", "00000001"), A[1])], [A]) is not None
    assert str(first_difference([A[:1]], [A])) == "input 0: 1 layers, not 2"


def test_stored_and_read_again(tmp_path: Path) -> None:
    path = digests.path_of(tmp_path / "model.bin")
    assert path == digests.path_of(tmp_path / "model.mgk") == tmp_path / "model.digests.json"
    path.write_text(digests.to_json(GOLDEN))
    again = digests.read(path)
    assert (again.model, again.shapes, again.inputs) == (GOLDEN.model, GOLDEN.shapes, GOLDEN.inputs)
    assert first_difference(GOLDEN.digests, again.digests) is None
    assert digests.to_json(again) == path.read_text()


VALUE = json.loads(digests.to_json(GOLDEN))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        json.dumps({**VALUE, "version": 2}),
        json.dumps({**VALUE, "samples": 3}),
        json.dumps({**VALUE, "samples": [{"inputs": "*", "layers": []}]}),
        json.dumps({**VALUE, "samples": [{"inputs": "AAAA", "layers": []}]}),
        json.dumps({**VALUE, "samples": [{**VALUE["samples"][0], "layers": ["conv_u8"]}]}),
        json.dumps({**VALUE, "shapes": [["a"]]}),
        json.dumps({**VALUE, "shapes": [[float("inf")]]}),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.digests.json"
    path.write_text(text)
    with pytest.raises(LoadError, match="these are no stored digests"):
        digests.read(path)


def test_inputs_that_unpack_to_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "MOST_BYTES", 1000)
    path = tmp_path / "a.digests.json"
    for sizes, fits in (([1000], True), ([1001], False), ([600, 400], True), ([600, 401], False)):
        steps = (GOLDEN.digests[0],) * len(sizes)
        path.write_text(digests.to_json(Golden("0", (), tuple(bytes(n) for n in sizes), steps)))
        if fits:
            assert [len(data) for data in digests.read(path).inputs] == sizes
        else:
            with pytest.raises(LoadError, match="more than 1000 bytes"):
                digests.read(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="stored digests cannot be read"):
        digests.read(tmp_path / "none.digests.json")
