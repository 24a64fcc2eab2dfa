"""The parameters of a search (PS3.18 sections 8.3.4 and 10.6.1) as values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from framecache.dicomweb.attributes import KeyAttribute, Level, searched_attribute
from framecache.dicomweb.matching import Criterion, Empty, Range, criterion, similar
from framecache.errors import BadRequest

_ALL = "all"
_EMPTY = '""'  # PS3.4 section C.2.2.2.7
_LARGEST, _DIGITS = 2**31 - 1, re.compile(r"[0-9]{1,20}")  # int() raises for thousands of digits
_SWITCHES = ("fuzzymatching", "emptyvaluematching", "multiplevaluematching")
_PARAMETERS = (*_SWITCHES, "limit", "offset", "includefield")
# A date and its time, whose ranges are one range (PS3.4 section C.2.2.2.5.4).
_MOMENTS = (
    ("StudyDate", "StudyTime"),
    ("SeriesDate", "SeriesTime"),
    ("PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime"),
    ("InstanceCreationDate", "InstanceCreationTime"),
    ("AcquisitionDate", "AcquisitionTime"),
    ("ContentDate", "ContentTime"),
)


@dataclass(frozen=True, slots=True)
class Condition:
    """A criterion of one attribute: `path` is the attribute, below a sequence the sequence first.

    Of a date and its time the path has both, and their keys are compared joined.
    """

    path: tuple[KeyAttribute, ...]
    criterion: Criterion

    @property
    def attribute(self) -> KeyAttribute:
        """The attribute, or the sequence that it is in, or the date."""
        return self.path[0]

    @property
    def is_moment(self) -> bool:
        """Whether a date and its time are searched as one."""
        return self.attribute.vr == "DA" and len(self.path) > 1


@dataclass(frozen=True, slots=True)
class Query:
    """All conditions have to be met. `fields` are more attributes to return: keywords, tags, dotted below a sequence.

    `has_all_fields` is for all that there is. `limit` is None where all results are wanted.
    """

    level: Level
    conditions: tuple[Condition, ...] = ()
    fields: tuple[str, ...] = ()
    has_all_fields: bool = False
    limit: int | None = None
    offset: int = 0


def parse_query(
    level: Level,
    parameters: Mapping[str, Any],
    *,
    study_instance_uid: str | None = None,
    series_instance_uid: str | None = None,
) -> Query:
    """The query of a search below a study or series. Parameters are text, numbers, dates or lists of them.

    Raises BadRequest, for an attribute that cannot be searched as well: a search that ignores a condition finds what
    was not asked for.
    """
    switches = {name: _is_true(name, parameters.get(name, "false")) for name in _SWITCHES}
    searched = [(name, text_of(name, value)) for name, value in parameters.items() if name not in _PARAMETERS]
    below = (("StudyInstanceUID", study_instance_uid), ("SeriesInstanceUID", series_instance_uid))
    searched += [(name, uid) for name, uid in below if uid is not None]
    conditions = _joined([one for name, value in searched for one in _condition(level, name, value, switches)])
    fields = tuple(dict.fromkeys(_fields(parameters.get("includefield", ()))))
    return Query(
        level,
        conditions,
        tuple(field for field in fields if field != _ALL),
        _ALL in fields,
        _number("limit", parameters["limit"]) if parameters.get("limit") is not None else None,
        _number("offset", parameters.get("offset") or 0),
    )


def _condition(level: Level, name: str, value: str, switches: Mapping[str, bool]) -> Iterator[Condition]:
    path = searched_attribute(name, level)
    vr = path[-1].vr
    asked: Criterion | None
    if value == _EMPTY and switches["emptyvaluematching"]:
        asked = Empty()
    elif vr == "PN" and switches["fuzzymatching"] and value and not set("*?") & set(value):
        asked = similar(value)
    else:
        asked = criterion(vr, value, is_multiple=switches["multiplevaluematching"])
    if asked is not None:
        yield Condition(path, asked)


def _joined(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    """Ranges of a date and of its time become one, from a moment to a moment."""
    ranges = {one.path[0].keyword: one for one in conditions if isinstance(one.criterion, Range)}
    moments = [(ranges[day], ranges[time]) for day, time in _MOMENTS if day in ranges and time in ranges]
    parts = [part for pair in moments for part in pair]
    return (*(one for one in conditions if one not in parts), *(_moment(*pair) for pair in moments))


def _moment(day: Condition, clock: Condition) -> Condition:
    dates, times = day.criterion, clock.criterion
    assert isinstance(dates, Range)  # noqa: S101 - chosen above
    assert isinstance(times, Range)  # noqa: S101 - chosen above
    first = dates.first + times.first if dates.first else ""
    return Condition((day.attribute, clock.attribute), Range(first, dates.last + times.last))


def text_of(name: str, value: object) -> str:
    """The value that is searched for, as a URL would have it. Raises BadRequest."""
    if isinstance(value, datetime):
        return value.strftime("%Y%m%d%H%M%S.%f%z")
    if isinstance(value, date):
        return value.strftime("%Y%m%d")
    if isinstance(value, time):
        return value.strftime("%H%M%S.%f")
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return ",".join(text_of(name, one) for one in value)
    if isinstance(value, str | int | float):
        return str(value)
    raise BadRequest(f"{name} is searched by text")


def _fields(value: object) -> Iterator[str]:
    """PS3.18 section 8.3.4.3: several parameters, or one with commas."""
    if isinstance(value, str):
        yield from (field.strip() for field in value.split(",") if field.strip())
    elif isinstance(value, Iterable):
        for one in value:
            yield from _fields(one)
    else:
        raise BadRequest("includefield has keywords or tags")


def _is_true(name: str, value: object) -> bool:
    found = {"true": True, "false": False}.get(str(value).lower())
    if found is None:
        raise BadRequest(f"{name} is true or false")
    return found


def _number(name: str, value: object) -> int:
    text = str(value)
    if not _DIGITS.fullmatch(text) or int(text) > _LARGEST:
        raise BadRequest(f"{name} is a whole number")
    return int(text)
