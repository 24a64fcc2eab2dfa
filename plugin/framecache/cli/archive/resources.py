"""The DICOMweb resources of an archive (PS3.18 sections 10.4 and 10.6), by their URLs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from framecache.client.archive.archive_index import ArchiveIndex
from framecache.client.index.local_index import LocalIndex
from framecache.client.searching import Searching
from framecache.codecs.same_stream import kept_as
from framecache.codecs.targets import HTJ2K, HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL
from framecache.dicom.identity import InstancePath
from framecache.dicom.transfer_syntax import lookup
from framecache.dicomweb.attributes import Level
from framecache.dicomweb.frame_list import parse_frame_list
from framecache.dicomweb.multipart import Multipart
from framecache.dicomweb.query import parse_query
from framecache.errors import NotFound
from framecache.tree.record import Record
from framecache.tree.tree import Tree

_JSON = "application/dicom+json"
_STUDY, _SERIES, _INSTANCE = "studies/([^/]+)", "series/([^/]+)", "instances/([^/]+)"
_REFRESH_SECONDS = 5.0
Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Content:
    """An answer's body and its Content-Type."""

    body: bytes
    content_type: str = _JSON


class Resources:
    """Raises NotFound, BadRequest, ArchiveError."""

    def __init__(self, tree: Tree, base_url: str = "") -> None:
        """URLs in answers begin with `base_url`."""
        self._tree, self._lists = tree, LocalIndex(None)
        index = ArchiveIndex(tree, self._lists, _REFRESH_SECONDS)
        self._searching = Searching(index, _Headers(tree), base_url)
        below = f"{_STUDY}/{_SERIES}"
        routes: dict[str, Callable[..., Content]] = {
            "studies": self._studies,
            "series": partial(self._search, Level.SERIES),
            "instances": partial(self._search, Level.INSTANCE),
            f"{_STUDY}/series": partial(self._search, Level.SERIES),
            f"{_STUDY}/instances": partial(self._search, Level.INSTANCE),
            f"{below}/instances": partial(self._search, Level.INSTANCE),
            f"{_STUDY}/metadata": self._study_metadata,
            f"{below}/metadata": self._series_metadata,
            f"{below}/{_INSTANCE}/metadata": self._metadata,
            f"{below}/{_INSTANCE}/frames/([^/]+)": self._frames,
            f"{_STUDY}/bulkdata/([^/]+)": self._bulk_data,
        }
        self._routes = [(re.compile(f"/(?:dicom-web/)?{pattern}/?"), answer) for pattern, answer in routes.items()]

    def close(self) -> None:
        """Forget the lists."""
        self._lists.close()

    def get(self, path: str, arguments: Arguments) -> Content:
        """What is at the path of a URL."""
        for pattern, answer in self._routes:
            if found := pattern.fullmatch(path):
                return answer(arguments, *found.groups())
        raise NotFound("the archive has no such resource")

    def _studies(self, arguments: Arguments) -> Content:
        """Whole lists of studies are in the archive: an archive of thousands need not be read for the first page."""
        query = parse_query(Level.STUDY, _searched(arguments))
        if query.conditions or query.fields or query.has_all_fields:
            return self._search(Level.STUDY, arguments)
        end = None if query.limit is None else query.offset + query.limit
        return _json(self._tree.studies()[query.offset : end])

    def _search(
        self, level: Level, arguments: Arguments, study: str | None = None, series: str | None = None
    ) -> Content:
        """As the client searches an archive: it keeps lists of what was looked at, and asks for what has changed."""
        if study is not None:
            self._check(study, series)
        below = {"study_instance_uid": study, "series_instance_uid": series}
        return _json(self._searching.search(level, _searched(arguments), **below))

    def _check(self, study: str, series: str | None) -> None:
        """Raises NotFound."""
        if series is None:
            self._tree.series(study)
        else:
            self._tree.instances(study, series)

    def _study_metadata(self, _: Arguments, study: str) -> Content:
        return _json([one for series in self._series_of(study) for one in self._tree.series_metadata(study, series)])

    def _series_metadata(self, _: Arguments, study: str, series: str) -> Content:
        return _json(self._tree.series_metadata(study, series))

    def _metadata(self, _: Arguments, *uids: str) -> Content:
        return _json([self._tree.metadata(InstancePath(*uids))])

    def _frames(self, arguments: Arguments, study: str, series: str, instance: str, numbers: str) -> Content:
        path, wanted = InstancePath(study, series, instance), parse_frame_list(numbers)
        record = self._tree.record(path)
        uid, frames = self._chosen(record, wanted, str(arguments.get("accept", "")))
        part_type = f"{lookup(uid).media_type}; transfer-syntax={uid}"
        multipart = Multipart(part_type, record.origin.sha256)
        body = bytearray()
        for frame in frames:
            body += multipart.header("", len(frame), first=not body) + frame
        return Content(bytes(body + multipart.closing), multipart.content_type)

    def _chosen(self, record: Record, numbers: Sequence[int], accept: str) -> tuple[str, Sequence[memoryview]]:
        """Frames as they are stored, or in another form that the archive has, if the client names only that."""
        stored = record.frames_transfer_syntax_uid
        for uid in (HTJ2K_LOSSLESS_RPCL, HTJ2K_LOSSLESS, HTJ2K):
            if uid in accept and stored not in accept:
                with suppress(NotFound):
                    return uid, self._tree.frames_in(record, kept_as(stored, uid), numbers)
        return stored, self._tree.frames_of(record, numbers)

    def _bulk_data(self, _: Arguments, study: str, name: str) -> Content:
        return Content(self._tree.bulk_data(study, f"bulkdata/{name}"), "application/octet-stream")

    def _series_of(self, study: str) -> list[str]:
        return [one["0020000E"]["Value"][0] for one in self._tree.series(study)]


class _Headers:
    """The metadata of instances, for fields that are in no list."""

    def __init__(self, tree: Tree) -> None:
        self.instance = tree.metadata


def _searched(arguments: Arguments) -> Arguments:
    """Without what any URL may have in the place of a header (PS3.18 section 8.3.3): the answer is the same."""
    return {name: value for name, value in arguments.items() if name not in ("accept", "charset")}


def _json(found: Sequence[Mapping[str, Any]]) -> Content:
    return Content(json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode())
