"""Retrieve Rendered and thumbnails (PS3.18 sections 10.4.1.1.3 and 10.4.1.1.4): one frame as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from framecache.dicom.identity import InstancePath
from framecache.dicom.transfer_syntax import Encoding, lookup
from framecache.dicomweb.rendering_parameters import RenderingParameters, parse_rendering
from framecache.errors import HandOver
from framecache.instances.entry import Entry
from framecache.serving.form import Codecs
from framecache.serving.frames import Frames
from framecache.serving.responder import Answer, Responder, Wanted, is_known
from framecache.store.checksum import checksum
from framecache.telemetry.metrics import MissCause


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
        """The answer to `request`. Raises BadRequest, NotFound, NotAcceptable, Overloaded; HandOver."""
        started = self._responder.now()
        entry = self._responder.entry(request.path)
        if lookup(entry.instance.transfer_syntax_uid).encoding not in (Encoding.NATIVE, Encoding.ENCAPSULATED):
            raise HandOver("the stock plugin answers the rendered form of a video with the video")
        if entry.instance.pixel_data_offset is None and entry.instance.number_of_frames == 1:
            raise HandOver("the instance has no pixel data: the stock plugin answers documents as they are")
        picture = Picture(parse_rendering(request.arguments, request.headers.get("accept")))
        entity_tag = f'"{entry.instance.attachment_uuid}-{picture.key}-{request.frame_number}"'
        headers = self._responder.headers(entity_tag)
        if is_known(entity_tag, request.headers.get("if-none-match")):
            return self._responder.not_modified(headers, started)
        return self._responder.attempt(
            lambda opened: self._draw(entry, picture, request.frame_number, headers, opened, started)
        )

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
