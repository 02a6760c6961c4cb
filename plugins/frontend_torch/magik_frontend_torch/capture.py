"""Run a module once, symbolically, and keep what it computes: an ExportedProgram."""

from __future__ import annotations

import contextlib
import inspect
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.export import ExportedProgram

from magik_core.errors import MagikError, ModelError, UsageError, short
from magik_frontend_torch.quiet import quiet

MOST_LINES = 3
MOST_ELEMENTS = 1 << 31  # of an input


def capture(module: nn.Module, inputs: Sequence[Any], where: str) -> ExportedProgram:
    """Return the program of a module in eval mode, for inputs of these shapes; the module is left as it was.

    Raises: ModelError: its forward cannot be followed, with what torch says of it.
    """
    dtype = _half(module)
    args = tuple(_plain(value, dtype) for value in inputs)
    try:
        with quiet(), _eval(module), _as_float(module, dtype) as whole, torch.no_grad():
            return torch.export.export(whole, args, strict=False)
    except MagikError:
        raise
    except (Exception, RecursionError) as error:
        raise _refusal(module, args, error, where) from None


def example_inputs(
    module: nn.Module, shapes: Sequence[Sequence[int]], dtypes: Sequence[str], where: str, is_object: bool = False
) -> list[Any]:
    """Zeros of the sizes that INPUT_SHAPE says.

    Args:    dtypes: one per input, the last for all behind it; none: float32; is_object: the module was in memory.
    Raises:  UsageError: there are no sizes, they are too large, or a dtype is none of torch's.
    """
    if not shapes:
        raise _no_sizes(module, where, is_object)
    kinds = [_dtype(name) for name in dtypes] or [torch.float32]
    kinds += kinds[-1:] * (len(shapes) - len(kinds))
    return [_zeros(shape, kind, where) for shape, kind in zip(shapes, kinds, strict=False)]


def resized(examples: Sequence[Any], shapes: Sequence[Sequence[int]], where: str) -> list[Any]:
    """The examples, the first ones in the sizes that INPUT_SHAPE says.

    Raises: UsageError: the sizes are too large.
    """
    out = list(examples)
    for index, shape in enumerate(shapes[: len(out)]):
        value = _plain(out[index], None)
        if shape and isinstance(value, torch.Tensor) and tuple(value.shape) != tuple(shape):
            out[index] = _zeros(shape, value.dtype, where).to(value.device)
    return out


def _zeros(shape: Sequence[int], kind: torch.dtype, where: str) -> torch.Tensor:
    what, found, need = "an input is too large", str(list(shape)), f"at most {MOST_ELEMENTS} elements"
    if math.prod(shape) > MOST_ELEMENTS:
        raise UsageError(what, where=f"INPUT_SHAPE, {where}", found=found, need=need)
    try:
        return torch.zeros(tuple(shape), dtype=kind)
    except (RuntimeError, MemoryError) as error:  # there is no memory for it
        raise ModelError(what, where=f"INPUT_SHAPE, {where}", found=found, need=said(error)) from None


def _no_sizes(module: nn.Module, where: str, is_object: bool) -> UsageError:
    by_option = "pass --input-shape with the model's own sizes, 1,3,224,224 or, of two inputs, 1,576;2,1,128"
    return UsageError(
        "the sizes of the inputs are not known",
        where=where,
        found=f"forward takes {', '.join(arguments(module)) or 'its inputs'}",
        need="example inputs, or INPUT_SHAPE" if is_object else "INPUT_SHAPE: the sizes of each input",
        hint="pass example_inputs=(x,), a tensor for each input" if is_object else by_option,
    )


def arguments(module: nn.Module) -> list[str]:
    """The names of what a module's forward takes."""
    try:
        return list(inspect.signature(module.forward).parameters)
    except (TypeError, ValueError):
        return []


def _dtype(name: str) -> torch.dtype:
    found = getattr(torch, str(name), None)
    if not isinstance(found, torch.dtype):
        raise UsageError(
            "there is no such dtype", where="input_dtypes", found=str(name), need="float32, int64, bool, …"
        )
    return found


def _plain(value: Any, dtype: torch.dtype | None) -> Any:
    """A value that torch takes; reals of the module's own narrow dtype as float32."""
    if isinstance(value, np.ndarray):
        value = torch.from_numpy(np.ascontiguousarray(value))
    if isinstance(value, torch.Tensor) and dtype is not None and value.dtype == dtype:
        return value.float()
    return value


def _half(module: nn.Module) -> torch.dtype | None:
    """The narrow dtype of a module's parameters, if they have one."""
    tensors = [*module.parameters(), *module.buffers()]
    return next((t.dtype for t in tensors if t.dtype in (torch.float16, torch.bfloat16, torch.float64)), None)


@contextlib.contextmanager
def _as_float(module: nn.Module, dtype: torch.dtype | None) -> Iterator[nn.Module]:
    """A module whose reals are float32: a copy, where it has others."""
    import copy

    yield module if dtype is None else copy.deepcopy(module).float()


@contextlib.contextmanager
def _eval(module: nn.Module) -> Iterator[None]:
    """Eval mode, and the mode that each part had before."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def _refusal(module: nn.Module, args: Sequence[Any], error: BaseException, where: str) -> ModelError:
    kind = type(error).__name__
    shapes = ", ".join(str(list(a.shape)) if isinstance(a, torch.Tensor) else repr(a)[:40] for a in args)
    told = f"{kind}: {said(error)}"
    if "DataDependent" in kind or "GuardOn" in kind or "data-dependent" in str(error):
        return ModelError(
            "the model decides by values that are known only at run time",
            where=where,
            found=told,
            need="a forward whose branches and sizes do not depend on the contents of tensors",
            hint="export the part of the network before the decision",
        )
    return ModelError(
        "the model does not run with inputs of these sizes, or cannot be followed",
        where=where,
        found=told,
        need=f"a forward({', '.join(arguments(module))}) that torch.export follows; given: {shapes or 'nothing'}",
    )


def said(error: BaseException) -> str:
    """The first lines of what an error says, without colors."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return short(" ".join(lines[:MOST_LINES]))
