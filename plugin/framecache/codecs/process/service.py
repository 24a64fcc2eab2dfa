"""What a helper process does with one message: transcode or render the frame in it."""

from __future__ import annotations

from framecache.codecs.process import native, rendering
from framecache.codecs.process.decoding import decode
from framecache.codecs.process.encoding import encode
from framecache.codecs.process.errors import Undecodable, Unwritable
from framecache.codecs.process.headers import Headers
from framecache.codecs.process.pixels import PixelDescription
from framecache.codecs.process.protocol import Head, ProtocolError
from framecache.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN, Encoding, lookup


class Service:
    """Serves one Orthanc; `largest_frame` is how many bytes a frame may have when it is decoded."""

    def __init__(self, largest_frame: int) -> None:
        self._headers = Headers()
        self._largest_frame = largest_frame

    def answer(self, head: Head, header: bytes, frame: bytes) -> bytes:
        """The frame asked for, or its picture. Raises Undecodable, ProtocolError for a message that is none of ours."""
        data_set, description = self._headers.parse(header)
        if description.decoded_size > self._largest_frame:
            raise Undecodable(f"the frame has {description.decoded_size} bytes, the limit is {self._largest_frame}")
        match head:
            case {"transcode": str(target)}:
                return _transcode(frame, description, target)
            case {"render": dict(parameters), "frame_number": int(frame_number)}:
                return rendering.render(data_set, decode(frame, description), frame_number, parameters)
        raise ProtocolError("the message asks for nothing that is known")


def _transcode(frame: bytes, description: PixelDescription, target: str) -> bytes:
    is_native = lookup(description.transfer_syntax_uid).encoding is Encoding.NATIVE
    if target == EXPLICIT_VR_LITTLE_ENDIAN and is_native:
        return native.to_little_endian(frame, description)
    if is_native and description.photometric_interpretation.endswith("_422"):
        # Two pixels share their chrominance: no compressed form has room for just these samples.
        raise Unwritable(f"{description.photometric_interpretation} is not compressed without loss")
    if description.is_float:
        raise Unwritable("no compressed form has room for floating point pixels")
    return encode(decode(frame, description), description, target)
