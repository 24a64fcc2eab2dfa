"""The transfer syntaxes that frames can be encoded in: one table, for the encoders and for negotiation.

Whatever is stored, each of these is tried; a frame that one of them has no room for (16 bits as JPEG Baseline) is
Unwritable when it comes to it.
"""

from __future__ import annotations

from framecache.dicom.transfer_syntax import (
    EXPLICIT,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT,
    IMPLICIT_VR_LITTLE_ENDIAN,
    Encoding,
    Representation,
    lookup,
    stored_representation,
)
from framecache.errors import NotAcceptable

RLE = "1.2.840.10008.1.2.5"
JPEG_BASELINE, JPEG_EXTENDED, JPEG_LOSSLESS, JPEG_LOSSLESS_SV1 = (f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70))
JPEG_LS_LOSSLESS, JPEG_LS = (f"1.2.840.10008.1.2.4.{n}" for n in (80, 81))
JPEG_2000_LOSSLESS, JPEG_2000 = (f"1.2.840.10008.1.2.4.{n}" for n in (90, 91))
JPEG_2000_PART_2_LOSSLESS, JPEG_2000_PART_2 = (f"1.2.840.10008.1.2.4.{n}" for n in (92, 93))
HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, HTJ2K = (f"1.2.840.10008.1.2.4.{n}" for n in (201, 202, 203))

# The smallest and quickest first. No bit is lost in those whose syntax would allow for it (.81, .91, .93, .203): the
# metadata that the client has says of an image that was never compressed with loss that it was not.
LOSSLESS_TARGETS = (
    HTJ2K_LOSSLESS,
    JPEG_LS_LOSSLESS,
    JPEG_2000_LOSSLESS,
    RLE,
    JPEG_LOSSLESS_SV1,
    JPEG_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    HTJ2K,
    JPEG_LS,
    JPEG_2000,
    JPEG_2000_PART_2_LOSSLESS,
    JPEG_2000_PART_2,
)
# Only for clients that name them.
LOSSY_TARGETS = (JPEG_BASELINE, JPEG_EXTENDED)
NATIVE_TARGETS = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
ALL_TARGETS = (*NATIVE_TARGETS, *LOSSLESS_TARGETS, *LOSSY_TARGETS)


def targets(stored_transfer_syntax_uid: str) -> tuple[Representation, ...]:
    """What frames stored in this transfer syntax can be made in: native first, the lossy ones last; never itself.

    Empty for video and for what is not known.
    """
    if lookup(stored_transfer_syntax_uid).encoding not in (Encoding.NATIVE, Encoding.ENCAPSULATED):
        return ()
    return tuple(Representation(uid) for uid in ALL_TARGETS if uid != stored_transfer_syntax_uid)


def available_representations(transfer_syntax_uid: str, *, can_transcode: bool) -> list[Representation]:
    """What a frame stored in this transfer syntax can be had as: what is stored first, then what is cheap.

    Nothing of a transfer syntax that is not known. Raises NotAcceptable for video.
    """
    syntax = lookup(transfer_syntax_uid)
    if syntax.encoding is Encoding.VIDEO:
        raise NotAcceptable("this instance is a video: it is one stream and has no frames", ("application/dicom",))
    if syntax.encoding is Encoding.UNKNOWN:
        return []
    stored = stored_representation(transfer_syntax_uid)
    available = [stored] if stored else []
    if stored == EXPLICIT:
        available.append(IMPLICIT)  # the same bytes
    if can_transcode:
        available += [form for form in targets(transfer_syntax_uid) if form not in available]
    return available
