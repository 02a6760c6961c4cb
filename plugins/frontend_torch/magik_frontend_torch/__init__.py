"""PyTorch: exported programs, TorchScript, checkpoints with a model's factory, and modules in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magik_core.hookspecs import Frontend, hookimpl

if TYPE_CHECKING:
    import onnx_ir as ir

    from magik_core.hookspecs import Request

SUFFIXES = (".pt2", ".pt", ".pth", ".jit", ".ckpt", ".safetensors")
OPTIONS = {
    "model": "what makes the network that a checkpoint's weights belong to, package.module:function.",
    "arguments": "keyword arguments for that function, as a dict.",
    "allow_pickle": "whether to read pickles that run code: true only for files that you trust.",
    "submodule": "the part of the network to convert, by its path in it, such as backbone.",
    "input_dtypes": "the dtypes of the inputs that INPUT_SHAPE sizes, float32 where nothing is said.",
}
OBJECTS = (("torch.nn.modules.module", "Module"), ("torch.export.exported_program", "ExportedProgram"))


def sniff(path: Path) -> bool:
    """Whether torch wrote a file, from its bytes."""
    from magik_frontend_torch import archive

    return bool(archive.kind_of(Path(path)))


def takes(model: object) -> bool:
    """Whether an object is a module or an exported program; torch need not be imported to know."""
    names = [(getattr(kind, "__module__", ""), kind.__name__) for kind in type(model).__mro__]
    return any(name in OBJECTS for name in names)


def load(model: Any, request: Request) -> ir.Model:
    """Read a file or take an object."""
    try:
        from magik_frontend_torch import source
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        from magik_core.errors import ModelError

        raise ModelError(
            "PyTorch is not installed", found=str(error), need="torch 2.6 or newer", hint="pip install torch"
        ) from None
    return source.load(model, request)


@hookimpl
def register_frontends(register: Callable[[Frontend], None]) -> None:
    register(Frontend("torch", SUFFIXES, sniff, load, OPTIONS, takes))
