"""Times of several runners in turns, so that what else a machine does meets all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

WARM_UP = 2  # rounds that do not count


def times(runners: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, np.ndarray]:
    """Milliseconds of every run per runner, each running once per round."""
    found: dict[str, list[float]] = {name: [] for name in runners}
    for i in range(rounds + WARM_UP):
        for name, run in runners.items():
            start = time.perf_counter()
            run()
            if i >= WARM_UP:
                found[name].append(time.perf_counter() - start)
    return {name: 1000 * np.array(seconds) for name, seconds in found.items()}
