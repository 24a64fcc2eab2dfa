"""An area of the routes under /frame-cache/: its answers, and the arguments of its requests."""

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


# Called with the text of each group of the route's pattern. Raises FrameCacheError.
Answer = Callable[..., Mapping[str, Any] | Content]


class Area(Protocol):
    """A part of the administration. Each pattern matches a whole path below /frame-cache/."""

    @property
    def get_routes(self) -> Mapping[str, Answer]:
        """The answers to GET, by pattern."""

    @property
    def post_routes(self) -> Mapping[str, Answer]:
        """The actions of POST, by pattern."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer that takes keyword arguments."""

    answer: Answer
    parameters: Sequence[Declaration]

    def __call__(self, *groups: str, **arguments: Any) -> Mapping[str, Any] | Content:
        """Answer."""
        return self.answer(*groups, **arguments)


@dataclass(frozen=True, slots=True)
class OrthancIds:
    """A list of Orthanc IDs, separated by commas."""

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
    """The keyword arguments for `answer`. Raises BadRequest, with the allowed values."""
    parameters = {one.name: one for one in answer.parameters} if isinstance(answer, Asked) else {}
    for name in arguments:
        if name not in parameters:
            known = f"known arguments: {', '.join(parameters)}" if parameters else "this route takes no arguments"
            raise BadRequest(f'unknown argument "{name[:40]}"; {known}')
    return {
        name: parameter.read(arguments[name]) if name in arguments else parameter.default
        for name, parameter in parameters.items()
    }


_LONGEST = 1 << 20  # characters
_DEEPEST = 32
# An unterminated string extends to the end, so that the scan visits each character once.
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|([\[{])|([\]}])', re.DOTALL)


def read_json(text: str | bytes) -> Any:
    """The value. Raises ValueError where the text is no JSON, longer than 2^20 characters or nested over 32 levels.

    Python's parser uses C stack for each level, and Orthanc's HTTP threads have 100 kB of it: with Python 3.13 a few
    hundred levels crash the server.
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
