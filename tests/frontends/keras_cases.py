"""Small Keras 3 models, one or two layers each; what Keras itself computes is the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers as L
from keras import ops

Case = Callable[[], Any]
CASES: dict[str, Case] = {}


def case(name: str, shape: Any, *layers: Any, batch: int | None = None) -> None:
    """A chain of layers on one input."""

    def make() -> Any:
        x = keras.Input(shape, batch_size=batch, name="x")
        return keras.Model(
            x, apply([one() if callable(one) and not isinstance(one, L.Layer) else one for one in layers], x)
        )

    assert name not in CASES, name
    CASES[name] = make


def apply(layers: list[Any], x: Any) -> Any:
    for layer in layers:
        x = layer(x)
    return x


def model(make: Case) -> Case:
    """A model of any form."""
    CASES[make.__name__] = make
    return make


IMAGE, SEQUENCE = (7, 6, 4), (6, 4)

# ---- convolutions
for padding in ("valid", "same"):
    for strides in (1, 2, (3, 2)):
        if padding == "valid" or strides != (3, 2):
            case(f"conv2d {padding} {strides}", IMAGE, lambda p=padding, s=strides: L.Conv2D(3, (3, 2), s, p))
        case(
            f"depthwise {padding} {strides}",
            (8, 9, 4),
            lambda p=padding, s=strides: L.DepthwiseConv2D((3, 2), s if s == 2 else 1, p, depth_multiplier=2),
        )
    case(
        f"separable {padding}",
        IMAGE,
        lambda p=padding: L.SeparableConv2D(3, 3, 2, p, depth_multiplier=2, activation="relu"),
    )
    for op in (None, 1):
        for kernel, strides in ((3, 2), (2, 3), (4, 2), (5, 1)):
            if strides > 1 or op is None:
                case(
                    f"transposed {padding} {op} {kernel} {strides}",
                    (4, 5, 2),
                    lambda p=padding, o=op, k=kernel, s=strides: L.Conv2DTranspose(3, k, s, p, output_padding=o),
                )
case("conv2d same 3 2", IMAGE, lambda: L.Conv2D(3, (3, 2), (3, 2), "same"))
case("conv2d dilated", IMAGE, lambda: L.Conv2D(3, 3, dilation_rate=2, padding="same"))
case("conv2d groups", IMAGE, lambda: L.Conv2D(6, 3, groups=2, use_bias=False))
case("transposed dilated", (4, 5, 2), lambda: L.Conv2DTranspose(3, 3, padding="same", dilation_rate=2))
case("transposed 1d", SEQUENCE, lambda: L.Conv1DTranspose(3, 3, 2, "same"))
for padding in ("valid", "same", "causal"):
    case(f"conv1d {padding}", SEQUENCE, lambda p=padding: L.Conv1D(3, 3, padding=p, dilation_rate=2))
case("conv1d stride", SEQUENCE, lambda: L.Conv1D(3, 3, 2, "causal"))
case("depthwise 1d", SEQUENCE, lambda: L.DepthwiseConv1D(3, 2, "same", depth_multiplier=2))
case("separable 1d", SEQUENCE, lambda: L.SeparableConv1D(3, 3, padding="same"))
case("dense", (5,), lambda: L.Dense(3, activation="relu"))
case("dense 3d", SEQUENCE, lambda: L.Dense(3, use_bias=False))
case("dense 4d", IMAGE, lambda: L.Conv2D(3, 2), lambda: L.Dense(3))
case("einsum dense", SEQUENCE, lambda: L.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d"))
case("einsum dense heads", SEQUENCE, lambda: L.EinsumDense("abc,cde->abde", (None, 2, 3), bias_axes="de"))
case("einsum dense joined", (3, 2, 4), lambda: L.EinsumDense("abcd,cde->abe", (None, 5), bias_axes="e"))

# ---- pooling
for kind in (L.MaxPooling2D, L.AveragePooling2D):
    for padding in ("valid", "same"):
        case(f"{kind.__name__} {padding}", IMAGE, lambda k=kind, p=padding: k(3, 2, p))
for kind in (L.MaxPooling1D, L.AveragePooling1D):
    case(kind.__name__, SEQUENCE, lambda k=kind: k(3, 2, "same"))
for kind in (L.GlobalMaxPooling2D, L.GlobalAveragePooling2D, L.GlobalMaxPooling1D, L.GlobalAveragePooling1D):
    shape = IMAGE if "2D" in kind.__name__ else SEQUENCE
    case(kind.__name__, shape, lambda k=kind: k())
    case(f"{kind.__name__} kept", shape, lambda k=kind: k(keepdims=True))
for kind in ("AdaptiveAveragePooling2D", "AdaptiveMaxPooling2D"):
    if hasattr(L, kind):
        case(kind, (6, 8, 3), lambda k=kind: getattr(L, k)((3, 2)))
for kind in ("AdaptiveAveragePooling1D", "AdaptiveMaxPooling1D"):
    if hasattr(L, kind):
        case(kind, SEQUENCE, lambda k=kind: getattr(L, k)(3))
for how in ("nearest", "bilinear"):
    case(f"upsampling {how}", IMAGE, lambda h=how: L.UpSampling2D((2, 3), interpolation=h))
    case(f"resizing {how}", IMAGE, lambda h=how: L.Resizing(9, 5, h), batch=2)
case("upsampling 1d", SEQUENCE, lambda: L.UpSampling1D(3))

# ---- normalization
case("batchnorm image", IMAGE, lambda: L.BatchNormalization())
case("batchnorm plain", (5,), lambda: L.BatchNormalization(scale=False))
case("batchnorm sequence", SEQUENCE, lambda: L.BatchNormalization(center=False))
case("batchnorm axis", IMAGE, lambda: L.BatchNormalization(axis=1))
case("layernorm", SEQUENCE, lambda: L.LayerNormalization())
case("layernorm image", IMAGE, lambda: L.LayerNormalization(axis=[1, 2, 3]))
case("layernorm channels", IMAGE, lambda: L.LayerNormalization(center=False))
case("groupnorm", IMAGE, lambda: L.GroupNormalization(2))
case("instancenorm", IMAGE, lambda: L.GroupNormalization(-1))
case("rmsnorm", SEQUENCE, lambda: L.RMSNormalization())
case("unitnorm", SEQUENCE, lambda: L.UnitNormalization())
case("rescaling", IMAGE, lambda: L.Rescaling(1 / 127.5, -1), lambda: L.Conv2D(2, 3))
case("rescaling channels", IMAGE, lambda: L.Rescaling([1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 0.0, 2.0]))
case("normalization", IMAGE, lambda: L.Normalization(mean=[1.0, 2.0, 3.0, 4.0], variance=[4.0, 1.0, 2.0, 3.0]))
case("normalization inverted", (5,), lambda: L.Normalization(mean=2.0, variance=3.0, axis=None, invert=True))

# ---- activations
NAMES = ["celu", "elu", "exponential", "gelu", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu", "linear",
         "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "softmax", "softplus",
         "softsign", "squareplus", "swish", "tanh", "tanh_shrink"]  # fmt: skip
for name in NAMES:
    case(f"activation {name}", (17,), lambda n=name: L.Activation(n))
case("activation as layer", (17,), lambda: L.Dense(5, activation=L.LeakyReLU(0.1)))
for options in ({}, {"max_value": 1.0}, {"negative_slope": 0.1}, {"max_value": 1.0, "negative_slope": 0.1,
                "threshold": 0.5}, {"threshold": 0.5}):  # fmt: skip
    case(f"relu {options}", (17,), lambda o=options: L.ReLU(**o))
case("leaky relu", (17,), lambda: L.LeakyReLU(0.2))
case("prelu", IMAGE, lambda: L.PReLU())
case("prelu shared", IMAGE, lambda: L.Conv2D(2, 2), lambda: L.PReLU(shared_axes=[1, 2]))
case("elu layer", (17,), lambda: L.ELU(0.7))
case("softmax layer", IMAGE, lambda: L.Softmax(axis=1))

# ---- shapes
case("flatten", IMAGE, lambda: L.Conv2D(2, 3), lambda: L.Flatten(), lambda: L.Dense(3))
case("flatten channels first", IMAGE, lambda: L.Flatten(data_format="channels_first"))
case("reshape", IMAGE, lambda: L.Conv2D(2, 3), lambda: L.Reshape((4, -1)))
case("permute", IMAGE, lambda: L.Conv2D(2, 3), lambda: L.Permute((3, 1, 2)))
case("permute to conv", SEQUENCE, lambda: L.Permute((2, 1)), lambda: L.Conv1D(2, 3))
case("repeat", (5,), lambda: L.RepeatVector(3))
case("zero padding", IMAGE, lambda: L.ZeroPadding2D(((1, 2), (0, 3))))
case("zero padding 1d", SEQUENCE, lambda: L.ZeroPadding1D((1, 2)))
case("cropping", IMAGE, lambda: L.Cropping2D(((1, 2), (0, 3))))
case("cropping 1d", SEQUENCE, lambda: L.Cropping1D((0, 2)))
case("center crop", IMAGE, lambda: L.CenterCrop(4, 3))
case(
    "nothing",
    (5,),
    lambda: L.Dropout(0.5),
    lambda: L.GaussianNoise(0.1),
    lambda: L.Dense(3),
    lambda: L.AlphaDropout(0.1),
)

# ---- recurrent
for kind in (L.LSTM, L.GRU, L.SimpleRNN):
    for options in ({}, {"return_sequences": True}, {"go_backwards": True}, {"go_backwards": True,
                    "return_sequences": True}, {"return_state": True, "use_bias": False}):  # fmt: skip
        case(f"{kind.__name__} {options}", SEQUENCE, lambda k=kind, o=options: k(3, **o))
    case(f"{kind.__name__} relu", SEQUENCE, lambda k=kind: k(3, activation="relu"))
    for mode in ("concat", "sum", "mul", "ave", None):
        for is_sequence in (False, True):
            case(
                f"{kind.__name__} both {mode} {is_sequence}",
                SEQUENCE,
                lambda k=kind, m=mode, s=is_sequence: L.Bidirectional(k(3, return_sequences=s), merge_mode=m),
            )
case("GRU reset before", SEQUENCE, lambda: L.GRU(3, reset_after=False))
case("GRU both reset before", SEQUENCE, lambda: L.Bidirectional(L.GRU(3, reset_after=False)))
case("LSTM hard", SEQUENCE, lambda: L.LSTM(3, recurrent_activation="hard_sigmoid", activation="softsign"))
case("LSTM both state", SEQUENCE, lambda: L.Bidirectional(L.LSTM(3, return_state=True, return_sequences=True)))
case("LSTM stacked", SEQUENCE, lambda: L.LSTM(3, return_sequences=True), lambda: L.LSTM(2))
case("RNN cells", SEQUENCE, lambda: L.RNN([L.LSTMCell(3), L.GRUCell(2)], return_sequences=True, return_state=True))
case("RNN cells backward", SEQUENCE, lambda: L.RNN([L.LSTMCell(3), L.SimpleRNNCell(2)], go_backwards=True))
case("RNN cell", SEQUENCE, lambda: L.RNN(L.GRUCell(3)))
case(
    "time distributed dense", SEQUENCE, lambda: L.LSTM(3, return_sequences=True), lambda: L.TimeDistributed(L.Dense(2))
)
case(
    "time distributed conv",
    (3, 5, 6, 2),
    lambda: L.TimeDistributed(L.Conv2D(2, 3)),
    lambda: L.TimeDistributed(L.Flatten()),
)


@model
def initial_state() -> Any:
    x, h, c = keras.Input(SEQUENCE, name="x"), keras.Input((3,), name="h"), keras.Input((3,), name="c")
    return keras.Model([x, h, c], L.LSTM(3, return_state=True)(x, initial_state=[h, c]))


@model
def initial_states_of_both() -> Any:
    x, h, g = keras.Input(SEQUENCE, name="x"), keras.Input((3,), name="h"), keras.Input((3,), name="g")
    return keras.Model([x, h, g], L.Bidirectional(L.GRU(3))(x, initial_state=[h, g]))


@model
def embedding() -> Any:
    x = keras.Input((6,), dtype="int32", name="x")
    return keras.Model(x, L.LSTM(2)(L.Embedding(9, 4)(x)))


@model
def attention() -> Any:
    x, y = keras.Input(SEQUENCE, name="x"), keras.Input((5, 3), name="y")
    z = L.MultiHeadAttention(2, 3, value_dim=4)(x, y)
    return keras.Model([x, y], [z, L.MultiHeadAttention(2, 3, use_bias=False)(x, x, use_causal_mask=True)])


@model
def plain_attention() -> Any:
    x, y = keras.Input(SEQUENCE, name="x"), keras.Input((5, 4), name="y")
    return keras.Model([x, y], [L.Attention(use_scale=True)([x, y]), L.Attention()([x, y, y])])


# ---- merging
MERGES = (L.Add, L.Subtract, L.Multiply, L.Average, L.Maximum, L.Minimum, L.Concatenate)


def merge(kind: Any) -> Any:
    x = keras.Input(IMAGE, name="x")
    return keras.Model(x, kind()([L.Conv2D(2, 3, padding="same")(x), L.Conv2D(2, 2, padding="same")(x)]))


for kind in MERGES:
    CASES[f"merge {kind.__name__}"] = lambda k=kind: merge(k)


@model
def squeeze_and_excite() -> Any:
    x = keras.Input(IMAGE, name="x")
    y = L.Conv2D(4, 3, padding="same")(x)
    gate = L.Dense(4, activation="sigmoid")(L.GlobalAveragePooling2D()(y))
    return keras.Model(x, L.Multiply()([y, gate]))


@model
def concatenated_axes() -> Any:
    x = keras.Input(IMAGE, name="x")
    y = L.Conv2D(4, 1)(x)
    return keras.Model(x, [L.Concatenate(axis=1)([x, y]), L.Concatenate(axis=-2)([y, y, x])])


@model
def dots() -> Any:
    a, b, c = keras.Input((4,), name="a"), keras.Input((4,), name="b"), keras.Input((3, 4), name="c")
    outputs = [L.Dot(1)([a, b]), L.Dot(1, normalize=True)([a, b]), L.Dot((1, 2))([a, c]), L.Dot(2)([c, c])]
    return keras.Model([a, b, c], outputs)


# ---- functions
def function(name: str, shape: Any, call: Callable[[Any], Any]) -> None:
    def make() -> Any:
        x = keras.Input(shape, name="x")
        return keras.Model(x, call(x))

    CASES[f"ops {name}"] = make


function("arithmetic", (4,), lambda x: ops.abs((x * 2.0 + 1.0) / 3.0 - x) ** 2.0)
function("constants", IMAGE, lambda x: L.Conv2D(4, 1)(x) * np.float32([1, 2, 3, 4]) + 1.0)
function("one less", (4,), lambda x: 1.0 - ops.maximum(x, 0.5))
function("roots", (4,), lambda x: ops.sqrt(ops.exp(x)) + ops.rsqrt(ops.square(x) + 1.0))
function("mean", IMAGE, lambda x: ops.mean(L.Conv2D(3, 3)(x), axis=[1, 2]))
function("sum", IMAGE, lambda x: ops.sum(L.Conv2D(3, 3)(x), axis=-1, keepdims=True))
function("max min", SEQUENCE, lambda x: ops.max(x, axis=1) - ops.min(x, axis=1))
function("reshape", IMAGE, lambda x: ops.reshape(L.Conv2D(2, 2)(x), (-1, 6, 10)))
function("transpose", IMAGE, lambda x: ops.transpose(L.Conv2D(2, 2)(x), (0, 3, 1, 2)))
function("swap", SEQUENCE, lambda x: ops.swapaxes(x, 1, 2))
function("expand", (4,), lambda x: ops.squeeze(ops.expand_dims(x, 1), 1) + 1.0)
function("concatenate", SEQUENCE, lambda x: ops.concatenate([x, x * 2.0], axis=1))
function("stack", (4,), lambda x: ops.stack([x, x + 1.0], axis=1))
function("split", (6,), lambda x: ops.split(x, 3, axis=-1)[1])
function("split at", (6,), lambda x: ops.split(x, [2, 3], axis=-1)[2])
function("slices", IMAGE, lambda x: x[:, 1:-1, ..., 2])
function("matmul", SEQUENCE, lambda x: ops.matmul(x, ops.transpose(x, (0, 2, 1))))
function(
    "activations",
    (9,),
    lambda x: ops.relu(x) + ops.sigmoid(x) * ops.leaky_relu(x, 0.3) + ops.gelu(x, approximate=False),
)
function("gelu tanh", (9,), lambda x: ops.gelu(x, approximate=True))
function("softmax", SEQUENCE, lambda x: ops.softmax(x, axis=1))
function("clip", (9,), lambda x: ops.clip(x, -0.5, 0.5))
function("pad", IMAGE, lambda x: ops.pad(x, [[0, 0], [1, 2], [0, 1], [0, 0]]))
function("broadcast", IMAGE, lambda x: L.Conv2D(4, 1)(x) + ops.mean(x, axis=[1, 2], keepdims=True))


# ---- models of models
@model
def nested() -> Any:
    """A Sequential and a Functional inside, a layer that is called twice, two inputs and three outputs."""
    inner = keras.Sequential(
        [L.Input((4,)), L.Dense(5, activation="relu"), L.BatchNormalization(), L.Dense(4)], name="inner"
    )
    p = keras.Input((4,), name="p")
    both = keras.Model(p, [inner(p), L.Dense(2)(p)], name="both")
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    shared = L.Dense(4, name="shared")
    x, y = shared(a), shared(b)
    u, v = both(L.Add()([x, y]))
    return keras.Model([a, b], [inner(x), u, v])


@model
def sequential() -> Any:
    return keras.Sequential([L.Input((8, 8, 1), name="x"), L.Conv2D(4, 3, 2, "same"), L.BatchNormalization(), L.ReLU(),
                             L.MaxPooling2D(), L.Flatten(), L.Dense(3, activation="softmax")])  # fmt: skip


@model
def dictionaries() -> Any:
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b")
    return keras.Model({"a": a, "b": b}, {"sum": L.Add(name="sum")([a, b]), "c": L.Concatenate(name="c")([a, b])})
