"""The calls of a model's layers in an order of execution."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from magik_frontend_tf.keras_files.source import Call, Layer, Model, Ref


def calls(model: Model) -> Iterator[tuple[Layer, int, Call]]:
    """Every call whose tensors are made by one before it, as near to the order of the file as can be."""
    steps = [(layer, number, call) for layer in model.layers for number, call in enumerate(layer.calls)]
    position = {(layer.name, number): i for i, (layer, number, _) in enumerate(steps)}
    needs: list[int] = []
    readers: dict[int, list[int]] = {}
    for i, (_, _, call) in enumerate(steps):
        before = {position.get((ref.layer, ref.call), -1) for ref in call.refs()}
        needs.append(len(before))
        for j in before:
            readers.setdefault(j, []).append(i)
    ready = [i for i, count in enumerate(needs) if count == 0]
    while ready:
        i = heapq.heappop(ready)
        yield steps[i]
        for j in readers.get(i, ()):
            needs[j] -= 1
            if needs[j] == 0:
                heapq.heappush(ready, j)


def missing(model: Model) -> list[tuple[str, Ref]]:
    """The references to calls that are in no layer, with who reads them."""
    known = {(layer.name, number) for layer in model.layers for number in range(len(layer.calls))}
    read = [(layer.name, ref) for layer in model.layers for call in layer.calls for ref in call.refs()]
    read += [(f"an output of '{model.name}'", ref) for ref in (*model.inputs, *model.outputs)]
    return [(who, ref) for who, ref in read if (ref.layer, ref.call) not in known]
