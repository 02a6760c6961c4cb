"""The text form of a message: a prototxt, read by table, with the lines that things stand on."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from magik_frontend_caffe.schema import ARRAYS, LIMITS, Field, FormatError, Message, fields

MAX_NESTING = 16  # a net has 5 levels
TOKEN = re.compile(
    r"""[ \t\r\n\f\v]+ | \#[^\n]* | (?P<mark>[{}<>\[\]:;,])
    | (?P<text>"(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*') | (?P<word>[\w.+\-/]+) | (?P<bad>.)""",
    re.VERBOSE | re.DOTALL,
)
CLOSING = {"{": "}", "<": ">"}
BOOLS = {"true": True, "t": True, "1": True, "True": True, "false": False, "f": False, "0": False, "False": False}
ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class Text:
    """A prototxt being read, one token ahead; `wrong` collects values that do not fit their field, with lines."""

    def __init__(self, text: str) -> None:
        self.wrong: list[tuple[int, str, str]] = []  # line, found, need
        self._tokens = self._scan(text)
        self._line = 1
        self._kind, self._token = "", ""
        self._next()

    def net(self) -> Message:
        """The whole file.

        Raises: FormatError: it is no prototxt.
        """
        return self._message("Net", "", 0)

    def _scan(self, text: str) -> Iterator[tuple[str, str, int]]:
        line = 1
        for match in TOKEN.finditer(text):
            if match.lastgroup:
                yield match.lastgroup, match.group(), line
            line += match.group().count("\n")
        yield "end", "", line

    def _next(self) -> str:
        """Step over a token and return it."""
        old = self._token
        self._kind, self._token, self._line = next(self._tokens, ("end", "", self._line))
        if self._kind == "bad":
            raise self._error("a name, a value or a brace")
        return old

    def _error(self, need: str) -> FormatError:
        found = repr(self._token) if self._kind != "end" else "the end of the file"
        return FormatError(f"line {self._line}: {found} in the place of {need}")

    def _message(self, kind: str, closing: str, depth: int) -> Message:
        """Fields up to the closing brace; kind "" is a message that no table has."""
        if depth > MAX_NESTING:
            raise FormatError(f"line {self._line}: messages nested deeper than {MAX_NESTING}")
        out, known = Message(kind, line=self._line), fields(kind) if kind else {}
        while not (self._kind == "end" if closing == "" else self._token == closing and self._kind == "mark"):
            if self._kind != "word":
                raise self._error(f"a field or {closing!r}" if closing else "a field")
            line, name = self._line, self._next()
            field = known.get(name)
            if field is None:
                out.unknown.append((name, line))
            values = self._values(field, name, depth)
            if field is not None:
                out.values.setdefault(name, []).extend(values)
            while self._kind == "mark" and self._token in ",;":
                self._next()
        return out

    def _values(self, field: Field | None, name: str, depth: int) -> list[Any]:
        """What follows a name: a message, a value, or a list of either."""
        has_colon = self._token == ":" and self._kind == "mark"
        if has_colon:
            self._next()
        if not (self._token == "[" and self._kind == "mark"):
            return [self._value(field, name, depth, has_colon)]
        self._next()
        out = []
        while not (self._token == "]" and self._kind == "mark"):
            out.append(self._value(field, name, depth, True))
            if self._token == "," and self._kind == "mark":
                self._next()
            elif self._token != "]":
                raise self._error("',' or ']'")
        self._next()
        return out

    def _value(self, field: Field | None, name: str, depth: int, has_colon: bool) -> Any:
        line = self._line
        if self._kind == "mark" and self._token in CLOSING:
            closing = CLOSING[self._next()]
            if field is not None and not field.is_message:
                raise FormatError(f"line {line}: a message in the place of a value of {name}")
            out = self._message(field.kind if field else "", closing, depth + 1)
            self._next()
            return out
        if self._kind not in ("word", "text") or not has_colon:
            raise self._error("':' and a value" if not has_colon else f"a value of {name}")
        if field is not None and field.is_message:
            raise self._error(f"the '{{' of {name}")
        is_text, text = self._kind == "text", self._string()
        return None if field is None else self._scalar(field, text, is_text, line)

    def _string(self) -> str:
        """A word, or texts that stand side by side."""
        if self._kind == "word":
            return self._next()
        parts = []
        while self._kind == "text":
            parts.append(re.sub(r"\\(.)", lambda m: ESCAPES.get(m[1], m[1]), self._next()[1:-1], flags=re.DOTALL))
        return "".join(parts)

    def _scalar(self, field: Field, text: str, is_text: bool, line: int) -> Any:
        """The value of a field; one that does not fit is noted, and the default is taken."""
        if field.kind == "str":
            return text
        try:
            return _scalar(field, text)
        except ValueError:
            self.wrong.append((line, f"{field.name}: {text!r}" if is_text else f"{field.name}: {text}", _need(field)))
            return field.default


def _scalar(field: Field, text: str) -> Any:
    """Raises: ValueError: the text is no value of the field."""
    if field.kind == "bool" and text in BOOLS:
        return BOOLS[text]
    if field.kind == "enum":
        if text in field.names.values():
            return text
        return field.names[int(text)] if text.isdigit() and int(text) in field.names else _refuse(text)
    if field.kind in LIMITS:
        value = int(text, 0) if not re.fullmatch(r"[+-]?\d+\.0*", text) else int(float(text))
        low, high = LIMITS[field.kind]
        return value if low <= value <= high else _refuse(text)
    if field.kind == "float" or field.kind in ARRAYS:
        number = float(text.removesuffix("f")) if not text.endswith(("inf", "nan")) else float(text)
        if not math.isfinite(number):
            return _refuse(text)
        return np.array([number], ARRAYS[field.kind]) if field.kind in ARRAYS else number
    return _refuse(text)


def _refuse(text: str) -> Any:
    raise ValueError(text)


def _need(field: Field) -> str:
    if field.kind == "enum":
        return f"one of: {', '.join(field.names.values())}"
    if field.kind in LIMITS:
        low, high = LIMITS[field.kind]
        return f"a whole number in [{low}, {high}]"
    return {"bool": "true or false"}.get(field.kind, "a finite number")
