"""examples/qat_fashion_mnist without its data: what it reads and refuses, how stages follow on one another."""

from __future__ import annotations

import gzip
import importlib
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "qat_fashion_mnist"
MODULES = ("data", "network", "train")


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """train.py of the example, and through it the others."""
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in MODULES:
        sys.modules.pop(name, None)
    yield importlib.import_module("train")
    for name in MODULES:
        sys.modules.pop(name, None)


def write(folder: Path, kind: str, count: int, labels: int | None = None) -> None:
    """Images whose top half is bright where the class is odd."""
    images, classes = np.zeros((count, 28, 28), np.uint8), np.arange(count if labels is None else labels) % 10
    images[1::2, :14] = 255
    head = struct.pack(">4i", 2051, count, 28, 28)
    (folder / f"{kind}-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + images.tobytes()))
    head = struct.pack(">2i", 2049, len(classes))
    (folder / f"{kind}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(head + classes.astype(np.uint8).tobytes()))


def test_files_are_read_as_they_are(tmp_path: Path, example: ModuleType) -> None:
    write(tmp_path, "train", 12)
    images, classes = example.read(tmp_path, "train")
    assert images.shape == (12, 1, 28, 28) and images.dtype == np.float32
    assert classes.tolist() == [*range(10), 0, 1]
    assert images[1, 0, :14].min() == 1 and images[1, 0, 14:].max() == 0 and images[0].max() == 0


def test_what_is_not_the_data_set_is_refused_in_a_line(tmp_path: Path, example: ModuleType) -> None:
    with pytest.raises(SystemExit, match=r"one file train\*-images-idx3-ubyte\.gz is needed, found 0"):
        example.read(tmp_path, "train")
    write(tmp_path, "train", 3, labels=2)
    with pytest.raises(SystemExit, match=r"not Fashion-MNIST: \(3, 28, 28\) images, \(2,\) labels"):
        example.read(tmp_path, "train")
    path = tmp_path / "train-images-idx3-ubyte.gz"
    whole = gzip.decompress(path.read_bytes())
    for data, message in (
        (b"abc", "Not a gzipped file"),
        (gzip.compress(whole)[:-9], "ended before"),
        (gzip.compress(whole[:-1]), "2351 bytes for a shape of"),
        (gzip.compress(b"\0" * 30), "not an IDX file of 3 axes"),
    ):
        path.write_bytes(data)
        with pytest.raises(SystemExit, match=message):
            example.read(tmp_path, "train")


def test_a_stage_starts_where_the_one_before_ended(example: ModuleType) -> None:
    """Before any training, 8 bits compute nearly what float does, 4 bits what 8 do: in evaluation, by statistics."""
    torch.manual_seed(0)
    stages = {stage.name: stage for stage in example.STAGES}
    real, eight, four = (example.Classifier(stages[name]) for name in ("float", "8 bits", "4 bits"))
    x = torch.rand(16, 1, 28, 28)
    with torch.no_grad():
        for _ in range(60):
            real(x)  # statistics of these images
        eight.carry_on(real)
        four.carry_on(eight)
        y, *found = (net.eval()(x) for net in (real, eight, four))
    spread = y.std()
    assert (found[0] - y).abs().mean() < 0.1 * spread and (found[1] - y).abs().mean() < spread
    assert torch.equal(eight[-1].Linear.weight, real[-1].Linear.weight / (1 / 6))


def test_the_table_is_written_between_its_marks(
    tmp_path: Path, example: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "README.md"
    page.write_text("before\n\n<!-- table -->\nold\n<!-- /table -->\n\nafter\n", encoding="utf-8")
    monkeypatch.setattr(example, "README", page)
    rows = [example.Row("float", 0.9, 2000, 61.0), example.Row("8 bits", 0.8975, 1000, 2.0)]
    example.write_readme(example.table(rows, 400))
    lines = page.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "before" and lines[-1] == "after" and "old" not in lines
    assert "| network | right of 400 | below float | bytes | training |" in lines
    assert "| 8 bits | 89.75% | 0.25 | 1,000 | 2 s |" in lines
