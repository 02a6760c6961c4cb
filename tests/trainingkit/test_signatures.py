"""The interface of the vendor's kit: paths, names, arguments and their defaults."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest
import torch
from magik_trainingkit import activations, graph, ops
from magik_trainingkit.values import Pixels, Value

PYTHON = "ingenic_magik_trainingkit.QuantizationTrainingPlugin.python"
WIDTHS = "weight_bitwidth=32, input_bitwidth=32, output_bitwidth=32"
IO = "input_bitwidth=32, output_bitwidth=32"
NORM = "enable_batch_norm=False, enable_bias=True"
FIRST = "quantize=False, quantize_last_feature=False, first_layer=False, last_layer=False"
LAST = "quantize=False, quantize_last_feature=False, last_layer=False"
CLIP, CHIP = "clip_max_value=6.0, weight_factor=3.0", "target_device=Txx"
END = f"{CLIP}, {CHIP}, auto_bitwidth=True, auto_threshold=False, pre_lstm_layer=False"
FOCUS = f"{CLIP}, {CHIP}, auto_bitwidth=True, is_focus=False, auto_threshold=False, pre_lstm_layer=False"
LAYOUT = "data_format=NCHW"

SIGNATURES = {
    "Preprocess": f"mean=0.0, var=255.0, {CHIP}",
    "Conv2D": f"in_channels, out_channels, stride=1, kernel_h=3, kernel_w=3, activation_fn=ReLU6, {NORM}, padding=0, "
    f"groups=1, dilation=1, {LAYOUT}, {FIRST}, {WIDTHS}, {FOCUS}, conv1d=False",
    "Conv1D": "in_channels, out_channels, kernel_size=3, stride=1, padding=0, dilation=1, groups=1, bias=True, "
    f"activation_fn=ReLU6, enable_batch_norm=False, {LAYOUT}, {FIRST}, {WIDTHS}, {FOCUS}",
    "DepthwiseConv2D": f"in_channels, stride=1, kernel_h=3, kernel_w=3, activation_fn=ReLU6, {NORM}, padding=0, "
    f"dilation=1, {LAYOUT}, {LAST}, {WIDTHS}, {END}",
    "ConvTranspose2D": f"in_channels, out_channels, activation_fn=ReLU6, {NORM}, {LAYOUT}, {LAST}, {WIDTHS}, {END}",
    "FullConnected": f"in_channels, out_channels, activation_fn=ReLU6, {NORM}, {LAYOUT}, {LAST}, {WIDTHS}, {END}",
    "BatchNorm": f"in_channels, activation_fn=Linear, quantize=False, first_layer=False, {IO}, clip_max_value=6.0, "
    f"auto_threshold=True, {CHIP}",
    "Flatten": f"shape_list, {CHIP}",
    "Route": CHIP,
    "Shortcut": f"out_channels, activation_fn=Linear, {LAST}, {IO}, clip_max_value=2.0, {CHIP}",
    "Maxpool2D": f"kernel_h=2, kernel_w=2, stride=2, padding=0, {CHIP}",
    "Avgpool2D": f"in_channels, kernel_h=2, kernel_w=2, stride=2, padding=0, quantize=False, {IO}, {CHIP}",
    "AdaptiveAvgpool2D": f"in_channels, keepdim=True, quantize=False, {IO}, last_layer=False, {CHIP}",
    "Unpool2D": f"kernel_h=2, kernel_w=2, mode=zero, quantize=False, last_layer=False, {CHIP}",
    "PReLU": f"in_channels, {CHIP}",
    "Hsigmoid": f"in_channels, offset_value=3.0, clip_max_value=6.0, {CHIP}",
    "Hswish": f"in_channels, {CHIP}",
    "ReLU6": CHIP,
    "ReLU": CHIP,
    "Linear": CHIP,
    "LeakyReLU": f"negative_slope=0.01, {CHIP}",
    "Mul": f"out_channels, {LAST}, {IO}, {CHIP}",
    "Se_Block": f"in_channels, rate, {LAST}, enable_bias=True, enable_batch_norm=False, {WIDTHS}, weight_factor=3.0, "
    f"clip_max_value=6.0, {LAYOUT}, {CHIP}",
    "Channel_Split": f"split, {CHIP}",
    "Pixel_Shuffle": "upscale_factor, target_device=T40",
    "LSTM": "input_size, hidden_size, num_layers=1, bias=True, bidirectional=False, return_output_states=False, "
    "batch_first=True, use_squeeze=False, quantize=False, input_bitwidth=32, weight_bitwidth=32, output_bitwidth=32, "
    f"weight_factor=3.0, {CHIP}",
    "Embedding": f"num_embeddings, embedding_dim, padding_idx=None, first_layer=False, quantize=False, {IO}, "
    f"multi_inputs=True, {CHIP}, pre_lstm_layer=False",
    "Focus": CHIP,
    "SoftAttention": "input_size, hidden_size, quantize=False, output_bitwidth=32, clip_max_value=6.0, "
    "target_device=T40",
    "MILPoolAttention": "hidden_size, quantize=False, output_bitwidth=32, clip_max_value=6.0, target_device=T40",
    "Max": "target_device=T40",
    "RoIPooling": f"output_size, spatial_scale=1.0, quantize=False, {IO}, {CHIP}",
}


def told(p: inspect.Parameter) -> str:
    value: Any = p.default
    if value is inspect.Parameter.empty:
        return p.name
    return f"{p.name}={type(value).__name__ if isinstance(value, torch.nn.Module) else value}"


@pytest.mark.parametrize("name", SIGNATURES)
def test_arguments_and_defaults_are_those_of_the_kit(name: str) -> None:
    given = inspect.signature(getattr(ops, name)).parameters.values()
    assert ", ".join(map(told, given)) == SIGNATURES[name]


def test_names_are_found_under_the_paths_of_the_kit() -> None:
    vendor = importlib.import_module(f"{PYTHON}.ops")
    more = {"Preprocess", "LeakyReLU", "SoftAttention", "MILPoolAttention", "Max", "RoIPooling"}
    assert set(vendor.__all__) == set(SIGNATURES) - more and len(vendor.__all__) == 26
    others = {*more, "NOp", "QuantizeFeature", "Channel_Shuffle", "FullyConnected"}
    assert all(getattr(vendor, name) is getattr(ops, name) for name in {*SIGNATURES, *others})
    for module, name in (("lstm_unit", "LSTM"), ("lstm_txx", "LSTM"), ("roi_pool", "RoIPooling")):
        assert getattr(importlib.import_module(f"{PYTHON}.{module}"), name) is getattr(ops, name)


COMMON = (
    "input_bitwidth output_bitwidth weight_bitwidth clip_min_value clip_max_value weight_factor epsilon target_device "
    "feature_var input_min_value with_negtive_alpha pre_lstm_layer data_format quantize_feature_tensor_name "
    "quantize_weight_tensor_name quantize_feature_version weight_target_device is_output activate_name is_dwconv"
)


@pytest.mark.parametrize(("layer", "more"), [
    (ops.Conv2D(32, 32), {"is_input", "op_in_channels", "conv_param"}),
    (ops.DepthwiseConv2D(32), {"is_input", "op_in_channels", "conv_param"}),
    (ops.FullConnected(32, 32), {"input_channels"}),
])  # fmt: skip
def test_nodes_of_weights_say_what_those_of_the_kit_say(layer: Any, more: set[str]) -> None:
    how = activations.of(layer.activation_fn)
    said = layer._params(Value(torch.zeros(1, 32, 4, 4), 8, 0.0), how)
    assert set(said) == set(COMMON.split()) | more and not said.get("is_input", False)
    if "is_input" in more:
        first = layer._params(Pixels(torch.zeros(1), 8, 0.0, 255.0, 0.0), how)
        assert (first["is_input"], first["feature_var"]) == (True, 255.0)


def test_nodes_of_features_say_what_those_of_the_kit_say() -> None:
    said = graph.feature(8, 0.0, 1.0, "T40", "pool").attributes
    names = "output_bitwidth clip_min_value clip_max_value target_device data_format pre_lstm_layer version tensor_name"
    assert set(said) == set(names.split())


def test_focus_has_the_phases_in_the_order_of_the_kit() -> None:
    """(even, even), (odd row, even), (even, odd column), (odd, odd)."""
    x = torch.arange(32.0).reshape(1, 2, 4, 4)
    phases = [x[:, :, 0::2, 0::2], x[:, :, 1::2, 0::2], x[:, :, 0::2, 1::2], x[:, :, 1::2, 1::2]]
    assert torch.equal(ops.Focus()(x), torch.cat(phases, 1))
