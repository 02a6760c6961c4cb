"""A harness that holds a pass against onnxruntime."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
import pytest

from magik_core import passes
from magik_core.prepare import prepare
from tests.core.graphs import random_feeds, run, source_of


@dataclass(frozen=True)
class Rewritten:
    """What a pass did: `count` as it returned it, the operators that are left, what it declined."""

    count: int
    ops: Counter[str]
    declined: list[tuple[str, str]]
    model: ir.Model


@pytest.fixture
def rewrite() -> Callable[..., Rewritten]:
    """Run one pass on a graph until it changes no more; the outputs may not change beyond 1e-4."""

    def inner(one: passes.Pass, text: str, /, **constants: np.ndarray) -> Rewritten:
        model = prepare(source_of(text, **constants))
        passes.apply(passes.normalize_operands, model, lambda node, reason: None)
        feeds, declined, count = random_feeds(model), [], 0
        before = run(model, feeds)
        names = [v.name for v in model.graph.outputs]
        while changed := passes.apply(one, model, lambda *said: declined.append(said)):
            count += changed
        for old, new in zip(before, run(model, feeds), strict=True):
            np.testing.assert_allclose(new, old, rtol=1e-4, atol=1e-5)
        assert [v.name for v in model.graph.outputs] == names
        return Rewritten(count, Counter(node.op_type for node in model.graph), declined, model)

    return inner
