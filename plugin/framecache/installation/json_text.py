"""JSON as Orthanc reads it, with comments and ${VARIABLES}, and changed in place: all else stays as it was typed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from framecache.errors import SettingsError

_BLANK = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_SCALAR = re.compile(r"\$\{[^}]*\}|[-+.\w]+")
_INDENT = "  "


@dataclass(frozen=True)
class Node:
    """A value, its place in the text, and for an object the nodes of its members."""

    begin: int
    end: int
    value: Any
    members: Mapping[str, Node] = field(default_factory=dict)


class JsonText:
    """The text of one object."""

    def __init__(self, text: str) -> None:
        """Raises SettingsError with the line where it cannot be read."""
        self.text = text
        self._root = _Reader(text).document()

    @property
    def value(self) -> dict[str, Any]:
        """The object; a ${VARIABLE} without quotation marks is its text."""
        value: dict[str, Any] = self._root.value
        return value

    def with_value(self, keys: Sequence[str], value: Any) -> JsonText:
        """The text with `value` at the place that `keys` lead to, which is made if need be."""
        node, depth = self._root, 0
        while depth < len(keys) and keys[depth] in node.members:
            node, depth = node.members[keys[depth]], depth + 1
        rest = keys[depth:]
        if rest and isinstance(node.value, dict):
            return self._with_member(node, rest[0], _nested(rest[1:], value), depth + 1)
        return self._with_text(node.begin, node.end, _written(_nested(rest, value), depth))

    def _with_member(self, node: Node, key: str, value: Any, depth: int) -> JsonText:
        """As the first member: behind the last one may be a comment on it."""
        member = f"\n{_INDENT * depth}{json.dumps(key)}: {_written(value, depth)}"
        separator = "," if node.members else f"\n{_INDENT * (depth - 1)}"
        return self._with_text(node.begin + 1, node.begin + 1, member + separator)

    def _with_text(self, begin: int, end: int, text: str) -> JsonText:
        return JsonText(self.text[:begin] + text + self.text[end:])


def _nested(keys: Sequence[str], value: Any) -> Any:
    for key in reversed(keys):
        value = {key: value}
    return value


def _written(value: Any, depth: int) -> str:
    return json.dumps(value, indent=len(_INDENT), ensure_ascii=False).replace("\n", "\n" + _INDENT * depth)


class _Reader:
    """Reads one text from its beginning to its end."""

    def __init__(self, text: str) -> None:
        self._text, self._place = text, 0

    def document(self) -> Node:
        if not self._at("{"):
            raise self._error("an object is expected: { … }")
        try:
            node = self._value()
        except RecursionError:
            raise self._error("objects and lists are nested too deeply") from None
        self._skip()
        if self._place < len(self._text):
            raise self._error("something follows the end of the object")
        return node

    def _value(self) -> Node:
        self._skip()
        begin, members = self._place, {}
        value: Any
        if self._at("{"):
            members = dict(self._members())
            value = {key: node.value for key, node in members.items()}
        elif self._at("["):
            value = [self._value().value for _ in self._elements("[", "]")]
        else:
            value = self._scalar()
        return Node(begin, self._place, value, members)

    def _members(self) -> Iterator[tuple[str, Node]]:
        seen: set[str] = set()
        for _ in self._elements("{", "}"):
            key = self._string()
            if key in seen:
                raise self._error(f'"{key}" is there twice')
            seen.add(key)
            self._take(":")
            yield key, self._value()

    def _elements(self, opening: str, closing: str) -> Iterator[None]:
        """Stops at the beginning of each element; a comma may follow the last one, as Orthanc allows."""
        self._take(opening)
        while not self._at(closing):
            yield
            if not self._at(closing):
                self._take(",")
        self._take(closing)

    def _string(self) -> str:
        self._skip()
        found = _STRING.match(self._text, self._place)
        if found is None:
            raise self._error("a text in quotation marks is expected")
        self._place = found.end()
        return str(self._parsed(found[0]))

    def _scalar(self) -> Any:
        if self._at('"'):
            return self._string()
        found = _SCALAR.match(self._text, self._place)
        if found is None:
            raise self._error("a value is expected")
        self._place = found.end()
        return found[0] if found[0].startswith("$") else self._parsed(found[0])

    def _parsed(self, text: str) -> Any:
        try:
            return json.loads(text, strict=False)
        except ValueError:
            raise self._error(f"{text} is no value") from None

    def _at(self, token: str) -> bool:
        self._skip()
        return self._text.startswith(token, self._place)

    def _take(self, token: str) -> None:
        if not self._at(token):
            raise self._error(f"{token} is expected")
        self._place += len(token)

    def _skip(self) -> None:
        found = _BLANK.match(self._text, self._place)
        self._place = found.end() if found else self._place

    def _error(self, what: str) -> SettingsError:
        return SettingsError(f"line {self._text.count(chr(10), 0, self._place) + 1}: {what}")
