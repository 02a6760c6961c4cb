"""Clients of the C++ API: compiled with each toolchain of this machine, run, and what they have to compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from magik_core import numerics, toolchain
from magik_core.graph import OPSET
from magik_core.kernels import Source
from magik_core.lower import lower
from magik_core.net import Net
from magik_core.ops.cases import floats, weights
from magik_core.pack import pack
from magik_core.plan import plan
from magik_core.program import Program, QuantParams
from magik_core.source import Quantization
from magik_core.toolchain import Toolchain
from tests import harness
from tests.runtime.corpus import weight_codes

CLIENTS = Path(__file__).parent / "clients"
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1")
STRICT = ("-Wall", "-Wextra", "-Wshadow=local", "-Wconversion", "-Werror")
CHAINS = ("host", "sanitized", "mips")


def chain_of(name: str) -> tuple[Toolchain, tuple[str, ...]]:
    """The toolchain of one of CHAINS, and flags for all that it compiles and links."""
    if name == "mips":
        return toolchain.mips(), ()
    return toolchain.host(), SANITIZERS if name == "sanitized" else ()


@cache
def library(name: str, *defines: str) -> Path:
    """libvenus.a of a toolchain and variant, built once per run."""
    chain, flags = chain_of(name)
    return toolchain.venus(chain, Path(mkdtemp(prefix="venus-")), flags=[*flags, *defines])


@cache
def client(name: str, stem: str, *defines: str, link: tuple[str, ...] = ()) -> Path:
    """The program of clients/<stem>.cc, built once per run."""
    chain, flags = chain_of(name)
    folder = Path(mkdtemp(prefix="client-"))
    objects = toolchain.compile_all(chain, [Source(CLIENTS / f"{stem}.cc")], folder, [*flags, *defines, "-Wall"])
    return toolchain.link(chain, [*objects, library(name, *defines)], folder / stem, [*flags, *link])


@dataclass(frozen=True)
class Ran:
    """What a client printed, after it ended with `code`."""

    code: int
    out: str
    err: str


def run(
    name: str,
    program: Path,
    *arguments: object,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Ran:
    """Run a client."""
    chain, _ = chain_of(name)
    done = toolchain.run(chain, program, *map(str, arguments), cwd=cwd, env=env)
    return Ran(done.returncode, done.stdout, done.stderr)


# ---- models ---------------------------------------------------------------------------------------------

HEIGHT, WIDTH = 8, 12
PIXELS = np.random.default_rng(11).integers(0, 256, (1, HEIGHT, WIDTH, 3), np.uint8)


def image_program(height: int = HEIGHT, width: int = WIDTH, *, color: str = "RGB", channels: int = 3) -> Program:
    """A net of an image in raw pixels, with an output of codes and one of reals."""
    nodes = [
        helper.make_node("Conv", ["x", "w0", "b0"], ["a"], "conv", pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"], "relu"),
        helper.make_node("Conv", ["b", "w1"], ["c"], "pointwise"),
        helper.make_node("MaxPool", ["c"], ["d"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Concat", ["d", "d"], ["y"], "join", axis=1),
        helper.make_node("Sigmoid", ["y"], ["z"], "gate"),
    ]
    constants = {"w0": weights(4, channels, 3, 3) / 64, "b0": floats(4), "w1": weights(6, 4, 1, 1)}
    graph = helper.make_graph(
        nodes,
        "image",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, channels, height, width))],
        [onnx.ValueInfoProto(name="y"), onnx.ValueInfoProto(name="z")],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    limits = {"a": (-30, 30), "b": (0, 30), "c": (-40, 40), "d": (-40, 40), "y": (-40, 40), "z": (0, 1)}
    params = {name: numerics.params_of_range(*limit) for name, limit in limits.items()}
    params["x"] = QuantParams(1.0, 0.0)
    program = lower(harness.infer(model), Quantization(params, frozenset({"gate"}), weight_codes))
    return replace(program, colors={"x": color})


def packed(program: Program) -> bytes:
    """The board's file of a program."""
    return pack(program, plan(program), names=False)


def expected(data: bytes, codes: Mapping[str, np.ndarray]) -> bytes:
    """The outputs as the C++ API gives them, one after the other: reals for codes, in the board's layout."""
    net = Net(data)
    found = net.run_quantized(codes)
    return b"".join(shown(found[p.name], p.quant).tobytes() for p in net.outputs)


def shown(value: np.ndarray, quant: QuantParams | None) -> np.ndarray:
    """What a Tensor holds of a stored tensor."""
    return np.ascontiguousarray(value if quant is None else numerics.dequantize(value, quant))


def four(pixels: np.ndarray) -> np.ndarray:
    """Pixels (1, h, w, 3) with a fourth byte that nobody reads."""
    return np.concatenate([pixels, np.full((*pixels.shape[:3], 1), 0xEE, np.uint8)], axis=3)


def rgb_of_nv12(nv12: np.ndarray, height: int, width: int) -> np.ndarray:
    """u8 (1, h, w, 3) of NV12 bytes, BT.601 of limited range in units of 2^-20, rounded half up."""
    luma = nv12[: height * width].reshape(height, width).astype(np.int64) - 16
    chroma = nv12[height * width :].reshape(height // 2, width // 2, 2).astype(np.int64) - 128
    u, v = chroma.repeat(2, axis=0).repeat(2, axis=1).transpose(2, 0, 1)
    y = 1220542 * luma
    rgb = np.stack([y + 1673527 * v, y - 409993 * u - 852492 * v, y + 2116026 * u], axis=-1)
    return np.clip((rgb + (1 << 19)) >> 20, 0, 255).astype(np.uint8)[None]


def write(path: Path, *parts: bytes | np.ndarray) -> Path:
    """A file of these bytes."""
    path.write_bytes(b"".join(p if isinstance(p, bytes) else np.ascontiguousarray(p).tobytes() for p in parts))
    return path


def passed(ran: Ran) -> str:
    """What a client printed; its complaints are the failure."""
    assert ran.code == 0 and "wrong: 0\n" in ran.out, ran.err + ran.out
    return ran.out


def image_files(folder: Path) -> tuple[Path, Path, bytes]:
    """Model and input of the image net, and its outputs."""
    data = packed(image_program())
    model, pixels = write(folder / "image.bin", data), write(folder / "image.raw", four(PIXELS))
    return model, pixels, expected(data, {"x": PIXELS})


def lines(text: str, start: str) -> Sequence[list[str]]:
    """Words of the lines that begin with a word, without it."""
    return [line.split()[1:] for line in text.splitlines() if line.split()[:1] == [start]]
