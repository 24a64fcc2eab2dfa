"""Instances as files: as stored, or in another transfer syntax, made in the helper processes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain

from framecache.codecs import targets
from framecache.codecs.process.errors import CodecError, Unwritable
from framecache.dicom.byte_reader import FileReader, MemoryReader
from framecache.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    Encoding,
    lookup,
)
from framecache.dicomweb.file_form import FileForm, offers
from framecache.errors import BrokenPixelData, HandOver, InstanceGone, NoPixelData, NotAcceptable, SourceError
from framecache.instances.entry import Entry
from framecache.instances.stored_files import StoredFiles
from framecache.orthanc.instance_index import InstanceIndex
from framecache.ports import OrthancApi
from framecache.serving.dicom_file import DicomFile, PlainFile
from framecache.serving.file_transcoder import FileTranscoder

logger = logging.getLogger(__name__)

# Up to here an answer goes out in one piece, with its length, and the connection is kept: a series of single-frame
# instances is fetched by many such requests.
LONGEST_BODY = 8 << 20
CHUNK = 1 << 20  # bytes of the buffer that a file is read through

# As the stock plugin does, though Big Endian "shall not be used with Web Services" (PS3.18 section 8.7.3.1).
_NATIVE_ONLY = (EXPLICIT_VR_BIG_ENDIAN, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)


@dataclass(frozen=True, slots=True)
class BegunFile:
    """A file on its way out: `length` is None where it is long and still to be made. `origin` is for X-Frame-Cache."""

    length: int | None
    chunks: Iterator[memoryview]
    origin: str


class InstanceFiles:
    """Opens them. Orthanc's core is asked for stored files only: its transcoders can end the server on any file."""

    def __init__(self, transcoder: FileTranscoder | None, api: OrthancApi, files: StoredFiles) -> None:
        self._transcoder, self._index, self._files = transcoder, InstanceIndex(api), files

    def begin(self, entry: Entry, form: FileForm, buffer: memoryview, opened: ExitStack) -> BegunFile:
        """As `open`, and begun to be made: what fails within a short file fails here, and is sent as stored if it may.

        `buffer` is what its chunks are read through.
        """
        try:
            return _begun(self.open(entry, form, opened), buffer)
        except (CodecError, BrokenPixelData) as error:
            if not form.is_default:
                raise
            logger.info("sending a file as it is stored: %s", error)
            return _begun(self.stored(entry, opened), buffer)

    def open(self, entry: Entry, form: FileForm, opened: ExitStack) -> DicomFile:
        """`entry` in this form, or as stored where the form is only the default and cannot be had.

        What is opened is closed with `opened`. Raises NotAcceptable, BrokenPixelData, CodecError, Overloaded,
        SourceError.
        """
        stored = entry.instance.transfer_syntax_uid
        if form.transfer_syntax_uid == stored:
            return self.stored(entry, opened)
        try:
            return self._other(entry, form.transfer_syntax_uid, opened)
        except (NotAcceptable, HandOver, CodecError, SourceError) as error:
            if form.is_default and not isinstance(error, InstanceGone):
                logger.info("sending a file as it is stored: %s", error)
                return self.stored(entry, opened)
            if isinstance(error, Unwritable | HandOver):
                raise _refusal(entry, error) from error
            raise

    def stored(self, entry: Entry, opened: ExitStack) -> PlainFile:
        """The file as it is stored; Orthanc gives what does not lie in a plain file.

        Raises NotFound, InstanceGone, SourceError.
        """
        remote = self._files.remote(entry.instance, opened, whole=True) if entry.stored_path is None else None
        if remote is not None:
            return PlainFile(remote, "file")
        reader: FileReader | MemoryReader | None = None
        if entry.stored_path is not None:
            try:
                reader = _open(entry.stored_path, entry.instance.stored_size)
            except SourceError as error:
                logger.info("asking Orthanc's core for a file: %s", error)
        if reader is None:
            reader = MemoryReader(self._index.file(entry.instance))
        opened.callback(reader.close)
        return PlainFile(reader)

    def _other(self, entry: Entry, target: str, opened: ExitStack) -> DicomFile:
        encoding = lookup(entry.instance.transfer_syntax_uid).encoding
        if encoding not in (Encoding.NATIVE, Encoding.ENCAPSULATED) or self._transcoder is None:
            raise _refusal(entry, "it is sent as it is stored only")
        if encoding is Encoding.NATIVE and target in _NATIVE_ONLY:
            return self._converted(self._transcoder, entry, target, opened)
        if target not in targets.ALL_TARGETS:
            raise _refusal(entry, "nobody here writes that transfer syntax")
        try:
            return self._transcoder.open(entry, target, opened)
        except NoPixelData:
            return self._converted(self._transcoder, entry, target, opened)

    def _converted(self, transcoder: FileTranscoder, entry: Entry, target: str, opened: ExitStack) -> DicomFile:
        """What has no frames to be decoded or encoded: a document, or native pixels."""
        return PlainFile(MemoryReader(transcoder.convert(target, self.stored(entry, opened).reader)), "file")


def _begun(file: DicomFile, buffer: memoryview) -> BegunFile:
    """What is made, and short, is made before anything is sent: it may not come off."""
    chunks = file.chunks(buffer)
    if not file.is_made or (file.length or 0) > LONGEST_BODY:
        return BegunFile(file.length, chunks, file.origin)
    made, length = [], 0
    for chunk in chunks:
        made.append(memoryview(bytes(chunk)))
        length += len(chunk)
        if length > LONGEST_BODY:
            return BegunFile(None, chain(made, chunks), file.origin)
    return BegunFile(length, iter(made), file.origin)


def _refusal(entry: Entry, why: object) -> NotAcceptable:
    return NotAcceptable(f"not to be had in that transfer syntax: {why}", offers(entry.instance.transfer_syntax_uid))


def _open(path: str, size: int) -> FileReader:
    reader = FileReader(path)
    if reader.size != size:
        reader.close()
        raise InstanceGone("the stored file is not of its length")
    return reader
