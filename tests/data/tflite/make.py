"""Record what TFLite's reference kernels compute: needs tensorflow-cpu 2.21; the tests only read cases.npz.xz.

Each case is a file of one or two operators, its inputs drawn from one seed, and the outputs of tf.lite.Interpreter.
"""

from __future__ import annotations

import io
import lzma
import os
import sys
import zipfile
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
KERNELS = ("BUILTIN_REF", "BUILTIN_WITHOUT_DEFAULT_DELEGATES")
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import built_cases  # noqa: E402
import converted  # noqa: E402
import float_cases  # noqa: E402
import numpy as np  # noqa: E402
import quantized_cases  # noqa: E402
import tensorflow as tf  # noqa: E402
from writer import Op, Tensor, model  # noqa: E402


def drawn(detail: dict[str, object], tensor: Tensor | None, rng: np.random.Generator) -> np.ndarray:
    """Values for an input; whole codes for a quantized one."""
    shape, dtype = tuple(detail["shape"]), np.dtype(detail["dtype"])  # type: ignore[arg-type, call-overload]
    low, high = (tensor.low, tensor.high) if tensor is not None else (-1.0, 1.0)
    if dtype.kind == "f":
        return rng.uniform(low, high, shape).astype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if detail["quantization"][0]:  # type: ignore[index]
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max + 1, shape).astype(dtype)
    return rng.integers(int(low), int(high) + 1, shape).astype(dtype)


def opened(data: bytes, name: str = "BUILTIN_REF") -> Any:
    """An interpreter with the reference kernels."""
    kernels = tf.lite.experimental.OpResolverType[name]
    interpreter = tf.lite.Interpreter(model_content=data, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    return interpreter


def accepted(ops: list[Op]) -> tuple[bytes, Any]:
    """The file in the lowest version that there are kernels for; a few operators have only optimized ones."""
    said = []
    for name in KERNELS[any(op.name == "SUM" for op in ops) :]:  # the reference kernel of SUM is wrong for s8
        for version in range(1, 13):
            data = model(ops, version=version)
            try:
                return data, opened(data, name)
            except (RuntimeError, ValueError) as error:
                said.append(str(error))
    raise ValueError(next((s for s in said if "Didn't find" not in s), said[0]))


def run(data: bytes, interpreter: Any, tensors: list[Tensor], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The file, inputs and outputs in order, scale and zero point of each."""
    found = {"model": np.frombuffer(data, np.uint8)}
    for i, detail in enumerate(interpreter.get_input_details()):
        x = drawn(detail, tensors[i] if tensors else None, rng)
        interpreter.set_tensor(detail["index"], x)
        found[f"in:{i}"], found[f"inq:{i}"] = x, np.array(detail["quantization"])
    interpreter.invoke()
    for i, detail in enumerate(interpreter.get_output_details()):
        found[f"out:{i}"] = interpreter.get_tensor(detail["index"])
        found[f"outq:{i}"] = np.array(detail["quantization"])
    return found


def main() -> None:
    rng, found, problems = np.random.default_rng(4), {}, list[str]()
    for prefix, cases in (("float", float_cases.CASES), ("quantized", quantized_cases.CASES)):
        for name, ops in cases.items():
            made = [t for op in ops for t in op.outputs]
            read = dict.fromkeys(t for op in ops for t in op.inputs if isinstance(t, Tensor))
            free = [t for t in read if t.data is None and not t.is_state and all(t is not m for m in made)]
            try:
                one = run(*accepted(ops), free, rng)
            except ValueError as error:
                problems.append(f"{prefix}/{name}: {error}")
                continue
            found |= {f"{prefix}/{name}/{key}": array for key, array in one.items()}
    for name, data in converted.models().items():
        found |= {f"converted/{name}/{key}": array for key, array in run(data, opened(data), [], rng).items()}
    for name, ops in built_cases.CASES.items():
        found[f"built/{name}/model"] = np.frombuffer(model(ops), np.uint8)
    if problems:
        raise SystemExit("\n".join(problems))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:  # no dates: the same bytes again
        for name, array in found.items():
            data_ = io.BytesIO()
            np.save(data_, np.ascontiguousarray(array).reshape(array.shape))
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), data_.getvalue())
    (HERE / "cases.npz.xz").write_bytes(lzma.compress(packed.getvalue(), preset=9))


if __name__ == "__main__":
    main()
