"""What the Image Pixel module says once frames were transcoded (PS3.5 section 8.2, PS3.3 section C.7.6.3)."""

from __future__ import annotations

from framecache.codecs import targets
from framecache.codecs.process.pixels import PixelDescription
from framecache.codecs.process.same_stream import is_same_stream
from framecache.dicom.transfer_syntax import Encoding, lookup

_OF_JPEG_2000 = ("image/jp2", "image/jpx", "image/jphc")
_LEAVES_RGB = ("image/jpeg", "image/jxl", *_OF_JPEG_2000)


def photometric_interpretation(stored: PixelDescription, target: str) -> str:
    """The Photometric Interpretation of the frames that `Service` makes of the stored ones."""
    if stored.samples_per_pixel == 1 or _keeps_its_samples(stored, target):
        return stored.photometric_interpretation
    if target in targets.NATIVE_TARGETS:
        return _decoded(stored)
    return _encoded(_sampled(stored), stored, target)


def keeps_planes(stored: PixelDescription, target: str) -> bool:
    """Whether Planar Configuration stays as it was; else colour comes by pixel."""
    if _keeps_its_samples(stored, target):
        return True
    return target in targets.NATIVE_TARGETS and lookup(stored.transfer_syntax_uid).media_type in (
        "image/dicom-rle",
        "image/jls",
    )


def _keeps_its_samples(stored: PixelDescription, target: str) -> bool:
    is_native = lookup(stored.transfer_syntax_uid).encoding is Encoding.NATIVE
    return (is_native and target in targets.NATIVE_TARGETS) or is_same_stream(stored.transfer_syntax_uid, target)


def _decoded(stored: PixelDescription) -> str:
    """Of native pixels that were decoded; two that share their chrominance have samples of their own then."""
    photometric = stored.photometric_interpretation
    is_transform = photometric.startswith("YBR_") or photometric == "XYB"
    if is_transform and lookup(stored.transfer_syntax_uid).media_type in _LEAVES_RGB:
        return "RGB"
    return photometric.removesuffix("_422")


def _sampled(stored: PixelDescription) -> str:
    """Of the samples that go into an encoder, which takes YCbCr as it is."""
    is_ybr = stored.photometric_interpretation in ("YBR_FULL", "YBR_FULL_422")
    return "YBR_FULL" if is_ybr else _decoded(stored)


def _encoded(sampled: str, stored: PixelDescription, target: str) -> str:
    """PS3.5 sections 8.2.1, 8.2.4 and 8.2.14."""
    if sampled == "RGB" and lookup(target).media_type in _OF_JPEG_2000:
        return "YBR_RCT"  # our code streams transform red, green and blue reversibly
    if target in targets.LOSSY_TARGETS and stored.photometric_interpretation == "YBR_FULL_422":
        return "YBR_FULL_422"
    return sampled
