"""Operators that cannot be converted, all of them at once, with what to do about them."""

from __future__ import annotations

from functools import cache
from typing import Any

from magik_core.errors import ModelError, Problem
from magik_frontend_tf.graphs.net import Net, data_inputs, needed, node_of, tensor_of

OPSET = 18  # the newest that tf2onnx writes
# What loops of TensorFlow 1 are made of: they go where a recurrent layer is recognized.
LOOPS = frozenset([
    "Enter", "Exit", "LoopCond", "Merge", "NextIteration", "Switch", "TensorArrayGatherV3", "TensorArrayReadV3",
    "TensorArrayScatterV3", "TensorArraySizeV3", "TensorArrayV3", "TensorArrayWriteV3",
])  # fmt: skip
# Functions of TensorFlow that stand for what they call, and nodes without a value.
CALLS = frozenset(
    ["While", "StatelessWhile", "If", "StatelessIf", "PartitionedCall", "StatefulPartitionedCall", "NoOp"]
)
# tf2onnx would convert them, to something that differs on each run, that no tensor holds, or that nothing computes.
REFUSED = frozenset([
    "AsString", "CTCGreedyDecoder", "DenseToDenseSetOperation", "FFT", "FIFOQueueV2", "HashTableV2", "IteratorGetNext",
    "IteratorV2", "LookupTableFindV2", "LookupTableSizeV2", "Multinomial", "QueueDequeueManyV2", "QueueDequeueUpToV2",
    "QueueDequeueV2", "RFFT", "RFFT2D", "RaggedGather", "RaggedRange", "RaggedTensorFromVariant",
    "RaggedTensorToSparse", "RaggedTensorToTensor", "RaggedTensorToVariant", "RandomNormal", "RandomNormalLike",
    "RandomShuffle", "RandomStandardNormal", "RandomUniform", "RandomUniformInt", "RandomUniformLike",
    "RegexFullMatch", "RegexReplace", "SampleDistortedBoundingBox", "SampleDistortedBoundingBoxV2",
    "SparseFillEmptyRows", "SparseReshape", "SparseSegmentMean", "SparseSegmentMeanWithNumSegments",
    "SparseSegmentSqrtN", "SparseSegmentSqrtNWithNumSegments", "SparseSegmentSum", "SparseSegmentSumWithNumSegments",
    "SparseToDense", "StaticRegexFullMatch", "StaticRegexReplace", "StringJoin", "StringLower", "StringNGrams",
    "StringSplit", "StringSplitV2", "StringToHashBucketFast", "StringToNumber", "StringUpper", "UnicodeDecode",
])  # fmt: skip


@cache
def accepted() -> frozenset[str]:
    """The operators that may be in a graph."""
    from tensorflow.python.framework import op_def_registry
    from tf2onnx import handler, tfonnx

    assert tfonnx  # imports all handlers
    mapping = {op for op in handler.tf_op.create_mapping(OPSET, []) if op_def_registry.get(op) is not None}
    return (frozenset(mapping) | LOOPS | CALLS | {"Placeholder", "Const"}) - REFUSED


def check(net: Net) -> None:
    """Raises: ModelError: every node whose operator cannot be converted."""
    known = accepted()
    problems = [_problem(node, net) for node in net.nodes.values() if node.op not in known]
    for function in _used(net):
        problems += [_problem(node, net) for node in function.node_def if node.op not in known]
    if problems:
        hint = _hint(net, known)
        problems[-1] = Problem(**{**vars(problems[-1]), "hint": hint or problems[-1].hint})
        raise ModelError(problems=problems)


def _problem(node: Any, net: Net) -> Problem:
    where = f"{node.op} '{node.name}' in {net.where}"
    return Problem("an operator of TensorFlow cannot be converted", where, node.op, "one of those in docs/tf.md")


def _used(net: Net) -> list[Any]:
    """The functions that are called."""
    waiting, seen = list(net.nodes.values()), {}
    while waiting:
        for attr in waiting.pop().attr.values():
            name = attr.func.name
            if name in net.functions and name not in seen:
                seen[name] = net.functions[name]
                waiting += net.functions[name].node_def
    return list(seen.values())


def _hint(net: Net, known: frozenset[str]) -> str:
    """Where to begin, if all that cannot be converted lies before it."""
    unknown = {node.name for node in net.nodes.values() if node.op not in known}
    tainted = set(unknown)  # nodes in the order of the graph need not be sorted: repeat until nothing changes
    fronts = dict.fromkeys(
        tensor_of(ref)
        for node in net.nodes.values()
        if node.name not in unknown
        for ref in data_inputs(node)
        if node_of(ref) in tainted
    )
    if not fronts or {node_of(ref) for ref in net.outputs.values()} & unknown:
        return ""
    left = needed(net.nodes, net.outputs.values(), fronts)
    if any(node.op not in known for node in left.values()):
        return ""
    names = (ref.removesuffix(":0") for ref in fronts)
    return f"begin behind them: --inputs {','.join(names)}"
