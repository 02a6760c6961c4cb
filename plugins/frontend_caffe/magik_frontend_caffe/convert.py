"""From a net to an ONNX graph: its layers in order, everything that cannot be converted reported at once."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx_ir as ir

from magik_core import graph
from magik_core.errors import ModelError, Problem, UsageError
from magik_core.naming import take_name
from magik_frontend_caffe import files, reader
from magik_frontend_caffe.builder import MAX_DIM, MAX_ELEMENTS, Builder
from magik_frontend_caffe.data import DATA, data_shapes
from magik_frontend_caffe.layers import table
from magik_frontend_caffe.layers.detection import DECODE, DETECTION
from magik_frontend_caffe.reader import Layer, Net

log = logging.getLogger("magik_core.frontend_caffe")  # the command line shows what magik_core says
# of training and of tests: what they read are outputs
DROPPED = frozenset({
    "Accuracy", "ContrastiveLoss", "DetectionEvaluate", "EuclideanLoss", "HDF5Output", "HingeLoss", "InfogainLoss",
    "MultiBoxLoss", "MultinomialLogisticLoss", "SigmoidCrossEntropyLoss", "Silence", "SmoothL1Loss", "SoftmaxWithLoss",
})  # fmt: skip


def load(path: Path, options: Mapping[str, Any]) -> ir.Model:
    """The graph of a model.

    Args:   path: a prototxt or a caffemodel, the other one beside it; options: those of the frontend.
    Raises: ModelError: with every layer that cannot be converted. UsageError: an option's value that is none.
    """
    _check_options(options)
    net = reader.read(files.find(Path(path), options))
    conversion = Conversion(net, options)
    conversion.run()
    for note in conversion.notes:
        log.warning("%s: %s", net.path.name, note)
    return conversion.model()


def _check_options(options: Mapping[str, Any]) -> None:
    value = options.get(DETECTION, "cut")
    if value not in (DECODE, "cut"):
        raise UsageError(
            "an option has no such value", where=DETECTION, found=str(value), need=f"one of: {DECODE}, cut"
        )
    if not isinstance(options.get(files.OPTION, ""), str):
        raise UsageError("an option is no path", where=files.OPTION, found=str(options[files.OPTION]), need="a path")


class Conversion:
    """A net being converted; `blobs` are the values by name, None where a layer could not make one."""

    def __init__(self, net: Net, options: Mapping[str, Any]) -> None:
        self.net, self.to = net, Builder(net, options)
        self.is_cut = options.get(DETECTION) != DECODE
        self.blobs: dict[str, ir.Value | None] = {}
        self.versions: dict[str, list[tuple[ir.Value, str]]] = {}  # of each blob, with the layers that made them
        self.read: set[int] = set()  # ids of values that a layer reads
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    def run(self) -> None:
        """Raises: ModelError: with all problems."""
        for name, shape in self.net.inputs:
            self._input(name, shape, f"input '{name}' in {self.net.path.name}")
        for layer in self.net.layers:
            self.to.begin(layer)
            try:
                self._layer(layer)
            except ModelError as error:
                self.to.abandon()
                self.problems += error.problems
                self.blobs.update(dict.fromkeys(layer.tops))
        if not self.problems and not self._outputs():
            need = "a layer whose top nobody reads, and that depends on an input"
            self.problems.append(Problem("the model has no outputs", str(self.net.path), need=need))
        if self.problems:
            raise ModelError(problems=self.problems)

    def _input(self, name: str, shape: Sequence[int] | None, where: str) -> None:
        count = 1
        for n in shape or ():
            count *= max(n, 1)
        if not shape or min(shape) < 1 or max(shape) > MAX_DIM or count > MAX_ELEMENTS:
            what = "the size of an input is not known" if not shape else "the size of an input is no size"
            found, need = "" if shape is None else str(list(shape)), f"sizes of at least 1, {MAX_ELEMENTS} elements"
            hint = "use the deploy prototxt, or give its Input layer a shape"
            self.problems.append(Problem(what, where, found, need, hint))
            self.blobs[name] = None
        elif name in self.blobs:
            self.problems.append(Problem("a top is made twice", where, name))
        else:
            self._define(name, self.to.input(name, shape), "")

    def _define(self, name: str, value: ir.Value, layer: str) -> None:
        self.blobs[name] = value
        self.versions.setdefault(name, []).append((value, layer))

    def _layer(self, layer: Layer) -> None:
        if layer.type in DROPPED:
            self.blobs.update(dict.fromkeys(layer.tops))
            return
        if layer.type in DATA:
            self._data(layer)
            return
        converter = table().get(layer.type)
        if converter is None:
            need = f"one of: {', '.join(table())}"
            raise self.to.problem("a layer is of a type that cannot be converted", layer.type, need)
        self._check_fields(layer)
        bottoms = self._bottoms(layer)
        if bottoms is None:  # somebody else's problem
            self.blobs.update(dict.fromkeys(layer.tops))
            return
        if layer.type == "DetectionOutput" and self.is_cut:
            self._cut(layer, bottoms)
            return
        self.read.update(map(id, bottoms))
        made = [self._own(value, bottoms) for value in converter(layer, self.to, bottoms)]
        self.to.finish(made)
        tops = layer.tops if len(layer.tops) == len(made) else [f"{layer.tops[0]}/{i}" for i in ("boxes", "scores")]
        for name, value in zip(tops, made, strict=True):
            self._define(name, value, layer.name)

    def _check_fields(self, layer: Layer) -> None:
        unknown = reader.unknown_fields(layer)
        if unknown:
            found = ", ".join(f"{name} (line {line})" for name, line in unknown)
            hint = "remove the fields if the layer computes the same without them"
            raise self.to.problem("a layer has fields that are not known", found, hint=hint)
        twice = [name for name in layer.tops if name in self.blobs and name not in layer.bottoms]
        if twice or len(set(layer.tops)) < len(layer.tops):
            raise self.to.problem("a top is made twice", ", ".join(twice or layer.tops))

    def _bottoms(self, layer: Layer) -> list[ir.Value] | None:
        missing = [name for name in layer.bottoms if name not in self.blobs]
        if missing:
            raise self.to.problem("a bottom is defined nowhere", ", ".join(missing), "a top of a layer before it")
        found = [self.blobs[name] for name in layer.bottoms]
        known = [value for value in found if value is not None]
        return known if len(known) == len(found) else None

    def _data(self, layer: Layer) -> None:
        shapes = data_shapes(layer)
        for i, name in enumerate(layer.tops):
            if shapes is None and i > 0 and layer.type not in ("Input", "DummyData"):
                self.blobs[name] = None  # labels: only losses read them
                continue
            shape = None if not shapes else shapes[min(i, len(shapes) - 1)]
            self._input(name, shape, self.to.where())

    def _own(self, value: ir.Value, bottoms: Sequence[ir.Value]) -> ir.Value:
        """The value, or an Identity of it where the layer hands on one of its bottoms."""
        return self.to.node("Identity", value) if any(value is b for b in bottoms) else value

    def _cut(self, layer: Layer, bottoms: Sequence[ir.Value]) -> None:
        self.read.update(map(id, bottoms[2:]))
        self.blobs.update(dict.fromkeys(layer.tops))
        names = ", ".join(f"'{name}'" for name in layer.bottoms[:2])
        what = f"DetectionOutput '{layer.name}' is cut off"
        self.notes.append(f"{what}; outputs are {names}, offsets and scores of boxes")

    def _outputs(self) -> list[ir.Value]:
        """Values that no layer reads and that depend on an input."""
        live = {id(v) for v in self.to.inputs}
        for node in self.to.nodes:
            if any(id(v) in live for v in node.inputs if v is not None):
                live.update(map(id, node.outputs))
        found = []
        inputs = {id(v) for v in self.to.inputs}
        for name, value in self.blobs.items():
            if value is None or id(value) in self.read or id(value) in inputs:
                continue
            if id(value) in live:
                found.append(value)
            else:
                self.notes.append(f"output '{name}' is constant and is left out")
        return found

    def model(self) -> ir.Model:
        """The graph, its values named: the last version of a blob as the blob, others also for their layer."""
        outputs = self._outputs()
        self._name_values()
        made = ir.Graph(
            self.to.inputs,
            outputs,
            nodes=self.to.nodes,
            initializers=self.to.initializers,
            opset_imports={"": graph.OPSET},
            name=self.net.name,
        )
        model = ir.Model(made, ir_version=graph.IR_VERSION, producer_name="magik-frontend-caffe")
        graph.remove_dead(model)
        return model

    def _name_values(self) -> None:
        taken = {str(v.name) for v in (*self.to.inputs, *self.to.initializers)}

        def name(value: ir.Value, wanted: str) -> None:
            if value.name is None:
                value.name = take_name(wanted, taken)

        for blob, versions in self.versions.items():
            name(versions[-1][0], blob)
        for blob, versions in self.versions.items():
            for value, layer in versions[:-1]:
                name(value, f"{blob}/{layer}")
        for node in self.to.nodes:
            for value in node.outputs:
                name(value, f"{node.name}:{value.index()}" if value.index() else str(node.name))
