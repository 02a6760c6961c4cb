"""The pool of threads: no part is lost, done twice or seen too late, whoever sleeps; also under ThreadSanitizer."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from magik_core.library import CParallel
from magik_core.lower import lower
from magik_core.net import Net
from magik_core.pack import pack
from magik_core.plan import plan
from magik_core.source import Quantization
from tests import harness
from tests.runtime.native import ROOT, RUNTIME, compile_c

FLAGS = ("-D_POSIX_C_SOURCE=200809L", "-pthread", f"-I{RUNTIME / 'include'}", f"-I{RUNTIME / 'port'}")
PART = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int32)
RUN = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32)
WAIT = "if (spin(pool, is_done))"


def run(folder: Path, pool: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    program = compile_c(folder / "pool", [ROOT / "tests/runtime/pool.c", pool], *FLAGS, *flags)
    return subprocess.run([program], capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("flags", [("-O2",), ("-O1", "-g", "-fsanitize=thread")], ids=["plain", "sanitized"])
def test_every_part_of_every_round_is_done_once(flags: tuple[str, ...], tmp_path: Path) -> None:
    done = run(tmp_path, RUNTIME / "port/threads.c", *flags)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_a_round_that_ends_too_early_is_found(tmp_path: Path) -> None:
    text = (RUNTIME / "port/threads.c").read_text()
    assert text.count(WAIT) == 1
    (tmp_path / "threads.c").write_text(text.replace(WAIT, "if (spin(pool, is_done) || 1)"))
    done = run(tmp_path, tmp_path / "threads.c", "-O2")
    assert done.returncode == 1 and "was done" in done.stdout


def test_a_handover_that_orders_nothing_is_found(tmp_path: Path) -> None:
    text = (RUNTIME / "port/threads.c").read_text()
    right = "atomic_load(&pool->undone) == 0"
    assert text.count(right) == 1
    relaxed = "atomic_load_explicit(&pool->undone, memory_order_relaxed) == 0"
    (tmp_path / "threads.c").write_text(text.replace(right, relaxed))
    done = run(tmp_path, tmp_path / "threads.c", "-O1", "-g", "-fsanitize=thread")
    assert done.returncode != 0 and "data race" in done.stderr


def big() -> tuple[bytes, np.ndarray]:
    """A net of steps above and below what is worth several threads."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "large", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], "relu"),
        helper.make_node("MaxPool", ["b"], ["c"], "pooled", kernel_shape=[32, 32], strides=[32, 32]),
        helper.make_node("Softmax", ["c"], ["y"], "small", axis=1),
    ]
    rng = np.random.default_rng(3)
    weights = helper.make_tensor("w", TensorProto.FLOAT, (16, 3, 3, 3), rng.normal(0, 0.2, 432).astype(np.float32))
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 3, 96, 96))]
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in "by"]
    graph = helper.make_graph(nodes, "big", inputs, outputs, [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    program = lower(harness.infer(model), Quantization())
    return pack(program, plan(program), names=True), rng.normal(0, 1, (1, 3, 96, 96)).astype(np.float32)


def test_any_number_of_threads_gives_the_bits_of_one() -> None:
    data, x = big()
    want = Net(data).run_quantized(x)
    for threads in (2, 3, 4, 5):
        net = Net(data, threads=threads)
        for _ in range(40):
            assert {k: v.tobytes() for k, v in net.run_quantized(x).items()} == {
                k: v.tobytes() for k, v in want.items()
            }


def shared_steps(net: Net, x: np.ndarray, *, stepwise: bool) -> int:
    """How many steps ask for several parts; here these run one after the other, the last one first."""
    asked: list[int] = []

    def each(context: int, fn: int, arg: int, parts: int) -> None:
        asked.append(parts)
        for part in reversed(range(parts)):
            PART(fn)(arg, part)

    run_all = RUN(each)
    net._parallel = CParallel(ctypes.cast(run_all, ctypes.c_void_p), None, 2)
    if stepwise:
        net.trace(x)
    else:
        net.run_quantized(x)
    assert set(asked) <= {2}
    return len(asked)


def test_a_run_leaves_small_steps_to_one_thread() -> None:
    data, x = big()
    net = Net(data, threads=2)
    steps = len(net.trace(x))
    assert shared_steps(net, x, stepwise=True) == steps
    assert 0 < shared_steps(net, x, stepwise=False) < steps
