"""The arguments of a request below /frame-cache/: named, bounded, and refused with what is allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from framecache.admin.answers import Answer, Content
from framecache.declaration import Declaration
from framecache.dicom.identity import is_orthanc_id
from framecache.errors import BadRequest


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
