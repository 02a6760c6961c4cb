# /// script
# requires-python = "==3.11.*"
# dependencies = ["mxnet==1.9.1", "numpy==1.23.5"]
# ///
"""Record what MXNet computes: run this in an environment with mxnet 1.9.1; the tests only read cases.npz.xz.

Each case is a small symbol with parameters and inputs drawn from one seed; what is stored is what MXNet saved
(symbol and parameter files, as bytes) and what it computed.
"""

from __future__ import annotations

import io
import lzma
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

os.environ["MXNET_SUBGRAPH_BACKEND"] = "NONE"  # layer by layer, nothing fused
import cases
import mxnet as mx
import numpy as np

HERE = Path(__file__).resolve().parent


def stored(arrays: dict[str, Any]) -> np.ndarray:
    """The bytes that MXNet writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.params"
        mx.nd.save(str(path), arrays)
        return np.frombuffer(path.read_bytes(), np.uint8)


def draw(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Values that suit a variable by its name: variances are positive, indices are integers."""
    if name.endswith(("var", "positive")):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    if name.endswith("unit"):
        return rng.uniform(-0.9, 0.9, shape).astype(np.float32)
    if name.endswith("index"):
        return rng.integers(0, 4, shape).astype(np.float32)
    if name.endswith("halves"):
        return (rng.integers(-8, 8, shape) / 2).astype(np.float32)
    return rng.standard_normal(shape).astype(np.float32)


def record(name: str, symbol: Any, shapes: dict[str, tuple[int, ...]], rng: np.random.Generator) -> dict[str, Any]:
    arguments, _, auxiliary = symbol.infer_shape(**shapes)
    values = {n: draw(n, s, rng) for n, s in zip(symbol.list_arguments(), arguments)}  # noqa: B905
    states = {n: draw(n, s, rng) for n, s in zip(symbol.list_auxiliary_states(), auxiliary)}  # noqa: B905
    bound = symbol.bind(
        mx.cpu(),
        {n: mx.nd.array(a) for n, a in values.items()},
        aux_states={n: mx.nd.array(a) for n, a in states.items()},
    )
    outputs = [y.asnumpy() for y in bound.forward(is_train=False)]
    labels = [n for n in values if n.endswith("label")]
    saved = {f"arg:{n}": mx.nd.array(a) for n, a in values.items() if n not in shapes and n not in labels}
    saved |= {f"aux:{n}": mx.nd.array(a) for n, a in states.items()}
    found = {"symbol": np.frombuffer(symbol.tojson().encode(), np.uint8), "params": stored(saved)}
    found |= {f"in:{n}": values[n] for n in shapes}
    found |= {f"out:{n}": y for n, y in zip(symbol.list_outputs(), outputs)}  # noqa: B905
    return {f"{name}/{key}": array for key, array in found.items()}


def main() -> None:
    rng, found = np.random.default_rng(4), {}
    for name, (symbol, shapes) in cases.cases(mx.sym).items():
        found |= record(name, symbol, shapes, rng)
    for name, array in found.items():
        assert np.isfinite(array).all(), name
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:  # no dates: the same bytes again
        for name, array in found.items():
            data = io.BytesIO()
            np.save(data, np.ascontiguousarray(array))
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), data.getvalue())
    (HERE / "cases.npz.xz").write_bytes(lzma.compress(packed.getvalue(), preset=9))


if __name__ == "__main__":
    main()
