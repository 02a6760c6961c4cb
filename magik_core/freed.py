"""Memory that nobody uses any more."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def new_garbage_alone() -> Iterator[None]:
    """Look for garbage among what is made within alone: to look through all that is imported takes long, each time."""
    is_frozen = gc.get_freeze_count() > 0  # by who has called us
    if not is_frozen:
        gc.freeze()
    try:
        yield
    finally:
        if not is_frozen:
            gc.unfreeze()


def give_back() -> None:
    """Free graphs, which refer to themselves, and hand what is free to the system.

    glibc keeps the gaps that large arrays leave between small ones, and fills few of them again.
    """
    gc.collect()
    trim()


def trim() -> None:
    """Hand to the system what is free."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if malloc_trim is not None:
        malloc_trim(0)
