"""Input files of a model: which file is for which input, and its array."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magik_core import model_file
from magik_core.cli import _console
from magik_core.errors import DataError, Problem, RunError

LARGE_PIXEL = 128  # an input that does not reach it was not made for pixels

if TYPE_CHECKING:
    import numpy as np

    from magik_core.data_files import InputSpec
    from magik_core.net import Net, Port


def feeds(net: Net, texts: Sequence[str], color: str | None) -> dict[str, np.ndarray]:
    """One array for each input of the net.

    Args:   color: of images that are read, by default what the model file says.
    Raises: UsageError, DataError, RunError: all that is wrong with names; the first unreadable file.
    """
    ports = {value.name: value for value in net.inputs}
    named, problems = _names(texts, tuple(ports))
    out: dict[str, np.ndarray] = {}
    for name, path in named:
        if path.suffix.lower() == ".npz":
            out.update(_numpy(path).items())
        elif name in ports:
            out[name] = _array(path, ports[name], color)
    for name in (name for name in out if name not in ports):
        problems.append(Problem("the model has no such input", name, need=f"one of: {', '.join(ports)}"))
    told = {problem.where for problem in problems}
    for name in (name for name in ports if name not in out and name not in told):
        problems.append(Problem("an input is missing", name, hint=f"add {name}=PATH"))
    if problems:
        raise RunError(problems=problems)
    return out


def frames(net: Net, texts: Sequence[str], color: str | None) -> Iterator[dict[str, np.ndarray]]:
    """The frames of the inputs of a net with memory, in order; `texts` and `color` as `feeds` has them.

    Raises: RunError, DataError: all that is wrong with names and with the numbers of frames; unreadable files.
    """
    from magik_core import samples

    ports = {value.name: value for value in net.inputs}
    named, problems = _names(texts, tuple(ports))
    missing = ports.keys() - {name for name, _ in named} if all(name for name, _ in named) else set()
    problems += [Problem("an input is missing", name, hint=f"add {name}=PATH") for name in sorted(missing)]
    if problems:
        raise RunError(problems=problems)
    found: dict[str, samples.Samples] = {}
    for name, path in named:
        wanted = [name] if name else [other for other in ports if other not in found]
        found.update((one, samples.open_samples(path, [_spec(ports[one], color)], what="input data")) for one in wanted)
    if len({len(one) for one in found.values()}) > 1:
        counts = ", ".join(f"{name}: {len(one)}" for name, one in found.items())
        raise RunError("inputs have different numbers of frames", found=counts, need="as many of each")
    return ({name: row[name] for row in rows for name in row} for rows in zip(*found.values(), strict=True))


def _names(texts: Sequence[str], known: Sequence[str]) -> tuple[list[tuple[str, Path]], list[Problem]]:
    """Which input each argument is for: `NAME=PATH`, or a path when there is one input."""
    out: list[tuple[str, Path]] = []
    problems: list[Problem] = []
    for text in texts:
        name, equals, path = text.partition("=")
        if equals and (name in known or not Path(text).exists()):
            if name in [taken for taken, _ in out]:
                problems.append(Problem("an input is given twice", name, need="one file for it"))
            out.append((name, Path(path)))
            if name not in known:
                problems.append(Problem("the model has no such input", name, need=f"one of: {', '.join(known)}"))
        elif text.lower().endswith(".npz"):
            out.append(("", Path(text)))
        elif len(known) == 1 and not out:
            out.append((known[0], Path(text)))
        else:
            need = "NAME=PATH for each input" if len(known) > 1 else "one file for the one input"
            problems.append(Problem("which input is this file for?", text, need=f"{need}: {', '.join(known)}"))
    return out, problems


def _array(path: Path, port: Port, color: str | None) -> Any:
    if path.is_dir():
        raise DataError("an input is a folder", where=str(path), need="one file", hint="give the files one by one")
    if path.suffix.lower() == ".npy":
        return _numpy(path)
    from magik_core import samples
    from magik_core.images import SUFFIXES

    if path.suffix.lower() in SUFFIXES:
        _warn_of_pixels(port)
    return samples.load_file(path, _spec(port, color))


def _warn_of_pixels(port: Port) -> None:
    """A model that brought its own quantization takes reals, of which pixels are far too large."""
    if port.quant is None:
        return
    low, high = ((code - port.quant.zero_point) * port.quant.scale for code in (0, port.quant.top))
    if high < LARGE_PIXEL:
        text = f"input '{port.name}' holds {low:g} to {high:g}, pixels are 0 to 255: convert with --mean and --normal"
        _console.words(f"warning: {text}", "yellow")


def _spec(port: Port, color: str | None) -> InputSpec:
    from magik_core import layout
    from magik_core.data_files import InputSpec

    return InputSpec(port.name, port.shape, color or port.color or "RGB", layout.is_nhwc(port.shape))


def _numpy(path: Path) -> Any:
    import zipfile

    import numpy as np

    try:
        return np.load(path, allow_pickle=False)
    except FileNotFoundError:
        need = "a .npy, .npz, .bin or image"
        raise DataError("there is no such file", where=str(path), found=model_file.missing(path), need=need) from None
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        need = "an array saved with numpy.save or numpy.savez, without pickled objects"
        raise DataError("not a numpy file", where=str(path), found=str(error), need=need) from None
