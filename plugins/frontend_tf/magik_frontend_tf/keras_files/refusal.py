"""Why a layer cannot be taken; the caller knows which layer it is."""

from __future__ import annotations

from magik_core.errors import short


class Refusal(Exception):
    """What is wrong, and optionally what was found, what is needed, and one thing that works."""

    def __init__(self, what: str, found: object = "", need: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what, self.found, self.need, self.hint = what, short(found), need, hint
