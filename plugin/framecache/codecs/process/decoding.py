"""One stored frame to an array of pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import imagecodecs
import numpy as np

from framecache.codecs.process import codestream, native
from framecache.codecs.process.codestream import Geometry
from framecache.codecs.process.colour import from_ybr_full
from framecache.codecs.process.errors import Undecodable, Unwritable
from framecache.codecs.process.jpeg import JpegHeader, whole_jpeg
from framecache.codecs.process.pixels import DecodedFrame, PixelDescription, Pixels
from framecache.codecs.process.rle import decode_rle
from framecache.dicom.transfer_syntax import Encoding, lookup

Decoder = Callable[[bytes, PixelDescription], Pixels]
_LONGEST_REASON = 200
_RGB = 3  # samples
# Of their frames samples may lie above 2 ** BitsStored - 1, which are values as others are: PS3.5 section 8.1.1 lets
# other things lie in those bits of lossless ones.
_WITH_LOSS = frozenset(
    f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 52, 53, 54, 55, 56, 81, 91, 93, 111, 112, 203)
)
_JPEG_COLOURS = MappingProxyType({"RGB": "RGB", "YBR_FULL": "YCBCR", "YBR_FULL_422": "YCBCR"})
_YBR_FULL = ("YBR_FULL", "YBR_FULL_422")
_LEAVE_RGB = frozenset({"image/jpeg", "image/jp2", "image/jpx", "image/jphc", "image/jxl"})


def decode(frame: bytes, description: PixelDescription) -> DecodedFrame:
    """The pixels of `frame`, the joined fragments of one stored frame. Raises Undecodable."""
    syntax = lookup(description.transfer_syntax_uid)
    if description.is_float:
        raise Undecodable("floating point pixels are not shown")
    if syntax.encoding is Encoding.NATIVE:
        return native.decode(frame, description)
    decoder = _DECODERS.get(syntax.media_type) if syntax.encoding is Encoding.ENCAPSULATED else None
    if decoder is None:
        raise Undecodable(f"transfer syntax {syntax.uid} cannot be decoded")
    if description.bits_allocated == 1:
        raise Undecodable("compressed pixels of a single bit are not supported")
    try:
        pixels = decoder(frame, description)
    except Undecodable:
        raise
    except MemoryError:
        raise Undecodable("the frame needs more memory than a helper process may have") from None
    except Exception as error:  # each library has its own; all of them mean that the frame is broken
        raise Undecodable(f"{type(error).__name__}: {error}"[:_LONGEST_REASON]) from error
    whole_samples = syntax.uid in _WITH_LOSS and not _is_pattern(frame, pixels, description)
    return DecodedFrame(_conforming(pixels, description), _photometric(syntax.media_type, description), whole_samples)


def decode_shown(frame: bytes, description: PixelDescription) -> DecodedFrame:
    """As `decode`, for a picture: no larger than the header says, but as large as the frame itself says that it is.

    Octets of such a frame would not be what the metadata describes; what it shows is in no doubt. Raises Undecodable.
    """
    geometry = _geometry(frame, description)
    if geometry is None or not geometry.fits(description):
        return decode(frame, description)
    rows, columns, samples = geometry.rows, geometry.columns, geometry.components
    return decode(frame, replace(description, rows=rows, columns=columns, samples_per_pixel=samples))


def decode_samples(frame: bytes, description: PixelDescription) -> DecodedFrame:
    """As `decode`, but YCbCr stays YCbCr: what the metadata's Photometric Interpretation says, a client goes by.

    A transform inside a code stream, of JPEG 2000, is undone. Raises Unwritable where the decoder leaves RGB only.
    """
    syntax = lookup(description.transfer_syntax_uid)
    if syntax.encoding is not Encoding.ENCAPSULATED or description.photometric_interpretation not in _YBR_FULL:
        return decode(frame, description)
    if syntax.media_type == "image/jxl":
        raise Unwritable("the samples of JPEG XL are not those that the Photometric Interpretation names")
    decoded = decode(frame, replace(description, photometric_interpretation="RGB"))
    return replace(decoded, photometric_interpretation="YBR_FULL")


def _conforming(pixels: Pixels, description: PixelDescription) -> Pixels:
    """The same values in the container that BitsAllocated says; signed ones keep their sign."""
    if pixels.shape != description.shape:
        raise Undecodable(f"the frame decodes to {pixels.shape}, its header says {description.shape}")
    if pixels.dtype.kind not in "iu" or pixels.dtype.itemsize > description.dtype.itemsize:
        raise Undecodable(f"samples of {pixels.dtype} do not fit into {description.bits_allocated} bits")
    container = np.dtype(f"{pixels.dtype.kind}{description.dtype.itemsize}")
    return np.ascontiguousarray(pixels.astype(container, copy=False)).view(description.dtype)


def _is_pattern(frame: bytes, pixels: Pixels, description: PixelDescription) -> bool:
    """Whether samples are the stored bits of values, whose sign the stream does not tell as the data set does."""
    if (pixels.dtype.kind == "i") == bool(description.pixel_representation):
        return False
    if not description.pixel_representation:
        return True
    geometry = _geometry(frame, description)
    has_all_bits = geometry is not None and geometry.precision == description.bits_allocated
    return not (has_all_bits and int(pixels.max()) >> description.bits_stored)


def _geometry(frame: bytes, description: PixelDescription) -> Geometry | None:
    """As the stream says it; of RLE and JPEG XL it is not read."""
    of_stream = _GEOMETRIES.get(lookup(description.transfer_syntax_uid).media_type)
    return of_stream(frame) if of_stream else None


def _photometric(media_type: str, description: PixelDescription) -> str:
    """What colours the decoders leave: of all but RLE and JPEG-LS, RGB."""
    stored = description.photometric_interpretation
    if description.samples_per_pixel == 1:
        return stored
    return "RGB" if media_type in _LEAVE_RGB and (_is_ybr(stored) or stored == "XYB") else stored


def _is_ybr(photometric_interpretation: str) -> bool:
    return photometric_interpretation.startswith("YBR_")


def _rle(frame: bytes, description: PixelDescription) -> Pixels:
    codestream.check_rle(frame, description)
    samples = np.frombuffer(decode_rle(frame, description), description.dtype)
    shape = (description.samples_per_pixel, description.rows, description.columns)
    return np.moveaxis(samples.reshape(shape), 0, 2).reshape(description.shape)


def _jpeg(frame: bytes, description: PixelDescription) -> Pixels:
    """Colour goes by the header's Photometric Interpretation, not by the markers in the stream, as in DCMTK.

    What no JPEG is ever made of (YBR_RCT) is a name left over from elsewhere: there the markers decide.
    """
    header = JpegHeader.parse(frame)
    header.geometry.check(description)
    stream = whole_jpeg(frame)
    if description.samples_per_pixel == 1:
        return np.asarray(imagecodecs.jpeg_decode(stream))
    if header.is_lossless:
        pixels = np.asarray(imagecodecs.jpeg_decode(stream, colorspace="RGB", outcolorspace="RGB"))
        return _without_ybr(pixels, description)
    if description.samples_per_pixel > _RGB:
        return np.asarray(imagecodecs.jpeg_decode(stream, colorspace="CMYK", outcolorspace="CMYK"))
    stored = _JPEG_COLOURS.get(description.photometric_interpretation)
    return np.asarray(imagecodecs.jpeg_decode(stream, colorspace=stored, outcolorspace="RGB"))


def _without_ybr(pixels: Pixels, description: PixelDescription) -> Pixels:
    """YBR_FULL that a codec took for mere samples becomes RGB, as Orthanc's decoders make it."""
    is_ybr = description.photometric_interpretation in _YBR_FULL and pixels.shape[2:] == (_RGB,)
    return from_ybr_full(pixels, description.bits_stored) if is_ybr else pixels


def _of_jpeg(frame: bytes) -> Geometry:
    return JpegHeader.parse(frame).geometry


def _of_jpeg_2000(frame: bytes) -> Geometry:
    return codestream.of_jpeg_2000(codestream.code_stream(frame))


def _jpeg_ls(frame: bytes, description: PixelDescription) -> Pixels:
    _of_jpeg(frame).check(description)
    return np.asarray(imagecodecs.jpegls_decode(whole_jpeg(frame)))


def _jpeg_2000(frame: bytes, description: PixelDescription) -> Pixels:
    stream = codestream.code_stream(frame)
    codestream.of_jpeg_2000(stream).check(description)
    codestream.check_tile_parts(stream)
    return _without_ybr(np.asarray(imagecodecs.jpeg2k_decode(stream, planar=False, numthreads=1)), description)


def _high_throughput_jpeg_2000(frame: bytes, description: PixelDescription) -> Pixels:
    stream = codestream.code_stream(frame)
    codestream.of_jpeg_2000(stream).check(description)
    codestream.check_tile_parts(stream)
    return _without_ybr(np.asarray(imagecodecs.htj2k_decode(stream, planar=False)), description)


def _jpeg_xl(frame: bytes, description: PixelDescription) -> Pixels:
    """The array is given, so that a frame of another size is refused before it is decoded."""
    pixels = np.empty(description.shape, f"u{description.dtype.itemsize}")
    return np.asarray(imagecodecs.jpegxl_decode(frame, numthreads=1, out=pixels))


_DECODERS: Mapping[str, Decoder] = MappingProxyType(
    {
        "image/dicom-rle": _rle,
        "image/jpeg": _jpeg,
        "image/jls": _jpeg_ls,
        "image/jp2": _jpeg_2000,
        "image/jpx": _jpeg_2000,
        "image/jphc": _high_throughput_jpeg_2000,
        "image/jxl": _jpeg_xl,
    }
)
_GEOMETRIES: Mapping[str, Callable[[bytes], Geometry]] = MappingProxyType(
    {
        **dict.fromkeys(("image/jpeg", "image/jls"), _of_jpeg),
        **dict.fromkeys(("image/jp2", "image/jpx", "image/jphc"), _of_jpeg_2000),
    }
)
