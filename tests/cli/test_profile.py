"""magik profile: every layer with what it costs, exact where it is counted, and honest where it is estimated."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from magik_core import net, plugins, profiling, qemu, toolchain, unpack
from magik_core.errors import RunError
from magik_core.report import Description
from magik_core.soc import SoC


@pytest.fixture
def model(digits: Path, tmp_path: Path) -> Path:
    for suffix in (".bin", ".mgk"):
        shutil.copy(digits.with_suffix(suffix), tmp_path / f"digits{suffix}")
    return tmp_path / "digits.bin"


def test_every_layer(magik, model: Path) -> None:
    done = magik("profile", model, "--repeat", 3, "--mips", "--soc", "T41", "--ipc", 0.5, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    described = Description.of(*unpack.read(model.with_suffix(".mgk")))
    layers = found["layers"]
    assert [layer["kernel"] for layer in layers] == list(net.load(model).kernels)
    assert [(x["name"], x["macs"]) for x in layers] == [(row.name, row.macs) for row in described.rows]
    assert [x["nbytes"] for x in layers] == [row.activation_bytes + row.weight_bytes for row in described.rows]
    assert all(x["nanoseconds"] > 0 and x["instructions"] > 0 for x in layers)
    assert found["total"]["macs"] == described.macs
    assert found["total"]["instructions"] == sum(x["instructions"] for x in layers)
    clock = plugins.load().soc("T41").clock_hz
    assert clock and found["total"]["seconds"] == pytest.approx(found["total"]["instructions"] / clock / 0.5)
    assert "1.4 GHz x 0.5 instructions per cycle, an assumption" in found["estimate"]
    assert found["notes"] == [] and "description" not in found


def test_counts_are_the_same_each_time(model: Path) -> None:
    first, second = (profiling.profile(model, repeat=1, mips=True) for _ in range(2))
    counts = [layer.instructions for layer in first.layers]
    assert None not in counts and counts == [layer.instructions for layer in second.layers]
    assert first.instructions == sum(filter(None, counts)) and first.seconds is None


def test_the_table(magik, model: Path) -> None:
    done = magik("profile", model, "--repeat", 1, "--no-mips")
    lines = done.out.splitlines()
    heads = "# layer kernel kind MACs bytes time us % instructions per MAC estimate us"
    assert " ".join(lines[0].split()) == heads
    assert len(lines) == len(net.load(model).kernels) + 2 and lines[-1].split()[0] == "all"
    assert "time: median of 1 run of each layer on this computer, 1 thread\n" in done.err
    assert "estimate" not in done.err and "instructions:" not in done.err


def test_the_description_is_read_once(magik, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, times = unpack.read, []
    monkeypatch.setattr(unpack, "read", lambda path: times.append(path) or read(path))
    assert magik("profile", model, "--repeat", 1, "--no-mips", "--html", tmp_path / "p.html").code == 0
    assert times == [model.with_suffix(".mgk")]


def test_an_estimate_needs_instructions(magik, model: Path) -> None:
    done = magik("profile", model, "--repeat", 2, "--threads", 2, "--no-mips", "--soc", "T41")
    assert "median of 2 runs of each layer on this computer, 2 threads" in done.err
    assert "note: no estimate for T41: it is made of instructions on MIPS, which --no-mips does not count" in done.err


def test_the_compiler_is_named(magik, model: Path) -> None:
    done = magik("profile", model, "--repeat", 1, "--mips")
    name = toolchain.mips().name
    assert f"\ninstructions: of the program that {name}" in f"\n{done.err}"
    found = json.loads(magik("profile", model, "--repeat", 1, "--mips", "--json").out)
    assert found["compiler"].startswith(name) and any(c.isdigit() for c in found["compiler"])


def test_the_page(magik, model: Path, tmp_path: Path) -> None:
    done = magik("profile", model, "--repeat", 1, "--no-mips", "--html", tmp_path / "p.html")
    page = (tmp_path / "p.html").read_text()
    assert done.code == 0 and f"wrote {tmp_path / 'p.html'}" in done.err
    assert "<h2>Time</h2>" in page and page.count('<th class="number">Time</th>') == 1
    assert "<h2>Instructions</h2>" not in page and "<h2>MACs</h2>" in page


def test_series_hold_what_was_measured() -> None:
    layer = profiling.Layer("n", "k", "avx2", 10, 20, 30, 40, 0.5)
    found = profiling.Profile("m", 5, 1, (layer, replace(layer, instructions=2, seconds=1.0)), "T41", "words")
    time, counted, estimate = profiling.series(found)
    assert (time.values, counted.values, estimate.values) == ((30, 30), (40, 2), (500_000, 1_000_000))
    assert estimate.title == "Estimate for T41" and "words" in estimate.note
    assert (found.macs, found.nbytes, found.nanoseconds, found.seconds) == (20, 40, 60, 1.5)


def test_a_stripped_model_has_no_names(magik, model: Path) -> None:
    model.with_suffix(".mgk").unlink()
    done = magik("profile", model, "--repeat", 1, "--no-mips", "--json")
    found = json.loads(done.out)
    assert {(x["name"], x["macs"], x["nbytes"]) for x in found["layers"]} == {("", None, None)}
    assert found["total"]["macs"] is None and "are in the .mgk" in done.err


def test_a_page_needs_the_program(refused, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which is said before anything is measured."""
    measured: list[object] = []
    monkeypatch.setattr(profiling, "_measure", lambda *arguments: measured.append(arguments))
    model.with_suffix(".mgk").unlink()
    said = refused("profile", model, "--repeat", 1, "--no-mips", "--html", tmp_path / "p.html")
    assert "a page needs the program" in said and not measured


def test_without_qemu(magik, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "qemu", lambda: ())
    done = magik("profile", model, "--repeat", 1, "--json")
    assert done.code == 0 and "note: instructions on MIPS are not counted: " in done.err
    assert {x["instructions"] for x in json.loads(done.out)["layers"]} == {None}
    for needs in (["--mips"], ["--soc", "T41"]):
        done = magik("profile", model, "--repeat", 1, *needs)
        assert (done.code, done.out) == (1, "") and "error: nothing here runs MIPS programs" in done.err


def test_a_chip_without_a_clock(refused, model: Path) -> None:
    assert "no estimate can be made\nwhere: A1\nfound: the chip A1 has no clock\n need: a chip with one" in refused(
        "profile", model, "--soc", "A1"
    )
    with pytest.raises(RunError):
        profiling.profile(model, soc=SoC("x", clock_hz=None))


def test_counting_is_exact_to_the_instruction(model: Path) -> None:
    """A layer's count does not depend on the layers around it: all together make the net's."""
    chain = toolchain.mips()
    found = profiling.profile(model, repeat=1, mips=True)
    from magik_core import proof, tools

    inputs = model.with_suffix(".raw")
    inputs.write_bytes(proof.random_inputs(net.load(model), 1)[0])
    program = tools.digest(chain)
    counts = qemu.step_instructions(chain, program, model, inputs, "--isa", profiling.MIPS_ISA)
    assert counts == [layer.instructions for layer in found.layers]
