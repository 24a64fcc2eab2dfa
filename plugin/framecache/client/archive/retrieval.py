"""What of an archive is retrieved without a file being rebuilt: frames, metadata, bulk data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

from framecache.client.archive.archive_collection import ArchiveCollection
from framecache.client.archive.records import record_of
from framecache.client.collection import DicomJson, StoredInstance
from framecache.client.retrieval.metadata import MetadataRetrieval, part_of, range_of
from framecache.client.retrieval.opening import Opener
from framecache.dicom.frame_source import LocatedFrames
from framecache.errors import NotFound
from framecache.tree.errors import Damaged, Missing
from framecache.tree.layout import FORMS

_BULK_DATA = re.compile(r"studies/(?P<study>[^/]+)/(?P<uri>bulkdata/[0-9a-f]{64})")
_PIXEL_DATA = frozenset({"7FE00008", "7FE00009", "7FE00010"})


class ArchiveOpener(Opener):
    """Opens frames without looking for them: the archive knows each."""

    def __init__(self, archive: ArchiveCollection) -> None:
        super().__init__(archive)
        self._archive = archive

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_archive": self._archive}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._archive = state["_archive"]

    @contextmanager
    def frames(
        self, instance: StoredInstance, numbers: Sequence[int] | None = None, *, header: bool = False
    ) -> Iterator[LocatedFrames]:
        """The frames of an instance. Raises SourceError, NoPixelData."""
        del header  # it is made when it is read
        with closing(self._archive.rebuilt(instance, numbers)) as file:
            yield LocatedFrames(file, file)

    def made(self, instance: StoredInstance, transfer_syntax_uid: str, number: int) -> bytes | None:
        """What is damaged is made anew from the stored frame."""
        if transfer_syntax_uid not in FORMS:
            return None
        try:
            return bytes(self._archive.tree.frames_in(record_of(instance), transfer_syntax_uid, [number])[0])
        except (NotFound, Damaged):
            return None


class ArchiveMetadata(MetadataRetrieval):
    """Metadata as the archive has it, with URLs of this client."""

    def __init__(self, opener: ArchiveOpener, base_url: str, threshold: int, archive: ArchiveCollection) -> None:
        super().__init__(opener, base_url, threshold)
        self._archive = archive

    def bulk_data(self, url: str, byte_range: tuple[int, ...] | None) -> Iterator[bytes]:
        """The value at a BulkDataURI. Raises BadRequest, NotFound."""
        found = _BULK_DATA.fullmatch(url.removeprefix(self._base_url).lstrip("/"))
        if found is None:
            return super().bulk_data(url, byte_range)
        try:
            content = self._archive.tree.bulk_data(found["study"], found["uri"])
        except Missing:
            raise NotFound("the archive has no such bulk data") from None
        return iter([part_of(content, *range_of(byte_range))])

    def _metadata(self, instance: StoredInstance) -> DicomJson:
        shown = self._archive.index.shown(instance)
        study_url = f"{self._base_url}/studies/{shown.record.path.study_instance_uid}"
        own_url = f"{self._base_url}/{instance.path}"
        elements = {tag: json.loads(text) for tag, text in shown.metadata().items()}
        return {tag: self._linked(tag, element, study_url, own_url) for tag, element in elements.items()}

    def _linked(self, tag: str, element: dict[str, Any], study_url: str, own_url: str) -> dict[str, Any]:
        is_long = len(element.get("InlineBinary", "")) * 3 // 4 > self._threshold
        if tag in _PIXEL_DATA or is_long:
            return {"vr": element["vr"], "BulkDataURI": f"{own_url}/bulk/{tag.lower()}"}
        if "BulkDataURI" in element:
            return {**element, "BulkDataURI": f"{study_url}/{element['BulkDataURI']}"}
        if element["vr"] == "SQ" and element.get("Value"):
            items = [_linked_item(item, study_url) for item in element["Value"]]
            return {**element, "Value": items}
        return element


def _linked_item(item: DicomJson, study_url: str) -> DicomJson:
    """Bulk data within sequences; short values stay where they are."""
    linked: DicomJson = {}
    for tag, element in item.items():
        if "BulkDataURI" in element:
            linked[tag] = {**element, "BulkDataURI": f"{study_url}/{element['BulkDataURI']}"}
        elif element.get("vr") == "SQ" and element.get("Value"):
            linked[tag] = {**element, "Value": [_linked_item(one, study_url) for one in element["Value"]]}
        else:
            linked[tag] = element
    return linked
