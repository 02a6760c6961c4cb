"""Caffe's messages as tables, one field a line: name, number on the wire, kind, default.

A number of `-` is a field that forks number differently: it is read from text only. A kind with `*` is
repeated; a kind that begins with a capital is a message; `f32s` and `f64s` are arrays of numbers.
Source: caffe.proto of BVLC Caffe 1.0; the SSD fork's for Permute, PriorBox, DetectionOutput and Normalize.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from magik_frontend_caffe.tables import TABLES

ARRAYS = {"f32s": "<f4", "f64s": "<f8"}
LIMITS = {"int": (-(1 << 31), (1 << 31) - 1), "long": (-(1 << 63), (1 << 63) - 1), "uint": (0, (1 << 32) - 1)}


class FormatError(ValueError):
    """A file that is not of the format; says where in it."""


@dataclass(frozen=True)
class Field:
    """One line of a table; `names` are those of an enum, by number."""

    name: str
    number: int | None
    kind: str
    default: Any
    is_many: bool
    names: Mapping[int, str]

    @property
    def is_message(self) -> bool:
        return self.kind[0].isupper()


@dataclass
class Message:
    """What a file says: values by the name of their field; `unknown` are fields that the table lacks, with lines."""

    kind: str
    values: dict[str, list[Any]] = field(default_factory=dict)
    unknown: list[tuple[str, int]] = field(default_factory=list)
    line: int = 0

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def __getitem__(self, name: str) -> Any:
        """The values of a repeated field; of others the last one, or the default."""
        known = fields(self.kind)[name]
        found = self.values.get(name, [])
        if known.kind in ARRAYS:
            return np.concatenate(found) if found else np.zeros(0, ARRAYS[known.kind])
        if known.is_many:
            return found
        if known.is_message and not found:
            return Message(known.kind)
        return found[-1] if found else known.default


@cache
def fields(kind: str) -> Mapping[str, Field]:
    """The fields of a message, by name."""
    return {f.name: f for f in map(_field, TABLES[kind].strip().splitlines())}


@cache
def numbers(kind: str) -> Mapping[int, Field]:
    """The fields of a message, by their number on the wire."""
    return {f.number: f for f in fields(kind).values() if f.number is not None}


def _field(line: str) -> Field:
    name, number, kind, *rest = line.split()
    is_many, kind = kind.endswith("*"), kind.removesuffix("*")
    names: dict[int, str] = {}
    if kind.startswith("enum:"):
        for i, item in enumerate(kind.removeprefix("enum:").split(",")):
            label, _, value = item.partition("=")
            names[int(value or i)] = label
        kind = "enum"
    default = _default(kind, rest[0] if rest else "", names)
    return Field(name, None if number == "-" else int(number), kind, default, is_many, names)


def _default(kind: str, text: str, names: Mapping[int, str]) -> Any:
    if kind == "enum":
        return text or next(iter(names.values()))
    makers: Mapping[str, Any] = {"str": str, "bool": lambda t: t == "true", "float": lambda t: float(t or 0)}
    return makers.get(kind, lambda t: int(t or 0))(text)
