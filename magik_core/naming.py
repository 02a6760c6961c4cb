"""Names that nobody has yet."""

from __future__ import annotations

from collections.abc import Container


def free_name(wanted: str, taken: Container[str]) -> str:
    """Return `wanted`, numbered where it is taken."""
    name, number = wanted, 1
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    return name


def take_name(wanted: str, taken: set[str]) -> str:
    """Return `wanted`, numbered where it is taken, and take it."""
    name = free_name(wanted, taken)
    taken.add(name)
    return name
