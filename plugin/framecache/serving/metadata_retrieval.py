"""Retrieve Metadata of studies, series and instances (PS3.18 sections 10.4.1.1.1 to 10.4.1.1.3 with /metadata).

What is in an answer is asked of Orthanc for each request, as its log and its events come late: one question about the
series, and one look at the stored file of each instance. What an instance says of itself is kept. For an answer that
was joined before, the question is how many instances there are.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import starmap
from xml.sax.saxutils import escape

import xxhash

from framecache.batches import batches
from framecache.dicom.identity import InstancePath
from framecache.dicom.model.bulk_data import BASE
from framecache.dicom.model.native_model import native_dicom_model
from framecache.dicomweb.content_coding import GZIP, accepts_gzip
from framecache.dicomweb.metadata_form import JSON, XML, Form, choose_form
from framecache.dicomweb.multipart import Multipart
from framecache.dicomweb.url import PublicUrl
from framecache.errors import FrameCacheError, NotFound, SourceError, reason
from framecache.instances.catalogue import Catalogue
from framecache.instances.metadata import MetadataCatalogue
from framecache.serving.answer import Answer, Reporter, is_known
from framecache.serving.joined_metadata import JoinedAnswers, JoinedMetadata
from framecache.store.metadata import METADATA_VERSION, InstanceMetadata
from framecache.threads import Desk

logger = logging.getLogger(__name__)

_BATCH = 500  # instances that one of our threads looks up before others have their turn
# The level hardly matters: what is alike in a thousand headers leaves a fortieth of them at the lowest.
_LEVEL = 1
_MODELS = 50  # instances of which XML is made before others have their turn
_AS_GZIP = 16  # added to zlib's wbits
_JOINED_BYTES = 32 << 20
# Whoever takes no gzip gets longer answers in pieces.
_LONGEST_BODY = 8 << 20
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class MetadataRequest:
    """GET …/metadata of a study, series or instance. Header names are lower case; `accept` is the query parameter."""

    study_instance_uid: str
    series_instance_uid: str | None
    sop_instance_uid: str | None
    headers: Mapping[str, str]
    accept: str | None = None

    @property
    def uids(self) -> tuple[str, str | None, str | None]:
        """Of study, series and instance."""
        return self.study_instance_uid, self.series_instance_uid, self.sop_instance_uid


class MetadataRetrieval:
    """Answers with the metadata of all instances, those of a series in the order of the stock plugin."""

    def __init__(
        self,
        catalogue: Catalogue,
        metadata: MetadataCatalogue,
        desk: Desk,
        reporter: Reporter,
        public_url: PublicUrl,
        on_made: Callable[[Sequence[InstanceMetadata]], None],
        *,
        may_compress: bool = True,
        made_by: str = "",
    ) -> None:
        """`on_made` is given what the store did not have. Orthanc may compress answers itself: then we may not.

        `made_by` names the settings that the metadata depends on.
        """
        self._catalogue, self._metadata, self._desk, self._on_made = catalogue, metadata, desk, on_made
        self._reporter, self._public_url, self._may_compress = reporter, public_url, may_compress
        self._made_by = made_by
        self._joined = JoinedAnswers(_JOINED_BYTES)

    def answer(self, request: MetadataRequest) -> Answer:
        """The answer to `request`. Raises BadRequest, NotFound, NotAcceptable, SourceError."""
        started = self._reporter.now()
        shape = self._shape(request)
        key = request.uids, shape
        joined = self._joined.get(key)
        if joined is not None and self._is_proven(joined, request):
            return self._again(request, joined, shape, started)
        orthanc_ids = self._members(request)
        if joined is not None and self._is_true(joined, orthanc_ids):
            return self._again(request, joined, shape, started)
        found = self._find(orthanc_ids)
        entity_tag = _entity_tag(found.metadata, shape, self._made_by)
        return self._known_or(request, entity_tag, started, lambda: self._joined_anew(key, found, entity_tag, started))

    def _shape(self, request: MetadataRequest) -> _Shape:
        form = choose_form(request.accept, request.headers.get("accept"))
        is_gzip = self._may_compress and accepts_gzip(request.headers.get("accept-encoding"))
        return _Shape(self._public_url.base(request.headers), form, is_gzip=is_gzip)

    def _members(self, request: MetadataRequest) -> Sequence[str]:
        """The Orthanc IDs of its instances, in order, as Orthanc has them now. Raises NotFound."""
        study, series, instance = request.uids
        if series is None or instance is None:
            return self._catalogue.members_by_series(study, series)
        return [self._catalogue.current(InstancePath(study, series, instance)).instance.orthanc_id]

    def _is_proven(self, joined: JoinedMetadata, request: MetadataRequest) -> bool:
        """Whether Orthanc has as many instances as were joined, and these have all been there ever since.

        Then it has no others. A file that exists after the count existed at the count: its UUID is never given again.
        """
        if request.sop_instance_uid is not None or not self._catalogue.trusts_files:
            return False
        number = self._catalogue.number_of_members(request.study_instance_uid, request.series_instance_uid)
        return number == len(joined.orthanc_ids) and self._catalogue.has_files(joined.attachment_uuids)

    def _is_true(self, joined: JoinedMetadata, orthanc_ids: Sequence[str]) -> bool:
        versions = zip(joined.orthanc_ids, joined.attachment_uuids, strict=True)
        return joined.orthanc_ids == orthanc_ids and all(starmap(self._metadata.is_current, versions))

    def _again(self, request: MetadataRequest, joined: JoinedMetadata, shape: _Shape, started: float) -> Answer:
        return self._known_or(request, joined.entity_tag, started, lambda: self._whole(joined, shape, started))

    def _known_or(self, request: MetadataRequest, tag: str, started: float, make: Callable[[], Answer]) -> Answer:
        if is_known(tag, request.headers.get("if-none-match")):
            return self._reporter.not_modified(tag, started)
        return make()

    def _whole(self, joined: JoinedMetadata, shape: _Shape, started: float, *, is_hit: bool = True) -> Answer:
        headers = self._headers(joined.entity_tag, shape, started, is_hit=is_hit)
        return Answer(200, _media_type(shape, joined.entity_tag), headers, memoryview(joined.body))

    def _headers(self, entity_tag: str, shape: _Shape, started: float, *, is_hit: bool) -> dict[str, str]:
        headers = self._reporter.found(entity_tag, started, is_hit=is_hit)
        return {**headers, "Content-Encoding": GZIP} if shape.is_gzip else headers

    def _find(self, orthanc_ids: Sequence[str]) -> _Members:
        """Some at a time, so that many requests share our threads. Raises NotFound, SourceError."""
        members = _Members([], is_hit=True)
        failed = dict[str, Exception]()
        for batch in batches(orthanc_ids, _BATCH):
            found = self._desk.call(partial(self._metadata.current, batch))
            members.metadata += [found.metadata[name] for name in batch if name in found.metadata]
            members.is_hit &= not found.made
            failed |= found.failed
            self._on_made(found.made)
        _complain(failed, is_alone=not members.metadata)
        return members

    def _joined_anew(
        self, key: tuple[tuple[str | None, ...], _Shape], members: _Members, entity_tag: str, started: float
    ) -> Answer:
        shape = key[1]
        chunks = self._chunks(members.metadata, shape, entity_tag)
        if not shape.is_gzip and sum(one.length for one in members.metadata) > _LONGEST_BODY:
            headers = self._headers(entity_tag, shape, started, is_hit=members.is_hit)
            return Answer(200, _media_type(shape, entity_tag), headers, map(memoryview, chunks))
        versions = [one.orthanc_id for one in members.metadata], [one.attachment_uuid for one in members.metadata]
        joined = JoinedMetadata(*versions, entity_tag, b"".join(chunks))
        self._joined.hold(key, joined)
        return self._whole(joined, shape, started, is_hit=members.is_hit)

    def _chunks(self, metadata: Sequence[InstanceMetadata], shape: _Shape, entity_tag: str) -> Iterator[bytes]:
        """The body in pieces."""
        base = shape.base
        texts = self._parts(metadata, base, entity_tag) if shape.form == "xml" else _array(metadata, base.encode())
        return _deflated(texts) if shape.is_gzip else _gathered(texts)

    def _parts(self, metadata: Sequence[InstanceMetadata], base: str, entity_tag: str) -> Iterator[bytes]:
        """XML has to be made anew, with deeper calls than Orthanc's threads have stack for."""
        multipart, root, is_first = _multipart(entity_tag), escape(base).encode(), True
        for batch in batches(metadata, _MODELS):
            for model in self._desk.call(partial(_models, batch, root)):
                yield multipart.header("", len(model), first=is_first) + model
                is_first = False
        yield multipart.closing


@dataclass(frozen=True, slots=True)
class _Shape:
    """What answers with the same instances differ by; `base` is the DICOMweb root that the client sees."""

    base: str
    form: Form
    is_gzip: bool


@dataclass(slots=True)
class _Members:
    """The metadata of an answer in its order; a hit where all of it was kept."""

    metadata: list[InstanceMetadata]
    is_hit: bool


def _entity_tag(metadata: Sequence[InstanceMetadata], shape: _Shape, made_by: str) -> str:
    """Strong (RFC 9110 section 8.8.3): an attachment's UUID changes whenever the stored file does."""
    parts = "\n".join([made_by, shape.base, *(one.attachment_uuid for one in metadata)])
    coding = "-gzip" if shape.is_gzip else ""
    return f'"{METADATA_VERSION}-{xxhash.xxh3_128_hexdigest(parts.encode())}-{shape.form}{coding}"'


def _media_type(shape: _Shape, entity_tag: str) -> str:
    return _multipart(entity_tag).content_type if shape.form == "xml" else JSON


def _multipart(entity_tag: str) -> Multipart:
    """Its boundary comes of UUIDs that Orthanc gave, so that nobody who makes a file can put it there."""
    return Multipart(XML, entity_tag.strip('"'))


def _models(metadata: Sequence[InstanceMetadata], base: bytes) -> list[bytes]:
    return [native_dicom_model(one.text()).replace(BASE, base) for one in metadata]


def _complain(failed: Mapping[str, Exception], *, is_alone: bool) -> None:
    """What cannot be read is left out, as by the stock plugin. Raises the error where nothing is left."""
    for orthanc_id, error in failed.items():
        if not isinstance(error, NotFound):
            logger.warning("there is no metadata of instance %s: %s", orthanc_id, reason(error))
    for error in failed.values() if is_alone else ():
        raise error if isinstance(error, FrameCacheError) else SourceError(reason(error)) from error


def _array(metadata: Iterable[InstanceMetadata], base: bytes) -> Iterator[bytes]:
    before = b"["
    for one in metadata:
        yield before + one.text().replace(BASE, base)
        before = b","
    yield b"]"


def _deflated(texts: Iterable[bytes]) -> Iterator[bytes]:
    deflater = zlib.compressobj(_LEVEL, wbits=zlib.MAX_WBITS | _AS_GZIP)
    yield from filter(None, map(deflater.compress, texts))
    yield deflater.flush()


def _gathered(texts: Iterable[bytes]) -> Iterator[bytes]:
    """Larger pieces: each costs a call of Orthanc."""
    waiting, length = list[bytes](), 0
    for text in texts:
        waiting.append(text)
        length += len(text)
        if length >= _CHUNK:
            yield b"".join(waiting)
            waiting, length = [], 0
    yield b"".join(waiting)
