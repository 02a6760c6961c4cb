"""TorchScript code, run operator by operator: control flow by sizes, lists and numbers, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from magik_frontend_torch import interpreter, load
from torch import Tensor, nn

from magik_core.errors import ModelError
from tests.frontends.torch_reference import problem_of, request, run, types

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit", "ignore::torch.jit.TracerWarning")


def agree(module: nn.Module, *inputs: Tensor, path: Path) -> Any:
    """Script a module, save it, and compare what is read from the file with torch."""
    scripted = torch.jit.script(module.eval())
    torch.jit.save(scripted, path / "net.jit")
    model = load(path / "net.jit", request(*inputs))
    with torch.no_grad():
        wanted = module(*inputs)
    for y, w in zip(run(model, *inputs), wanted if isinstance(wanted, (tuple, list)) else [wanted], strict=True):
        np.testing.assert_allclose(y, w, atol=1e-6)
    return model


def helper(x: Tensor, y: Tensor, scale: float = 2.0) -> Tensor:
    """A function of its own in the archive."""
    if x.dim() == 3:
        x = x.unsqueeze(0)
    return x * scale + y


class Control(nn.Module):
    """Branches, loops, lists, tuples, dicts and strings."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes = [1, 2]
        self.mode = "double"
        self.layers = nn.ModuleList([nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 3, padding=1)])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        parts = []
        for layer in self.layers:
            x = torch.relu(layer(x))
            parts.append(x)
        for i in range(len(self.sizes)):
            if i == 1 and self.mode == "double":
                parts[-1] = helper(x, x)
        n, _, h, w = x.shape
        while h > 2:
            h = h // 2
        table = {"a": parts[0], "b": parts[-1]}
        y = table["b"].reshape(n, -1)[:, : h * w]
        first, second = torch.chunk(table["a"], 2, 3)
        return torch.cat([y, y[:, 1:3]], 1), first - second


def test_control_flow(tmp_path: Path) -> None:
    model = agree(Control(), torch.randn(1, 3, 8, 6), path=tmp_path)
    assert {"layers.0", "layers.1"} <= {n.name for n in model.graph}
    assert not {"If", "Loop"} & set(types(model))


class Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 4, 2, batch_first=True, bidirectional=True)
        self.norm, self.act, self.drop = nn.LayerNorm(8), nn.GELU(), nn.Dropout(0.5)
        self.pad = nn.ReflectionPad1d(2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, (h, _) = self.lstm(x)
        return self.pad(self.drop(self.act(self.norm(y)))), h


def test_layers(tmp_path: Path) -> None:
    """LSTM stays one node per layer; a module that was saved in training mode runs in eval mode."""
    module, x = Layers(), torch.randn(2, 5, 6)
    assert types(agree(module, x, path=tmp_path)).count("LSTM") == 2
    torch.jit.save(torch.jit.script(module.train()), tmp_path / "train.jit")
    assert "Dropout" not in types(load(tmp_path / "train.jit", request(x)))


class Shaped(nn.Module):
    """What a trace writes as numbers that are tensors."""

    def forward(self, x: Tensor) -> Tensor:
        n, half = x.shape[0], x.shape[1] // 2
        return x.reshape(n, 2, half).transpose(1, 2).reshape(n, half * 2) * float(half)


def test_traces(tmp_path: Path) -> None:
    x = torch.randn(2, 6)
    torch.jit.save(torch.jit.trace(Shaped(), x), tmp_path / "net.jit")
    np.testing.assert_allclose(run(load(tmp_path / "net.jit", request(x)), x)[0], Shaped()(x), atol=1e-6)


def test_objects_in_memory() -> None:
    x = torch.randn(1, 3, 8, 6)
    scripted = torch.jit.script(Control().eval())
    np.testing.assert_allclose(run(load(scripted, request(x)), x)[0], scripted(x)[0].detach(), atol=1e-6)


def test_arguments_have_names_and_defaults(tmp_path: Path) -> None:
    class Defaults(nn.Module):
        def forward(self, sound: Tensor, gain: float = 3.0) -> Tensor:
            return sound * gain

    model = agree(Defaults(), torch.randn(2, 3), path=tmp_path)
    assert [v.name for v in model.graph.inputs] == ["sound"]


# ---- refusals --------------------------------------------------------------------------------------------


class Endless(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        while x.dim() > 0:
            x = x + 1
        return x


class Checked(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] != 7:
            raise ValueError(f"wanted 7 rows, not {x.shape[0]}")
        return x


class Files(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        torch.save(x, "written")
        return x


class Decides(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if bool(x.sum() > 0) else -x


class Counts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        self.inner = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        self.seen = self.seen + 1
        return self.inner(x)


REFUSED = {
    "endless": (Endless(), "the code runs too long", ""),
    "checked": (Checked(), "the model refuses its inputs", "wanted 7 rows, not 2"),
    "files": (Files(), "the code uses an operator that is not supported", "aten::save"),
    "decides": (Decides(), "the model decides by values that are known only at run time", ""),
    "counts": (Counts(), "the module keeps state from one call to the next, and a graph cannot", "seen"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "MOST_NODES", 1000)
    monkeypatch.chdir(tmp_path)
    module, what, found = REFUSED[name]
    torch.jit.save(torch.jit.script(module), tmp_path / "net.jit")
    problem = problem_of(lambda: load(tmp_path / "net.jit", request(torch.randn(2, 3))))
    assert (problem.what, found in problem.found) == (what, True)
    assert not (tmp_path / "written").exists()


def test_no_forward(tmp_path: Path) -> None:
    class Empty(nn.Module):
        @torch.jit.export
        def other(self, x: Tensor) -> Tensor:
            return x

    torch.jit.save(torch.jit.script(Empty()), tmp_path / "net.jit")
    with pytest.raises(ModelError, match="has no forward"):
        load(tmp_path / "net.jit", request(torch.randn(2)))
