"""The frames of an instance from the archive, and from its stored file what the archive has not."""

from __future__ import annotations

import logging
from collections.abc import Callable

from framecache.dicom.byte_reader import ByteReader
from framecache.dicom.frame_source import FrameSource
from framecache.dicom.ranged_reader import OutOfReach
from framecache.tree.record import Record

logger = logging.getLogger(__name__)


class ArchivedFrames:
    """A FrameSource over a record."""

    def __init__(
        self, record: Record, frame: Callable[[Record, int], memoryview], stored: Callable[[], FrameSource]
    ) -> None:
        """`frame` returns the frame of a number from 1, or raises OutOfReach. `stored` opens the stored file."""
        self._record, self._frame, self._open = record, frame, stored
        self._stored: FrameSource | None = None
        self._last: tuple[int, memoryview] | None = None

    @property
    def number_of_frames(self) -> int:
        return self._record.number_of_frames

    @property
    def frames_present(self) -> int:
        """Instances of which frames are missing are in no archive."""
        return self._record.number_of_frames

    @property
    def content(self) -> ByteReader:
        return self._opened().content

    def header(self) -> bytes:
        return self._opened().header()

    def frame_length(self, frame_index: int) -> int:
        if self._stored is not None:
            return self._stored.frame_length(frame_index)
        if self._record.frames:
            return self._record.frames[frame_index].length
        frame = self._read(frame_index)
        return self._opened().frame_length(frame_index) if frame is None else len(frame)

    def read_frame(self, frame_index: int, target: memoryview) -> None:
        frame = self._read(frame_index)
        if frame is None or len(frame) != len(target):
            self._opened().read_frame(frame_index, target)
        else:
            target[:] = frame

    def _read(self, frame_index: int) -> memoryview | None:
        """None where the stored file is read instead, then and from then on."""
        if self._last is not None and self._last[0] == frame_index:
            return self._last[1]
        if self._stored is not None:
            return None
        try:
            self._last = frame_index, self._frame(self._record, frame_index + 1)
        except OutOfReach as error:
            logger.info("reading the stored file instead of the archive: %s", error)
            self._opened()
            return None
        return self._last[1]

    def _opened(self) -> FrameSource:
        if self._stored is None:
            self._stored = self._open()
        return self._stored
