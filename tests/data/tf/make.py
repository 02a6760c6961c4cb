"""Make the small graphs of this folder and what TensorFlow computes for them: `python tests/data/tf/make.py`.

Needs nothing but TensorFlow 2; the loops are built with the control flow of TensorFlow 1.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", TF_ENABLE_ONEDNN_OPTS="0")

import numpy as np
import tensorflow as tf

HERE = Path(__file__).parent
v1 = tf.compat.v1
rng = np.random.default_rng(0)
Made = tuple[tf.Tensor, tf.Tensor]


def weights(*shape: int) -> tf.Tensor:
    return tf.constant(rng.normal(0, 0.4, shape).astype(np.float32))


def cnn() -> Made:
    """A small net for images in NHWC, of open sizes, with everything that has an order of axes."""
    x = v1.placeholder(tf.float32, [None, None, None, 3], "image")
    y = tf.nn.bias_add(tf.nn.conv2d(x, weights(3, 3, 3, 8), 2, "SAME"), weights(8))
    y = tf.nn.relu6(y, name="first")
    y = tf.nn.depthwise_conv2d(y, weights(3, 3, 8, 1), [1, 1, 1, 1], "SAME")
    y, _, _ = v1.nn.fused_batch_norm(
        y, tf.abs(weights(8)), weights(8), weights(8), tf.abs(weights(8)) + 0.5, is_training=False
    )
    left, right = tf.split(tf.nn.relu(y), 2, axis=3)
    y = tf.concat([right, left * tf.sigmoid(tf.reduce_mean(left, [1, 2], keepdims=True))], -1)
    y = tf.nn.max_pool2d(tf.pad(y, [[0, 0], [1, 0], [0, 1], [0, 0]]), 2, 2, "VALID", name="pooled")
    y = tf.reshape(tf.reduce_mean(y, [1, 2]), [-1, 8])
    return x, tf.nn.softmax(tf.matmul(y, weights(8, 5)) + weights(5), name="scores")


def upscale() -> Made:
    """PReLU as TensorFlow 1 spelled it, and a result in NCHW."""
    x = v1.placeholder(tf.float32, name="luma")
    y = tf.nn.conv2d(x, weights(3, 3, 1, 4), 1, "SAME")
    y = tf.nn.relu(y) + weights(4) * (y - tf.abs(y)) * 0.5
    y = tf.nn.depth_to_space(tf.nn.conv2d(y, weights(3, 3, 4, 4), 1, "SAME"), 2)
    return x, tf.transpose(y, [0, 3, 1, 2], name="NCHW_output")


def audio() -> Made:
    """Features of a WAV file, which cannot be converted, before a layer that can."""
    x = v1.placeholder(tf.string, [], "wav")
    sound = tf.audio.decode_wav(x, desired_channels=1, desired_samples=16000)
    spectrum = tf.raw_ops.AudioSpectrogram(input=sound.audio, window_size=640, stride=640, magnitude_squared=True)
    features = tf.raw_ops.Mfcc(spectrogram=spectrum, sample_rate=sound.sample_rate, name="Mfcc")
    y = tf.matmul(tf.reshape(features, [1, 25 * 13]), weights(25 * 13, 4))
    return features, tf.nn.softmax(y, name="scores")


def spectrum() -> Made:
    """A mask on a spectrum, its phase kept."""
    x = v1.placeholder(tf.float32, [None, 32], "block")
    z = tf.signal.rfft(x)
    size = tf.abs(z) * tf.sigmoid(tf.matmul(tf.abs(z), weights(17, 17)))
    z = tf.cast(size, tf.complex64) * tf.exp(1j * tf.cast(tf.math.angle(z), tf.complex64))
    return x, tf.signal.irfft(z, name="restored")


def loop(step: Callable[..., tuple[tf.Tensor, ...]], states: int, name: str) -> Made:
    """tf.nn.dynamic_rnn as TensorFlow 1 wrote it: a loop that reads one TensorArray and writes another."""
    x = v1.placeholder(tf.float32, [None, 9, 3], "sequence")
    parts = tf.TensorArray(tf.float32, 9).unstack(tf.transpose(x, [1, 0, 2]))
    first = [tf.zeros([tf.shape(x)[0], 6])] * states

    def body(time: tf.Tensor, made: tf.TensorArray, *now: tf.Tensor) -> tuple[object, ...]:
        after = step(parts.read(time), *now)
        return (time + 1, made.write(time, after[-1]), *after)

    _, made, *last = v1.while_loop(lambda t, *_: t < 9, body, [0, tf.TensorArray(tf.float32, 9), *first])
    every = tf.transpose(made.stack(), [1, 0, 2])
    return x, tf.concat([every, tf.expand_dims(last[-1], 1)], 1, name=name)


def basic_lstm() -> Made:
    """BasicLSTMCell: one matrix for x and h, gates i, j, f, o, a bias of 1 in the forget gate."""
    w, b = weights(9, 24), weights(24)

    def step(x: tf.Tensor, c: tf.Tensor, h: tf.Tensor) -> tuple[tf.Tensor, ...]:
        i, j, f, o = tf.split(tf.nn.bias_add(tf.matmul(tf.concat([x, h], 1), w), b), 4, 1)
        c = c * tf.sigmoid(f + 1.0) + tf.sigmoid(i) * tf.tanh(j)
        return c, tf.tanh(c) * tf.sigmoid(o)

    return loop(step, 2, "lstm_out")


def gru_cell() -> Made:
    """GRUCell: r and u from one matrix, the candidate from the reset state."""
    w, b, wc, bc = weights(9, 12), weights(12), weights(9, 6), weights(6)

    def step(x: tf.Tensor, h: tf.Tensor) -> tuple[tf.Tensor, ...]:
        r, u = tf.split(tf.sigmoid(tf.matmul(tf.concat([x, h], 1), w) + b), 2, 1)
        return (u * h + (1 - u) * tf.tanh(tf.matmul(tf.concat([x, r * h], 1), wc) + bc),)

    return loop(step, 1, "gru_out")


def gru_after() -> Made:
    """A GRU that resets behind its product (CudnnCompatibleGRUCell), its update gate the other way round."""
    w, b, wc, bc, rc, br = weights(9, 12), weights(12), weights(3, 6), weights(6), weights(6, 6), weights(6)

    def step(x: tf.Tensor, h: tf.Tensor) -> tuple[tf.Tensor, ...]:
        r, u = tf.split(tf.sigmoid(tf.matmul(tf.concat([x, h], 1), w) + b), 2, 1)
        n = tf.tanh(tf.matmul(x, wc) + bc + r * (tf.matmul(h, rc) + br))
        return ((1 - u) * h + u * n,)

    return loop(step, 1, "gru_out")


def basic_rnn() -> Made:
    """BasicRNNCell with relu."""
    w, b = weights(9, 6), weights(6)
    return loop(lambda x, h: (tf.nn.relu(tf.matmul(tf.concat([x, h], 1), w) + b),), 1, "rnn_out")


def odd_loop() -> Made:
    """A loop that is no recurrent layer."""
    return loop(lambda x, h: (tf.sin(tf.matmul(tf.concat([x, h], 1), weights(9, 6))) * h + x[:, :1],), 1, "odd_out")


FROZEN = (cnn, upscale, audio, spectrum, basic_lstm, gru_cell, gru_after, basic_rnn, odd_loop)
SHAPES = {"cnn": (1, 13, 10, 3), "upscale": (1, 6, 5, 1), "audio": (1, 25, 13), "spectrum": (1, 32)}


def frozen(make: Callable[[], Made], found: dict[str, np.ndarray]) -> None:
    with tf.Graph().as_default() as graph:
        x, y = make()
        graph_def = v1.graph_util.extract_sub_graph(graph.as_graph_def(), [y.op.name])
        data = rng.normal(0, 1, SHAPES.get(make.__name__, (1, 9, 3))).astype(np.float32)
        with v1.Session() as session:
            found[f"{make.__name__}/x"], found[f"{make.__name__}/y"] = data, session.run(y, {x: data})
    (HERE / f"{make.__name__}.pb").write_bytes(graph_def.SerializeToString(deterministic=True))


class Counter(tf.Module):
    """Two signatures, variables in a called function, and a state that is written."""

    def __init__(self) -> None:
        super().__init__()
        self.w = tf.Variable(weights(4, 3), name="same")
        self.b = tf.Variable(weights(3), name="same")
        self.sum = tf.Variable(tf.zeros([1, 3]), name="sum")

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32)])
    def dense(self, x: tf.Tensor) -> tf.Tensor:
        return tf.matmul(x, self.w) + self.b

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, "x")])
    def plain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": tf.nn.relu(self.dense(x))}

    @tf.function(input_signature=[tf.TensorSpec([1, 4], tf.float32, "x")])
    def running(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        total = 0.5 * self.sum + self.dense(x)
        self.sum.assign(total)
        return {"y": tf.tanh(total)}


def saved(found: dict[str, np.ndarray]) -> None:
    shutil.rmtree(HERE / "saved", ignore_errors=True)
    module = Counter()
    signatures = {"serving_default": module.plain, "running": module.running}
    options = tf.saved_model.SaveOptions(save_debug_info=False)
    tf.saved_model.save(module, str(HERE / "saved"), signatures, options)
    (HERE / "saved/fingerprint.pb").unlink(missing_ok=True)
    shutil.rmtree(HERE / "saved/assets", ignore_errors=True)
    x = rng.normal(0, 1, (3, 4)).astype(np.float32)
    found["saved/x"], found["saved/y"] = x, module.plain(tf.constant(x))["y"].numpy()
    found["running/y"] = np.concatenate([module.running(tf.constant(row[None]))["y"].numpy() for row in x])


def saved_v1(found: dict[str, np.ndarray]) -> None:
    shutil.rmtree(HERE / "saved_v1", ignore_errors=True)
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 4], "x")
        w = v1.get_variable("w", initializer=rng.normal(0, 1, (4, 2)).astype(np.float32), use_resource=False)
        b = v1.get_variable("b", initializer=rng.normal(0, 1, 2).astype(np.float32), use_resource=True)
        y = tf.add(tf.matmul(x, w), b, name="y")
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(HERE / "saved_v1"), {"x": x}, {"y": y})
        found["saved_v1/x"] = rng.normal(0, 1, (2, 4)).astype(np.float32)
        found["saved_v1/y"] = session.run(y, {x: found["saved_v1/x"]})


def keras_gru(found: dict[str, np.ndarray]) -> None:
    """A loop of TensorFlow 2 whose variables are read inside."""
    import keras

    shutil.rmtree(HERE / "keras_gru", ignore_errors=True)
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((7, 3), name="x"), keras.layers.GRU(5, return_sequences=True)])
    model.set_weights([rng.normal(0, 0.4, w.shape) for w in model.get_weights()])
    model.export(str(HERE / "keras_gru"), verbose=False)
    (HERE / "keras_gru/fingerprint.pb").unlink(missing_ok=True)
    found["keras_gru/x"] = rng.normal(0, 1, (1, 7, 3)).astype(np.float32)
    found["keras_gru/y"] = model(found["keras_gru/x"]).numpy()


def main() -> None:
    found: dict[str, np.ndarray] = {}
    saved(found)
    keras_gru(found)
    v1.disable_control_flow_v2()
    for make in FROZEN:
        frozen(make, found)
    saved_v1(found)
    np.savez_compressed(HERE / "ref.npz", **found)


if __name__ == "__main__":
    main()
