"""Streams that are valid in two transfer syntaxes: a stored stream can be sent under the other UID."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from framecache.codecs import targets
from framecache.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

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


# What several transfer syntaxes are made as: the stream that keeps what each of them promises. The pixels of both
# little endians are the same bytes, as only the data set around them differs (PS3.5 section 7.1).
_MADE_AS: Mapping[str, str] = MappingProxyType(
    {
        IMPLICIT_VR_LITTLE_ENDIAN: EXPLICIT_VR_LITTLE_ENDIAN,
        targets.JPEG_LOSSLESS: targets.JPEG_LOSSLESS_SV1,
        targets.JPEG_LS: targets.JPEG_LS_LOSSLESS,
        targets.JPEG_2000: targets.JPEG_2000_LOSSLESS,
        targets.JPEG_2000_PART_2_LOSSLESS: targets.JPEG_2000_LOSSLESS,
        targets.JPEG_2000_PART_2: targets.JPEG_2000_LOSSLESS,
        targets.HTJ2K_LOSSLESS: targets.HTJ2K_LOSSLESS_RPCL,
        targets.HTJ2K: targets.HTJ2K_LOSSLESS_RPCL,
    }
)


def is_same_stream(stored_transfer_syntax_uid: str, target_transfer_syntax_uid: str) -> bool:
    """Whether a stored frame is, unchanged, also a frame of the target syntax."""
    return target_transfer_syntax_uid in _SAME_STREAM.get(stored_transfer_syntax_uid, ())


def kept_as(stored_transfer_syntax_uid: str, target_transfer_syntax_uid: str) -> str:
    """The transfer syntax whose streams answer for the target's as well: each stream is made and kept once.

    That is what is stored, where it can be sent under the target's name.
    """
    stored, target = stored_transfer_syntax_uid, target_transfer_syntax_uid
    return stored if target == stored or is_same_stream(stored, target) else _MADE_AS.get(target, target)
