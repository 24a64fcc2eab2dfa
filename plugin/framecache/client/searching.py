"""Searches: by the index, and for fields that it lacks by the headers of what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from framecache.client.collection import DicomJson, StoredInstance
from framecache.dicom.identity import InstancePath
from framecache.dicomweb.attributes import Level, known_attribute
from framecache.dicomweb.query import Query, parse_query
from framecache.errors import BadRequest, NotFound

_HEX = frozenset("0123456789abcdefABCDEF")
_TAG_LENGTH = 8
_UIDS = ("0020000D", "0020000E", "00080018")


class Searchable(Protocol):
    """The part of a collection that a search needs: as framecache.client.collection.Collection."""

    def search(self, query: Query, base_url: str) -> list[DicomJson]:
        """The results."""

    def find(
        self, study_instance_uid: str | None, series_instance_uid: str | None, sop_instance_uid: str | None
    ) -> Iterator[StoredInstance]:
        """The instances of these UIDs."""


class Headers(Protocol):
    """Where the header of an instance is read."""

    def instance(self, path: InstancePath) -> DicomJson:
        """Its metadata. Raises NotFound."""


class Searching:
    """Searches one collection."""

    def __init__(self, collection: Searchable, metadata: Headers, base_url: str) -> None:
        self._collection, self._metadata, self._base_url = collection, metadata, base_url

    def search(self, level: Level, parameters: Mapping[str, Any], **below: str | None) -> list[DicomJson]:
        """The results. Raises BadRequest."""
        query = parse_query(level, parameters, **below)
        missing = [tag for tag in map(_tag, query.fields) if tag is not None]
        results = self._collection.search(query, self._base_url)
        if missing or (query.has_all_fields and level is Level.INSTANCE):
            return [self._completed(result, query, missing) for result in results]
        return results

    def _completed(self, result: DicomJson, query: Query, missing: list[str]) -> DicomJson:
        """With what the header of the instance, or of the first of a study or series, says."""
        uids: list[str | None] = [result[tag]["Value"][0] for tag in _UIDS[: query.level + 1]]
        instance = next(self._collection.find(*[*uids, None, None][:3]), None)
        if instance is None:
            return result
        try:
            header = self._metadata.instance(instance.path)
        except NotFound:  # it was removed after it was found
            return result
        found = header if query.has_all_fields else {tag: header[tag] for tag in missing if tag in header}
        return dict(sorted({**found, **result}.items()))


def _tag(field: str) -> str | None:
    """The tag of a field that is read from headers, or of the sequence that it is in. Raises BadRequest."""
    name = field.split(".", maxsplit=1)[0]
    if known_attribute(name) is not None:
        return None
    if len(name) == _TAG_LENGTH and _HEX.issuperset(name):
        return name.upper()
    from pydicom.datadict import tag_for_keyword  # noqa: PLC0415 - seldom needed

    tag = tag_for_keyword(name)
    if tag is None:
        raise BadRequest(f"{field} is neither a keyword nor a tag")
    return f"{tag:08X}"
