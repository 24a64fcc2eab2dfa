"""Opens stored instances: their bytes, and their frames by the index that is kept of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from framecache.client.collection import Collection, StoredInstance
from framecache.client.forks import FORKS, ForkAware
from framecache.dicom import frame_index
from framecache.dicom.byte_reader import ByteReader
from framecache.dicom.deflated import readable
from framecache.dicom.frame_index import BrokenIndex, IndexedFrames
from framecache.dicom.frame_source import LocatedFrames
from framecache.dicom.frame_table import Extent, FrameTable
from framecache.dicom.identity import InstancePath
from framecache.dicom.pixel_data import locate_frames
from framecache.dicom.transfer_syntax import is_sent_as_it_lies
from framecache.errors import HandOver, InstanceGone, NotFound
from framecache.shared_buffers import SharedBuffers

_LARGEST_INFLATED = 2 << 30  # bytes of deflated instances at once
_ATTEMPTS = 3
_Result = TypeVar("_Result")


class Opener(ForkAware):
    """Opens the instances of one collection. It pickles."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self.after_fork()
        FORKS.tell(self)

    def after_fork(self) -> None:
        """What threads of another process inflate, nobody waits for here."""
        self._contents = SharedBuffers(_LARGEST_INFLATED)

    def __getstate__(self) -> dict[str, Any]:
        return {"_collection": self._collection}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._collection = state["_collection"]
        self.after_fork()
        FORKS.tell(self)

    @property
    def collection(self) -> Collection:
        """The collection."""
        return self._collection

    def made(self, instance: StoredInstance, transfer_syntax_uid: str, number: int) -> bytes | None:  # noqa: ARG002
        """The frame in another form than the stored one, if the collection has that as well."""
        return None

    def with_instance(self, path: InstancePath, answer: Callable[[StoredInstance], _Result]) -> _Result:
        """What `answer` makes of the instance; of what is there now, if it was replaced. Raises NotFound."""
        for attempt in range(_ATTEMPTS):
            instance = next(self._collection.find(*uids_of(path)), None)
            if instance is None:
                raise NotFound("there is no such instance")
            try:
                return answer(instance)
            except InstanceGone:
                if attempt == _ATTEMPTS - 1:
                    raise
                self._collection.refresh(instance)
        raise AssertionError

    @contextmanager
    def bytes(self, instance: StoredInstance) -> Iterator[ByteReader]:
        """The file as it is stored."""
        with self._collection.open(instance) as reader:
            yield reader

    @contextmanager
    def content(self, instance: StoredInstance, wanted: Sequence[Extent] | None = None) -> Iterator[ByteReader]:
        """The file, inflated where it is deflated."""
        key = (instance.location, instance.version)
        with (
            self._collection.open(instance, wanted) as reader,
            readable(reader, instance.transfer_syntax_uid, self._contents, key) as content,
        ):
            yield content

    @contextmanager
    def frames(
        self, instance: StoredInstance, numbers: Sequence[int] | None = None, *, header: bool = False
    ) -> Iterator[LocatedFrames]:
        """The frames of an instance; `numbers` are those that will be read, `header` says whether that will be, too.

        Raises SourceError, HandOver.
        """
        table = _kept_table(instance)
        wanted = None if table is None else _wanted(table, numbers, header=header)
        # Of an instance without an index the header is read, and no more than the frames: nothing is read ahead.
        with self.content(instance, wanted if wanted is not None else ()) as reader:
            yield LocatedFrames(reader, table or self._locate(instance, reader))

    def _locate(self, instance: StoredInstance, reader: ByteReader) -> FrameTable:
        table = locate_frames(reader, instance.transfer_syntax_uid, instance.pixel_data_offset)
        if is_sent_as_it_lies(instance.transfer_syntax_uid):
            try:
                packed = frame_index.pack(table, reader, instance.version)
            except HandOver:
                return table
            self._collection.remember_frames(instance, packed)
        return table


def uids_of(path: InstancePath) -> tuple[str, str, str]:
    """The three UIDs."""
    return path.study_instance_uid, path.series_instance_uid, path.sop_instance_uid


def _kept_table(instance: StoredInstance) -> IndexedFrames | None:
    if instance.frame_index is None:
        return None
    try:
        return frame_index.unpack(instance.frame_index, instance.version, instance.size)
    except BrokenIndex:
        return None


def _wanted(table: IndexedFrames, numbers: Sequence[int] | None, *, header: bool) -> list[Extent] | None:
    if numbers is None:
        return None
    known = range(1, table.number_of_frames + 1)
    runs = [run for number in numbers if number in known for run in table.extents(number - 1)]
    return [Extent(0, table.header_length), *runs] if header else runs


class ReaderStream(io.RawIOBase):
    """A reader as a stream, for pydicom."""

    name = ""  # pydicom's data sets tell where they come from

    def __init__(self, reader: ByteReader) -> None:
        super().__init__()
        self._reader, self._position = reader, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._reader.size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, target: Any) -> int:
        view = memoryview(target).cast("B")
        count = min(len(view), max(0, self._reader.size - self._position))
        if count:
            self._reader.read_into(self._position, view[:count])
        self._position += count
        return count
