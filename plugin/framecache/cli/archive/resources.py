"""The DICOMweb resources of an archive (PS3.18 sections 10.4 and 10.6), by their URLs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from framecache.dicom.identity import InstancePath
from framecache.dicom.transfer_syntax import lookup
from framecache.dicomweb.attributes import Level
from framecache.dicomweb.frame_list import parse_frame_list
from framecache.dicomweb.matching import key_of
from framecache.dicomweb.multipart import Multipart
from framecache.dicomweb.query import Condition, parse_query
from framecache.errors import NotFound
from framecache.tree.tree import Tree

_JSON = "application/dicom+json"
_STUDY, _SERIES, _INSTANCE = "studies/([^/]+)", "series/([^/]+)", "instances/([^/]+)"
Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Content:
    """An answer's body and its Content-Type."""

    body: bytes
    content_type: str = _JSON


class Resources:
    """Raises NotFound, BadRequest, ArchiveError."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        below = f"{_STUDY}/{_SERIES}"
        routes: dict[str, Callable[..., Content]] = {
            "studies": self._studies,
            f"{_STUDY}/series": self._all_series,
            f"{_STUDY}/instances": self._study_instances,
            f"{below}/instances": self._instances,
            f"{_STUDY}/metadata": self._study_metadata,
            f"{below}/metadata": self._series_metadata,
            f"{below}/{_INSTANCE}/metadata": self._metadata,
            f"{below}/{_INSTANCE}/frames/([^/]+)": self._frames,
            f"{_STUDY}/bulkdata/([^/]+)": self._bulk_data,
        }
        self._routes = [(re.compile(f"/(?:dicom-web/)?{pattern}/?"), answer) for pattern, answer in routes.items()]

    def get(self, path: str, arguments: Arguments) -> Content:
        """What is at the path of a URL."""
        for pattern, answer in self._routes:
            if found := pattern.fullmatch(path):
                return answer(arguments, *found.groups())
        raise NotFound("the archive has no such resource")

    def _studies(self, arguments: Arguments) -> Content:
        return _searched(Level.STUDY, arguments, self._tree.studies())

    def _all_series(self, arguments: Arguments, study: str) -> Content:
        return _searched(Level.SERIES, arguments, self._tree.series(study))

    def _instances(self, arguments: Arguments, study: str, series: str) -> Content:
        return _searched(Level.INSTANCE, arguments, self._tree.instances(study, series))

    def _study_instances(self, arguments: Arguments, study: str) -> Content:
        found = [one for series in self._series_of(study) for one in self._tree.instances(study, series)]
        return _searched(Level.INSTANCE, arguments, found)

    def _study_metadata(self, _: Arguments, study: str) -> Content:
        return _json([one for series in self._series_of(study) for one in self._tree.series_metadata(study, series)])

    def _series_metadata(self, _: Arguments, study: str, series: str) -> Content:
        return _json(self._tree.series_metadata(study, series))

    def _metadata(self, _: Arguments, *uids: str) -> Content:
        return _json([self._tree.metadata(InstancePath(*uids))])

    def _frames(self, _: Arguments, study: str, series: str, instance: str, numbers: str) -> Content:
        path, wanted = InstancePath(study, series, instance), parse_frame_list(numbers)
        record = self._tree.record(path)
        uid = record.frames_transfer_syntax_uid
        part_type = f"{lookup(uid).media_type}; transfer-syntax={uid}"
        multipart = Multipart(part_type, record.origin.sha256)
        body = bytearray()
        for frame in self._tree.frames_of(record, wanted):
            body += multipart.header("", len(frame), first=not body) + frame
        return Content(bytes(body + multipart.closing), multipart.content_type)

    def _bulk_data(self, _: Arguments, study: str, name: str) -> Content:
        return Content(self._tree.bulk_data(study, f"bulkdata/{name}"), "application/octet-stream")

    def _series_of(self, study: str) -> list[str]:
        return [one["0020000E"]["Value"][0] for one in self._tree.series(study)]


def _searched(level: Level, arguments: Arguments, found: Sequence[Mapping[str, Any]]) -> Content:
    query = parse_query(level, arguments)
    matching = (one for one in found if all(_meets(one, condition) for condition in query.conditions))
    end = None if query.limit is None else query.offset + query.limit
    return _json(list(islice(matching, query.offset, end)))


def _meets(found: Mapping[str, Any], condition: Condition) -> bool:
    first, *rest = condition.path
    if condition.is_moment:
        keys = zip(*(_keys(found, part.hex_tag, part.vr) for part in condition.path), strict=False)
        return condition.criterion.matches(["".join(pair) for pair in keys])
    items = [found] if not rest else found.get(first.hex_tag, {}).get("Value", ())
    attribute = condition.path[-1]
    return condition.criterion.matches([key for one in items for key in _keys(one, attribute.hex_tag, attribute.vr)])


def _keys(found: Mapping[str, Any], tag: str, vr: str) -> list[str]:
    values = found.get(tag, {}).get("Value", ())
    texts = [one.values() if isinstance(one, dict) else [str(one)] for one in values if one is not None]
    return [key_of(vr, text) for each in texts for text in each]


def _json(found: Sequence[Mapping[str, Any]]) -> Content:
    return Content(json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode())
