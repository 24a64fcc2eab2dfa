"""An area of the routes under /frame-cache/: what it answers, and the arguments that a request may have."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, overload

from framecache.declaration import Declaration
from framecache.errors import BadRequest
from framecache.orthanc.identifiers import is_orthanc_id


@dataclass(frozen=True, slots=True)
class Content:
    """An answer that is not JSON."""

    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


# Called with what the groups of the route's pattern matched. Raises FrameCacheError.
Answer = Callable[..., Mapping[str, Any] | Content]


class Area(Protocol):
    """A part of the administration. Its patterns are those of paths below /frame-cache/, and match them whole."""

    @property
    def told(self) -> Mapping[str, Answer]:
        """What GET tells."""

    @property
    def done(self) -> Mapping[str, Answer]:
        """What POST does."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer that takes arguments, each by its name."""

    answer: Answer
    parameters: Sequence[Declaration]

    def __call__(self, *groups: str, **arguments: Any) -> Mapping[str, Any] | Content:
        """What is answered."""
        return self.answer(*groups, **arguments)


@dataclass(frozen=True, slots=True)
class OrthancIds:
    """Some Orthanc IDs, separated by commas."""

    most: int

    @property
    def allowed(self) -> str:
        return f"up to {self.most} Orthanc IDs, separated by commas"

    def check(self, value: Any) -> tuple[str, ...]:
        ids = tuple(dict.fromkeys(value))
        if len(ids) > self.most or not all(map(is_orthanc_id, ids)):
            raise ValueError(value)
        return ids

    def read(self, text: str) -> tuple[str, ...]:
        return self.check(text.split(",", self.most))

    def schema(self) -> dict[str, Any]:
        return {
            "type": "array",
            "items": {"$ref": "#/components/schemas/OrthancID"},
            "minItems": 1,
            "maxItems": self.most,
        }


def read_arguments(answer: Answer, arguments: Mapping[str, str]) -> dict[str, Any]:
    """The arguments that `answer` is called with, by name. Raises BadRequest that says what is allowed."""
    parameters = {one.name: one for one in answer.parameters} if isinstance(answer, Asked) else {}
    for name in arguments:
        if name not in parameters:
            known = f"known are: {', '.join(parameters)}" if parameters else "there are none here"
            raise BadRequest(f'the argument "{name[:40]}" is not known; {known}')
    return {
        name: parameter.read(arguments[name]) if name in arguments else parameter.default
        for name, parameter in parameters.items()
    }


_LONGEST = 1 << 20  # characters
_DEEPEST = 32
# A string that is never closed goes on to the end, so that each character is looked at once.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|([\[{])|([\]}])', re.DOTALL)


def read_json(text: str | bytes) -> Any:
    """The value. Raises ValueError for what is no JSON, is too long, or is nested more deeply than anything here is.

    Python's reader takes C stack for each level, and Orthanc's HTTP threads have 100 kB of it: with Python 3.13 some
    hundred levels end the server.
    """
    decoded = text if isinstance(text, str) else text.decode()
    if len(decoded) > _LONGEST:
        raise ValueError("too long")
    depth = 0
    for token in _TOKEN.finditer(decoded):
        depth += bool(token[1]) - bool(token[2])
        if depth > _DEEPEST:
            raise ValueError("nested too deeply")
    return json.loads(decoded)


@overload
def iso(moment: float) -> str: ...


@overload
def iso(moment: None) -> None: ...


@overload
def iso(moment: float | None) -> str | None: ...


def iso(moment: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601 in UTC, such as 2026-11-21T15:04:05+00:00."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
