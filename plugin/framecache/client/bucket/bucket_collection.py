"""Bare DICOM objects below a prefix of a bucket as a collection."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

from framecache.client.archive.obstore_forks import check_fork
from framecache.client.bucket.bucket_index import BucketIndex
from framecache.client.bucket.object_reader import ObjectReader
from framecache.client.collection import DicomJson, Outcome, StoredInstance
from framecache.client.errors import ForbiddenError
from framecache.client.forks import FORKS, ForkAware
from framecache.client.index.reading import read_record
from framecache.dicom.byte_reader import ByteReader, MemoryReader
from framecache.dicom.frame_table import Extent
from framecache.dicomweb.query import Query
from framecache.errors import FrameCacheError, reason
from framecache.shared_buffers import SharedBuffers
from framecache.tree.headers import Headers
from framecache.tree.layout import file_name
from framecache.tree.objects import Objects, open_objects

_REFRESH_SECONDS = 5.0
_LARGEST_INFLATED = 1 << 30
_DICOM = Headers("application/dicom")
_UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


class BucketCollection(ForkAware):
    """It pickles: a copy, as a forked process, uses the same index, or reads it anew if it is in memory."""

    def __init__(
        self, url: str, options: Mapping[str, Any], index_path: Path | None = None, *, is_read_only: bool
    ) -> None:
        """`options` are obstore's. What was read of the index is kept in the file `index_path`, or in memory."""
        self._url, self._options, self._is_read_only = url, options, is_read_only
        self._index_path = index_path
        self._opened: tuple[Objects, BucketIndex] | None = None
        self.after_fork()
        FORKS.tell(self)

    def after_fork(self) -> None:
        self._lock, self._opened = threading.Lock(), None

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in ("_url", "_options", "_index_path", "_is_read_only")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.after_fork()
        FORKS.tell(self)

    @property
    def index(self) -> BucketIndex:
        """Its index."""
        return self._open()[1]

    def has_index(self) -> bool:
        """Whether somebody has indexed the bucket before."""
        self.index.refresh()
        return self.index.has_segments

    def search(self, query: Query, base_url: str) -> list[DicomJson]:
        self.index.refresh()
        return self.index.local.search(query, base_url)

    def find(
        self,
        study_instance_uid: str | None = None,
        series_instance_uid: str | None = None,
        sop_instance_uid: str | None = None,
    ) -> Iterator[StoredInstance]:
        self.index.refresh()
        uids = (study_instance_uid, series_instance_uid, sop_instance_uid)
        if next(self.index.local.find(*uids), None) is None:
            self.index.refresh(0)
        return self.index.local.find(*uids)

    @contextmanager
    def open(self, instance: StoredInstance, wanted: Sequence[Extent] | None = None) -> Iterator[ByteReader]:
        objects = self._open()[0]
        with closing(ObjectReader(objects, instance.location, instance.size, instance.version, wanted)) as reader:
            yield reader

    def remember_frames(self, instance: StoredInstance, frame_index: bytes) -> None:
        """On this machine; what could be indexed is in the segments."""
        with self.index.local.writing() as writer:
            writer.remember_frames(instance, frame_index)

    def update(self) -> None:
        """Index what is new in the bucket, for everybody."""
        self.index.update()

    def refresh(self, instance: StoredInstance) -> None:
        found = self._open()[0].head(instance.location)
        if found is None:
            self.index.state_removed([instance.location])
        else:
            self.index.look_at([found])

    def add(self, files: Iterator[bytes]) -> list[Outcome]:
        self._check_writable()
        objects, outcomes, keys = self._open()[0], list[Outcome](), list[str]()
        for content in files:
            try:
                record = read_record(MemoryReader(content), "", SharedBuffers(_LARGEST_INFLATED))
            except FrameCacheError as error:
                outcomes.append(Outcome("", "", 400, reason(error)))
                continue
            uids = [str(record.values[name]) for name in _UIDS]
            stored = next(self.find(*uids), None)
            keys.append(stored.location if stored else "/".join(map(file_name, uids)) + ".dcm")
            objects.replace(keys[-1], content, _DICOM)
            outcomes.append(Outcome(str(record.values.get("SOPClassUID", "")), uids[2]))
        self.index.refresh(0)
        self.index.look_at([one for key in dict.fromkeys(keys) if (one := objects.head(key)) is not None])
        return outcomes

    def remove(self, instances: Sequence[StoredInstance]) -> None:
        self._check_writable()
        keys = [now.location for one in instances for now in self._current(one)]
        self._open()[0].delete(keys)
        self.index.state_removed(keys)

    def close(self) -> None:
        if self._opened is not None:
            self._opened[1].local.close()
        self._opened = None

    def _current(self, instance: StoredInstance) -> list[StoredInstance]:
        """Where it is now: under its key, another instance may have been written since."""
        found = self._open()[0].head(instance.location)
        if found is None or (found.size, found.e_tag) == (instance.size, instance.version):
            return [instance]
        self.index.look_at([found])
        return list(self.index.local.find(*astuple(instance.path)))

    def _check_writable(self) -> None:
        if self._is_read_only:
            raise ForbiddenError("the bucket may only be read")

    def _open(self) -> tuple[Objects, BucketIndex]:
        with self._lock:
            if self._opened is None:
                check_fork()
                objects = open_objects(self._url, self._options)
                index = BucketIndex(objects, _REFRESH_SECONDS, self._index_path, is_read_only=self._is_read_only)
                self._opened = objects, index
            return self._opened
