"""Orthanc's settings "Dictionary" and "LoadPrivateDictionary": the attributes of a site, and private ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from framecache.dicom.model.dictionary import Dictionary

_VR, _CREATOR = 0, 4  # in [VR, name, minimum multiplicity, maximum multiplicity, private creator]


def data_dictionary(configuration: Mapping[str, Any]) -> Dictionary:
    """Rows that Orthanc would not understand either are left out; it does not start with them."""
    rows = configuration.get("Dictionary")
    own = list(_rows(rows)) if isinstance(rows, Mapping) else []
    return Dictionary(own, has_private=configuration.get("LoadPrivateDictionary") is not False)


def _rows(rows: Mapping[str, Any]) -> Iterator[tuple[int, str, str]]:
    for name, row in rows.items():
        tag = _tag(name)
        if tag is not None and isinstance(row, list) and row:
            yield tag, str(row[_CREATOR]) if len(row) > _CREATOR else "", str(row[_VR])


def _tag(name: str) -> int | None:
    """Of "gggg,eeee" or "ggggeeee"."""
    group, _, element = name.partition(",") if "," in name else (name[:4], "", name[4:])
    try:
        return int(group, 16) << 16 | int(element, 16)
    except ValueError:
        return None
