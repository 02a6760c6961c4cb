"""The C runtime under ASan and UBSan: every case computes what numpy computes, no damaged file hurts it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magik_core.lower import lower
from magik_core.source import Quantization
from tests.ops.random_graphs import Graph, graphs
from tests.ops.test_random_graphs import PROFILE, in_codes, mixed, sample
from tests.runtime import fuzz
from tests.runtime.corpus import Entry, entries, entry, wide_weight_codes

SHORT = 5_000  # mutants; `make fuzz` runs fuzz.FULL


@pytest.fixture(scope="module")
def driver() -> Path:
    return fuzz.build()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[Entry]:
    return entries(tmp_path_factory.mktemp("corpus"))


def test_c_equals_numpy_under_sanitizers(driver: Path, corpus: list[Entry]) -> None:
    """In one part, in five parts in any order, and with every tensor in memory of its own."""
    found = fuzz.run_entries(driver, corpus)
    assert len(found) == len(corpus)
    wrong = [f"{e.name}: {line}" for e, line in zip(corpus, found, strict=True) if tuple(line.split()) != e.crcs]
    assert wrong == []


def test_random_graphs_under_sanitizers(driver: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The graphs of tests/ops/test_random_graphs.py, in codes of one width and of many, and in f32."""
    folder = tmp_path_factory.mktemp("graphs")

    @PROFILE
    @given(graphs(), st.sampled_from(["f32", "s8", "s16", "twice", "mixed", "mixed"]), st.integers(0, 2**32 - 1))
    def check(g: Graph, how: str, seed: int) -> None:
        s = sample(g, with_passes=True)
        wide, recipe = wide_weight_codes if how == "s16" else None, mixed(s, seed) if how == "mixed" else None
        coded = how != "f32" and in_codes(s, wide, twice=how == "twice", recipe=recipe)
        program = coded or lower(s.model, Quantization())
        item = entry(folder / "graph", "graph", program, s.feeds, names=False)
        assert tuple(fuzz.run_entries(driver, [item])[0].split()) == item.crcs

    check()


def test_damaged_files_are_refused_or_run(
    driver: Path, corpus: list[Entry], capsys: pytest.CaptureFixture[str]
) -> None:
    counts = fuzz.fuzz(driver, corpus, SHORT)
    with capsys.disabled():
        print("\n" + "\n".join(f"{n:8} {what}" for what, n in counts.items()))
    assert counts[f"mutants of {len(corpus)} files"] == SHORT
    assert counts["loaded and run"] > SHORT // 20  # the mutants get past the checksums
    assert counts["refused: a checksum does not match"] > SHORT // 20
    assert counts["refused: a parameter of a step is out of its range"] > SHORT // 200
    assert counts["other sizes taken"] > SHORT // 20
    assert counts["other sizes refused"] > SHORT // 50
    assert sum(n for what, n in counts.items() if not what.startswith(("mutants", "other"))) == SHORT


def test_the_same_seed_gives_the_same_mutants(driver: Path, corpus: list[Entry]) -> None:
    assert fuzz.fuzz(driver, corpus, 400, seed=7) == fuzz.fuzz(driver, corpus, 400, seed=7, processes=2)


def test_a_finding_names_the_mutant(driver: Path, corpus: list[Entry], tmp_path: Path) -> None:
    """The driver fails, and says where, when numpy and C would differ."""
    good = corpus[0]
    (tmp_path / "short.raw").write_bytes(good.inputs.read_bytes()[:-1])
    with pytest.raises(AssertionError):
        fuzz.run_entries(driver, [Entry(good.name, good.model, tmp_path / "short.raw", good.crcs)])
