"""Makes frames in a form without loss, and proves it: each is decoded again, and compared with what was stored."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from framecache.codecs.process.errors import Unwritable
from framecache.codecs.transcoded_file import FrameCodecs
from framecache.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN

# Behind the data set: the head of the pixel data element, and its empty offset table (PS3.5 table A.4-1).
_HEAD_OF_FRAGMENTS = 12 + 8


class LosslessForm:
    """Frames in one transfer syntax. Safe for several threads."""

    def __init__(self, codecs: FrameCodecs, transfer_syntax_uid: str, wants: Callable[[str], bool]) -> None:
        """`wants` says of a stored transfer syntax whether its frames gain by it."""
        self._codecs, self.transfer_syntax_uid, self.wants = codecs, transfer_syntax_uid, wants
        self._header = lru_cache(4)(self._header_of_form)

    def make(self, header: bytes, frame: bytes | memoryview, number: int) -> bytes:
        """A stored frame in this form. Raises CodecError, Overloaded; Unwritable where samples would change."""
        transcode = self._codecs.transcode
        made = transcode(header, frame, number, self.transfer_syntax_uid)
        samples = transcode(header, frame, number, EXPLICIT_VR_LITTLE_ENDIAN)
        if transcode(self._header(header), made, number, EXPLICIT_VR_LITTLE_ENDIAN) != samples:
            raise Unwritable(f"frame {number} would have other samples in {self.transfer_syntax_uid}")
        return made

    def _header_of_form(self, header: bytes) -> bytes:
        return self._codecs.file_header(header, "", self.transfer_syntax_uid, 0, None)[:-_HEAD_OF_FRAGMENTS]
