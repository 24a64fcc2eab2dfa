"""The arguments of a request below /frame-cache/: named, bounded, and refused with what is allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from framecache.admin.answers import Answer, Content
from framecache.dicom.identity import is_orthanc_id
from framecache.errors import BadRequest


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument that may be given. `read` makes its value from text, or raises ValueError."""

    name: str
    default: Any
    read: Callable[[str], Any]
    allowed: str


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer that takes arguments, each by its name."""

    answer: Answer
    parameters: Sequence[Parameter]

    def __call__(self, *groups: str, **arguments: Any) -> Mapping[str, Any] | Content:
        """What is answered."""
        return self.answer(*groups, **arguments)


def whole_number(name: str, default: int, smallest: int, largest: int) -> Parameter:
    """A whole number within bounds, which are allowed too."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(largest))):
            raise ValueError
        number = int(text)
        if not smallest <= number <= largest:
            raise ValueError
        return number

    return Parameter(name, default, read, f"a whole number from {smallest} to {largest}")


def choice(name: str, choices: Sequence[str]) -> Parameter:
    """One of some words; the first is the default."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError
        return text

    return Parameter(name, choices[0], read, " or ".join(choices))


def orthanc_ids(name: str, most: int) -> Parameter:
    """Some Orthanc IDs, separated by commas; None where nothing is given."""

    def read(text: str) -> tuple[str, ...]:
        ids = tuple(dict.fromkeys(text.split(",", most)))
        if len(ids) > most or not all(map(is_orthanc_id, ids)):
            raise ValueError
        return ids

    return Parameter(name, None, read, f"up to {most} Orthanc IDs, separated by commas")


def read_arguments(answer: Answer, arguments: Mapping[str, str]) -> dict[str, Any]:
    """The arguments that `answer` is called with, by name. Raises BadRequest that says what is allowed."""
    parameters = {one.name: one for one in answer.parameters} if isinstance(answer, Asked) else {}
    for name in arguments:
        if name not in parameters:
            known = f"known are: {', '.join(parameters)}" if parameters else "there are none here"
            raise BadRequest(f'the argument "{name[:40]}" is not known; {known}')
    return {
        name: _value(parameter, arguments[name]) if name in arguments else parameter.default
        for name, parameter in parameters.items()
    }


def _value(parameter: Parameter, text: str) -> Any:
    try:
        return parameter.read(text)
    except ValueError:
        raise BadRequest(f'"{parameter.name}" is {text[:40]!r}; allowed is {parameter.allowed}') from None
