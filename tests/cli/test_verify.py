"""magik verify: every place agrees on good files, and a wrong kernel, weight or board is found and named."""

from __future__ import annotations

import json
import os
import re
import shutil
import zlib
from pathlib import Path

import pytest

from magik_core import container, kernels, net, places, toolchain, tools, unpack
from magik_core.errors import BuildError
from magik_core.kernels import Source

LUT = kernels.CORE / "ops" / "lut.c"


@pytest.fixture
def model(digits: Path, tmp_path: Path) -> Path:
    """The digits model in a folder of its own."""
    for suffix in (".bin", ".mgk"):
        shutil.copy(digits.with_suffix(suffix), tmp_path / f"digits{suffix}")
    return tmp_path / "digits.bin"


def rows(out: str) -> dict[str, str]:
    """Where: result."""
    return {row["where"]: row["result"] for row in json.loads(out)["rows"]}


def step_of(model: Path, kernel: str) -> tuple[int, str]:
    """The first step of a kernel, and its name."""
    index = net.load(model).kernels.index(kernel)
    return index, unpack.read(model.with_suffix(".mgk"))[0].steps[index].name


def test_everywhere(magik, model: Path) -> None:
    done = magik("verify", model, "--numpy", "--json", "--random", 2)
    assert done.code == 0, done.err
    found = rows(done.out)
    agree = f"all {len(net.load(model).kernels)} layers agree on 2 inputs"
    assert set(found.values()) == {agree}, found
    assert {"numpy definition", "host portable", "host fp64"} <= found.keys()
    mips = {"mips portable under QEMU", "mips fp64 under QEMU", "mips-msa msa under QEMU"}
    assert mips <= found.keys(), "a missing compiler or qemu-mipsel is no reason to pass"


def test_the_table(magik, model: Path) -> None:
    done = magik("verify", model, "--target", "host", "--isa", "portable")
    steps = len(net.load(model).kernels)
    lines = [re.split("  +", line.strip()) for line in done.out.splitlines()]
    assert lines == [["where", "result"], ["host portable", f"all {steps} layers agree"]]


def test_at_other_sizes(magik, model: Path) -> None:
    done = magik("verify", model, "--target", "host", "--target", "mips", "--input-shape", "1,3,48,40", "--json")
    assert done.code == 0, done.err
    assert len(set(rows(done.out).values())) == 1 and "mips fp64 under QEMU" in rows(done.out)


def test_files_as_inputs(magik, model: Path, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (40, 40), (200, 30, 90)).save(tmp_path / "a.png")
    Image.new("RGB", (9, 9), (1, 2, 3)).save(tmp_path / "b.png")
    one = ("verify", model, "--target", "host", "--isa", "portable", "--json", "--save", "--input")
    assert magik(*one, tmp_path / "a.png").code == 0
    stored = json.loads((tmp_path / "digits.digests.json").read_text())
    assert magik(*one, tmp_path / "a.png", "--input", tmp_path / "b.png").code == 0
    both = json.loads((tmp_path / "digits.digests.json").read_text())
    assert len(both["samples"]) == 2 and both["samples"][0] == stored["samples"][0]


# ---- what is wrong is found ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wrong_lut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lut.c whose lut_u8 turns one bit."""
    folder = tmp_path_factory.mktemp("wrong") / "ops"
    folder.mkdir()
    before, line, after = LUT.read_text().partition("void magik_lut_u8(const struct magik_step *n)\n{\n")
    assert line
    turned = line.replace("magik_lut_u8", "right") + after
    body = "    right(n);\n    ((uint8_t *)n->out[0]->data)[0] ^= 1;\n}\n"
    (folder / "lut.c").write_text(f"{before}static {turned}\n{line}{body}")
    return folder / "lut.c"


@pytest.fixture
def wrong_kernels(wrong_lut: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The programs for elsewhere have the wrong table kernel; they are kept in a cache of their own."""
    real = kernels.sources

    def patched(machine: str, ops: object = None) -> list[Source]:
        found = real(machine, ops)  # type: ignore[arg-type]
        assert LUT in [s.path for s in found]
        return [Source(wrong_lut, s.flags) if s.path == LUT else s for s in found]

    monkeypatch.setattr(kernels, "sources", patched)
    monkeypatch.setenv("XDG_CACHE_HOME", str(wrong_lut.parents[1] / "cache"))


def test_a_wrong_kernel_is_named(magik, model: Path, wrong_kernels: None) -> None:
    done = magik("verify", model, "--target", "host", "--target", "mips", "--isa", "portable", "--json")
    assert done.code == 1
    step, name = step_of(model, "lut_u8")
    found = rows(done.out)
    assert found["host portable"].startswith("all ")
    said = found["mips portable under QEMU"]
    assert said.startswith(f"input 0: layer {step} lut_u8 '{name}' (portable) differs: "), said
    assert json.loads(done.out)["rows"][1]["difference"]["step"] == step


def test_a_layer_of_a_stripped_model_has_no_name(magik, model: Path, wrong_kernels: None) -> None:
    step, _ = step_of(model, "lut_u8")
    model.with_suffix(".mgk").unlink()
    done = magik("verify", model, "--target", "host", "--target", "mips", "--isa", "portable")
    assert done.code == 1 and f"layer {step} lut_u8 (portable) differs" in done.out


def with_a_weight_changed(model: Path, step: int) -> bytes:
    """A model file whose step has another weight, its checksums right."""
    data = bytearray(model.read_bytes())
    sections, arena = container.read(bytes(data))
    program, _ = unpack.read(model.with_suffix(".mgk"))
    weight = next(t for t in program.reads(program.steps[step]) if t.data is not None and t.dtype == "s8")
    content = bytearray(sections[b"DATA"])
    at = content.find(weight.data.tobytes())  # type: ignore[union-attr]
    assert at >= 0
    most = max(range(weight.nbytes), key=lambda i: abs(weight.data.reshape(-1)[i].item()))  # type: ignore[union-attr]
    content[at + most] ^= 0x40
    sections[b"DATA"] = bytes(content)
    return container.write(list(sections.items()), arena)


def test_stored_digests_find_a_changed_weight(magik, model: Path) -> None:
    saved = magik("verify", model, "--target", "host", "--save")
    assert saved.code == 0 and f"wrote {model.with_suffix('.digests.json')}" in saved.err
    again = magik("verify", model, "--target", "host", "--target", "mips", "--json")
    found = rows(again.out)
    assert again.code == 0 and "stored digests" in found and "mips portable under QEMU" in found
    step = 2
    changed = with_a_weight_changed(model, step)
    model.write_bytes(changed)
    done = magik("verify", model, "--target", "host", "--json")
    assert done.code == 1
    value = json.loads(done.out)
    assert [row["difference"]["step"] for row in value["rows"][1:]] == [step] * (len(value["rows"]) - 1)
    assert value["notes"] == ["the digests were stored for another version of this model file"]


def test_nothing_is_stored_when_places_differ(magik, model: Path, wrong_kernels: None) -> None:
    done = magik("verify", model, "--target", "host", "--target", "mips", "--save")
    assert done.code == 1 and not model.with_suffix(".digests.json").exists()


def test_a_flipped_byte_is_refused(refused, model: Path) -> None:
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(bytes(data))
    assert "a checksum does not match" in refused("verify", model, "--target", "host")


# ---- a board over ssh ------------------------------------------------------------------------------------------

SSH = """#!/bin/sh
while [ "$1" = -o ]; do shift 2; done
[ "$1" = root@board ] || {{ echo "Could not resolve hostname $1" >&2; exit 255; }}
echo "$2" >> "{log}"
PATH="{path}" exec sh -c "$(printf '%s' "$2" | sed 's#\\./digest#{qemu} ./digest#')"
"""


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ssh that reaches root@board alone: this machine, MIPS programs by QEMU. Returns the log of commands."""
    folder, log = tmp_path / "bin", tmp_path / "log"
    folder.mkdir()
    (runner,) = toolchain.qemu()
    (folder / "ssh").write_text(SSH.format(log=log, path=os.environ["PATH"], qemu=runner))
    (folder / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return log


def test_a_board(magik, model: Path, ssh: Path) -> None:
    done = magik("verify", model, "--host", "root@board", "--json")
    assert done.code == 0, done.err
    found = rows(done.out)
    assert {"root@board portable", "root@board fp64", "host portable"} <= found.keys()
    assert not any("QEMU" in where for where in found)
    commands = ssh.read_text().splitlines()
    folder = commands[1].partition("/")[2].rpartition("/")[0]
    assert commands[-1].startswith("rm -rf /tmp/magik.") and not Path("/", folder).exists()


def test_a_board_that_computes_something_else(magik, model: Path, ssh: Path, wrong_kernels: None) -> None:
    done = magik("verify", model, "--host", "root@board", "--isa", "portable")
    assert done.code == 1 and "root@board portable  input 0: layer" in done.out


def test_a_board_that_is_not_there(magik, model: Path, ssh: Path) -> None:
    done = magik("verify", model, "--host", "root@other")
    assert (done.code, done.out) == (1, "")
    assert "error: a board cannot be reached\nwhere: root@other\nfound: Could not resolve" in done.err


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "echo 'disk full' >&2; exit 1",
            "a command failed on a board\nwhere: root@board\nfound: exit status 1 of mktemp",
        ),
        ("printf '\\377 full' >&2; exit 1", "exit status 1 of mktemp -d /tmp/magik.XXXXXX: \ufffd full\n"),
        ("seq 1 9 >&2; exit 3", "found: exit status 3 of mktemp -d /tmp/magik.XXXXXX: 5\n6\n7\n8\n9\n"),
        ("exit 2", "exit status 2 of mktemp -d /tmp/magik.XXXXXX: no words\n"),
        ("printf '/tmp/\\377'", "a board gave no folder\nwhere: root@board\nfound: /tmp/\ufffd\n"),
        ("exit 255", "a board cannot be reached\nwhere: root@board\nfound: ssh says nothing\n"),
    ],
)
def test_commands_that_fail_on_a_board(magik, model: Path, ssh: Path, script: str, said: str) -> None:
    """Only ssh's own status is about reaching the board; whatever a board says is told as text."""
    (ssh.parent / "bin/ssh").write_text(f"#!/bin/sh\n{script}\n")
    done = magik("verify", model, "--target", "mips", "--isa", "fp64", "--host", "root@board")
    assert (done.code, done.out) == (1, "") and said in done.err
    assert ("error: a command failed on a board\nwhere: root@board\n" in done.err) == ("exit status" in said)
    assert ("without asking for a password" in done.err) == (script == "exit 255")


def test_a_board_that_never_ends(magik, model: Path, ssh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "SECONDS", 0.1)
    (ssh.parent / "bin/ssh").write_text("#!/bin/sh\nexec sleep 60\n")
    done = magik("verify", model, "--target", "mips", "--isa", "fp64", "--host", "root@board")
    assert done.code == 1
    assert "error: a command on a board takes too long\nwhere: root@board\nfound: mktemp" in done.err


def test_an_ssh_that_is_no_program(ssh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (ssh.parent / "bin/ssh").write_text("no program")
    monkeypatch.setenv("PATH", str(ssh.parent / "bin"))
    with pytest.raises(BuildError, match=r"ssh cannot be run\nwhere: root@board\nfound: .*Exec format"):
        places.ssh("root@board", "true")


def test_a_board_is_no_option(refused, model: Path) -> None:
    said = refused("verify", model, "--host", "-oProxyCommand=x", code=2)
    assert "not the address of a board\nwhere: --host\nfound: -oProxyCommand=x" in said


def test_stored_digests_reach_no_terminal(magik, model: Path) -> None:
    """A kernel's name may be anything there: its control characters are shown, not sent."""
    assert magik("verify", model, "--target", "host", "--isa", "portable", "--save").code == 0
    path = model.with_suffix(".digests.json")
    stored = json.loads(path.read_text())
    stored["samples"][0]["layers"][0] = "\x1b[31mlut\x07\x9b2J 00000000"
    path.write_text(json.dumps(stored))
    done = magik("verify", model, "--target", "host", "--isa", "portable")
    assert done.code == 1 and "layer 0 " in done.out
    assert {c for c in done.out + done.err if ord(c) < 32 or 127 <= ord(c) < 160} == {"\n"}


# ---- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--target", "moon"], 2, "where: --target\nfound: moon\n need: host, mips, mips-msa"),
        (["--isa", "neon"], 2, "where: --isa\nfound: neon\n need: portable"),
        (["--target", "host", "--isa", "msa"], 1, "nothing to run\nwhere: --isa\nfound: msa for host\n need: portable"),
        (["--target", "host", "--isa", "msa"], 1, "; portable, fp64 for mips; msa for mips-msa\n"),
        (["--input-shape", "1,3,32,32;1,1"], 2, "shapes is wrong\nwhere: --input-shape\nfound: 2 shapes"),
        (["--input", "."], 1, "an input is a folder\nwhere: .\n need: one file"),
        (["--input", "none.png"], 1, "input file not found"),
    ],
)
def test_wrong_options(refused, model: Path, arguments: list[str], code: int, text: str) -> None:
    assert text in refused("verify", model, *arguments, code=code)


def test_the_definition_needs_names(refused, model: Path) -> None:
    model.with_suffix(".mgk").unlink()
    assert "the numpy definition needs the program" in refused("verify", model, "--numpy", "--target", "host")


def test_a_mgk_of_another_model_beside_it_is_not_taken(magik, model: Path) -> None:
    model.write_bytes(with_a_weight_changed(model, 2))
    assert magik("verify", model, "--numpy", "--target", "host").code == 1


def test_without_tools_for_mips(magik, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are told as not run, and only a place that was asked for is an error."""
    monkeypatch.setattr(toolchain, "qemu", lambda: ())
    done = magik("verify", model, "--json")
    assert done.code == 0
    assert rows(done.out)["mips"] == "not run: nothing here runs MIPS programs"
    done = magik("verify", model, "--isa", "msa")
    assert done.code == 1 and "found: mips-msa: nothing here runs MIPS programs\n" in done.err
    done = magik("verify", model, "--target", "mips")
    assert (done.code, done.out) == (1, "") and "error: nothing here runs MIPS programs" in done.err


def test_the_program_is_compiled_once(tmp_path: Path) -> None:
    chain = toolchain.host()
    first = tools.digest(chain, folder=tmp_path)
    stamp = first.stat().st_mtime_ns
    assert tools.digest(chain, folder=tmp_path) == first and first.stat().st_mtime_ns == stamp
    assert tools.digest(toolchain.with_flags(chain, "-DOTHER"), folder=tmp_path) != first
    assert zlib.crc32(first.read_bytes()) and len(list(tmp_path.iterdir())) == 2
