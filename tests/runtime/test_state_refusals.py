"""Files whose states are not what the loader promises to a run: each is refused, and says why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from magik_core import container
from magik_core.errors import LoadError
from magik_core.net import Net
from tests import streams

SECTION, TENSOR = "a section is missing or out of place", "a tensor's type, size or place is wrong"
BEFORE, AFTER, NAME = range(3)  # words of a record
BYTES, BITS, SCALE, ZERO_POINT, DIMS = 4, 5, 6, 7, 8  # words of a tensor's
Words = np.ndarray
Change = Callable[["File"], None]


class File:
    """The sections of an LSTM's file, its records as words that may be changed."""

    def __init__(self, data: bytes) -> None:
        self._sections, self._arena = container.read(data)
        self.states = np.frombuffer(self._sections[b"STAT"], "<u4").reshape(-1, 3).copy()
        self.tensors = np.frombuffer(self._sections[b"TENS"], "<u4").reshape(-1, 24).copy()
        self.ports = np.frombuffer(self._sections[b"PORT"], "<u4").reshape(-1, 4)
        self.cut = 0

    @property
    def constant(self) -> int:
        return int(np.flatnonzero(self.tensors[:, 2])[0])

    def packed(self) -> bytes:
        states = self.states.tobytes()
        changed = {b"STAT": states[: len(states) - self.cut], b"TENS": self.tensors.tobytes()}
        return container.write(list({**self._sections, **changed}.items()), self._arena)


def put(record: int, word: int, value: int | Callable[[File], int]) -> Change:
    def change(file: File) -> None:
        file.states[record, word] = value(file) if callable(value) else value

    return change


def of_tensor(word: int, value: int, end: int = BEFORE) -> Change:
    def change(file: File) -> None:
        file.tensors[file.states[0, end], word] = value

    return change


def short(file: File) -> None:
    file.cut = 4


CASES: dict[str, tuple[Change, str]] = {
    "half a record": (short, SECTION),
    "no such tensor before": (put(0, BEFORE, 1 << 20), SECTION),
    "no such tensor after": (put(1, AFTER, 0xFFFFFFFF), SECTION),
    "no such name": (put(0, NAME, 1 << 16), SECTION),
    "more bytes than 2 GiB": (of_tensor(BYTES, 0x7FFFFFFF), SECTION),
    "a constant before": (put(0, BEFORE, lambda f: f.constant), TENSOR),
    "a constant after": (put(0, AFTER, lambda f: f.constant), TENSOR),
    "an input": (put(0, BEFORE, lambda f: int(f.ports[0, 0])), TENSOR),
    "itself": (put(0, AFTER, lambda f: int(f.states[0, BEFORE])), TENSOR),
    "two states in one tensor": (put(0, BEFORE, lambda f: int(f.states[1, BEFORE])), TENSOR),
    "another type": (put(0, AFTER, lambda f: int(f.ports[1, 0])), TENSOR),
    "another scale": (of_tensor(SCALE, 0x3F800000), TENSOR),
    "another zero point": (of_tensor(ZERO_POINT, 0x3F800000, AFTER), TENSOR),
    "other bits": (of_tensor(BITS, 0), TENSOR),
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder: Path = tmp_path_factory.mktemp("lstm")
    streams.convert(folder, "lstm")
    return (folder / "lstm.bin").read_bytes()


def test_the_file_itself_loads(data: bytes) -> None:
    assert len(Net(File(data).packed()).states) == 2


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused(data: bytes, name: str) -> None:
    change, said = CASES[name]
    file = File(data)
    change(file)
    with pytest.raises(LoadError) as caught:
        Net(file.packed())
    assert caught.value.problems[0].found == said
