"""examples/qat_fashion_mnist on its real data: a shortened run, and the numbers that its README shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.core.graphs import SHARED, needs_shared

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "qat_fashion_mnist"
DATA = SHARED / "data" / "fashion-mnist"
ROW = re.compile(r"^\| (.+?) \| ([\d.]+)% \| (-?[\d.]+) \| ([\d,]+) \| \d+ s \|$", re.MULTILINE)
LONGER = "float, trained on like 8 bits"
NAMES = ["float", LONGER, "8 bits", "4 bits", "2 bits, features of 4"]
MOST = [0.0, 100.0, 0.2, 1.0, 4.0]  # points below float


def rows(text: str) -> list[tuple[str, float, float, int]]:
    """(network, percent right, points below float, bytes) of a table."""
    return [(m[1], float(m[2]), float(m[3]), int(m[4].replace(",", ""))) for m in ROW.finditer(text)]


def test_the_readme_shows_a_whole_run_that_holds_what_is_promised() -> None:
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    found = rows(text)
    assert [row[0] for row in found] == NAMES and "| right of 10,000 |" in text
    for (_, right, below, _), most in zip(found, MOST, strict=True):
        assert below == pytest.approx(found[0][1] - right, abs=0.011) and below <= most


@pytest.mark.shared
@pytest.mark.slow
@needs_shared
def test_a_short_run_learns_at_every_width(tmp_path: Path) -> None:
    """Of a fifth of the images: the packed programs of all widths are far better than guessing."""
    size = ["--images", "4000", "--tests", "1000", "--epochs", "0.5"]
    command = [sys.executable, str(EXAMPLE / "train.py"), str(DATA), "--out", str(tmp_path), *size]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = rows(done.stdout)
    assert [row[0] for row in found] == NAMES
    assert all(right > 60 and below < 10 for _, right, below, _ in found), done.stdout
    programs = sorted(path.name for path in tmp_path.glob("*.bin"))
    assert programs == [
        "2-bits-features-of-4.bin",
        "4-bits.bin",
        "8-bits.bin",
        "float-trained-on-like-8-bits.bin",
        "float.bin",
    ]
    assert sorted(path.stat().st_size for path in tmp_path.glob("*.bin")) == sorted(size for *_, size in found)
