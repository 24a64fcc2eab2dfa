"""Retrieve Rendered and thumbnails (PS3.18 sections 10.4.1.1.3 and 10.4.1.1.4): frames as pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from framecache.codecs.process.errors import CodecUnavailable
from framecache.dicom.identity import InstancePath
from framecache.dicom.transfer_syntax import Encoding, lookup
from framecache.dicomweb.frame_list import parse_frame_list
from framecache.dicomweb.multipart import Multipart
from framecache.dicomweb.rendering_parameters import RenderingParameters, parse_rendering
from framecache.dicomweb.url import PublicUrl
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
from framecache.instances.catalogue import Catalogue
from framecache.instances.entry import Entry
from framecache.serving.answer import Answer, Reporter, is_known
from framecache.serving.assembly import Assembly, Delivery
from framecache.serving.frames import FormUnavailable
from framecache.serving.recovery import RecoveryLoop
from framecache.serving.representations import Codecs
from framecache.store.block import CONTENT_VERSION, checksum

# Why the stock plugin may draw what is stored without compression.
_CAUSES: Mapping[type[FrameCacheError], HandOverCause] = MappingProxyType(
    {NoPixelData: "document", CodecUnavailable: "no_codecs"}
)


@dataclass(frozen=True, slots=True)
class PictureRequest:
    """GET …/frames/{list}/{view} and its like, of which `view` is the last word.

    Names of headers are lower case, arguments are decoded.
    """

    path: InstancePath
    frame_list: str
    view: str
    arguments: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Picture:
    """The form of a frame that is drawn; equal parameters are one form."""

    parameters: RenderingParameters

    @cached_property
    def key(self) -> str:
        return f"rendered-{checksum(self.parameters.key.encode()):016x}"

    @property
    def content_type(self) -> str:
        return self.parameters.media_type

    def make(self, codecs: Codecs, header: bytes, frame: bytes | memoryview, frame_number: int) -> bytes:
        return codecs.render(header, frame, frame_number, self.parameters.to_message())


class Rendering:
    """Answers requests for pictures from the cache, else draws them."""

    def __init__(self, catalogue: Catalogue, assembly: Assembly, reporter: Reporter, public_url: PublicUrl) -> None:
        self._catalogue, self._assembly, self._reporter = catalogue, assembly, reporter
        self._public_url, self._recovery = public_url, RecoveryLoop(catalogue)

    def answer(self, request: PictureRequest) -> Answer:
        """The answer to `request`: one picture, or several in parts.

        Raises BadRequest, NotFound, NotAcceptable, CodecError, Overloaded, SourceError; HandOver.
        """
        started = self._reporter.now()
        return self._recovery.answer(request.path, lambda _: self._attempt(request, started))

    def _attempt(self, request: PictureRequest, started: float) -> Answer:
        entry = self._catalogue.lookup(request.path)
        if lookup(entry.instance.transfer_syntax_uid).encoding is Encoding.VIDEO:
            raise HandOver("the stock plugin answers the rendered form of a video with the video", "video")
        delivery = self._delivery(request, entry, started)
        if is_known(delivery.entity_tag, request.headers.get("if-none-match")):
            return self._reporter.not_modified(delivery.entity_tag, started)
        try:
            return self._assembly.answer(delivery)
        except FormUnavailable as error:
            raise _stock_may(entry, error.why) from error
        except (HandOver, SourceError) as error:
            raise _stock_may(entry, error) from error

    def _delivery(self, request: PictureRequest, entry: Entry, started: float) -> Delivery:
        numbers, uuid = parse_frame_list(request.frame_list), entry.instance.attachment_uuid
        several = len(numbers) > 1
        picture = Picture(parse_rendering(request.arguments, request.headers.get("accept"), several=several))
        multipart = Multipart(picture.content_type, uuid) if several else None
        location = f"{self._public_url.base(request.headers)}{request.path}/frames/"
        which = f"m-{checksum(request.frame_list.encode()):016x}" if several else str(numbers[0])
        entity_tag = f'"{CONTENT_VERSION}-{uuid}-{picture.key}-{which}"'
        return Delivery(entry, picture, numbers, multipart, location, f"/{request.view}", entity_tag, started)


def _stock_may(entry: Entry, error: FrameCacheError) -> FrameCacheError:
    """What could not be drawn here may be by the stock plugin, as long as it decodes nothing.

    Its decoders can end the server on an HTTP thread's small stack; and it knows no more of broken pixel data.
    """
    if isinstance(error, BrokenPixelData | InstanceGone | NestedTooDeeply):
        return error
    if lookup(entry.instance.transfer_syntax_uid).encoding is not Encoding.NATIVE:
        return SourceError(str(error)) if isinstance(error, HandOver) else error
    return HandOver(str(error), _CAUSES.get(type(error), "unreadable"))
