"""DICOM files as answers, put together of parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from framecache.dicom.byte_reader import ByteReader, FileReader, read_in_chunks


class DicomFile(Protocol):
    """A file that is sent piece by piece."""

    @property
    def origin(self) -> str:
        """What X-Frame-Cache says of it: "file" where it is read or made from the stored file, else "bypass"."""

    @property
    def length(self) -> int | None:
        """Bytes; None where they are not known before the last piece."""

    @property
    def is_made(self) -> bool:
        """Whether frames are decoded or encoded for it."""

    def chunks(self, buffer: memoryview) -> Iterator[memoryview]:
        """The pieces. What lies in a file is read through `buffer`, which is filled again for each.

        Raises SourceError and CodecError: what was sent by then is not a whole file.
        """


@dataclass(frozen=True, slots=True)
class PlainFile:
    """All bytes that `reader` reads."""

    reader: ByteReader
    made_of: str = ""
    is_made: bool = False

    @property
    def origin(self) -> str:
        return self.made_of or ("file" if isinstance(self.reader, FileReader) else "bypass")

    @property
    def length(self) -> int:
        return self.reader.size

    def chunks(self, buffer: memoryview) -> Iterator[memoryview]:
        return read_in_chunks(self.reader, 0, self.reader.size, buffer)
