"""The cases that make.py records: a name, a symbol of MXNet, and the shapes of its inputs."""

from __future__ import annotations

from typing import Any

Shapes = dict[str, tuple[int, ...]]
Cases = dict[str, tuple[Any, Shapes]]
IMAGE = (2, 4, 5, 7)


def cases(s: Any) -> Cases:
    """Every case; `s` is mxnet.sym."""
    families = (windows, normalizations, functions, arithmetic, reductions, moves, slices, products, recurrent, heads)
    out: Cases = {}
    for family in families:
        for name, case in family(s).items():
            assert name not in out, name
            out[name] = case if isinstance(case, tuple) else (case, {"x": IMAGE})
    return out


def windows(s: Any) -> dict[str, Any]:
    x, c, p, d = s.var("x"), s.Convolution, s.Pooling, s.Deconvolution
    line, cube = {"x": (2, 4, 11)}, {"x": (1, 2, 5, 6, 7)}
    ada, up, big = s.contrib.AdaptiveAvgPooling2D, s.UpSampling, s.contrib.BilinearResize2D
    two = {"kernel": (3, 2), "stride": (2, 1)}
    out = {
        "conv": c(x, kernel=(3, 2), num_filter=6, stride=(2, 1), pad=(1, 0), dilate=(1, 2), name="c"),
        "conv_group": c(x, kernel=(1, 1), num_filter=8, num_group=4, no_bias=True, name="c"),
        "conv_1d": (c(x, kernel=(3,), num_filter=5, pad=(1,), name="c"), line),
        "conv_3d": (c(x, kernel=(2, 2, 2), num_filter=3, name="c"), cube),
        "deconv": d(x, kernel=(3, 3), num_filter=4, stride=(2, 2), pad=(1, 1), adj=(1, 0), num_group=2, name="d"),
        "deconv_target": d(
            x, kernel=(3, 3), num_filter=3, stride=(2, 2), pad=(1, 1), target_shape=(9, 14), no_bias=False, name="d"
        ),
        "pool_max": p(x, kernel=(3, 2), stride=(2, 2), pad=(1, 0), pool_type="max", name="p"),
        "pool_max_full": p(x, kernel=(2, 2), stride=(2, 2), pool_type="max", pooling_convention="full", name="p"),
        "pool_max_full_pad": p(x, kernel=(4, 4), stride=(3, 3), pad=(1, 1), pooling_convention="full", name="p"),
        "pool_avg_pad": p(x, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="avg", name="p"),
        "pool_avg_inside": p(
            x, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="avg", count_include_pad=False, name="p"
        ),
        "pool_avg_full": p(
            x, kernel=(4, 4), stride=(3, 3), pad=(1, 1), pool_type="avg", pooling_convention="full", name="p"
        ),
        "pool_avg_full_inside": p(
            x,
            kernel=(4, 4),
            stride=(3, 3),
            pad=(1, 1),
            pool_type="avg",
            pooling_convention="full",
            count_include_pad=False,
            name="p",
        ),
        "pool_sum": p(x, pool_type="sum", pad=(1, 1), name="p", **two),
        "pool_lp": p(x, pool_type="lp", p_value=2, name="p", **two),
        "pool_1d": (p(x, kernel=(3,), stride=(2,), pool_type="max", name="p"), line),
        "adaptive_1": ada(x, output_size=1, name="a"),
        "adaptive": ada(x, output_size=(3, 4), name="a"),
        "up_nearest": up(x, scale=2, sample_type="nearest", num_args=1, name="u"),
        "up_bilinear": up(x, scale=3, sample_type="bilinear", num_filter=4, num_args=2, name="u"),
        "resize": big(x, height=5, width=13, name="b"),
        "resize_half": big(x, height=14, width=5, align_corners=False, name="b"),
        "resize_scale": big(x, scale_height=2.0, scale_width=1.5, mode="size", name="b"),
        "resize_odd": big(x, scale_height=2.0, scale_width=2.0, mode="odd_scale", name="b"),
        "resize_like": (big(x, s.var("y"), mode="like", name="b"), {"x": IMAGE, "y": (2, 1, 4, 3)}),
    }
    for kind in ("max", "avg", "sum", "lp"):
        out[f"pool_global_{kind}"] = p(x, kernel=(2, 2), global_pool=True, pool_type=kind, p_value=2, name="p")
    return out


def normalizations(s: Any) -> dict[str, Any]:
    x, flat = s.var("x"), {"x": (3, 8)}
    return {
        "batch_norm": s.BatchNorm(x, fix_gamma=False, eps=2e-5, name="n"),
        "batch_norm_fixed": s.BatchNorm(x, fix_gamma=True, use_global_stats=True, name="n"),
        "batch_norm_last": s.BatchNorm(x, fix_gamma=False, axis=-1, name="n"),
        "batch_norm_axis": s.BatchNorm(x, fix_gamma=False, axis=2, name="n"),
        "batch_norm_flat": (s.BatchNorm(x, fix_gamma=False, name="n"), flat),
        "batch_norm_relu": s.contrib.BatchNormWithReLU(x, fix_gamma=False, name="n"),
        "sync_batch_norm": s.contrib.SyncBatchNorm(x, fix_gamma=False, key="k", name="n"),
        "instance_norm": s.InstanceNorm(x, eps=1e-2, name="n"),
        "layer_norm": s.LayerNorm(x, name="n"),
        "layer_norm_3": s.LayerNorm(x, axis=3, eps=1e-3, name="n"),
        "group_norm": s.GroupNorm(x, num_groups=2, name="n"),
        "l2": s.L2Normalization(x, name="n"),
        "l2_channel": s.L2Normalization(x, mode="channel", eps=1e-3, name="n"),
        "l2_spatial": s.L2Normalization(x, mode="spatial", name="n"),
        "lrn": s.LRN(x, nsize=3, alpha=2e-2, beta=0.6, knorm=1.5, name="n"),
        "norm_1": s.norm(x, ord=1, axis=1, name="n"),
        "norm_2": s.norm(x, ord=2, axis=(2, 3), keepdims=True, name="n"),
    }


def functions(s: Any) -> dict[str, Any]:
    x = s.var("x")
    unit, positive, halves = s.var("unit"), s.var("positive"), s.var("halves")
    out: dict[str, Any] = {
        "prelu_rank_2": (s.LeakyReLU(x, act_type="prelu", name="f"), {"x": (3, 5)}),
        "rrelu": s.LeakyReLU(x, act_type="rrelu", lower_bound=0.1, upper_bound=0.5, name="f")[0],
        "hard_sigmoid": s.hard_sigmoid(x, alpha=0.3, beta=0.4, name="f"),
        "clip": s.clip(x, a_min=-0.5, a_max=1.5, name="f"),
        "smooth_l1": s.smooth_l1(x, scalar=2.0, name="f"),
        "dropout": s.relu(s.Dropout(x, p=0.5), name="f"),
    }
    for kind in ("relu", "sigmoid", "tanh", "softrelu", "softsign"):
        out[f"activation_{kind}"] = s.Activation(x, act_type=kind, name="f")
    for kind in ("leaky", "prelu", "elu", "selu", "gelu"):
        out[f"leaky_{kind}"] = s.LeakyReLU(x, act_type=kind, slope=0.3, name="f")
    for name in [
        "relu",
        "sigmoid",
        "softsign",
        "tanh",
        "exp",
        "abs",
        "negative",
        "erf",
        "sin",
        "cos",
        "sinh",
        "cosh",
        "arcsinh",
        "arctan",
        "square",
        "cbrt",
        "expm1",
    ]:
        out[name] = getattr(s, name)(x, name="f")
    for name in ["tan", "arcsin", "arccos", "arctanh"]:
        out[name] = (getattr(s, name)(unit, name="f"), {"unit": (3, 5)})
    for name in ["log", "sqrt", "reciprocal", "rsqrt", "log2", "log10", "log1p"]:
        out[name] = (getattr(s, name)(positive, name="f"), {"positive": (3, 5)})
    out["arccosh"] = (s.arccosh(positive + 1, name="f"), {"positive": (3, 5)})
    for name in ["floor", "ceil", "sign", "fix", "trunc", "round"]:
        out[name] = (getattr(s, name)(halves, name="f"), {"halves": (6, 8)})
    return out


def arithmetic(s: Any) -> dict[str, Any]:
    a, b, row = s.var("a_halves"), s.var("b_halves"), s.var("row_positive")
    both = {"a_halves": (4, 6), "b_halves": (4, 6)}
    wide = {"a_halves": (2, 4, 6), "row_positive": (1, 4, 1)}
    out: dict[str, Any] = {}
    for name in [
        "add",
        "sub",
        "mul",
        "maximum",
        "minimum",
        "equal",
        "not_equal",
        "greater",
        "greater_equal",
        "lesser",
        "lesser_equal",
    ]:
        out[f"broadcast_{name}"] = (getattr(s, f"broadcast_{name}")(a, row, name="f"), wide)
    for name in ["div", "mod", "hypot"]:
        out[f"broadcast_{name}"] = (getattr(s, f"broadcast_{name}")(a, row, name="f"), wide)
    for name in ["add", "sub", "mul"]:
        out[f"elemwise_{name}"] = (getattr(s, f"elemwise_{name}")(a, b, name="f"), both)
    for name in ["and", "or", "xor"]:
        out[f"logical_{name}"] = (getattr(s, f"broadcast_logical_{name}")(a, b, name="f"), both)
    out["power"] = (s.broadcast_power(row, a, name="f"), wide)
    one = {"a_halves": (4, 6)}
    scalars = "plus minus rminus mul div mod maximum minimum hypot equal not_equal greater greater_equal lesser"
    for name in (scalars + " lesser_equal logical_and logical_or logical_xor").split():
        out[f"{name}_scalar"] = (getattr(s._internal, f"_{name}_scalar")(a, scalar=1.5, name="f"), one)
    for name in ("rdiv", "rmod", "power", "rpower"):
        row_only = {"row_positive": (1, 4, 1)}
        out[f"{name}_scalar"] = (getattr(s._internal, f"_{name}_scalar")(row, scalar=2.5, name="f"), row_only)
    out["add_n"] = (s.add_n(a, b, a, name="f"), both)
    out["logical_not"] = (s.logical_not(a, name="f"), one)
    out["where"] = (s.where(a > 0, a, b, name="f"), both)
    out["cast"] = (s.cast(s.cast(a, dtype="int32"), dtype="float32", name="f"), one)
    out["cast_half"] = (s.cast(s.cast(a, dtype="float16"), dtype="float32", name="f"), one)
    out["zeros_like"] = (s.broadcast_add(s.ones_like(a), s.zeros_like(a) * a, name="f"), one)
    return out


def reductions(s: Any) -> dict[str, Any]:
    x = s.var("x")
    out: dict[str, Any] = {
        "sum_exclude": s.sum(x, axis=1, exclude=True, name="r"),
        "sum_all": s.sum(x, name="r"),
        "max_all_keep": s.max(x, keepdims=True, name="r"),
        "argmax": s.argmax(x, axis=1, name="r"),
        "argmax_all": s.argmax(x, name="r"),
        "argmin": s.argmin(x, axis=2, keepdims=True, name="r"),
        "argmax_channel": s.argmax_channel(x, name="r"),
    }
    for name in ("mean", "sum", "max", "min", "prod"):
        out[name] = getattr(s, name)(x, axis=(2, -1), name="r")
        out[f"{name}_keep"] = getattr(s, name)(x, axis=1, keepdims=True, name="r")
    return out


def moves(s: Any) -> dict[str, Any]:
    x, y = s.var("x"), s.var("y")
    two = {"x": IMAGE, "y": (2, 3, 5, 7)}
    out: dict[str, Any] = {
        "shape_array": s.broadcast_mul(s.sum(x), s.cast(s.shape_array(x), dtype="float32"), name="m"),
        "flatten": s.Flatten(x, name="m"),
        "reshape_like": (s.reshape_like(x, y, name="m"), {"x": IMAGE, "y": (4, 70)}),
        "reverse_reshape": s.Reshape(x, shape=(-1, 0, 0), reverse=True, name="m"),
        "transpose": s.transpose(x, name="m"),
        "transpose_axes": s.transpose(x, axes=(0, 2, 3, 1), name="m"),
        "swap": s.SwapAxis(x, dim1=1, dim2=3, name="m"),
        "expand_dims": s.expand_dims(x, axis=-1, name="m"),
        "squeeze": (s.squeeze(x, name="m"), {"x": (1, 3, 1, 5)}),
        "squeeze_axis": (s.squeeze(x, axis=(0, 2), name="m"), {"x": (1, 3, 1, 5)}),
        "concat": (s.Concat(x, y, name="m"), two),
        "concat_last": (s.concat(x, x, y, dim=1, name="m"), two),
        "stack": s.stack(x, x + 1, axis=2, name="m"),
        "tile": s.tile(x, reps=(2, 1, 3), name="m"),
        "tile_more": (s.tile(x, reps=(2, 1, 3), name="m"), {"x": (2, 3)}),
        "repeat": s.repeat(x, repeats=3, axis=2, name="m"),
        "repeat_flat": s.repeat(x, repeats=2, name="m"),
        "broadcast_to": (s.broadcast_to(x, shape=(0, 4, 5), name="m"), {"x": (2, 4, 1)}),
        "broadcast_axis": (s.broadcast_axis(x, axis=(2, 0), size=(5, 3), name="m"), {"x": (1, 4, 1)}),
        "broadcast_like": (s.broadcast_like(x, y, name="m"), {"x": (1, 4, 1), "y": (3, 4, 5)}),
        "pad": s.Pad(x, mode="constant", constant_value=1.5, pad_width=(0, 0, 0, 0, 1, 2, 3, 4), name="m"),
        "pad_edge": s.Pad(x, mode="edge", pad_width=(0, 0, 0, 0, 1, 2, 3, 4), name="m"),
        "pad_reflect": s.Pad(x, mode="reflect", pad_width=(0, 0, 0, 0, 1, 2, 3, 4), name="m"),
        "depth_to_space": s.depth_to_space(x, block_size=2, name="m"),
        "space_to_depth": (s.space_to_depth(x, block_size=2, name="m"), {"x": (1, 3, 4, 6)}),
        "shuffle": s.reshape(
            s.swapaxes(s.reshape(x, shape=(0, -4, 2, -1, -2)), dim1=1, dim2=2), shape=(0, -3, -2), name="m"
        ),
        "grid": s.broadcast_add(s.reshape(x, shape=(0, 0, -1)), s._internal._arange(start=0, stop=35), name="m"),
        "constants": s.broadcast_mul(
            x, s.broadcast_add(s._internal._full(shape=(1, 4, 1, 1), value=2.5), s.ones((1, 1, 5, 7)))
        ),
    }
    for shape in ((0, -1), (-1, 35), (0, 0, -3), (-3, -2), (-2, 1), (2, -4, -1, 2, -2), (0, -4, 2, 2, -3), (0, 20, 7)):
        out["reshape " + " ".join(map(str, shape))] = s.Reshape(x, shape=shape, name="m")
    return out


def slices(s: Any) -> dict[str, Any]:
    x, y, index = s.var("x"), s.var("y"), s.var("index")
    like = {"x": IMAGE, "y": (2, 4, 3, 5)}
    split = s.SliceChannel(x, num_outputs=2, name="t")
    return {
        "slice": s.slice(x, begin=(0, 1, None, -6), end=(2, None, 5, -1), name="t"),
        "slice_step": s.slice(x, begin=(None, None, 4, None), end=(None, None, 0, None), step=(1, 2, -2, -1), name="t"),
        "slice_axis": s.slice_axis(x, axis=-1, begin=2, end=None, name="t"),
        "slice_axis_end": s.slice_axis(x, axis=2, begin=1, end=-2, name="t"),
        "slice_like": (s.slice_like(x, y, name="t"), like),
        "slice_like_axes": (s.slice_like(x, y, axes=(2, -1), name="t"), like),
        "split": s.Group([split[0] * 2, split[1]]),
        "split_squeeze": s.SliceChannel(x, num_outputs=4, squeeze_axis=True, name="t"),
        "split_one": s.SliceChannel(x, num_outputs=1, name="t"),
        "split_v2": s.split_v2(x, (2, 4), axis=2),
        "split_v2_sections": s.split_v2(x, 2, axis=1),
        "crop": s.Crop(x, h_w=(3, 4), offset=(2, 1), num_args=1, name="t"),
        "crop_like": (s.Crop(x, y, num_args=2, center_crop=True, name="t"), like),
        "flip": s.flip(x, axis=(1, 3), name="t"),
        "sequence_reverse": s.SequenceReverse(x, name="t"),
        "sequence_last": s.SequenceLast(x, axis=1, name="t"),
        "embedding": (s.Embedding(index, input_dim=4, output_dim=3, name="t"), {"index": (2, 5)}),
        "take": (s.take(x, index, axis=1, name="t"), {"x": IMAGE, "index": (2, 3)}),
        "one_hot": (s.one_hot(index, depth=5, on_value=2.0, off_value=-1.0, name="t"), {"index": (2, 3)}),
    }


def products(s: Any) -> dict[str, Any]:
    x, y = s.var("x"), s.var("y")
    return {
        "dense": s.FullyConnected(x, num_hidden=5, name="d"),
        "dense_no_bias": (s.FullyConnected(x, num_hidden=5, no_bias=True, name="d"), {"x": (3, 6)}),
        "dense_last": s.FullyConnected(x, num_hidden=5, flatten=False, name="d"),
        "dot": (s.dot(x, y, transpose_a=True, name="d"), {"x": (4, 3), "y": (4, 5)}),
        "dot_vector": (s.dot(x, y, name="d"), {"x": (2, 3, 4), "y": (4,)}),
        "batch_dot": (s.batch_dot(x, y, transpose_b=True, name="d"), {"x": (2, 3, 4), "y": (2, 5, 4)}),
        "gemm2": (s.linalg.gemm2(x, y, transpose_a=True, alpha=0.5, name="d"), {"x": (2, 4, 3), "y": (2, 4, 5)}),
    }


def recurrent(s: Any) -> dict[str, Any]:
    x, out = s.var("x"), {}
    for mode in ("lstm", "gru", "rnn_relu", "rnn_tanh"):
        for layers, both in ((1, False), (2, True)):
            state = (layers * (1 + both), 2, 3)
            inputs = {"x": (5, 2, 4), "h": state, **({"c": state} if mode == "lstm" else {})}
            states = {"state": s.var("h"), **({"state_cell": s.var("c")} if mode == "lstm" else {})}
            made = s.RNN(
                x,
                s.var("w"),
                mode=mode,
                state_size=3,
                num_layers=layers,
                bidirectional=both,
                state_outputs=True,
                name="r",
                **states,
            )
            out[f"{mode} {layers} {'both' if both else 'one'}"] = (made, inputs)
    zeros = s.zeros((1, 0, 3))
    out["gru zeros"] = (s.RNN(x, s.var("w"), zeros, mode="gru", state_size=3, num_layers=1, name="r"), {"x": (5, 2, 4)})
    parts = [s.reshape(s.var(f"w{i}", shape=shape), shape=-1) for i, shape in enumerate(((9, 4), (9, 3), (9,), (9,)))]
    packed = s._internal._rnn_param_concat(*parts, dim=0, num_args=4)
    out["gru packed"] = (
        s.RNN(x, packed, s.var("h"), mode="gru", state_size=3, num_layers=1, name="r"),
        {"x": (5, 2, 4), "h": (1, 2, 3)},
    )
    return out


def heads(s: Any) -> dict[str, Any]:
    x = s.var("x")
    flat = {"x": (3, 5)}
    return {
        "softmax_output": (s.SoftmaxOutput(x, name="h"), flat),
        "softmax_output_multi": s.SoftmaxOutput(x, multi_output=True, name="h"),
        "softmax_output_keep": s.SoftmaxOutput(x, preserve_shape=True, name="h"),
        "softmax_activation": s.SoftmaxActivation(x, name="h"),
        "softmax_channel": s.SoftmaxActivation(x, mode="channel", name="h"),
        "softmax": s.softmax(x, axis=1, temperature=2.0, name="h"),
        "softmin": s.softmin(x, name="h"),
        "log_softmax": s.log_softmax(x, axis=2, name="h"),
        "linear_output": (s.LinearRegressionOutput(x, name="h"), flat),
        "mae_output": (s.MAERegressionOutput(x, name="h"), flat),
        "logistic_output": (s.LogisticRegressionOutput(x, name="h"), flat),
        "make_loss": s.MakeLoss(x, name="h"),
        "stop_gradient": s.BlockGrad(x, name="h"),
        "heads": s.Group([x * 2, s.relu(x), x + 1]),
    }
