"""Retrieve Instance (PS3.18 section 10.4.1.1.1): one whole file, sent while it is read or made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain

from framecache.dicom.identity import InstancePath
from framecache.dicomweb.file_form import DICOM, FileForm, choose_form
from framecache.dicomweb.multipart import Multipart
from framecache.dicomweb.url import PublicUrl
from framecache.instances.catalogue import Catalogue
from framecache.instances.entry import Entry
from framecache.serving.answer import Answer, Reporter, is_known, lent
from framecache.serving.instance_files import CHUNK, LONGEST_BODY, InstanceFiles
from framecache.serving.recovery import RecoveryLoop
from framecache.serving.resources import PATIENCE
from framecache.store.buffers import BufferPool


@dataclass(frozen=True, slots=True)
class InstanceRequest:
    """GET …/instances/{uid}. Header names are lower case; `accept` is the query parameter, which goes first."""

    path: InstancePath
    headers: Mapping[str, str]
    accept: str | None = None


class InstanceRetrieval:
    """Answers with whole files.

    The stock plugin knows no second spelling of an instance's URL, so that it cannot be handed a request.
    """

    def __init__(
        self, catalogue: Catalogue, files: InstanceFiles, pool: BufferPool, reporter: Reporter, public_url: PublicUrl
    ) -> None:
        self._catalogue, self._files, self._pool = catalogue, files, pool
        self._reporter, self._public_url, self._recovery = reporter, public_url, RecoveryLoop(catalogue)

    def answer(self, request: InstanceRequest) -> Answer:
        """The answer to `request`.

        Raises BadRequest, NotFound, NotAcceptable, BrokenPixelData, CodecError, Overloaded, SourceError.
        """
        started = self._reporter.now()
        return self._recovery.answer(request.path, lambda _: self._attempt(request, started))

    def _attempt(self, request: InstanceRequest, started: float) -> Answer:
        entry = self._catalogue.lookup(request.path)
        stored = entry.instance.transfer_syntax_uid
        form = choose_form(request.accept or request.headers.get("accept"), stored)
        entity_tag = _entity_tag(entry, form) if form.transfer_syntax_uid == stored else None
        if entity_tag and is_known(entity_tag, request.headers.get("if-none-match")):
            return self._reporter.not_modified(entity_tag, started)
        answer = lent(lambda opened: self._send(request, entry, form, opened))
        self._reporter.count("core" if answer.headers["X-Frame-Cache"] == "bypass" else "file", started)
        answer.headers = {**self._reporter.for_caches(entity_tag), **answer.headers}
        return answer

    def _send(self, request: InstanceRequest, entry: Entry, form: FileForm, opened: ExitStack) -> Answer:
        buffer = opened.enter_context(self._pool.lease(CHUNK, PATIENCE))
        file = self._files.begin(entry, form, buffer, opened)
        header, closing, content_type = b"", b"", DICOM
        if form.multipart:
            multipart = Multipart(DICOM, entry.instance.attachment_uuid)
            location = f"{self._public_url.base(request.headers)}{request.path}"
            header, closing = multipart.header(location, file.length), multipart.closing
            content_type = multipart.content_type
        headers = {"X-Frame-Cache": file.origin}
        whole = chain((memoryview(header),), file.chunks, (memoryview(closing),))
        total = None if file.length is None else len(header) + file.length + len(closing)
        if total is None or total > LONGEST_BODY:
            return Answer(200, content_type, headers, whole, length=total)
        body = opened.enter_context(self._pool.lease(total, PATIENCE))
        _fill(body, whole)
        return Answer(200, content_type, headers, body)


def _entity_tag(entry: Entry, form: FileForm) -> str:
    return f'"{entry.instance.attachment_uuid}-{"m" if form.multipart else "s"}"'


def _fill(body: memoryview, chunks: Iterator[memoryview]) -> None:
    position = 0
    for chunk in chunks:
        body[position : position + len(chunk)] = chunk
        position += len(chunk)
