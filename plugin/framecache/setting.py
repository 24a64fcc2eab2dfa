"""One key of the configuration: what may be set there, and what is said of what may not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from framecache.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Setting:
    """One key: its kind, its default, the smallest and the largest value or what is allowed, and what it means."""

    key: str
    kind: type[Any]
    default: Any
    smallest: int = 0
    largest: int = 0
    choices: tuple[str, ...] = ()
    meaning: str = field(default="", kw_only=True)

    def check(self, value: Any) -> Any:
        """`value` if it may be set. Raises SettingsError with key, value and what is allowed."""
        if self.kind is tuple:
            return self._texts(value)
        if not (type(value) is self.kind or (self.kind is float and type(value) is int)):
            raise SettingsError(f'"{self.key}" is {value!r}; allowed is {self.allowed}')
        if self.kind in (int, float) and not self.smallest <= value <= self.largest:
            raise SettingsError(f'"{self.key}" is {value!r}; allowed is {self.allowed}')
        if self.choices and value not in self.choices:
            raise SettingsError(f'"{self.key}" is {value!r}; allowed is {self.allowed}')
        # After the bounds: a whole number too large for a float is refused like any other.
        return self.kind(value)

    def _texts(self, value: Any) -> tuple[str, ...]:
        if not (isinstance(value, list | tuple) and all(isinstance(text, str) and text for text in value)):
            raise SettingsError(f'"{self.key}" is {value!r}; allowed is {self.allowed}')
        return tuple(value)

    @property
    def allowed(self) -> str:
        """What may be set, for messages and documentation."""
        if self.kind in (int, float):
            name = "a whole number" if self.kind is int else "a number"
            return f"{name} from {self.smallest} to {self.largest}"
        if self.choices:
            return " or ".join(f'"{choice}"' for choice in self.choices)
        return {bool: "true or false", list: "a list of rules", tuple: "a list of texts"}.get(self.kind, "a text")
