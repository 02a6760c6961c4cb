"""A program as JSON: section PROG of a `.mgk`, from which the numpy definition runs again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from magik_core.container import DTYPE_NAMES
from magik_core.errors import LoadError
from magik_core.ops import Op, found
from magik_core.plan import Plan
from magik_core.program import DTYPES, Program, QuantParams, State, Step, Tensor, WeightParams


def program_to_json(program: Program, plan: Plan, index: Mapping[str, int]) -> dict[str, Any]:
    """Names, operators and quantization; shapes and data are in the other sections."""
    return {
        "name": program.name,
        "inputs": list(program.inputs),
        "outputs": list(program.outputs),
        "source": dict(program.source),
        "colors": dict(program.colors),
        **({"states": [[s.before, s.after] for s in program.states]} if program.states else {}),
        "lower_bound": plan.lower_bound,
        "tensors": [
            {"name": t.name, "record": index[t.name], "quant": _quant_to_json(t.quant)}
            for t in program.tensors.values()
        ],
        "steps": [
            {
                "name": s.name,
                "op": type(s.op).__name__,
                "attributes": _attributes(s.op),
                "in": list(s.inputs),
                "out": list(s.outputs),
            }
            for s in program.steps
        ],
    }


def _attributes(op: Op) -> dict[str, Any]:
    return {f.name: _plain(getattr(op, f.name)) for f in fields(op)}  # type: ignore[arg-type]


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _quant_to_json(q: QuantParams | WeightParams | None) -> Any:
    if q is None:
        return None
    if isinstance(q, QuantParams):
        return [q.scale, q.zero_point, q.bits]
    return {"scales": list(q.scales), "zero_points": list(q.zero_points), "bits": q.bits}


def program_of_json(text: Mapping[str, Any], records: list[Tensor]) -> tuple[Program, dict[str, int]]:
    """The program, and the record of each tensor.

    Args:   records: the file's tensors, constants with data.
    Raises: LoadError: the description does not fit the file.
    """
    try:
        tensors: dict[str, Tensor] = {}
        where: dict[str, int] = {}
        for item in text["tensors"]:
            if not 0 <= item["record"] < len(records):
                raise IndexError(f"record {item['record']} of {len(records)}")
            r = records[item["record"]]
            quant = _quant_of_json(item["quant"])
            tensors[item["name"]] = Tensor(item["name"], r.dtype, r.shape, quant, r.data, r.axes)
            where[item["name"]] = item["record"]
        steps = tuple(_step_of_json(item, tensors) for item in text["steps"])
        inputs, outputs = tuple(text["inputs"]), tuple(text["outputs"])
        states = tuple(State(before, after) for before, after in text.get("states", ()))
        if any(n not in tensors for n in (*inputs, *outputs, *(n for s in states for n in (s.before, s.after)))):
            raise KeyError("an input, output or state that is no tensor")
        source, colors = dict(text["source"]), dict(text["colors"])
        return Program(str(text["name"]), tensors, steps, inputs, outputs, source, colors, states), where
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise LoadError(
            "a model file's description does not fit it",
            found=f"{type(error).__name__}: {error}",
            need="section PROG as docs/model-format.md says",
        ) from error


def _step_of_json(item: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Step:
    cls = found()[item["op"]]
    known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
    attributes = {k: _tuple(v) for k, v in item["attributes"].items()}
    if set(attributes) - known:
        raise KeyError(f"unknown attributes of {item['op']}")
    names = (*item["in"], *item["out"])
    if any(n not in tensors for n in names):
        raise KeyError("a step uses an unknown tensor")
    return Step(str(item["name"]), cls(**attributes), tuple(item["in"]), tuple(item["out"]))


def _tuple(value: Any) -> Any:
    if isinstance(value, dict):
        return float(value["float"])
    return tuple(_tuple(v) for v in value) if isinstance(value, list) else value


def _quant_of_json(value: Any) -> QuantParams | WeightParams | None:
    if value is None:
        return None
    if isinstance(value, list):
        return QuantParams(float(value[0]), float(value[1]), int(value[2]))
    return WeightParams(tuple(value["scales"]), tuple(value["zero_points"]), int(value["bits"]))


def records_of(section: bytes, data: bytes) -> list[Tensor]:
    """Tensors of section TENS; the runtime has checked it."""
    out: list[Tensor] = []
    for row in np.frombuffer(section, "<i4").reshape(-1, 24):
        dtype, rank, is_constant, offset, nbytes, bits = (int(v) for v in row[:6])
        scale, zero = (float(v) for v in row[6:8].view("<f4"))
        shape, axes = tuple(int(v) for v in row[8 : 8 + rank]), tuple(int(v) for v in row[16 : 16 + rank])
        array = None
        if is_constant:
            array = np.frombuffer(data[offset : offset + nbytes], DTYPES[DTYPE_NAMES[dtype]]).reshape(shape)
        quant = QuantParams(scale, zero, bits) if bits else None
        out.append(Tensor(str(len(out)), DTYPE_NAMES[dtype], shape, quant, array, axes))
    return out
