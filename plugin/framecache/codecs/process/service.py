"""What a helper process does with one message: transcode or render the frame in it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from framecache.codecs import targets
from framecache.codecs.process import native, rendering
from framecache.codecs.process.decoding import decode, decode_samples, decode_shown
from framecache.codecs.process.encoding import encode
from framecache.codecs.process.errors import Undecodable, Unwritable
from framecache.codecs.process.headers import Headers
from framecache.codecs.process.pixels import PixelDescription
from framecache.codecs.process.protocol import Head, ProtocolError
from framecache.dicom.transfer_syntax import Encoding, lookup

# Streams of one syntax that are streams of another as well: what is stored is sent under the other name.
_SAME_STREAM: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        targets.JPEG_BASELINE: (targets.JPEG_EXTENDED,),
        targets.JPEG_LOSSLESS_SV1: (targets.JPEG_LOSSLESS,),
        targets.JPEG_LS_LOSSLESS: (targets.JPEG_LS,),
        targets.JPEG_2000_LOSSLESS: (
            targets.JPEG_2000,
            targets.JPEG_2000_PART_2_LOSSLESS,
            targets.JPEG_2000_PART_2,
        ),
        targets.JPEG_2000: (targets.JPEG_2000_PART_2,),
        targets.HTJ2K_LOSSLESS: (targets.HTJ2K,),
        targets.HTJ2K_LOSSLESS_RPCL: (targets.HTJ2K_LOSSLESS, targets.HTJ2K),
    }
)


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
                return rendering.render(data_set, decode_shown(frame, description), frame_number, parameters)
        raise ProtocolError("the message asks for nothing that is known")


def _transcode(frame: bytes, description: PixelDescription, target: str) -> bytes:
    is_native = lookup(description.transfer_syntax_uid).encoding is Encoding.NATIVE
    if target in targets.NATIVE_TARGETS:
        if is_native:
            return native.explicit(frame, description)
        return encode(decode(frame, description), description, target)
    if target in _SAME_STREAM.get(description.transfer_syntax_uid, ()):
        return frame
    if description.is_float:
        raise Unwritable("no compressed form has room for floating point pixels")
    return encode(decode_samples(frame, description), description, target)
