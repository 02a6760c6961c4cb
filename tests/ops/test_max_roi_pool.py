"""MaxRoiPool: boxes of all kinds, in numpy and C alike; box corners get no codes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from magik_core.errors import LowerError
from magik_core.ops.cases import Input, case
from tests import harness

ODD = (np.nan, np.inf, -np.inf, 3e38, -3e38, 2.0**23, -(2.0**23), 2.0**31, 0.5, -0.5, 1.5, 2.5, -0.0, 1e-40, 5.0)


@pytest.mark.parametrize("scale", [1.0, 0.37, 4e6])
@pytest.mark.parametrize("is_coded", [False, True])
def test_any_numbers_are_boxes(scale: float, is_coded: bool) -> None:
    """Corners that are no pixels, images that are not there: the same part in numpy and C, and none outside of x."""
    boxes = np.random.default_rng(3).choice(np.array(ODD, np.float32), (200, 5))
    boxes[:100, 1:] = np.random.default_rng(4).uniform(-3, 12, (100, 4))
    item = case("MaxRoiPool", Input((200, 5), 0, 1), x=(3, 5, 7, 9), pooled_shape=[3, 4], spatial_scale=scale)
    model = harness.model_of(item)
    program = harness.quantized(item, model) if is_coded else harness.in_float(model)
    feeds = {"x0": harness.data_of(item)["x0"], "x1": boxes}
    assert [program.tensors[name].dtype for name in program.inputs] == ["u8" if is_coded else "f32", "f32"]
    (want,), (found,) = harness.in_numpy(program, feeds), harness.in_c(program, feeds, threads=3)
    assert want.tobytes() == found.tobytes()
    assert len(np.unique(want)) > (1 if scale > 1 else 30)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"pooled_shape": [2, 4000]}, r"unsupported pooled_shape.*\(2, 4000\).*two sizes, \[1, 2048\]"),
        ({"pooled_shape": [2, 2], "spatial_scale": -0.5}, r"unsupported spatial_scale.*-0.5.*above 0"),
    ],
)
def test_what_has_no_kernel_is_refused(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(LowerError, match="(?s)" + message):
        harness.in_float(harness.model_of(case("MaxRoiPool", Input((2, 5)), x=(1, 3, 4, 4), **attributes)))
