"""What the helper processes do, done in this process: for a program that decodes for itself, not for a server."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from framecache.codecs.process.errors import CodecUnavailable, Undecodable

if TYPE_CHECKING:
    from framecache.codecs.process.service import Service

_LARGEST_FRAME = 4 << 30  # bytes: what one value may have (PS3.5 section 7.1.1)


class DirectCodecs:
    """Transcodes and renders frames on the thread that asks; from any thread, and in each process that it is sent to.

    The decoders are imported with the first frame. What a crafted frame does to a decoder it does to this process.
    """

    def __init__(self, largest_frame: int = _LARGEST_FRAME) -> None:
        """`largest_frame` is how many bytes a decoded frame may have."""
        self._largest_frame = largest_frame
        self._local = threading.local()

    def __reduce__(self) -> tuple[type[DirectCodecs], tuple[int]]:
        return type(self), (self._largest_frame,)

    def transcode(
        self, header: bytes, frame: bytes | memoryview, frame_number: int, target_transfer_syntax_uid: str
    ) -> bytes:
        """The frame in another transfer syntax. Raises Undecodable, CodecUnavailable."""
        return self._answer({"transcode": target_transfer_syntax_uid, "frame_number": frame_number}, header, frame)

    def render(
        self, header: bytes, frame: bytes | memoryview, frame_number: int, parameters: Mapping[str, object]
    ) -> bytes:
        """The picture of the frame by `parameters`. Raises Undecodable, CodecUnavailable."""
        return self._answer({"render": dict(parameters), "frame_number": frame_number}, header, frame)

    def file_header(
        self, header: bytes, vr: str, target_transfer_syntax_uid: str, length: int, ratio: float | None
    ) -> bytes:
        """The file in another transfer syntax up to its first frame, as of CodecPool."""
        return self._answer(
            {"file_header": target_transfer_syntax_uid, "vr": vr, "length": length, "ratio": ratio}, header, b""
        )

    def elements(self, header: bytes, elements: bytes, target_transfer_syntax_uid: str) -> bytes:
        """The elements after the pixel data in another transfer syntax."""
        return self._answer({"elements": target_transfer_syntax_uid}, header, elements)

    def whole_file(self, content: bytes, target_transfer_syntax_uid: str) -> bytes:
        """A file in another transfer syntax, without decoding or encoding frames."""
        return self._answer({"whole_file": target_transfer_syntax_uid}, b"", content)

    def _answer(self, asked: Mapping[str, Any], header: bytes, frame: bytes | memoryview) -> bytes:
        try:
            return self._service().answer(asked, header, bytes(frame))
        except MemoryError:
            raise Undecodable("the frame needs more memory than there is") from None

    def _service(self) -> Service:
        """The thread's own: a service keeps parsed headers, which pydicom changes while it reads them."""
        service: Service | None = getattr(self._local, "service", None)
        if service is None:
            try:
                from framecache.codecs.process.service import Service  # noqa: PLC0415 - numpy and decoders
            except ImportError as error:
                raise CodecUnavailable(f"decoding needs a package: {error}") from error
            service = self._local.service = Service(self._largest_frame)
        return service
