"""Retrieve Study and Retrieve Series (PS3.18 sections 10.4.1.1.1 and 10.4.1.1.2): whole files, one after the other."""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from uuid import uuid4

from framecache.dicomweb.file_form import DICOM, choose_form
from framecache.dicomweb.multipart import Multipart
from framecache.dicomweb.url import PublicUrl
from framecache.errors import InstanceGone, NotFound
from framecache.instances.catalogue import Catalogue
from framecache.instances.entry import Entry
from framecache.serving.answer import Answer, Reporter, lent
from framecache.serving.instance_files import CHUNK, InstanceFiles
from framecache.serving.resources import PATIENCE
from framecache.store.buffers import BufferPool

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StudyRequest:
    """GET …/studies/{uid}, or one series of it. Header names are lower case; `accept` is the query parameter."""

    study_instance_uid: str
    series_instance_uid: str | None
    headers: Mapping[str, str]
    accept: str | None = None


class StudyRetrieval:
    """Answers with one file after the other, in the order of the stock plugin: that of Orthanc's IDs.

    There is no length: what is deleted before its turn is left out, and what is replaced is sent as it is then.
    """

    def __init__(
        self, catalogue: Catalogue, files: InstanceFiles, pool: BufferPool, reporter: Reporter, public_url: PublicUrl
    ) -> None:
        self._catalogue, self._files, self._pool = catalogue, files, pool
        self._reporter, self._public_url = reporter, public_url

    def answer(self, request: StudyRequest) -> Answer:
        """The answer to `request`, its first file opened.

        Raises BadRequest, NotFound, NotAcceptable, BrokenPixelData, CodecError, Overloaded, SourceError.
        """
        started = self._reporter.now()
        members = self._catalogue.members(request.study_instance_uid, request.series_instance_uid)
        answer = lent(lambda opened: self._begin(request, members, opened))
        self._reporter.count("file", started)
        return answer

    def _begin(self, request: StudyRequest, members: Sequence[str], opened: ExitStack) -> Answer:
        # No file of them was made by who knows this one: it is drawn for each answer.
        multipart = Multipart(DICOM, str(uuid4()))
        buffer = opened.enter_context(self._pool.lease(CHUNK, PATIENCE))
        chunks = self._chunks(request, members, multipart, buffer)
        opened.callback(chunks.close)
        first = next(chunks, None)
        if first is None:
            raise NotFound("all of its instances were deleted meanwhile")
        headers = {"Vary": "Accept", "X-Frame-Cache": "file"}
        body = chain((first,), chunks, (memoryview(multipart.closing),))
        return Answer(200, multipart.content_type, headers, body)

    def _chunks(
        self, request: StudyRequest, members: Sequence[str], multipart: Multipart, buffer: memoryview
    ) -> Generator[memoryview]:
        """A file that cannot be had as asked for ends the answer before its end: the client sees that it is broken."""
        is_first = True
        for orthanc_id in members:
            with ExitStack() as opened:
                try:
                    entry = self._entry(request, orthanc_id)
                    form = choose_form(_accept(request), entry.instance.transfer_syntax_uid, several=True)
                    file = self._files.begin(entry, form, buffer, opened)
                except (NotFound, InstanceGone):
                    logger.info("leaving out an instance that was deleted meanwhile")
                    continue
                location = f"{self._public_url.base(request.headers)}{entry.instance.path}"
                yield memoryview(multipart.header(location, file.length, first=is_first))
                is_first = False
                yield from file.chunks

    def _entry(self, request: StudyRequest, orthanc_id: str) -> Entry:
        """Raises NotFound where it is not there any more, or not in this study and series."""
        entry = self._catalogue.member(orthanc_id)
        path = entry.instance.path
        series = request.series_instance_uid or path.series_instance_uid
        if (path.study_instance_uid, path.series_instance_uid) != (request.study_instance_uid, series):
            raise NotFound("the instance is of another series")
        return entry


def _accept(request: StudyRequest) -> str | None:
    return request.accept or request.headers.get("accept")
