"""Retrieve Instance (PS3.18 section 10.4.1.1.1): the whole stored file, sent while it is read."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from framecache.dicom.byte_reader import ByteReader, FileReader, MemoryReader
from framecache.dicom.identity import InstancePath, is_uid
from framecache.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN
from framecache.dicomweb import multipart
from framecache.dicomweb.multipart import Part
from framecache.dicomweb.negotiation import MediaRange, parse_accept
from framecache.dicomweb.public_url import PublicUrl
from framecache.errors import BadRequest, InstanceGone, NotAcceptable, SourceError
from framecache.instances.entry import Entry
from framecache.ports import OrthancApi
from framecache.serving.responder import Answer, Responder, is_known
from framecache.threads import Desk

logger = logging.getLogger(__name__)

DICOM = "application/dicom"
# Up to here an answer goes out in one piece, with its length, and the connection is kept: a series of single-frame
# instances is fetched by many such requests.
_LONGEST_BODY = 8 << 20
_CHUNK = 1 << 20
_TRANSCODING_SECONDS = 600.0
_ANYTHING = (MediaRange("*/*", {}, 1.0),)
_IN_PARTS = ("*/*", "multipart/*", "multipart/related")


@dataclass(frozen=True, slots=True)
class InstanceRequest:
    """GET …/instances/{uid}. Header names are lower case; `accept` is the query parameter, which goes first."""

    path: InstancePath
    headers: Mapping[str, str]
    accept: str | None = None


@dataclass(frozen=True, slots=True)
class FileForm:
    """What a file is sent as: its transfer syntax, and as a part of multipart/related or alone."""

    transfer_syntax_uid: str
    multipart: bool

    @property
    def content_type(self) -> str:
        """The media type of the body; the stock plugin names no transfer syntax in it."""
        return multipart.content_type(DICOM) if self.multipart else DICOM


class InstanceRetrieval:
    """Answers from the stored file; what cannot be had from there, from Orthanc's core, as the stock plugin does.

    The stock plugin knows no second spelling of an instance's URL, so that it cannot be handed a request.
    """

    def __init__(self, responder: Responder, api: OrthancApi, desk: Desk, public_url: PublicUrl) -> None:
        """`desk` has the threads that transcode: for Orthanc's decoders an HTTP thread's stack may be too small."""
        self._responder, self._api, self._desk = responder, api, desk
        self._public_url = public_url

    def answer(self, request: InstanceRequest) -> Answer:
        """The answer to `request`. Raises BadRequest, NotFound, NotAcceptable, Overloaded, SourceError."""
        started = self._responder.now()
        entry = self._responder.entry(request.path)
        form = choose_form(request.accept or request.headers.get("accept"), entry.instance.transfer_syntax_uid)
        if form.transfer_syntax_uid != entry.instance.transfer_syntax_uid:
            return self._answer(request, form, self._transcoded(entry, form), started)
        headers = self._responder.headers(f'"{entry.instance.attachment_uuid}-{"m" if form.multipart else "s"}"')
        if is_known(headers["ETag"], request.headers.get("if-none-match")):
            return self._responder.not_modified(headers, started)
        answer = self._answer(request, form, self._stored(entry), started)
        answer.headers = {**headers, **answer.headers}
        return answer

    def _stored(self, entry: Entry) -> ByteReader:
        if entry.stored_path is not None:
            try:
                return _open(entry.stored_path, entry.instance.stored_size)
            except SourceError as error:
                logger.info("asking Orthanc's core for a file: %s", error)
        return MemoryReader(self._api.get(f"/instances/{entry.instance.orthanc_id}/file"))

    def _transcoded(self, entry: Entry, form: FileForm) -> ByteReader:
        uri = f"/instances/{entry.instance.orthanc_id}/file?transcode={form.transfer_syntax_uid}"
        try:
            return MemoryReader(self._desk.call(lambda: self._api.get(uri), _TRANSCODING_SECONDS))
        except SourceError as error:
            raise NotAcceptable(
                f"not to be had in that transfer syntax: {error}", _offers(entry.instance.transfer_syntax_uid)
            ) from error

    def _answer(self, request: InstanceRequest, form: FileForm, reader: ByteReader, started: float) -> Answer:
        answer = self._responder.attempt(lambda opened: self._send(request, form, reader, opened))
        self._responder.took("file" if isinstance(reader, FileReader) else "core", started)
        return answer

    def _send(self, request: InstanceRequest, form: FileForm, reader: ByteReader, opened: ExitStack) -> Answer:
        opened.callback(reader.close)
        header, closing = b"", b""
        if form.multipart:
            location = f"{self._public_url.base(request.headers)}{request.path}"
            header, closing = multipart.part_header(DICOM, Part(location, reader.size), first=True), multipart.CLOSING
        headers = {"Vary": "Accept", "X-Frame-Cache": "file" if isinstance(reader, FileReader) else "bypass"}
        length = len(header) + reader.size + len(closing)
        if length > _LONGEST_BODY:
            buffer = self._responder.lease(_CHUNK, opened)
            return Answer(200, form.content_type, headers, _chunks(header, reader, closing, buffer), length=length)
        body = self._responder.lease(length, opened)
        body[: len(header)], body[length - len(closing) :] = header, closing
        with body[len(header) : length - len(closing)] as target:
            reader.read_into(0, target)
        return Answer(200, form.content_type, headers, body)


def _open(path: str, size: int) -> FileReader:
    reader = FileReader(path)
    if reader.size != size:
        reader.close()
        raise InstanceGone("the stored file is not of its length")
    return reader


def _chunks(header: bytes, reader: ByteReader, closing: bytes, buffer: memoryview) -> Iterator[memoryview]:
    """One buffer, filled again and again: a file of any length takes no more memory.

    A file that is cut short meanwhile raises SourceError, and the answer ends without its closing delimiter.
    """
    if header:
        yield memoryview(header)
    for offset in range(0, reader.size, len(buffer)):
        with buffer[: min(len(buffer), reader.size - offset)] as chunk:
            reader.read_into(offset, chunk)
            yield chunk
    if closing:
        yield memoryview(closing)


def choose_form(accept: str | None, stored: str) -> FileForm:
    """What to send of a file stored in the transfer syntax `stored` (PS3.18 sections 8.7.3 and 8.7.8).

    `*` is the stored transfer syntax, none is Explicit VR Little Endian, the default of application/dicom.
    Of ranges with one q-value the one that needs no transcoding wins. Raises BadRequest, NotAcceptable.
    """
    ranges = [r for r in parse_accept(accept or "") or _ANYTHING if r.quality > 0 and _is_dicom(r)]
    if not ranges:
        raise NotAcceptable("an instance is application/dicom", _offers(stored))
    forms = [(r.quality, _form(r, stored)) for r in ranges]
    return max(forms, key=lambda form: (form[0], form[1].transfer_syntax_uid == stored))[1]


def _is_dicom(media_range: MediaRange) -> bool:
    if media_range.media_type in _IN_PARTS:
        return media_range.parameters.get("type", DICOM).lower() == DICOM
    return media_range.media_type in (DICOM, "application/*")


def _form(media_range: MediaRange, stored: str) -> FileForm:
    asked = media_range.parameters.get("transfer-syntax") or EXPLICIT_VR_LITTLE_ENDIAN
    if asked != "*" and not is_uid(asked):
        raise BadRequest("a transfer-syntax is a UID or *")
    return FileForm(stored if asked == "*" else asked, media_range.media_type in _IN_PARTS)


def _offers(stored: str) -> tuple[str, ...]:
    return tuple(f'multipart/related; type="{DICOM}"; transfer-syntax={syntax}' for syntax in ("*", stored))
