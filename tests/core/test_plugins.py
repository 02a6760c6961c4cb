"""Plugins: what works is there, what does not is one warning, what is missing says where to get it."""

from __future__ import annotations

import logging
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from magik_core import hookspecs, plugins
from magik_core.errors import ModelError, UsageError
from magik_core.plugins import Plugins
from tests.conftest import repository

HEAD = "from magik_core.hookspecs import *\nfrom magik_core.soc import SoC\n"
GOOD = HEAD + "@hookimpl\ndef register_backends(register):\n    register(SoC('Good'))\n"
# one hook each: what it hands over, and the name that it then has
OFFERS = {
    "frontend": ("frontends", "Frontend('alpha', ('.a',), lambda p: False, lambda p, o: None)", "alpha"),
    "quantizer": ("quantizers", "__import__('magik_core.quantizers').quantizers.Quantizer('beta')", "beta"),
    "soc": ("backends", "SoC('gamma')", "gamma"),
    "op": ("ops", "type('Delta', (__import__('magik_core.ops').ops.Op,), {})", "Delta"),
    "pass": ("passes", "print", "print"),
    "command": ("commands", "Command('epsilon', print)", "epsilon"),
    "report": ("reports", "Report('zeta', '.z', str)", "zeta"),
}


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Build Plugins of magik's own and of modules written from their texts."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def build(**texts: str) -> Plugins:
        for name, text in texts.items():
            (tmp_path / f"{name}.py").write_text(text)
            monkeypatch.delitem(sys.modules, name, raising=False)
        points = [EntryPoint(name, name, plugins.GROUP) for name in texts]
        return Plugins([EntryPoint("builtin", plugins.BUILTIN, plugins.GROUP), *points])

    return build


def test_builtin() -> None:
    loaded = plugins.load()
    assert "host" in loaded.socs
    assert "onnx" in loaded.frontends
    assert {"MAX_ABS", "PERCENTILE", "KL", "MSE", "ADMM"} <= set(loaded.quantizers)
    (host,) = (item for item in loaded.items("soc") if item.name == "host")
    assert (host.source.distribution, host.source.module) == ("magik-core", "magik_core.builtin")


def test_every_hook_has_a_kind() -> None:
    hooks = {name for name in vars(hookspecs) if name.startswith("register_")}
    assert {hook for hook, _, _ in plugins.KINDS.values()} == hooks
    assert set(OFFERS) == set(plugins.KINDS)


@pytest.mark.parametrize("kind", OFFERS)
def test_every_hook_hands_over(make, kind: str) -> None:
    hook, value, name = OFFERS[kind]
    loaded = make(one=HEAD + f"@hookimpl\ndef register_{hook}(register):\n    register({value})\n")
    (item,) = (item for item in loaded.items(kind) if item.source.distribution == "one")
    assert item.name == name
    by_name = {"pass": "passes"}.get(kind, f"{kind}s")
    assert getattr(loaded, by_name)[name] is item.value
    assert loaded.failures == ()


@pytest.mark.parametrize("kind", OFFERS)
def test_a_value_of_the_wrong_type(make, kind: str) -> None:
    hook, _, _ = OFFERS[kind]
    loaded = make(one=HEAD + f"@hookimpl\ndef register_{hook}(register):\n    register(7)\n")
    (failure,) = loaded.failures
    assert f"register_{hook} was handed 7, not a" in failure.cause


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("raise ValueError('no luck')", "ValueError: no luck"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def (", "SyntaxError"),
        (GOOD.replace("SoC('Good')", "1 / 0"), "ZeroDivisionError"),
        (GOOD.replace("SoC('Good')", "SoC('HOST')"), "soc HOST is already offered by magik-core"),
        (GOOD.replace("SoC('Good')", "SoC('')"), "has no name"),
        (GOOD.replace("_backends", "_backend"), "register_backend"),
        (GOOD.replace("(register)", "(collector)"), "collector"),
    ],
)
def test_a_broken_plugin_is_one_warning(make, caplog: pytest.LogCaptureFixture, text: str, cause: str) -> None:
    with caplog.at_level(logging.WARNING):
        loaded = make(bad_one=text, good=GOOD)
        assert set(loaded.socs) == {"host", "Good"}
        assert len(loaded.failures) == 1
    (record,) = caplog.records
    assert "plugin bad-one is broken and left out" in record.getMessage()
    assert cause in record.getMessage()
    assert "hint: pip uninstall bad-one" in record.getMessage()


def test_a_plugin_that_breaks_twice_warns_once(make, caplog: pytest.LogCaptureFixture) -> None:
    text = GOOD.replace("SoC('Good')", "1 / 0") + "@hookimpl\ndef register_commands(register):\n    register(3)\n"
    loaded = make(bad=text)
    assert len(loaded.failures) == 2
    assert len(caplog.records) == 1


def test_what_a_hook_offered_before_it_broke_is_gone(make) -> None:
    loaded = make(bad=GOOD + "    raise ValueError\n")
    assert "Good" not in loaded.socs


def test_names_are_found_in_any_case(make) -> None:
    loaded = make(good=GOOD)
    assert loaded.soc("gOOD").name == "Good"
    assert loaded.quantizer("max_abs").name == "MAX_ABS"
    assert loaded.frontend("ONNX").name == "onnx"


@pytest.mark.parametrize(
    ("ask", "name", "text"),
    [
        ("soc", "T41", "error: SoC T41 is not installed\nwhere: SOC\nfound: T41\n need: one of: host\n\n"
         " hint: pip install magik-backend-t41"),
        ("soc", "t40", " hint: pip install magik-backend-t40"),
        ("soc", "x2500", " hint: pip install magik-backend-t40"),
        ("soc", "A1", " hint: pip install magik-backend-t41"),
        ("soc", "hots", "error: there is no SoC 'hots'\nwhere: SOC\nfound: hots\n need: one of: host\n\n"
         " hint: did you mean host?"),
        ("soc", "Z80", "error: there is no SoC 'Z80'\nwhere: SOC\nfound: Z80\n need: one of: host"),
        ("frontend", "tf", "error: frontend tf is not installed\nwhere: --frontend\nfound: tf\n"
         " need: one of: onnx\n\n"
         " hint: pip install magik-frontend-tf"),
        ("frontend", "caffe", " hint: pip install magik-frontend-caffe"),
        ("frontend", "torch", " hint: pip install magik-frontend-torch"),
        ("frontend", "mxnet", " hint: pip install magik-frontend-mxnet"),
        ("quantizer", "KLL", " hint: did you mean KL?"),
    ],
)  # fmt: skip
def test_what_is_missing(make, ask: str, name: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        getattr(make(), ask)(name)
    assert str(caught.value).endswith(text)
    assert caught.value.exit_code == 2


def _frontend(name: str, sniff: str) -> str:
    offer = f"register(Frontend('{name}', ('.x',), lambda p: {sniff}, lambda p, o: None))"
    return HEAD + f"@hookimpl\ndef register_frontends(register):\n    {offer}\n"


def test_sniffing_decides(make, tmp_path: Path) -> None:
    path = tmp_path / "model.x"
    path.write_bytes(b"XYZ")
    loaded = make(a=_frontend("a", "p.read_bytes() == b'XYZ'"), b=_frontend("b", "False"))
    assert loaded.sniff(path).name == "a"


def test_a_tie_names_the_candidates(make, tmp_path: Path) -> None:
    path = tmp_path / "model.x"
    path.write_bytes(b"XYZ")
    with pytest.raises(UsageError) as caught:
        make(a=_frontend("a", "True"), b=_frontend("b", "True")).sniff(path)
    assert str(caught.value) == (
        f"error: several frontends read this model\nwhere: {path}\nfound: a, b\n"
        " need: one of them, by name\n\n hint: pass --frontend a"
    )


def test_a_sniff_that_raises_is_the_plugins_fault(make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "model.x"
    path.write_bytes(b"XYZ")
    loaded = make(a=_frontend("a", "1 / 0"), b=_frontend("b", "True"))
    assert loaded.sniff(path).name == "b"
    assert "ZeroDivisionError" in caplog.text


def test_no_such_model(make, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no such model"):
        make().sniff(tmp_path / "none.onnx")


@pytest.mark.parametrize(("suffix", "hint"), [(".caffemodel", "pip install magik-frontend-caffe"), (".zzz", "")])
def test_nobody_knows_the_format(make, tmp_path: Path, suffix: str, hint: str) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"\xff\xfe\xfd\xfc")
    with pytest.raises(ModelError) as caught:
        make().sniff(path)
    (problem,) = caught.value.problems
    assert (problem.what, problem.hint) == ("no frontend knows this format", hint)
    assert problem.need == "a model of one of: onnx"


def test_the_repository_loads() -> None:
    assert repository().failures == ()


def test_loading_imports_nothing_heavy() -> None:
    code = (
        "import sys; from tests.conftest import repository; r = repository();"
        "r.socs, r.frontends, r.commands; heavy = 'numpy onnx onnxruntime torch tensorflow pydantic';"
        "print([m for m in heavy.split() if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
