"""DICOM files as answers: the form that a client asks for, and files put together of parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from framecache.dicom.byte_reader import ByteReader, FileReader
from framecache.dicom.identity import is_uid
from framecache.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN
from framecache.dicomweb.negotiation import MediaRange, parse_accept
from framecache.errors import BadRequest, NotAcceptable

DICOM = "application/dicom"  # the stock plugin names no transfer syntax in it
_ANYTHING = (MediaRange("*/*", {}, 1.0),)
_IN_PARTS = ("*/*", "multipart/*", "multipart/related")


@dataclass(frozen=True, slots=True)
class FileForm:
    """What a file is sent as: its transfer syntax, and as a part of multipart/related or alone.

    `is_default` is where the request names no transfer syntax: what cannot be had in this one may be sent as stored.
    """

    transfer_syntax_uid: str
    multipart: bool
    is_default: bool = field(default=False, compare=False)

    def as_stored(self, transfer_syntax_uid: str) -> FileForm:
        """The same of a file that is not transcoded."""
        return replace(self, transfer_syntax_uid=transfer_syntax_uid)


def choose_form(accept: str | None, stored: str, *, several: bool = False) -> FileForm:
    """What to send of a file stored in the transfer syntax `stored`, or of one of `several`, which come in parts only.

    `*` is the stored transfer syntax, none is Explicit VR Little Endian, the default of application/dicom.
    Of ranges with one q-value the one that needs no transcoding wins. Raises BadRequest, NotAcceptable.
    """
    ranges = [r for r in parse_accept(accept or "") or _ANYTHING if r.quality > 0 and _is_dicom(r, several=several)]
    if not ranges:
        raise NotAcceptable("an instance is application/dicom", offers(stored))
    forms = [(r.quality, _form(r, stored)) for r in ranges]
    return max(forms, key=lambda form: (form[0], form[1].transfer_syntax_uid == stored))[1]


def offers(stored: str) -> tuple[str, ...]:
    """What can always be had: the file as it is stored."""
    return tuple(f'multipart/related; type="{DICOM}"; transfer-syntax={syntax}' for syntax in ("*", stored))


def _is_dicom(media_range: MediaRange, *, several: bool) -> bool:
    if media_range.media_type in _IN_PARTS:
        return media_range.parameters.get("type", DICOM).lower() == DICOM
    return not several and media_range.media_type in (DICOM, "application/*")


def _form(media_range: MediaRange, stored: str) -> FileForm:
    asked = media_range.parameters.get("transfer-syntax")
    if asked not in (None, "", "*") and not is_uid(asked):
        raise BadRequest("a transfer-syntax is a UID or *")
    syntax = stored if asked == "*" else asked or EXPLICIT_VR_LITTLE_ENDIAN
    return FileForm(syntax, media_range.media_type in _IN_PARTS, is_default=not asked)


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


def read_in_chunks(reader: ByteReader, offset: int, length: int, buffer: memoryview) -> Iterator[memoryview]:
    """`length` bytes from `offset`: of any length, they take no more memory than `buffer`. Raises SourceError."""
    end = offset + length
    for position in range(offset, end, len(buffer)):
        with buffer[: min(len(buffer), end - position)] as chunk:
            reader.read_into(position, chunk)
            yield chunk
