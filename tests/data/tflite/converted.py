"""Small Keras models as TFLite's converter writes them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

os.environ["CUDA_VISIBLE_DEVICES"] = ""

import numpy as np
import tensorflow as tf

L = tf.keras.layers


def image_net() -> Any:
    """Convolutions, an addition, pooling, a dense layer."""
    x = tf.keras.Input((8, 8, 3), 1)
    y = L.Conv2D(4, 3, strides=2, padding="same", activation="relu6")(x)
    z = L.DepthwiseConv2D(3, padding="same", use_bias=False)(y)
    y = L.Add()([y, L.BatchNormalization()(z)])
    y = L.Flatten()(L.AveragePooling2D(2)(y))
    return tf.keras.Model(x, L.Dense(5, activation="softmax")(y))


def dense_net() -> Any:
    """Large enough that weights alone are quantized."""
    x = tf.keras.Input((64,), 1)
    return tf.keras.Model(x, L.Dense(8)(L.Dense(64, activation="relu")(x)))


def samples(shape: tuple[int, ...]) -> Callable[[], Iterator[list[np.ndarray]]]:
    def draw() -> Iterator[list[np.ndarray]]:
        rng = np.random.default_rng(0)
        for _ in range(16):
            yield [rng.uniform(-1, 1, shape).astype(np.float32)]

    return draw


def converted(model: Any, how: str) -> bytes:
    """How: f32, f16, weights, s8, u8 or s16."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if how != "f32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if how == "f16":
        converter.target_spec.supported_types = [tf.float16]
    if how in ("s8", "s8_ends", "s16"):
        converter.representative_dataset = samples((1, *model.inputs[0].shape[1:]))
        ops = tf.lite.OpsSet
        is_wide = how == "s16"
        only = ops.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8 if is_wide else ops.TFLITE_BUILTINS_INT8
        converter.target_spec.supported_ops = [only]
    if how == "s8":
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def models() -> dict[str, bytes]:
    tf.keras.utils.set_random_seed(1)
    net, dense = image_net(), dense_net()
    found = {f"image_{how}": converted(net, how) for how in ("f32", "f16", "s8", "s8_ends", "s16")}
    return {**found, "dense_weights": converted(dense, "weights")}
