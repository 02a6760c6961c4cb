"""A Keras model as plain values: layers with their configuration, calls and weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

Weights = tuple[np.ndarray, ...]


class Ref(NamedTuple):
    """Output `output` of call number `call` of a layer."""

    layer: str
    call: int
    output: int


@dataclass(frozen=True)
class Call:
    """What a layer is called with: values of JSON, and a Ref wherever a tensor stands."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def refs(self) -> list[Ref]:
        return list(find_refs([*self.args, *self.kwargs.values()]))


@dataclass
class Layer:
    """A layer, a function that is called like one, or a model inside another.

    Args:
        kind: the name of its class; is_function: it is a function of keras.ops or tf, not a layer.
        is_new: its calls are written as Keras 3 does.
        calls: in the order that Ref counts them in; empty in a Sequential and in a wrapper.
        inner: the layers that it wraps; model: where it is one itself.
        weights: in the order of Keras, filled in when the configuration is read.
    """

    kind: str
    name: str
    config: Mapping[str, Any]
    is_function: bool = False
    is_new: bool = False
    calls: tuple[Call, ...] = ()
    inner: tuple[Layer, ...] = ()
    model: Model | None = None
    weights: Weights = ()

    @property
    def children(self) -> tuple[Layer, ...]:
        return self.model.layers if self.model is not None else self.inner


@dataclass
class Model:
    """A network of layers; a Sequential has calls and inputs as every other one."""

    name: str
    layers: tuple[Layer, ...]
    inputs: tuple[Ref, ...]
    outputs: tuple[Ref, ...]
    is_sequential: bool = False


@dataclass
class Source:
    """A model, what it was read from, and the major version of its Keras."""

    model: Model
    where: str
    name: str
    version: int


def find_refs(value: Any) -> Iterator[Ref]:
    """Every tensor in a value, in order."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from find_refs(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from find_refs(item)
