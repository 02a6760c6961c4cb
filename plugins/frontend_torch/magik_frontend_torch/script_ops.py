"""The operators of TorchScript code: those of tensors as torch has them, those of numbers and lists as Python's."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from magik_frontend_torch.interpreter import Interpreter

NAME = re.compile(r"(\w+)::([\w.]+?)(?:\.(\w+))?\(")
NAMESPACES = frozenset({"aten", "prim", "torchvision", "quantized"})
REFUSED = frozenset({"aten::save", "aten::from_file", "aten::warn", "aten::manual_seed"})  # files, and what is global


def call(run: Interpreter, node: Any, args: list[Any]) -> Sequence[Any]:
    """Run an operator; returns its outputs.

    Raises: ModelError: an operator that has no place in a network, or that torch does not have here.
    """
    kind = node.kind()
    own = OWN.get(kind)
    if own is not None:
        return [own(*args)]
    if kind == "aten::warn":
        return []
    operator = _operator(node)
    if operator is None or kind in REFUSED:
        need = "operators of tensors, numbers and lists"
        raise run.refusal("the code uses an operator that is not supported", kind, need)
    if _are_numbers(node, args):
        return [_plain(operator, args)]
    out = _invoke(operator, args)
    count = node.outputsSize()
    return [] if count == 0 else [out] if count == 1 else list(out)


def number(value: Any) -> Any:
    """A number; of a tensor the only element."""
    return value.item() if isinstance(value, torch.Tensor) else value


def _operator(node: Any) -> Any:
    """The overload that a node calls, or None."""
    found = NAME.match(node.schema()) if node.schema() != "(no schema)" else None
    if found is None or found[1] not in NAMESPACES:
        return None
    packet = getattr(getattr(torch.ops, found[1]), found[2], None)
    return getattr(packet, found[3] or "default", None)


def _invoke(operator: Any, args: Sequence[Any]) -> Any:
    arguments = operator._schema.arguments
    given = list(zip(arguments, args, strict=False))
    plain = [value for argument, value in given if not argument.kwarg_only]
    return operator(*plain, **{argument.name: value for argument, value in given if argument.kwarg_only})


def _are_numbers(node: Any, args: Sequence[Any]) -> bool:
    """Whether a node's tensors are numbers here: sizes that a trace has turned into tensors."""
    kinds = [value.type().kind() for value in node.inputs()]
    tensors = [value for kind, value in zip(kinds, args, strict=True) if kind == "TensorType"]
    if not tensors or not any(isinstance(value, (int, float)) for value in tensors):
        return False
    return all(isinstance(v, (int, float)) or (type(v) is torch.Tensor and v.ndim == 0) for v in tensors)


def _plain(operator: Any, args: Sequence[Any]) -> Any:
    """Run an operator of tensors on numbers, unseen by whoever records operators."""
    from torch.utils._python_dispatch import _disable_current_modes

    with _disable_current_modes():
        types = [str(argument.type) for argument in operator._schema.arguments]
        real = [
            torch.tensor(value) if kind == "Tensor" and isinstance(value, (int, float)) else value
            for kind, value in zip(types, args, strict=False)
        ]
        out = _invoke(operator, real)
        return out.item() if isinstance(out, torch.Tensor) and out.ndim == 0 else out


def _append(items: list[Any], item: Any) -> list[Any]:
    items.append(item)
    return items


def _set_item(items: Any, key: Any, item: Any) -> Any:
    items[key] = item
    return items


def _slice(items: Any, *bounds: Any) -> Any:
    """Of a tensor: dim, start, end, step; of a list: start, end, step."""
    if isinstance(items, torch.Tensor):
        return torch.ops.aten.slice.Tensor(items, *bounds)
    start, end, step = (*bounds, None, None, None)[:3]
    return items[start:end:step]


OWN: dict[str, Callable[..., Any]] = {
    "aten::_convolution": lambda *args: torch.ops.aten.convolution.default(*args[:9]),  # settings of cuDNN follow
    "aten::append": _append,
    "aten::_set_item": _set_item,
    "aten::extend": lambda items, more: items.extend(more),
    "aten::slice": _slice,
    "aten::__getitem__": lambda items, key: items[key],
    "aten::len": len,
    "aten::dim": lambda x: x.dim(),
    "aten::size": lambda x, axis=None: list(x.shape) if axis is None else x.shape[axis],
    "aten::Bool": lambda x: bool(number(x)),
    "aten::Int": lambda x: int(number(x)),
    "aten::Float": lambda x: float(number(x)),
    "aten::IntImplicit": lambda x: int(number(x)),
    "aten::FloatImplicit": lambda x: float(number(x)),
    "aten::ScalarImplicit": number,
    "aten::__not__": lambda x: not x,
    "aten::__is__": lambda a, b: a is b,
    "aten::__isnot__": lambda a, b: a is not b,
    "aten::__contains__": lambda items, item: item in items,
    "aten::format": lambda text, *items: str(text).replace("{}", "%s") % items,
    "aten::list": list,
    "aten::dict": dict,
    "aten::keys": lambda items: list(items.keys()),
    "aten::values": lambda items: list(items.values()),
    "aten::items": lambda items: list(items.items()),
    "aten::copy": lambda items: list(items) if isinstance(items, list) else dict(items),
    "prim::dtype": lambda x: x.dtype,
    "prim::device": lambda x: x.device,
    "prim::is_cuda": lambda x: False,
    "prim::layout": lambda x: x.layout,
}
