"""From a net to ONNX: tf2onnx converts, what it leaves as loops is recognized, names are those of people."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import onnx_ir as ir

from magik_core import graph
from magik_core.errors import MagikError, ModelError, Problem, short
from magik_core.naming import free_name
from magik_frontend_tf.graphs import recurrent, tidy, transposes
from magik_frontend_tf.graphs.cutting import graph_def
from magik_frontend_tf.graphs.net import Net, make_node, needed, node_of
from magik_frontend_tf.graphs.refuse import OPSET

AT_NODE = re.compile(r"\s+for '\{\{node (.+?)\}\}")  # what TensorFlow says behind it is the whole node
UNSUPPORTED = re.compile(r"\[(.+?): (\w+)\] is not supported")


def export(net: Net, path: Path) -> bytes:
    """The bytes of an ONNX model of a net.

    Raises: ModelError: nodes that cannot be converted, loops that are no recurrent layer.
    """
    _name_outputs(net)
    heard = _Heard()
    logger = logging.getLogger("tf2onnx")
    logger.addHandler(heard)
    try:
        proto = _convert(net)
    except MagikError:
        raise
    except Exception as error:  # TensorFlow and tf2onnx raise what they like
        raise _refusal(error, net, path) from None
    finally:
        logger.removeHandler(heard)
    if heard.problems:
        raise ModelError(problems=[Problem(what, f"{where} in {net.where}") for what, where in heard.problems])
    proto = graph.convert_opset(proto)
    model = ir.from_proto(proto)
    tidy.rename(model, {ref: name for name, ref in net.inputs.items()}, {ref: n for n, ref in net.outputs.items()})
    recurrent.recognize(model)
    model = transposes.lower(model)
    tidy.tidy(model)
    model.graph.name = path.parent.name if path.name == "saved_model.pb" else path.stem
    return bytes(ir.to_proto(model).SerializeToString(deterministic=True))


class _Heard(logging.Handler):
    """What tf2onnx says of nodes that it cannot convert."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.problems: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        found = UNSUPPORTED.search(record.getMessage())
        if found:
            self.problems.append(("an operator of TensorFlow cannot be converted", f"{found[2]} '{found[1]}'"))


def _name_outputs(net: Net) -> None:
    """Give every output a node of its own where two are one tensor, or one is an input."""
    seen = set(net.inputs.values())
    for name, ref in net.outputs.items():
        if ref in seen:
            kind = _type(net, ref)
            node = make_node(free_name(re.sub(r"[^\w./-]", "_", name), net.nodes), "Identity", [ref], T=kind)
            net.nodes[node.name] = node
            net.outputs[name] = ref = f"{node.name}:0"
        seen.add(ref)


def _type(net: Net, ref: str) -> int:
    import tensorflow as tf

    with tf.Graph().as_default() as whole:
        tf.import_graph_def(graph_def(net, net.nodes), name="")
        return int(whole.get_tensor_by_name(ref).dtype.as_datatype_enum)


def _convert(net: Net) -> Any:
    """tf2onnx's own ModelProto."""
    import tensorflow as tf
    from tf2onnx import convert, tf_loader

    inputs, outputs = list(net.inputs.values()), list(net.outputs.values())
    nodes = needed(net.nodes, outputs)
    for name in map(node_of, inputs):
        nodes.setdefault(name, net.nodes[name])
    whole = graph_def(net, nodes)
    with tf.Graph().as_default():
        optimized = tf_loader.tf_optimize(inputs, outputs, whole)
    proto, _ = convert._convert_common(
        optimized, name=net.where, opset=OPSET, input_names=inputs, output_names=outputs, continue_on_error=False
    )
    return proto


def _refusal(error: BaseException, net: Net, path: Path) -> ModelError:
    """What TensorFlow or tf2onnx says, of one node where it names one."""
    lines: Iterable[str] = (line.strip() for line in str(error).splitlines())
    said = next((line for line in lines if line), type(error).__name__)
    at = AT_NODE.search(said)
    if at is None:
        need = "a graph that tf2onnx converts"
        return ModelError("the graph cannot be converted", where=str(path), found=short(said), need=need)
    return ModelError(
        "the inputs of a node do not fit it",
        where=f"node '{at[1]}' in {net.where}",
        found=short(said[: at.start()]),
        need="inputs of the sizes that the graph is made for",
        hint="INPUT_SHAPE has its sizes in the source's order, 1,H,W,C for most images",
    )
