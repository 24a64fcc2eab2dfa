"""What a helper process does with one message: transcode or render the frame in it."""

from __future__ import annotations

from framecache.codecs import targets
from framecache.codecs.process import native, rendering
from framecache.codecs.process.decoding import decode, decode_samples, decode_shown
from framecache.codecs.process.encoding import encode
from framecache.codecs.process.errors import Undecodable, Unwritable
from framecache.codecs.process.file_header import converted, file_header, whole_file
from framecache.codecs.process.headers import Headers
from framecache.codecs.process.pixels import PixelDescription
from framecache.codecs.process.protocol import Head, ProtocolError
from framecache.codecs.same_stream import is_same_stream
from framecache.dicom.transfer_syntax import Encoding, lookup


class Service:
    """Serves one Orthanc; `largest_frame` is how many bytes a frame may have when it is decoded."""

    def __init__(self, largest_frame: int) -> None:
        self._headers = Headers()
        self._largest_frame = largest_frame

    def answer(self, head: Head, header: bytes, frame: bytes) -> bytes:
        """The frame asked for, its picture, or elements around it.

        Raises Undecodable, and ProtocolError for a message that is none of ours.
        """
        match head:
            case {"whole_file": str(target)}:
                return whole_file(frame, target)
        data_set, description = self._headers.parse(header)
        if description.decoded_size > self._largest_frame:
            raise Undecodable(f"the frame has {description.decoded_size} bytes, the limit is {self._largest_frame}")
        match head:
            case {"transcode": str(target)}:
                return _transcode(frame, description, target)
            case {"render": dict(parameters), "frame_number": int(frame_number)}:
                return rendering.render(data_set, decode_shown(frame, description), frame_number, parameters)
            case {"file_header": str(target), "vr": str(vr), "length": int(length), "ratio": None | float() as ratio}:
                return file_header(data_set, description, vr, target, length, ratio)
            case {"elements": str(target)}:
                return converted(frame, description.transfer_syntax_uid, target)
        raise ProtocolError("the message asks for nothing that is known")


def _transcode(frame: bytes, description: PixelDescription, target: str) -> bytes:
    is_native = lookup(description.transfer_syntax_uid).encoding is Encoding.NATIVE
    if target in targets.NATIVE_TARGETS:
        if is_native:
            return native.explicit(frame, description)
        return encode(decode(frame, description), description, target)
    if is_same_stream(description.transfer_syntax_uid, target):
        return frame
    if description.is_float:
        raise Unwritable("no compressed form has room for floating point pixels")
    return encode(decode_samples(frame, description), description, target)
