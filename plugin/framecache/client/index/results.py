"""Rows of the index as results of a search (PS3.18 section 10.6.3.3) in DICOM JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from framecache.client.collection import DicomJson
from framecache.client.index.statements import COMPUTED, selected
from framecache.dicom.identity import InstancePath
from framecache.dicomweb.attributes import ATTRIBUTES, KeyAttribute, Level, known_attribute
from framecache.dicomweb.matching import NUMBERS, is_integer

_RETRIEVE_URL = "00081190"
_REPRESENTATIONS = ("Alphabetic", "Ideographic", "Phonetic")
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


def computed_attributes(level: Level, below: Level | None, fields: Sequence[str], *, has_all: bool) -> tuple[str, ...]:
    """The attributes that are computed for each result: the usual ones of its levels, and those of `fields`.

    `below` is the level of the resource that is searched, None for all that there is.
    """
    asked = {one.keyword for field in fields if (one := known_attribute(field)) is not None}
    usual = {
        one.keyword
        for one in ATTRIBUTES
        if one.level <= level and (below is None or one.level > below) and (one.is_returned or has_all)
    }
    return tuple(keyword for keyword in COMPUTED if keyword in usual | asked)


class Results:
    """Makes results of one search's rows; `base_url` begins the URL of each."""

    def __init__(self, level: Level, computed: Sequence[str], base_url: str, *, below: Level | None) -> None:
        """`below` is the level of the resource that was searched: what is known of it is not repeated."""
        self._level, self._base_url = level, base_url
        self._names = (*(column for _, column in selected(level)), *computed)
        self._attributes = [
            one
            for one in ATTRIBUTES
            if one.level <= level and (below is None or one.level > below or one.keyword in (*_UIDS, *computed))
        ]

    def result(self, row: Sequence[Any]) -> DicomJson:
        """The result that a row is."""
        values = dict(zip(self._names, row, strict=True))
        found = dict(self._elements(values))
        found[_RETRIEVE_URL] = {"vr": "UR", "Value": [f"{self._base_url}/{_path(values, self._level)}"]}
        return dict(sorted(found.items()))

    def _elements(self, values: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        yield "00080005", {"vr": "CS", "Value": ["ISO_IR 192"]}
        for one in self._attributes:
            value = _stated(one, values)
            if value is not None:
                yield one.hex_tag, element(one, value)
            elif one.is_returned:
                yield one.hex_tag, {"vr": one.vr}


def _stated(attribute: KeyAttribute, values: Mapping[str, Any]) -> Any:
    if attribute.keyword == "InstanceAvailability":
        return "ONLINE"
    if attribute.keyword == "AvailableTransferSyntaxUID":
        return values.get("transfer_syntax_uid")
    value = values.get(attribute.keyword)
    return value.replace(",", "\\") if attribute.is_computed and isinstance(value, str) else value


def _path(values: Mapping[str, Any], level: Level) -> str:
    uids = [str(values[name]) for name in _UIDS[: level + 1]]
    padded = InstancePath(*uids, *["0"] * (2 - level))
    return str(padded) if level is Level.INSTANCE else str(padded).rsplit("/", 2 * (2 - level))[0]


def element(attribute: KeyAttribute, value: str | int) -> dict[str, Any]:
    """One value, or several between backslashes, in DICOM JSON."""
    if attribute.vr == "SQ":
        items = json.loads(str(value))
        return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
    texts = str(value).split("\\") if attribute.is_multiple else [value]
    converted = [_converted(attribute, one) for one in texts]
    return (
        {"vr": attribute.vr, "Value": converted} if any(one is not None for one in converted) else {"vr": attribute.vr}
    )


def _converted(attribute: KeyAttribute, value: str | int) -> Any:
    if value == "":
        return None
    if attribute.vr == "PN":
        groups = zip(_REPRESENTATIONS, str(value).split("="), strict=False)
        return {name: group for name, group in groups if group}
    if attribute.vr in NUMBERS:
        return int(value) if is_integer(str(value)) else None
    return value
