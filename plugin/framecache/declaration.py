"""One declaration for each setting, key of a rule and argument of a query.

It provides the check, the error message with the allowed values, the row of a document, and the JSON Schema.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from framecache.errors import BadRequest, SettingsError


class Kind(Protocol):
    """A kind of values. `check` and `read` raise ValueError, or an error with a message of its own."""

    @property
    def allowed(self) -> str:
        """The allowed values, for messages and documents."""

    def check(self, value: Any) -> Any:
        """The value from a value in JSON."""

    def read(self, text: str) -> Any:
        """The value from the text in a query."""

    def schema(self) -> dict[str, Any]:
        """The JSON Schema, without a default."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """A named value with its kind, its default and its meaning."""

    name: str
    kind: Kind
    default: Any = None
    meaning: str = field(default="", kw_only=True)

    @property
    def allowed(self) -> str:
        """The allowed values."""
        return self.kind.allowed

    def check(self, value: Any) -> Any:
        """The value from the configuration. Raises SettingsError with name, value and allowed values."""
        try:
            return self.kind.check(value)
        except ValueError:
            raise SettingsError(f'"{self.name}" is {value!r}; allowed is {self.allowed}') from None

    def read(self, text: str) -> Any:
        """The value from a query. Raises BadRequest with name, value and allowed values."""
        try:
            return self.kind.read(text)
        except ValueError:
            raise BadRequest(f'"{self.name}" is {text[:40]!r}; allowed is {self.allowed}') from None

    def schema(self) -> dict[str, Any]:
        """The JSON Schema, with the default."""
        return {**self.kind.schema(), **({} if self.default is None else {"default": self.default})}


@dataclass(frozen=True, slots=True)
class Number:
    """A number within inclusive bounds."""

    kind: type[int | float]
    smallest: int
    largest: int

    @property
    def allowed(self) -> str:
        name = "a whole number" if self.kind is int else "a number"
        return f"{name} from {self.smallest} to {self.largest}"

    def check(self, value: Any) -> int | float:
        if not (type(value) is self.kind or (self.kind is float and type(value) is int)):
            raise ValueError(value)
        if not self.smallest <= value <= self.largest:
            raise ValueError(value)
        # After the bounds, so that an integer too large for a float is also a ValueError.
        return self.kind(value)

    def read(self, text: str) -> int | float:
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(self.largest))):
            raise ValueError(text)
        return self.check(int(text))

    def schema(self) -> dict[str, Any]:
        kind = "integer" if self.kind is int else "number"
        return {"type": kind, "minimum": self.smallest, "maximum": self.largest}


@dataclass(frozen=True, slots=True)
class Enumeration:
    """One of `words`, which messages put in `quotes`."""

    words: tuple[str, ...]
    quotes: str = '"'

    @property
    def allowed(self) -> str:
        return " or ".join(f"{self.quotes}{word}{self.quotes}" for word in self.words)

    def check(self, value: Any) -> str:
        if value not in self.words:
            raise ValueError(value)
        return str(value)

    def read(self, text: str) -> str:
        return self.check(text)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Flag:
    """Yes or no."""

    allowed: str = "true or false"

    def check(self, value: Any) -> bool:
        if type(value) is not bool:
            raise ValueError(value)
        return value

    def read(self, text: str) -> bool:
        return self.check({"true": True, "false": False}.get(text))

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Text:
    """A text that satisfies `is_valid`."""

    allowed: str = "a text"
    is_valid: Callable[[str], bool] = lambda _: True

    def check(self, value: Any) -> str:
        if not (isinstance(value, str) and self.is_valid(value)):
            raise ValueError(value)
        return value

    def read(self, text: str) -> str:
        return self.check(text)

    def schema(self) -> dict[str, Any]:
        return {"type": "string"}


@dataclass(frozen=True, slots=True)
class Texts:
    """A list of texts: it may be empty if `empty`, and may be a single text without a list if `one_alone`."""

    item: Text
    allowed: str
    empty: bool = True
    one_alone: bool = False

    def check(self, value: Any) -> tuple[str, ...]:
        if self.one_alone and isinstance(value, str):
            value = [value]
        if not isinstance(value, list | tuple) or not (value or self.empty):
            raise ValueError(value)
        return tuple(map(self.item.check, value))

    def read(self, text: str) -> tuple[str, ...]:
        return self.check(text.split(","))

    def schema(self) -> dict[str, Any]:
        several = {"type": "array", "items": self.item.schema(), **({} if self.empty else {"minItems": 1})}
        return {"anyOf": [self.item.schema(), several]} if self.one_alone else several
