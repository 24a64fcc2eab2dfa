"""What a client needs of the place where instances are: one small protocol for folders, trees and buckets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from framecache.dicom.byte_reader import ByteReader
from framecache.dicom.frame_table import Extent
from framecache.dicom.identity import InstancePath
from framecache.dicomweb.query import Query

DicomJson = dict[str, Any]  # PS3.18 annex F: tags of eight hex digits to {"vr": …, "Value": […]}


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """One version of an instance, and where it is.

    `location` is a path relative to the folder, or a key in the bucket; `version` changes with the bytes. `size` is in
    bytes. `pixel_data_offset` is where the pixel data element begins, None where there is none or it is not known;
    `frame_index` is what framecache.dicom.frame_index.pack made of the frames' places, under the name `version`.
    """

    path: InstancePath
    sop_class_uid: str
    transfer_syntax_uid: str
    location: str
    version: str
    size: int
    pixel_data_offset: int | None = None
    frame_index: bytes | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one instance that was to be stored: `status` is as in HTTP, 200 or the error's."""

    sop_class_uid: str
    sop_instance_uid: str
    status: int = 200
    reason: str = ""


class Collection(Protocol):
    """Instances that can be searched, and read by position. All methods may be called from any thread.

    A collection pickles: the copy opens what it needs anew. Methods raise ClientError or FrameCacheError.
    """

    def search(self, query: Query, base_url: str) -> list[DicomJson]:
        """The results of a search, in an order that does not change; RetrieveURL begins with `base_url`.

        Fields that are in no index may be missing.
        """

    def find(
        self,
        study_instance_uid: str | None = None,
        series_instance_uid: str | None = None,
        sop_instance_uid: str | None = None,
    ) -> Iterator[StoredInstance]:
        """The instances of these UIDs, in an order that does not change; none where there are none."""

    def open(
        self, instance: StoredInstance, wanted: Sequence[Extent] | None = None
    ) -> AbstractContextManager[ByteReader]:
        """Its bytes; `wanted` are the runs that will be read, where that is known, so that they can be fetched at once.

        Raises InstanceGone where it was removed or replaced since `find` found it.
        """

    def remember_frames(self, instance: StoredInstance, frame_index: bytes) -> None:
        """Keep the index of the frames of this version, where that is possible."""

    def refresh(self, instance: StoredInstance) -> None:
        """Look again at an instance that is gone, so that the next `find` returns what is there now."""

    def add(self, files: Iterator[bytes]) -> list[Outcome]:
        """Store DICOM files, each atomically; what is added is found when this returns. Raises ForbiddenError."""

    def remove(self, instances: Sequence[StoredInstance]) -> None:
        """Delete instances. Raises ForbiddenError."""

    def close(self) -> None:
        """Release what is open. Closing again does nothing."""
