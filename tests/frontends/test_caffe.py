"""Every layer of Caffe that is converted, against what Caffe's own definition gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from magik_frontend_caffe import load
from magik_frontend_caffe.data import DATA
from magik_frontend_caffe.layers import table

from magik_core.hookspecs import Request
from tests.frontends import caffe_reference as ref
from tests.frontends.caffe_files import inputs_text, layer_text, nodes, outputs, write

Array = np.ndarray
X = (2, 6, 7, 8)


@dataclass(frozen=True)
class Case:
    """A layer, the shapes of its blobs and bottoms, and what it computes from bottoms, then blobs."""

    type: str
    param: str
    reference: Callable[..., Array | Sequence[Array]]
    blobs: Sequence[Sequence[int]] = ()
    bottoms: Sequence[Sequence[int]] = (X,)
    tops: int = 1
    low: float = -3

    def __str__(self) -> str:
        return " ".join([self.type, *self.param.split()])


def conv(param: str, w: Sequence[int], **how: object) -> Case:
    group = f" group: {how['group']}" if "group" in how else ""
    out = w[0]
    text = f"convolution_param {{ num_output: {out} {param}{group} }}"
    return Case("Convolution", text, lambda x, w, b: ref.conv(x, w, b, **how), [w, (out,)])


def deconv(param: str, w: Sequence[int], out: int, **how: object) -> Case:
    group = f" group: {how['group']}" if "group" in how else ""
    text = f"convolution_param {{ num_output: {out} {param}{group} }}"
    return Case("Deconvolution", text, lambda x, w, b: ref.deconv(x, w, b, **how), [w, (out,)])


def pool(how: str, param: str, size: tuple[int, int] = (7, 8), **sizes: object) -> Case:
    text = f"pooling_param {{ pool: {how} {param} }}"
    return Case("Pooling", text, lambda x: ref.pool(x, how, **sizes), bottoms=[(1, 3, *size)])


def softmax(x: Array, axis: int) -> Array:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def mvn(x: Array, axes: tuple[int, ...], eps: float) -> Array:
    y = x - x.mean(axes, keepdims=True)
    return y / (np.sqrt((y**2).mean(axes, keepdims=True)) + eps)


def per_channel(b: Array) -> Array:
    return b.reshape(-1, 1, 1)


FLAT = (3, 10)
CASES = [
    Case("ReLU", "", lambda x: np.maximum(x, 0)),
    Case("ReLU", "relu_param { negative_slope: 0.1 }", lambda x: np.where(x > 0, x, 0.1 * x)),
    Case("ReLU6", "", lambda x: np.clip(x, 0, 6), low=-9),
    Case("Clip", "clip_param { min: -1 max: 2 }", lambda x: np.clip(x, -1, 2)),
    Case("PReLU", "", lambda x, a: np.where(x > 0, x, per_channel(a) * x), [(6,)]),
    Case("PReLU", "prelu_param { channel_shared: true }", lambda x, a: np.where(x > 0, x, a * x), [(1,)]),
    Case("PReLU", "", lambda x, a: np.where(x > 0, x, a * x), [(10,)], [FLAT]),
    Case("ELU", "elu_param { alpha: 0.5 }", lambda x: np.where(x > 0, x, 0.5 * (np.exp(x) - 1))),
    Case("Sigmoid", "", lambda x: 1 / (1 + np.exp(-x))),
    Case("TanH", "", np.tanh),
    Case("AbsVal", "", np.abs),
    Case("BNLL", "", lambda x: np.log(1 + np.exp(x))),
    Case("Swish", "swish_param { beta: 1.5 }", lambda x: x / (1 + np.exp(-1.5 * x))),
    Case("Swish", "", lambda x: x / (1 + np.exp(-x))),
    Case("Power", "power_param { power: 3 scale: 0.5 shift: 2 }", lambda x: (2 + 0.5 * x) ** 3),
    Case("Power", "power_param { scale: 0.5 }", lambda x: 0.5 * x),
    Case("Power", "power_param { shift: -1.5 }", lambda x: x - 1.5),
    Case("Power", "power_param { power: 0 }", np.ones_like),
    Case("Power", "", lambda x: x),
    Case("Exp", "exp_param { base: 2 scale: 0.5 shift: 1 }", lambda x: 2 ** (1 + 0.5 * x)),
    Case("Exp", "", np.exp),
    Case("Log", "log_param { base: 10 scale: 2 shift: 1 }", lambda x: np.log10(1 + 2 * x), low=0.1),
    Case("Log", "", np.log, low=0.1),
    Case("Threshold", "threshold_param { threshold: 0.5 }", lambda x: (x > 0.5).astype(np.float32)),
    Case("Dropout", "dropout_param { dropout_ratio: 0.4 }", lambda x: x),
    Case("Dropout", "dropout_param { dropout_ratio: 0.4 scale_train: false }", lambda x: x * 0.6),
    Case("Softmax", "", lambda x: softmax(x, 1)),
    Case("Softmax", "softmax_param { axis: -1 }", lambda x: softmax(x, 3)),
    Case("BatchNorm", "batch_norm_param { eps: 0.01 }",
         lambda x, m, v, s: (x - per_channel(m / s)) / np.sqrt(per_channel(v / s) + 0.01), [(6,), (6,), (1,)], low=0.1),
    Case("BatchNorm", "", lambda x, m, v, s: (x - m / s) / np.sqrt(v / s + 1e-5), [(10,), (10,), (1,)], [FLAT], low=1),
    conv("kernel_size: 3", (4, 6, 3, 3)),
    conv("kernel_h: 3 kernel_w: 2 pad_h: 1 stride_h: 1 stride_w: 2", (4, 6, 3, 2), pad=(1, 0), stride=(1, 2)),
    conv("kernel_size: 3 kernel_size: 2 pad: 1 stride: 2", (4, 6, 3, 2), pad=(1, 1), stride=(2, 2)),
    conv("kernel_size: 3 dilation: 2 pad: 2", (6, 2, 3, 3), pad=(2, 2), dilation=(2, 2), group=3),
    Case("Convolution", "convolution_param { num_output: 4 kernel_size: 1 bias_term: false }",
         lambda x, w: ref.conv(x, w, None), [(4, 6, 1, 1)]),
    Case("DepthwiseConvolution", "convolution_param { num_output: 6 kernel_size: 3 }",
         lambda x, w, b: ref.conv(x, w, b, group=6), [(6, 1, 3, 3), (6,)]),
    deconv("kernel_size: 4 stride: 2 pad: 1", (6, 5, 4, 4), 5, stride=(2, 2), pad=(1, 1)),
    deconv("kernel_size: 3 stride: 3", (6, 2, 3, 3), 6, stride=(3, 3), group=3),
    Case("DepthwiseDeconvolution", "convolution_param { num_output: 6 kernel_size: 2 stride: 2 bias_term: false }",
         lambda x, w: ref.deconv(x, w, None, (2, 2), group=6), [(6, 1, 2, 2)]),
    pool("MAX", "kernel_size: 3 stride: 2", kernel=(3, 3), stride=(2, 2)),
    pool("MAX", "kernel_size: 2 stride: 2", (7, 9), kernel=(2, 2), stride=(2, 2)),
    pool("MAX", "kernel_size: 2 stride: 2 pad: 1", (7, 8), kernel=(2, 2), stride=(2, 2), pad=(1, 1)),
    pool("MAX", "kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 1", kernel=(3, 2), stride=(2, 1)),
    pool("MAX", "kernel_size: 2 stride: 2 round_mode: FLOOR", (7, 9), kernel=(2, 2), stride=(2, 2), is_ceil=False),
    pool("MAX", "kernel_size: 2 stride: 2 ceil_mode: false", (7, 9), kernel=(2, 2), stride=(2, 2), is_ceil=False),
    pool("AVE", "kernel_size: 3 stride: 2", (8, 10), kernel=(3, 3), stride=(2, 2)),
    pool("AVE", "kernel_size: 3 stride: 2 pad: 1", (8, 7), kernel=(3, 3), stride=(2, 2), pad=(1, 1)),
    pool("AVE", "kernel_size: 4 stride: 3 pad: 2", (9, 11), kernel=(4, 4), stride=(3, 3), pad=(2, 2)),
    pool("AVE", "kernel_size: 5 stride: 4 pad: 1", (10, 13), kernel=(5, 5), stride=(4, 4), pad=(1, 1)),
    Case("Pooling", "pooling_param { pool: AVE global_pooling: true }", lambda x: x.mean((2, 3), keepdims=True)),
    Case("Pooling", "pooling_param { pool: MAX global_pooling: true }", lambda x: x.max((2, 3), keepdims=True)),
    Case("InnerProduct", "inner_product_param { num_output: 5 }",
         lambda x, w, b: x.reshape(2, -1) @ w.T + b, [(5, 336), (5,)]),
    Case("InnerProduct", "inner_product_param { num_output: 5 transpose: true bias_term: false }",
         lambda x, w: x @ w, [(10, 5)], [FLAT]),
    Case("InnerProduct", "inner_product_param { num_output: 5 axis: 2 }",
         lambda x, w, b: x.reshape(2, 6, -1) @ w.T + b, [(5, 56), (5,)]),
    Case("InnerProduct", "inner_product_param { num_output: 5 axis: -1 bias_term: false }", lambda x, w: x @ w.T,
         [(5, 8)]),
    Case("LRN", "", lambda x: ref.lrn_across(x, 5, 1, 0.75, 1)),
    Case("LRN", "lrn_param { local_size: 3 alpha: 0.3 beta: 0.5 k: 2 }", lambda x: ref.lrn_across(x, 3, 0.3, 0.5, 2)),
    Case("LRN", "lrn_param { local_size: 3 alpha: 0.3 norm_region: WITHIN_CHANNEL }",
         lambda x: ref.lrn_within(x, 3, 0.3, 0.75)),
    Case("Split", "", lambda x: (x, x), tops=2),
    Case("Concat", "", lambda a, b: np.concatenate([a, b], 1), bottoms=[X, (2, 3, 7, 8)]),
    Case("Concat", "concat_param { axis: -2 }", lambda a, b: np.concatenate([a, b], 2), bottoms=[X, X]),
    Case("Concat", "concat_param { concat_dim: 0 }", lambda a, b: np.concatenate([a, b], 0), bottoms=[X, X]),
    Case("Slice", "", lambda x: (x[:, :3], x[:, 3:]), tops=2),
    Case("Slice", "slice_param { axis: 3 slice_point: [1, 6] }", lambda x: np.split(x, [1, 6], 3), tops=3),
    Case("Slice", "slice_param { slice_dim: 0 }", lambda x: (x[:1], x[1:]), tops=2),
    Case("Flatten", "", lambda x: x.reshape(2, -1)),
    Case("Flatten", "flatten_param { axis: 2 end_axis: -1 }", lambda x: x.reshape(2, 6, -1)),
    Case("Flatten", "flatten_param { axis: 1 end_axis: 2 }", lambda x: x.reshape(2, 42, 8)),
    Case("Flatten", "flatten_param { axis: 0 }", lambda x: x.reshape(-1)),
    Case("Reshape", "reshape_param { shape { dim: 0 dim: 3 dim: -1 } }", lambda x: x.reshape(2, 3, -1)),
    Case("Reshape", "reshape_param { shape { dim: 2 dim: -1 } axis: 1 num_axes: 1 }",
         lambda x: x.reshape(2, 2, 3, 7, 8)),
    Case("Reshape", "reshape_param { shape { dim: 1 } axis: -1 num_axes: 0 }", lambda x: x.reshape(2, 6, 7, 8, 1)),
    Case("Permute", "permute_param { order: [0, 2, 3, 1] }", lambda x: x.transpose(0, 2, 3, 1)),
    Case("Permute", "permute_param { order: 3 }", lambda x: x.transpose(3, 0, 1, 2)),
    Case("Crop", "crop_param { axis: 2 offset: 1 offset: 2 }", lambda x, y: x[:, :, 1:5, 2:5],
         bottoms=[X, (2, 9, 4, 3)]),
    Case("Crop", "crop_param { axis: 1 offset: 1 }", lambda x, y: x[:, 1:4, 1:5, 1:4], bottoms=[X, (2, 3, 4, 3)]),
    Case("Crop", "", lambda x, y: x[:, :, :4, :3], bottoms=[X, (2, 3, 4, 3)]),
    Case("Tile", "tile_param { axis: 2 tiles: 3 }", lambda x: np.tile(x, (1, 1, 3, 1))),
    Case("ShuffleChannel", "shuffle_channel_param { group: 2 }", lambda x: ref.shuffle(x, 2)),
    Case("Upsample", "upsample_param { scale: 2 }", lambda x: x.repeat(2, 2).repeat(2, 3)),
    Case("Interp", "interp_param { height: 13 width: 5 }", lambda x: ref.interp(x, 13, 5)),
    Case("Interp", "interp_param { zoom_factor: 2 shrink_factor: 3 }", lambda x: ref.interp(x, 5, 5)),
    Case("Eltwise", "", lambda a, b, c: a + b + c, bottoms=[X] * 3),
    Case("Eltwise", "eltwise_param { coeff: 1 coeff: -1 }", lambda a, b: a - b, bottoms=[X] * 2),
    Case("Eltwise", "eltwise_param { coeff: 0.5 coeff: 2 }", lambda a, b: a / 2 + b * 2, bottoms=[X] * 2),
    Case("Eltwise", "eltwise_param { operation: PROD }", lambda a, b, c: a * b * c, bottoms=[X] * 3),
    Case("Eltwise", "eltwise_param { operation: MAX }", lambda a, b: np.maximum(a, b), bottoms=[X] * 2),
    Case("Scale", "", lambda x, s: x * per_channel(s), [(6,)]),
    Case("Scale", "scale_param { bias_term: true }", lambda x, s, b: x * per_channel(s) + per_channel(b), [(6,)] * 2),
    Case("Scale", "scale_param { axis: 1 num_axes: -1 }", lambda x, s: x * s, [X[1:]]),
    Case("Scale", "scale_param { num_axes: 0 }", lambda x, s: x * s, [()]),
    Case("Scale", "scale_param { axis: 0 bias_term: true }",
         lambda x, s, b: x * s[..., None, None] + b[..., None, None], [X[:2]], [X, X[:2]]),
    Case("Bias", "", lambda x, b: x + per_channel(b), [(6,)]),
    Case("Bias", "bias_param { axis: 0 }", lambda x, b: x + b[..., None, None], [], [X, X[:2]]),
    Case("Axpy", "", lambda a, x, y: a[..., None, None] * x + y, bottoms=[X[:2], X, X]),
    Case("Axpy", "", lambda a, x, y: a * x + y, bottoms=[(2, 6, 1, 1), X, X]),
    Case("Reduction", "", lambda x: x.sum()),
    Case("Reduction", "reduction_param { operation: ASUM axis: 1 coeff: 0.5 }", lambda x: np.abs(x).sum((1, 2, 3)) / 2),
    Case("Reduction", "reduction_param { operation: SUMSQ axis: 2 }", lambda x: (x**2).sum((2, 3))),
    Case("Reduction", "reduction_param { operation: MEAN axis: -1 }", lambda x: x.mean(3)),
    Case("ArgMax", "", lambda x: x.reshape(2, -1).argmax(1).reshape(2, 1, 1, 1)),
    Case("ArgMax", "argmax_param { axis: 1 }", lambda x: x.argmax(1)[:, None]),
    Case("ArgMax", "argmax_param { axis: 1 out_max_val: true }", lambda x: x.max(1, keepdims=True)),
    Case("ArgMax", "argmax_param { out_max_val: true }",
         lambda x: np.stack([x.argmax(1), x.max(1)], 1).reshape(3, 2, 1), bottoms=[FLAT]),
    Case("Normalize", "norm_param { across_spatial: false channel_shared: false }",
         lambda x, s: x / np.sqrt((x**2).sum(1, keepdims=True) + 1e-10) * per_channel(s), [(6,)]),
    Case("Normalize", "norm_param { eps: 0.5 }",
         lambda x, s: x / np.sqrt((x**2).sum((1, 2, 3), keepdims=True) + 0.5) * s, [(1,)]),
    Case("MVN", "mvn_param { eps: 0.1 }", lambda x: mvn(x, (2, 3), 0.1)),
    Case("MVN", "mvn_param { across_channels: true }", lambda x: mvn(x, (1, 2, 3), 1e-9)),
    Case("MVN", "mvn_param { normalize_variance: false }", lambda x: x - x.mean((2, 3), keepdims=True)),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_layer(case: Case, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    draw = lambda shape: rng.uniform(case.low, 3, shape).astype(np.float32)  # noqa: E731
    feeds = {f"x{i}": draw(shape) for i, shape in enumerate(case.bottoms)}
    blobs = [draw(shape) for shape in case.blobs]
    tops = [f"y{i}" for i in range(case.tops)]
    text = inputs_text({k: v.shape for k, v in feeds.items()}) + layer_text(case.type, case.param, list(feeds), tops)
    path = write(tmp_path, text, {"l": blobs})
    found = outputs(path, feeds)
    wanted = case.reference(*feeds.values(), *blobs)
    wanted = wanted if isinstance(wanted, (tuple, list)) else [wanted]
    assert list(found) == tops
    for got, want in zip(found.values(), wanted, strict=True):
        assert got.shape == np.shape(want) and got.dtype == np.float32
        np.testing.assert_allclose(got, want, rtol=2e-4, atol=2e-5)
    assert "l" in [name for name, _ in nodes(load(path, Request()))]


def test_every_layer_has_a_case() -> None:
    apart = {"ConvolutionDepthwise", "PriorBox", "DetectionOutput"}  # the first is another name
    assert {case.type for case in CASES} | apart == set(table())
    assert not DATA & set(table())


def test_of_equal_elements_arg_max_takes_the_last(tmp_path: Path) -> None:
    path = write(tmp_path, inputs_text({"x": FLAT}) + layer_text("ArgMax"))
    assert outputs(path, {"x": np.zeros(FLAT, np.float32)})["y"].reshape(-1).tolist() == [9, 9, 9]
