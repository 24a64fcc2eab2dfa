"""Streams of one transfer syntax that are streams of another as well: what is stored is sent under the other name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from framecache.codecs import targets

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


def is_same_stream(stored_transfer_syntax_uid: str, target_transfer_syntax_uid: str) -> bool:
    """Whether a frame stored in the one is a frame of the other as it lies there."""
    return target_transfer_syntax_uid in _SAME_STREAM.get(stored_transfer_syntax_uid, ())
