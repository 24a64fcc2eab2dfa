"""Retrieve Rendered and thumbnails (PS3.18 sections 10.4.1.1.3 and 10.4.1.1.4): one frame as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from framecache.codecs.process.errors import CodecUnavailable
from framecache.dicom.identity import InstancePath
from framecache.dicom.transfer_syntax import Encoding, lookup
from framecache.dicomweb.rendering_parameters import RenderingParameters, parse_rendering
from framecache.errors import (
    BrokenPixelData,
    FrameCacheError,
    HandOver,
    HandOverCause,
    InstanceGone,
    NestedTooDeeply,
    NoPixelData,
    SourceError,
)
from framecache.instances.entry import Entry
from framecache.serving.form import Codecs
from framecache.serving.frames import Frames
from framecache.serving.responder import Answer, Responder, Wanted, is_known
from framecache.store.checksum import checksum
from framecache.telemetry.metrics import MissCause

# Why the stock plugin may draw what is stored without compression.
_CAUSES: Mapping[type[FrameCacheError], HandOverCause] = MappingProxyType(
    {NoPixelData: "document", CodecUnavailable: "no_codecs"}
)


@dataclass(frozen=True, slots=True)
class PictureRequest:
    """GET …/frames/{n}/rendered and its like; names of headers are lower case, arguments are decoded."""

    path: InstancePath
    frame_number: int
    arguments: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Picture:
    """The form of a frame that is drawn; equal parameters are one form."""

    parameters: RenderingParameters

    @property
    def key(self) -> str:
        return f"rendered-{checksum(self.parameters.key.encode()):016x}"

    @property
    def content_type(self) -> str:
        return self.parameters.media_type

    def make(self, codecs: Codecs, header: bytes, frame: bytes | memoryview, frame_number: int) -> bytes:
        return codecs.render(header, frame, frame_number, self.parameters.to_message())


class Rendering:
    """Answers requests for pictures from the cache, else draws them."""

    def __init__(self, responder: Responder, frames: Frames, wanted: Wanted) -> None:
        self._responder, self._frames, self._wanted = responder, frames, wanted

    def answer(self, request: PictureRequest) -> Answer:
        """The answer to `request`. Raises BadRequest, NotFound, NotAcceptable, Overloaded, SourceError; HandOver."""
        return self._responder.settled(partial(self._answer, request), request.path)

    def _answer(self, request: PictureRequest) -> Answer:
        started = self._responder.now()
        entry = self._responder.entry(request.path)
        if lookup(entry.instance.transfer_syntax_uid).encoding is Encoding.VIDEO:
            raise HandOver("the stock plugin answers the rendered form of a video with the video", "video")
        picture = Picture(parse_rendering(request.arguments, request.headers.get("accept")))
        entity_tag = f'"{entry.instance.attachment_uuid}-{picture.key}-{request.frame_number}"'
        headers = self._responder.headers(entity_tag)
        if is_known(entity_tag, request.headers.get("if-none-match")):
            return self._responder.not_modified(headers, started)
        try:
            return self._responder.attempt(
                lambda opened: self._draw(entry, picture, request.frame_number, headers, opened, started)
            )
        except (HandOver, SourceError, CodecUnavailable) as error:
            raise _stock_may(entry, error) from error

    def _draw(
        self,
        entry: Entry,
        picture: Picture,
        frame_number: int,
        headers: Mapping[str, str],
        stack: ExitStack,
        started: float,
    ) -> Answer:
        frames = self._frames.open(entry, stack)
        piece = frames.piece(picture, frame_number)
        body = self._responder.lease(piece.length, stack)
        piece.read_into(body)
        missed: MissCause | None = None
        if not piece.is_hit:
            missed = frames.why_missed(picture, piece, otherwise=self._wanted.wanted(entry, frame_number))
        report = self._responder.report(missed=missed, started=started)
        return Answer(200, picture.content_type, {**headers, **report}, body)


def _stock_may(entry: Entry, error: FrameCacheError) -> FrameCacheError:
    """What could not be drawn here may be by the stock plugin, as long as it decodes nothing.

    Its decoders can end the server on an HTTP thread's small stack; and it knows no more of broken pixel data.
    """
    if isinstance(error, BrokenPixelData | InstanceGone | NestedTooDeeply):
        return error
    if lookup(entry.instance.transfer_syntax_uid).encoding is not Encoding.NATIVE:
        return SourceError(str(error)) if isinstance(error, HandOver) else error
    return HandOver(str(error), _CAUSES.get(type(error), "unreadable"))
