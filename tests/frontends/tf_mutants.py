"""Read mutants of the small graphs, each in a fork: `python tests/frontends/tf_mutants.py COUNT [SEED]`.

Prints a JSON object: how many were converted, refused by a MagikError, stopped by TensorFlow (a signal), hung, or
broke with another exception.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", TF_ENABLE_ONEDNN_OPTS="0")
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "plugins/frontend_tf")]

from magik_frontend_tf.graphs import worker  # noqa: E402

from magik_core.errors import MagikError  # noqa: E402

DATA = ROOT / "tests/data/tf"
FILES = ("gru_cell.pb", "saved/saved_model.pb", "saved/variables/variables.index")
SECONDS = 60
OUTCOMES = {0: "converted", 1: "refused", 2: "broken"}


def mutate(name: str, data: bytes, rng: random.Random) -> bytes:
    """Some nodes changed, or some bytes."""
    if name.endswith(".pb") and rng.random() < 0.7:
        return mutate_nodes(name, data, rng)
    return mutate_bytes(data, rng)


def mutate_nodes(name: str, data: bytes, rng: random.Random) -> bytes:
    """Nodes of a graph or its functions with another operator, input, attribute or value."""
    from tensorflow.core.framework import graph_pb2
    from tensorflow.core.protobuf import saved_model_pb2

    kind = saved_model_pb2.SavedModel if name.startswith("saved") else graph_pb2.GraphDef
    model = kind.FromString(data)
    graph = model.meta_graphs[0].graph_def if name.startswith("saved") else model
    nodes = [*graph.node, *(node for body in graph.library.function for node in body.node_def)]
    for _ in range(rng.choice((1, 1, 2, 4))):
        node, other = rng.choice(nodes), rng.choice(nodes)
        what = rng.randrange(6)
        if what == 0:
            node.op = other.op
        elif what == 1 and node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice([other.name, f"{other.name}:1", ""])
        elif what == 2 and node.attr:
            _mutate_attr(node.attr[rng.choice(sorted(node.attr))], other, rng)
        elif what == 3 and node.attr:
            del node.attr[rng.choice(sorted(node.attr))]
        elif what == 4:
            node.input.extend(other.input)
        elif node.input:
            del node.input[rng.randrange(len(node.input))]
    return model.SerializeToString()


def _mutate_attr(attr: Any, other: Any, rng: random.Random) -> None:
    """Another number, type, size or value in an attribute."""
    number = rng.choice((0, -1, 1, 3, 7, 1 << 20, 1 << 31, (1 << 62), -(1 << 40)))
    if attr.HasField("tensor"):
        dims = attr.tensor.tensor_shape.dim
        if dims and rng.random() < 0.6:
            rng.choice(dims).size = number
        elif rng.random() < 0.5:
            attr.tensor.dtype = rng.randrange(24)
        else:
            attr.tensor.tensor_content = attr.tensor.tensor_content[: rng.randrange(64)]
    elif attr.HasField("shape"):
        attr.shape.dim.add(size=number)
    elif attr.HasField("type"):
        attr.type = rng.randrange(24)
    elif attr.HasField("list"):
        attr.list.i.append(number)
    elif other.attr and rng.random() < 0.5:
        attr.CopyFrom(other.attr[rng.choice(sorted(other.attr))])
    else:
        attr.i = number


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, cut out or repeated."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        at = rng.randrange(len(out))
        kind = rng.randrange(4)
        if kind == 0:
            out[at] = rng.randrange(256)
        elif kind == 1:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del out[at : at + rng.randrange(1, 16)]
        else:
            out[at:at] = out[at : at + rng.randrange(1, 16)]
    return bytes(out)


def read(path: Path) -> str:
    """What becomes of a mutant."""
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        os._exit(_convert(path))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "hung" if os.WTERMSIG(status) == signal.SIGALRM else "stopped"
    return OUTCOMES.get(os.WEXITSTATUS(status), "broken")


def _convert(path: Path) -> int:
    try:
        worker.run({"path": str(path), "inputs": [], "outputs": [], "input_shapes": [], "options": {}})
    except MagikError as error:
        print(error.problems[0].what, "|", error.problems[0].found[:100], file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 2
    return 0


def main() -> None:
    count, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    import tensorflow
    from tf2onnx import convert

    assert tensorflow and convert  # imported once, before the forks
    counts: Counter[str] = Counter()
    for name in FILES:
        for number in range(count):
            with tempfile.TemporaryDirectory() as folder:
                top = Path(folder) / Path(name).parts[0]
                source = DATA / Path(name).parts[0]
                shutil.copytree(source, top) if source.is_dir() else shutil.copy(source, top)
                target = Path(folder) / name
                target.write_bytes(mutate(name, target.read_bytes(), random.Random(f"{seed}/{name}/{number}")))
                outcome = read(top)
            counts[outcome] += 1
            if outcome not in ("converted", "refused"):
                print(name, number, outcome, file=sys.stderr)
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
