"""Layers that bring data in: they become inputs of the graph."""

from __future__ import annotations

from magik_frontend_caffe.reader import Layer

DATA = frozenset({"AnnotatedData", "Data", "DummyData", "HDF5Data", "ImageData", "Input", "MemoryData", "VideoData",
                  "WindowData"})  # fmt: skip


def data_shapes(layer: Layer) -> list[tuple[int, ...]] | None:
    """The shapes of the layer's tops, the last for all that follow; None where the file does not say."""
    if layer.type == "Input":
        return [tuple(shape["dim"]) for shape in layer.param("input_param")["shape"]] or None
    if layer.type == "MemoryData":
        param = layer.param("memory_data_param")
        names = ("batch_size", "channels", "height", "width")
        return [tuple(param[name] for name in names), (param["batch_size"],)]
    if layer.type == "DummyData":
        param = layer.param("dummy_data_param")
        if param["shape"]:
            return [tuple(shape["dim"]) for shape in param["shape"]]
        sizes = [param[name] for name in ("num", "channels", "height", "width")]
        return list(zip(*sizes, strict=False)) or None
    return None
