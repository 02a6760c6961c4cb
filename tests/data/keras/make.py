"""Record Keras 2 models: python tests/data/keras/make.py, with the package tf_keras (which brings TensorFlow).

Each model is an .h5 of a few kilobytes; NAME.npz holds what Keras made of one batch of inputs.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf
import tf_keras as keras
from tf_keras import layers as L

FOLDER = Path(__file__).parent


def image() -> Any:
    """A CNN with what differs between Keras 2 and 3: activations, separable and depthwise kernels, options."""
    x = keras.Input((9, 8, 3), name="x")
    y = L.Conv2D(4, 3, strides=2, padding="same", activation="hard_sigmoid")(x)
    y = L.BatchNormalization()(L.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(y))
    y = L.LeakyReLU(alpha=0.1)(y)
    z = L.SeparableConv2D(6, 3, padding="same", activation="relu")(y)
    z = L.Add()([z, L.Conv2D(6, 1)(y)])
    z = L.PReLU(shared_axes=[1, 2])(L.Conv2DTranspose(5, 3, strides=2, padding="same")(z))
    z = L.ThresholdedReLU(theta=0.2)(L.UpSampling2D(interpolation="bilinear")(z))
    z = L.SpatialDropout2D(0.2)(L.ReLU(max_value=2.0)(z))
    return keras.Model(
        x, [L.Dense(3, activation="softmax")(L.Flatten()(L.MaxPooling2D(4)(z))), L.GlobalAveragePooling2D()(z)]
    )


def sound() -> Any:
    """Recurrent layers, wrapped, with states given as a list, and attention."""
    x, h, c = keras.Input((6, 4), name="x"), keras.Input((3,), name="h"), keras.Input((3,), name="c")
    y = L.LSTM(3, return_sequences=True, recurrent_activation="hard_sigmoid")(x, initial_state=[h, c])
    y = L.Bidirectional(L.GRU(4, return_sequences=True))(y)
    z = L.MultiHeadAttention(2, 3)(y, y)
    z = L.LayerNormalization()(L.Add()([y, z]))
    z = L.TimeDistributed(L.Dense(3, activation="swish"))(z)
    return keras.Model([x, h, c], [L.GRU(2, reset_after=False)(z), L.SimpleRNN(2, go_backwards=True)(z)])


def functions() -> Any:
    """Calls of tf between layers."""
    a = keras.Input((4,), name="a")
    b = keras.Input((5, 4), name="b")
    x = 2.0 - (a * 2.0 + tf.reduce_mean(a, axis=-1, keepdims=True))
    x = tf.concat([x, a], axis=1)[:, 1:5]
    x = tf.nn.relu(x) + tf.math.divide(a, 3.0)
    y = tf.transpose(tf.reshape(b, (-1, 4, 5)), (0, 2, 1))
    y = tf.matmul(y, b, transpose_b=True) / tf.math.sqrt(2.0)
    return keras.Model([a, b], [tf.nn.softmax(tf.clip_by_value(x, -1.0, 1.0)), tf.reduce_sum(y, axis=[1])])


def models() -> Any:
    """Models in models, of which one is frozen, and a layer that is called twice."""
    inner = keras.Sequential(
        [L.Dense(5, activation="relu", input_shape=(4,)), L.BatchNormalization(), L.Dense(4)], name="inner"
    )
    frozen = keras.Sequential([L.Dense(4), L.BatchNormalization()], name="frozen")
    frozen.build((None, 4))
    frozen.trainable = False
    p = keras.Input((4,), name="p")
    both = keras.Model(p, [inner(p), frozen(p)], name="both")
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    shared = L.Dense(4, name="shared")
    u, v = both(L.Add()([shared(a), shared(b)]))
    return keras.Model([a, b], [inner(u), v])


def chain() -> Any:
    return keras.Sequential([L.Dense(4, activation="elu", input_shape=(3,)), L.Dropout(0.1), L.Dense(2)])


def randomize(model: Any, rng: np.random.Generator) -> None:
    for weight in model.weights:
        values = rng.uniform(-1, 1, weight.shape).astype(np.float32)
        weight.assign(np.abs(values) + 0.5 if "variance" in weight.name else values)


def main() -> None:
    for make in (image, sound, functions, models, chain):
        keras.utils.set_random_seed(1)
        keras.backend.clear_session()
        rng, model = np.random.default_rng(2), make()
        randomize(model, rng)
        feeds = {x.name: rng.normal(size=[n or 2 for n in x.shape]).astype(np.float32) for x in model.inputs}
        values = list(feeds.values())
        made = model(values if len(values) > 1 else values[0])
        outputs = made if isinstance(made, (list, tuple)) else [made]
        model.save(FOLDER / f"{make.__name__}.h5", include_optimizer=False)
        recorded = {f"in:{name}": x for name, x in feeds.items()}
        recorded |= {f"out:{i}": y.numpy() for i, y in enumerate(outputs)}
        np.savez_compressed(FOLDER / f"{make.__name__}.npz", **recorded)
    (FOLDER / "chain.json").write_text(model.to_json())
    model.save_weights(FOLDER / "chain.weights.h5")


if __name__ == "__main__":
    main()
