"""The vectors' rescaling gives the bits of fixed.h, at ties, at the extremes and for numbers of damaged files."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from magik_core import library
from magik_core.kernels import ISAS
from tests.runtime.native import ROOT, RUNTIME, compile_c

OWN = ROOT / "tests" / "runtime"


@pytest.mark.parametrize("isa", ["avx2", "vnni"])
def test_vectors_rescale_as_fixed_h(isa: str, tmp_path: Path) -> None:
    if isa not in library.isas():
        pytest.skip(f"this machine has no {isa}")
    done = subprocess.run([build(tmp_path, isa, RUNTIME / "src")], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)


def test_a_wrong_rounding_is_found(tmp_path: Path) -> None:
    """The check can fail: with the half left out it does."""
    if "avx2" not in library.isas():
        pytest.skip("this machine has no avx2")
    text = (RUNTIME / "src" / "requant_avx2.h").read_text()
    right = "_mm256_sllv_epi32(one, _mm256_sub_epi32(rest, one))"
    assert text.count(right) == 1
    (tmp_path / "requant_avx2.h").write_text(text.replace(right, "_mm256_sub_epi32(one, one)"))
    (tmp_path / "linear_avx2.h").write_text((RUNTIME / "src" / "linear_avx2.h").read_text())
    done = subprocess.run([build(tmp_path, "avx2", tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "requant: acc" in done.stdout


def build(folder: Path, isa: str, headers: Path) -> Path:
    flags = ["-O2", f"-I{headers}", f"-I{RUNTIME / 'src'}", f"-I{RUNTIME / 'fuzz'}", f"-I{OWN}", *ISAS[isa]]
    return compile_c(folder / "requant", [OWN / "requant.c"], *flags, f'-DPROBE="probe_{isa}.h"')
