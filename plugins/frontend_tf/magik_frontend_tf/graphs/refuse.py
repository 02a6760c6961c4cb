"""Operators that cannot be converted, all of them at once, with what to do about them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from magik_core.errors import ModelError, Problem
from magik_frontend_tf.graphs.net import IDENTITIES, Net, data_inputs, needed, node_of, tensor_of

MOST_NAMES = 8  # of tensors in a hint
PASSIVE = IDENTITIES | {"Const", "Placeholder", "PlaceholderWithDefault", "NoOp"}
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
    """A cut that leaves the larger part: what lies behind all that cannot be converted, or what lies before it."""
    if any(node.op not in known for function in _used(net) for node in function.node_def):
        return ""
    unknown = {node.name for node in net.nodes.values() if node.op not in known}
    (behind, fronts), (before, ends) = _behind(net, unknown), _before(net, unknown)
    if not max(behind, before) or len(fronts if behind >= before else ends) > MOST_NAMES:
        return ""
    if behind >= before:
        return f"begin behind them, by INPUT or --inputs: {','.join(ref.removesuffix(':0') for ref in fronts)}"
    names = {ref: name for name, ref in net.outputs.items()}
    found = ",".join(names.get(ref, ref.removesuffix(":0")) for ref in ends)
    return f"end before them, by OUTPUT or --outputs: {found}"


def _behind(net: Net, unknown: set[str]) -> tuple[int, list[str]]:
    """How many nodes compute behind the unknown ones, and the tensors to begin at."""
    fronts = dict.fromkeys(
        tensor_of(ref)
        for node in net.nodes.values()
        if node.name not in unknown
        for ref in data_inputs(node)
        if node_of(ref) in unknown
    )
    left = needed(net.nodes, net.outputs.values(), fronts)
    return (0 if unknown & left.keys() else _count(left)), list(fronts)


def _before(net: Net, unknown: set[str]) -> tuple[int, list[str]]:
    """How many nodes compute before the unknown ones, and the tensors to end at: outputs, and what feeds them."""
    feeds = [tensor_of(ref) for name in unknown for ref in data_inputs(net.nodes[name])]
    ends = [
        ref
        for ref in dict.fromkeys([*net.outputs.values(), *sorted(feeds)])
        if not unknown & (whole := needed(net.nodes, [ref])).keys() and _count(whole) and _reads_input(net, whole)
    ]
    return _count(needed(net.nodes, ends)), ends


def _reads_input(net: Net, nodes: Mapping[str, Any]) -> bool:
    return any(node_of(ref) in nodes for ref in net.inputs.values())


def _count(nodes: Mapping[str, Any]) -> int:
    """How many nodes do more than hand on what they get."""
    return sum(node.op not in PASSIVE for node in nodes.values())
