"""The reciprocal of a sum: numpy's definition against exact integers, at the ends of its range."""

import numpy as np

from magik_core import numerics


def test_reciprocal_is_cut_off() -> None:
    totals = [2**30, 2**30 + 1, 2**31 - 1, 2**31, 2**31 + 1, 3 * 2**40 + 12345, 2**59, 2**60 - 1]
    m, k = numerics.reciprocal(np.array(totals))
    for total, a, b in zip(totals, m.tolist(), k.tolist(), strict=True):
        assert 2**30 <= total >> b < 2**31 and 2**30 <= a < 2**31
        assert a == min(2**61 // (total >> b), 2**31 - 1)
        assert abs(a * total - 2 ** (61 + b)) < 2 ** (61 + b - 29)
