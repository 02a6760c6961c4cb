"""Nets with memory: states that the runtime carries, in numpy and in C, and what is wrong with their declaration."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from magik_core import carry, container, net, numerics, pack, proof, unpack
from magik_core.config import Config
from magik_core.errors import LoadError, MagikError, ModelError, RunError, UsageError
from magik_core.net import Net, encode
from magik_core.plan import plan
from magik_core.program import Program, QuantParams, State
from magik_core.read import read
from magik_core.recipe import Choice, Recipe
from magik_core.reshape import ShapeError, reshape
from magik_core.run import Stream, start
from magik_core.streamed import Streamed
from tests import streams
from tests.runtime.corpus import nets

NAMES = tuple(streams.nets())
KINDS = {"u8": {}, "u12": {"quant_feature_bit": 12}, "f32": {"is_float": True}}
every = pytest.mark.parametrize("name", NAMES)
kinds = pytest.mark.parametrize("kind", KINDS)


def codes_of(loaded: Net, x: np.ndarray) -> list[np.ndarray]:
    """The first output in codes, of every frame."""
    size = loaded.inputs[0].shape[0]
    return [loaded.run_quantized(x[i : i + size])["z"] for i in range(0, len(x), size)]


def in_numpy(program: Program, loaded: Net, x: np.ndarray) -> list[np.ndarray]:
    stream, port = Stream(program), loaded.inputs[0]
    frames = [x[i : i + port.shape[0]] for i in range(0, len(x), port.shape[0])]
    return [stream.run({port.name: encode(port, frame)})[program.outputs[0]] for frame in frames]


def is_same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


# ---- what a net with memory computes ---------------------------------------------------------------------


@every
@kinds
def test_c_carries_what_numpy_carries(tmp_path: Path, name: str, kind: str) -> None:
    result, x = streams.convert(tmp_path, name, **KINDS[kind])
    program, loaded = result.program, net.load(tmp_path / f"{name}.mgk")
    assert [p.name for p in loaded.inputs] == ["x"] and [p.name for p in loaded.outputs] == ["z"]
    assert [p.name for p in loaded.states] == list(streams.nets()[name][1])
    found = codes_of(loaded, x)
    assert is_same(found, in_numpy(program, loaded, x))
    assert not np.array_equal(found[-1], Net((tmp_path / f"{name}.bin").read_bytes()).run_quantized(x[-1:])["z"])


@every
def test_states_go_around_as_they_go_through_the_caller(tmp_path: Path, name: str) -> None:
    """The same steps, the caller carrying the board's codes."""
    result, x = streams.convert(tmp_path, name)
    program = result.program
    states = {s.before: s.after for s in program.states}
    opened = replace(program, inputs=program.entering, outputs=program.leaving, states=())
    loaded, held = Net(pack.pack(opened, plan(opened), names=False)), start(program)
    found = []
    for frame in x:
        out = loaded.run_quantized({"x": frame[None], **held})
        names = {program.source.get(after, after): before for before, after in states.items()}
        held = {names[name]: y for name, y in out.items() if name in names}
        found.append(out["z"])
    assert is_same(found, codes_of(net.load(tmp_path / f"{name}.bin"), x))


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
@kinds
def test_a_sequence_is_its_steps(tmp_path: Path, name: str, kind: str) -> None:
    _, x = streams.convert(tmp_path, name, **KINDS[kind])
    loaded = net.load(tmp_path / f"{name}.bin")
    steps = codes_of(loaded, x)
    for parts in ([12], [5, 7], [1, 4, 1, 6]):
        loaded.reset()
        whole, at = [], 0
        for size in parts:  # other sizes of the input keep the state
            loaded.reshape({"x": (size, *x.shape[1:])})
            whole.append(loaded.run_quantized(x[at : at + size])["z"])
            at += size
        assert np.array_equal(np.concatenate(whole), np.concatenate(steps)), parts


@every
def test_a_reset_begins_anew(tmp_path: Path, name: str) -> None:
    result, x = streams.convert(tmp_path, name)
    loaded, stream = net.load(tmp_path / f"{name}.bin"), Stream(result.program)
    first = codes_of(loaded, x)
    assert not is_same(first, codes_of(loaded, x))
    loaded.reset()
    assert is_same(first, codes_of(loaded, x))
    feeds = {"x": encode(loaded.inputs[0], x[:1])}
    again = [stream.run(feeds)["z"], stream.run(feeds)["z"]]
    stream.reset()
    assert is_same(again, [stream.run(feeds)["z"], stream.run(feeds)["z"]]) and not is_same(again[:1], again[1:])


def test_each_net_has_its_own_states(tmp_path: Path) -> None:
    _, x = streams.convert(tmp_path, "lstm")
    one, other = (net.load(tmp_path / "lstm.bin", threads=n) for n in (1, 2))
    mixed = [
        (one.run_quantized(a[None])["z"], other.run_quantized(b[None])["z"]) for a, b in zip(x, x[::-1], strict=True)
    ]
    alone = net.load(tmp_path / "lstm.bin")
    assert is_same([a for a, _ in mixed], codes_of(alone, x))
    alone.reset()
    assert is_same([b for _, b in mixed], codes_of(alone, x[::-1]))


def test_a_run_that_is_broken_off_leaves_the_states(tmp_path: Path) -> None:
    _, x = streams.convert(tmp_path, "lstm")
    loaded, whole = net.load(tmp_path / "lstm.bin"), net.load(tmp_path / "lstm.bin")
    loaded.run(x[:1])
    whole.run(x[:1])
    next(loaded.each_step())
    assert np.array_equal(loaded.run_quantized(x[1:2])["z"], whole.run_quantized(x[1:2])["z"])
    assert np.array_equal(loaded.trace(x[2:3])[-1][2], whole.run_quantized(x[2:3])["z"])
    assert np.array_equal(loaded.run_quantized(x[3:4])["z"], whole.run_quantized(x[3:4])["z"])


@every
def test_it_is_near_float(tmp_path: Path, name: str) -> None:
    _, x = streams.convert(tmp_path, name, quant_feature_bit=16, quant_weight_bit=16)
    model, states = streams.nets()[name]
    session, loaded = ort.InferenceSession(model.SerializeToString()), net.load(tmp_path / f"{name}.bin")
    shapes = {i.name: i.shape for i in session.get_inputs()}
    held = {before: np.zeros(shapes[before], np.float32) for before in states}
    for frame in x:
        z, *after = session.run(["z", *states.values()], {"x": frame[None], **held})
        held = dict(zip(states, after, strict=True))
        assert np.abs(loaded.run(frame[None])["z"] - z).max() < 0.002


# ---- codes, storage and files ----------------------------------------------------------------------------


def test_a_buffer_keeps_the_codes_of_its_input(tmp_path: Path) -> None:
    """What is kept, moved and kept again changes no code, however long it is kept."""
    result, _ = streams.convert(tmp_path, "buffer")
    program = result.program
    before, window = program.tensors["past"], program.tensors["window"]
    assert before.quant == window.quant and before.axes == program.tensors[program.states[0].after].axes
    assert not {"Quantize", "Dequantize"} & {type(s.op).__name__ for s in program.steps}


def test_the_widest_of_a_state_decides(tmp_path: Path) -> None:
    result, _ = streams.convert(tmp_path, "leaky", recipe=Recipe(nodes={"add": Choice(16)}))
    tensors = result.program.tensors
    quant = tensors["sum"].quant
    assert (
        isinstance(quant, QuantParams) and quant.bits == 16 and tensors[result.program.states[0].after].quant == quant
    )


def test_a_state_between_nodes_in_f32_stays_real(tmp_path: Path) -> None:
    result, x = streams.convert(tmp_path, "lstm", recipe=Recipe(skip_ops=frozenset({"LSTM"})))
    assert [result.program.tensors[s.before].dtype for s in result.program.states] == ["f32", "f32"]
    assert is_same(
        codes_of(net.load(tmp_path / "lstm.bin"), x), in_numpy(result.program, net.load(tmp_path / "lstm.bin"), x)
    )


def test_a_real_state_is_put_into_codes_where_it_comes_back_in_codes(tmp_path: Path) -> None:
    result, x = streams.convert(tmp_path, "leaky", recipe=Recipe(skip_nodes=frozenset({"add"})))
    program = result.program
    (state,) = program.states
    assert program.tensors[state.before].quant == program.tensors[state.after].quant is not None
    assert is_same(
        codes_of(net.load(tmp_path / "leaky.bin"), x), in_numpy(program, net.load(tmp_path / "leaky.bin"), x)
    )


def test_states_begin_at_the_code_of_zero() -> None:
    quants = [
        QuantParams(0.5, 3.0),
        QuantParams(0.5, 254.5),
        QuantParams(2.0**-15, 32768.0, 16),
        QuantParams(1.0, 1.5, 12),
    ]
    for quant in quants:
        program = _through(quant)
        data = pack.pack(program, plan(program), names=False)
        want = numerics.quantize(np.zeros((1, 3), np.float32), quant)
        assert np.array_equal(start(program)["s"], want)
        loaded = Net(data)
        loaded.run_quantized({"x": want})
        assert np.array_equal(Net(data).run_quantized({"x": want})["y"], want), quant


def _through(quant: QuantParams) -> Program:
    """y is the x of the run before."""
    from magik_core.ops.reshape import Reshape
    from magik_core.program import Step, Tensor

    def tensor(name: str) -> Tensor:
        return Tensor(name, quant.dtype, (1, 3), quant, None, (0, 1))

    copy = Reshape.between((1, 3), (1, 3))
    steps = (Step("one", copy, ("s",), ("y",)), Step("two", copy, ("x",), ("t",)))
    return Program("p", {n: tensor(n) for n in "xsyt"}, steps, ("x",), ("y",), states=(State("s", "t"),))


@every
def test_files_hold_the_states(tmp_path: Path, name: str) -> None:
    result, _ = streams.convert(tmp_path, name)
    program, placed = unpack.read(tmp_path / f"{name}.mgk")
    assert program.states == result.program.states and placed.offsets == result.plan.offsets
    for suffix in ("bin", "mgk"):
        data = (tmp_path / f"{name}.{suffix}").read_bytes()
        assert data[12:16] == b"\2\0\0\0"  # a reader that would lose the states refuses it
        assert container.STATES in container.read(data)[0]


def test_a_net_without_memory_stays_readable_for_older_readers() -> None:
    program = nets()["net u8"]
    assert pack.pack(program, plan(program), names=True)[12:16] == b"\1\0\0\0"


def test_a_description_without_the_states_is_refused(tmp_path: Path) -> None:
    result, _ = streams.convert(tmp_path, "lstm")
    opened = replace(result.program, states=())
    sections, _ = container.read(pack.pack(result.program, result.plan, names=True))
    sections[b"PROG"] = container.read(pack.pack(opened, result.plan, names=True))[0][b"PROG"]
    with pytest.raises(LoadError, match="other contents of STAT"):
        unpack.unpack(container.write(list(sections.items()), result.plan.arena_bytes))


def test_every_place_begins_anew_with_each_sample(tmp_path: Path) -> None:
    _, x = streams.convert(tmp_path, "lstm")
    loaded = net.load(tmp_path / "lstm.mgk")
    samples = [encode(loaded.inputs[0], x[i : i + 1]).tobytes() for i in (0, 0, 1)]
    found = proof.prove(tmp_path / "lstm.mgk", proof.Where(("host",), is_numpy=True), samples)
    assert found.holds and found.golden.digests[0] == found.golden.digests[1] != found.golden.digests[2]


# ---- other sizes -----------------------------------------------------------------------------------------


def test_states_keep_their_sizes(tmp_path: Path) -> None:
    result, x = streams.convert(tmp_path, "buffer")
    longer = {"x": (1, streams.CHANNELS, 3, 2)}
    with pytest.raises(ShapeError, match="a state cannot have another size"):
        reshape(result.program, {"x": (1, 3, 2, streams.CHANNELS)})
    loaded = net.load(tmp_path / "buffer.bin")
    first = codes_of(loaded, x)
    loaded.reset()
    with pytest.raises(RunError, match="the model cannot have these input sizes"):
        loaded.reshape(longer)
    assert is_same(first, codes_of(loaded, x))


def test_other_sizes_in_numpy(tmp_path: Path) -> None:
    result, x = streams.convert(tmp_path, "gru")
    loaded = net.load(tmp_path / "gru.bin")
    steps = codes_of(loaded, x)
    whole = Stream(reshape(result.program, {"x": x.shape})).run(
        {"x": encode(replace(loaded.inputs[0], shape=x.shape), x)}
    )
    assert np.array_equal(whole[result.program.outputs[0]], np.concatenate(steps))


# ---- samples ---------------------------------------------------------------------------------------------


def test_samples_carry_what_float_leaves() -> None:
    model, states = streams.recurrent("GRU")
    graph = read(_ir(model))
    carry.declare(graph, states)
    x = streams.frames(model)
    found = list(Streamed(graph, [{"x": frame[None]} for frame in x]))
    session = ort.InferenceSession(model.SerializeToString())
    assert len(found) == len(x) and not found[0]["h0"].any()
    for sample, after in itertools.pairwise(found):
        (h,) = session.run(["h"], sample)
        assert np.allclose(h, after["h0"], atol=1e-6) and h.any()
    own = {"x": x[:1], "h0": np.ones((1, 1, streams.HIDDEN), np.float32)}
    assert np.array_equal(next(iter(Streamed(graph, [own])))["h0"], own["h0"])


def _ir(model: object) -> object:
    import onnx_ir as ir

    return ir.from_proto(model)  # type: ignore[arg-type]


# ---- what is wrong ---------------------------------------------------------------------------------------


def problems(tmp_path: Path, name: str, states: dict[str, str], **keys: object) -> list[tuple[str, str]]:
    with pytest.raises(MagikError) as caught:
        streams.convert(tmp_path, name, states=states, **keys)
    return [(p.what, p.hint) for p in caught.value.problems]


def test_all_wrong_names_are_said_at_once(tmp_path: Path) -> None:
    found = problems(tmp_path, "buffer", {"pasd": "kept", "past": "kepd", "x": "q"})
    assert found == [
        ("the model has no input of this name", "did you mean 'past'?"),
        ("the model has no output of this name", "did you mean 'kept'?"),
        ("the model has no output of this name", ""),
    ]


def test_shapes_have_to_be_the_same(tmp_path: Path) -> None:
    assert problems(tmp_path, "lstm", {"h0": "z"}) == [("a state comes back in another shape or type than it has", "")]


def test_one_output_cannot_be_two_states(tmp_path: Path) -> None:
    assert problems(tmp_path, "lstm", {"h0": "h", "c0": "h"}) == [("an output comes back as two states", "")]


def test_the_caller_keeps_an_input_and_an_output(tmp_path: Path) -> None:
    found = problems(tmp_path, "leaky", {"x": "z", "sum": "next"})
    assert [what for what, _ in found] == ["no input is left to the caller", "no output is left to the caller"]


def test_a_state_is_not_normalized(tmp_path: Path) -> None:
    what, hint = problems(tmp_path, "buffer", {"past": "kept"}, mean=[[1.0], [2.0]])[0]
    assert what == "a state cannot be normalized" and "one list per input" in hint


def test_outputs_that_come_back_need_not_be_named(tmp_path: Path) -> None:
    result, _ = streams.convert(tmp_path, "lstm", config=Config(output=("z",)))
    assert result.program.outputs == ("z",) and len(result.program.states) == 2


def test_a_frontend_may_declare_states() -> None:
    model, states = streams.recurrent("LSTM")
    graph = read(_ir(model))
    assert carry.pairs(graph) == {}
    graph.metadata_props[carry.PROPERTY] = '{"h0": "h"}'
    carry.declare(graph, {"c0": "c"})
    assert carry.pairs(graph) == states
    for text in ("[]", "{", '{"h0": 1}'):
        graph.metadata_props[carry.PROPERTY] = text
        with pytest.raises(ModelError, match="the model's states cannot be read"):
            carry.pairs(graph)


def test_states_in_a_config_file() -> None:
    assert Config.parse({"STATES": {"a": "b"}}).states == {"a": "b"}
    assert Config().with_overrides({"STATES": '{"a": "b"}'}).states == {"a": "b"}
    with pytest.raises(UsageError, match="STATES"):
        Config.parse({"STATES": ["a"]})
