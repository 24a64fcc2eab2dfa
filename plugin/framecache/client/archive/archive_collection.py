"""An archive as a collection of instances."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from framecache.client.archive.archive_index import ArchiveIndex
from framecache.client.archive.obstore_forks import check_fork
from framecache.client.archive.opened_archive import OpenedArchive
from framecache.client.archive.rebuilt_file import Content, RebuiltFile
from framecache.client.archive.records import record_of
from framecache.client.collection import DicomJson, Outcome, StoredInstance
from framecache.client.errors import ForbiddenError
from framecache.client.index.reading import read_record
from framecache.dicom.byte_reader import ByteReader, MemoryReader
from framecache.dicom.frame_table import Extent
from framecache.dicomweb.query import Query
from framecache.errors import FrameCacheError, InstanceGone, SourceError
from framecache.shared_buffers import SharedBuffers
from framecache.tree.errors import Damaged, Missing
from framecache.tree.source import Source
from framecache.tree.tree import Tree
from framecache.tree.writer import Skipped

_REASON = "deleted by a client"
_LARGEST_INFLATED = 1 << 30
_INSTANCE = 3  # UIDs
_Result = TypeVar("_Result")


class ArchiveCollection:
    """The instances that an archive shows. A pickled copy opens the archive anew, and uses the same index."""

    def __init__(self, url: str, index_path: Path | None, options: Mapping[str, Any], *, is_read_only: bool) -> None:
        """`options` are obstore's. Raises ArchiveError, NotFound where there is no archive."""
        self._is_read_only = is_read_only
        self._archive = OpenedArchive(url, index_path, options)

    @property
    def tree(self) -> Tree:
        """The archive."""
        return self._archive.tree

    @property
    def index(self) -> ArchiveIndex:
        """Its index on this machine."""
        return self._archive.index

    def search(self, query: Query, base_url: str) -> list[DicomJson]:
        return self.index.search(query, base_url)

    def find(
        self,
        study_instance_uid: str | None = None,
        series_instance_uid: str | None = None,
        sop_instance_uid: str | None = None,
    ) -> Iterator[StoredInstance]:
        return self.index.find(study_instance_uid, series_instance_uid, sop_instance_uid)

    @contextmanager
    def open(self, instance: StoredInstance, wanted: Sequence[Extent] | None = None) -> Iterator[ByteReader]:
        """Its file, rebuilt; where its frames lie in it is not known before."""
        del wanted
        with closing(self.rebuilt(instance)) as file:
            yield file

    def rebuilt(self, instance: StoredInstance, numbers: Sequence[int] | None = None) -> RebuiltFile:
        """Its file; `numbers` are those of the frames that will be read."""
        record, tree = record_of(instance), self.tree

        def frames(indices: Sequence[int]) -> Callable[[], list[memoryview]]:
            wait = tree.begin_frames(record, [index + 1 for index in indices])
            return lambda: self._read(instance, wait)

        content = Content(
            instance.transfer_syntax_uid,
            lambda: {tag: json.loads(text) for tag, text in self.index.shown(instance).metadata().items()},
            lambda uri: self._read(instance, lambda: tree.bulk_data(record.path.study_instance_uid, uri)),
            lambda: self._read(instance, lambda: tree.frame_lengths(record)),
            frames,
        )
        return RebuiltFile(content, record.number_of_frames, None if numbers is None else [one - 1 for one in numbers])

    def remember_frames(self, instance: StoredInstance, frame_index: bytes) -> None:
        """The archive knows them."""

    def update(self) -> None:
        """See now what others have added."""
        self.index.refresh(0)

    def refresh(self, instance: StoredInstance) -> None:
        self.index.forget(instance.path.study_instance_uid)

    def add(self, files: Iterator[bytes]) -> list[Outcome]:
        self._check_writable()
        contents = dict(enumerate(files))
        sources = (Source.content(content, str(number)) for number, content in contents.items())
        found = {int(one.source.name): one for one in self.tree.add(sources, revive=True)}
        self.index.refresh(0)
        return [
            _outcome(content, one.reason if isinstance(one := found[number], Skipped) else "")
            for number, content in contents.items()
        ]

    def remove(self, instances: Sequence[StoredInstance]) -> None:
        self._check_writable()
        for path in _subtrees(instances, lambda *uids: len(list(self.find(*uids)))):
            self.tree.delete(*path, reason=_REASON)
        self.index.refresh(0)

    def close(self) -> None:
        self._archive.close()

    def _check_writable(self) -> None:
        if self._is_read_only:
            raise ForbiddenError("the archive may only be read")
        check_fork()

    def _read(self, instance: StoredInstance, read: Callable[[], _Result]) -> _Result:
        """What is missing may have been deleted or moved meanwhile; else it is damaged."""
        try:
            return read()
        except (Missing, Damaged) as error:
            self.refresh(instance)
            now = next(self.find(*_uids(instance)), None)
            if now is None or now.version != instance.version:
                raise InstanceGone("the instance was replaced or deleted meanwhile") from error
            raise SourceError(str(error)) from error


def _uids(instance: StoredInstance) -> tuple[str, str, str]:
    path = instance.path
    return path.study_instance_uid, path.series_instance_uid, path.sop_instance_uid


def _subtrees(instances: Sequence[StoredInstance], count: Callable[..., int]) -> Iterator[tuple[str, ...]]:
    """The studies, series and instances that these are: what is deleted at once is derived once."""
    remaining = {_uids(one) for one in instances}
    for depth in range(1, _INSTANCE + 1):
        for path in sorted({uids[:depth] for uids in remaining}):
            below = {uids for uids in remaining if uids[:depth] == path}
            if depth == _INSTANCE or len(below) == count(*path):
                remaining -= below
                yield path


def _outcome(content: bytes, reason: str) -> Outcome:
    uids = ["", ""]
    with suppress(FrameCacheError):
        values = read_record(MemoryReader(content), "", SharedBuffers(_LARGEST_INFLATED)).values
        uids = [str(values.get(name, "")) for name in ("SOPClassUID", "SOPInstanceUID")]
    return Outcome(uids[0], uids[1], 409 if reason else 200, reason)
