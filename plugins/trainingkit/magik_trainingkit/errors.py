"""What is wrong with a network that is to be trained."""

from __future__ import annotations

from magik_core.errors import MagikError


class TrainingError(MagikError):
    """A layer, or what it is given, is none that the chip can compute."""


class AttributeMissing(TrainingError, AttributeError):
    """A layer has no such attribute; `hasattr` is False as of any module."""
