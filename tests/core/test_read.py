"""Which frontend reads what: paths, objects in memory, options."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import onnx_ir as ir
import pytest

import magik_core as magik
from magik_core import plugins, read
from magik_core.errors import ModelError, UsageError
from magik_core.hookspecs import Request
from tests.core.graphs import source_of

PLUGIN = """
from magik_core.hookspecs import Frontend, hookimpl

ASKED = []

def load(model, request):
    ASKED.append((model, request))
    return model.graph

@hookimpl
def register_frontends(register):
    register(Frontend("nets", (".net",), lambda p: False, load, {"width": "of the net"}, lambda m: hasattr(m, "graph")))
"""


class Network:
    def __init__(self) -> None:
        self.graph = source_of("g (float[1, 4] x) => (float[1, 4] y) { y = Relu(x) }")


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, Request]]:
    (tmp_path / "nets_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    installed = plugins.Plugins([*plugins.installed(), EntryPoint("nets", "nets_plugin", "magik")])
    monkeypatch.setattr(plugins, "load", lambda: installed)
    import nets_plugin

    nets_plugin.ASKED.clear()
    return nets_plugin.ASKED


def test_an_object_is_read_by_the_frontend_that_takes_it(asked: list[tuple[object, Request]]) -> None:
    net = Network()
    result = magik.convert(net, is_float=True, example_inputs=(7,), frontend_options={"width": 3})
    assert result.model == "Network"
    assert [step.op.__class__.__name__ for step in result.program.steps] == ["Clip"]
    assert asked == [(net, Request(example_inputs=(7,), options={"width": 3}))]
    assert read.read(net, "nets") is net.graph


def test_a_graph_is_returned_as_it_is() -> None:
    model = ir.Model(ir.Graph([], [], nodes=[], name="g"), ir_version=10)
    assert read.read(model) is model


def test_all_options_that_a_frontend_does_not_have(asked: list[tuple[object, Request]]) -> None:
    with pytest.raises(UsageError) as caught:
        read.read(Network(), request=Request(options={"widht": 1, "x": 2}))
    assert [(p.what, p.found, p.need, p.hint) for p in caught.value.problems] == [
        ("the nets frontend has no such option", "widht", "one of: width", "did you mean width?"),
        ("the nets frontend has no such option", "x", "one of: width", ""),
    ]
    assert asked == []


def test_an_object_that_nobody_takes() -> None:
    with pytest.raises(ModelError) as caught:
        read.read(object())
    (problem,) = caught.value.problems
    assert (problem.what, problem.found) == ("no frontend knows this format", "a builtins.object")


@pytest.mark.parametrize(
    ("package", "home"), [("torch.nn.modules", "magik-frontend-torch"), ("keras.src.models", "magik-frontend-tf")]
)
def test_the_frontend_to_install_for_an_object(package: str, home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = plugins.Plugins([EntryPoint("builtin", plugins.BUILTIN, plugins.GROUP)])
    monkeypatch.setattr(plugins, "load", lambda: bare)
    network = type("Network", (), {"__module__": package})()
    with pytest.raises(ModelError) as caught:
        read.read(network)
    assert caught.value.problems[0].hint == f"pip install {home}"


def test_the_frontend_to_install_for_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = plugins.Plugins([EntryPoint("builtin", plugins.BUILTIN, plugins.GROUP)])
    monkeypatch.setattr(plugins, "load", lambda: bare)
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"?")
    (tmp_path / "net-symbol.json").write_text("{}")
    for name, home in {"saved": "magik-frontend-tf", "net-symbol.json": "magik-frontend-mxnet"}.items():
        with pytest.raises(ModelError) as caught:
            read.read(str(tmp_path / name))
        assert caught.value.problems[0].hint == f"pip install {home}"
