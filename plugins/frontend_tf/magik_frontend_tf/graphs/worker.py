"""The process that holds TensorFlow: a job comes by standard input, a model or problems go into a folder."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from magik_core.errors import MagikError, ModelError
from magik_frontend_tf.graphs.convert import ANSWER, MODEL

MAX_MEMORY_BYTES = 8 << 30  # of addresses, most of which TensorFlow never touches


def main() -> None:
    folder = Path(sys.argv[1])
    job = json.load(sys.stdin)
    _limit_memory()
    problems: list[dict[str, str]] = []
    kind = ""
    try:
        (folder / MODEL).write_bytes(run(job))
    except MagikError as error:
        problems, kind = [asdict(problem) for problem in error.problems], type(error).__name__
    except MemoryError:
        problems = [asdict(_failure(job, "out of memory").problems[0])]
    (folder / ANSWER).write_text(json.dumps({"problems": problems, "kind": kind}))


def run(job: Mapping[str, Any]) -> bytes:
    """The ONNX file of a job.

    Raises: MagikError: the model's problems.
    """
    warnings.simplefilter("ignore")
    import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")
    from magik_frontend_tf.graphs import cutting, export, frozen, refuse, saved_model, spectra
    from magik_frontend_tf.graphs.net import prune

    path = Path(job["path"])
    is_file = path.is_file() and path.name != saved_model.PROTO
    net = frozen.read(path) if is_file else saved_model.read(path, job["options"])
    cutting.cut(net, job["inputs"], job["outputs"])
    cutting.bind(net, job["input_shapes"])
    spectra.rewrite(net)
    prune(net)
    refuse.check(net)
    return export.export(net, path)


def _failure(job: Mapping[str, Any], text: str) -> ModelError:
    return ModelError("the model cannot be converted", where=str(job["path"]), found=text)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
