"""Every kind of stored instance: the rows of the table. Each frame shows its own number in its pixels."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
from framecache.dicom.transfer_syntax import EXPLICIT_VR_BIG_ENDIAN, Encoding, lookup
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset

from dev import encoding
from dev.data_set import items
from tests.conformance.part10 import Layout, encapsulated, native

Pixels = npt.NDArray[Any]
FRAMES, ROWS, COLUMNS = 4, 32, 40
EXPLICIT, IMPLICIT, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99"
BIG_ENDIAN, RLE = EXPLICIT_VR_BIG_ENDIAN, "1.2.840.10008.1.2.5"
COMPRESSED = "1.2.840.10008.1.2.4"
_TWELVE = MappingProxyType({"BitsStored": 12, "HighBit": 11})
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@dataclass(frozen=True)
class Stored:
    """One instance: `pixels` went into `encode`, frame by frame; lossy ones come out with `tolerance` grey levels.

    `keyword` and `vr` are those of the pixel data element.
    """

    name: str
    transfer_syntax_uid: str
    pixels: tuple[Pixels, ...] = field(repr=False)
    encode: Callable[[Pixels], bytes] = field(repr=False)
    tags: Mapping[str, Any] = field(default_factory=dict)
    tolerance: int = 0
    layout: Layout = field(default_factory=Layout)
    keyword: str = "PixelData"
    vr: str = ""

    @property
    def encoding(self) -> Encoding:
        return lookup(self.transfer_syntax_uid).encoding

    @property
    def photometric(self) -> str:
        """The Photometric Interpretation."""
        default = "RGB" if self.pixels[0].ndim == 3 else "MONOCHROME2"
        return str(self.tags.get("PhotometricInterpretation", default))

    @cached_property
    def encoded(self) -> tuple[bytes, ...]:
        """Each frame as it is stored, without the padding of its last fragment."""
        return tuple(map(self.encode, self.pixels))

    @property
    def planar_configuration(self) -> int:
        return int(self.tags.get("PlanarConfiguration", 0))

    @property
    def path(self) -> str:
        """Below the DICOMweb root."""
        return f"{self.series_path}/instances/{self.uid('instance')}"

    @property
    def series_path(self) -> str:
        return f"studies/{self.uid('study')}/series/{self.uid('series')}"

    def uid(self, level: str) -> str:
        return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'framecache conformance {self.name} {level}').int}"

    def file(self) -> bytes:
        data_set = self._data_set()
        if self.encoding is Encoding.NATIVE:
            vr = self.vr or ("OW" if data_set.BitsAllocated > 8 else "OB")
            # Frames of single bits follow each other without a gap (PS3.5 section 8.1.1).
            value = _bits(np.stack(self.pixels)) if data_set.BitsAllocated == 1 else b"".join(self.encoded)
            return native(data_set, self.transfer_syntax_uid, value, self.keyword, vr)
        return encapsulated(data_set, self.transfer_syntax_uid, self.encoded, self.layout)

    def explicit(self, number: int) -> bytes:
        """Frame `number` as Explicit VR Little Endian has it; approximately, if there is a tolerance."""
        if self.encoding is Encoding.NATIVE and self.transfer_syntax_uid != BIG_ENDIAN:
            return self.encoded[number - 1]
        pixels = self.pixels[number - 1]
        if self.planar_configuration == 1:
            pixels = np.moveaxis(pixels, 2, 0)
        return pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()

    def _data_set(self) -> Dataset:
        first = self.pixels[0]
        bits = 8 * first.itemsize
        colour = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
        grey = {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2"}
        data_set = items(
            SOPClassUID=_SECONDARY_CAPTURE,
            PatientID="SYNTHETIC",
            PatientName="Synthetic^Conformance",
            StudyInstanceUID=self.uid("study"),
            SeriesInstanceUID=self.uid("series"),
            SOPInstanceUID=self.uid("instance"),
            StudyDate="20240102",
            Modality="OT",
            NumberOfFrames=len(self.pixels),
            Rows=first.shape[0],
            Columns=first.shape[1],
        )
        more = {"BitsAllocated": bits, "PixelRepresentation": int(first.dtype.kind == "i")}
        more |= {"BitsStored": bits, "HighBit": bits - 1} if first.dtype.kind in "iu" else {}
        data_set.update(items(**{**more, **(colour if first.ndim == 3 else grey), **self.tags}))
        data_set.file_meta = FileMetaDataset()
        return data_set


def grey(dtype: str = "u2", bits: int = 12, rows: int = ROWS, columns: int = COLUMNS) -> tuple[Pixels, ...]:
    """Ramps of `bits` bits; in frame n the quarter n is bright, so that no two frames can be taken for each other."""
    y, x = np.mgrid[0:rows, 0:columns]
    ramp = 0.1 + 0.3 * (x + y) / (rows + columns)
    largest = 2.0 ** (bits - (dtype[0] == "i")) - 1
    frames = [np.floor((ramp + 0.4 * _quarter(n, rows, columns)) * largest).astype(dtype) for n in range(FRAMES)]
    return tuple(frame - int(largest // 3) if dtype[0] == "i" else frame for frame in frames)


def colour(rows: int = ROWS, columns: int = COLUMNS) -> tuple[Pixels, ...]:
    """RGB of 8 bits."""
    frames = grey("u1", 8, rows, columns)
    return tuple(np.dstack([frame, 255 - frame, 255 - frame // 2]).astype("u1") for frame in frames)


def _quarter(index: int, rows: int, columns: int) -> Pixels:
    y, x = np.mgrid[0:rows, 0:columns]
    quarter: Pixels = (2 * (2 * y // rows) + 2 * x // columns == index).astype(float)
    return quarter


def palette() -> Mapping[str, Any]:
    tags: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    index = np.arange(256, dtype="u2")
    for name, table in {"Red": index, "Green": 255 - index, "Blue": index // 2}.items():
        tags[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        tags[f"{name}PaletteColorLookupTableData"] = (table * 257).astype("<u2").tobytes()
    return tags


def _swapped(pixels: Pixels) -> bytes:
    """OW: in words of 16 bits, whatever the size of a sample (PS3.5 section 7.3)."""
    return pixels.view("u2").byteswap().tobytes()


def _bits(pixels: Pixels) -> bytes:
    return np.packbits(pixels, bitorder="little").tobytes()


def _by_plane(pixels: Pixels) -> bytes:
    return np.moveaxis(pixels, 2, 0).tobytes()


def _shared_chrominance(pixels: Pixels) -> bytes:
    """Y Y Cb Cr for two pixels (PS3.3 section C.7.6.3.1.2); `pixels` are taken for YBR."""
    pairs = pixels.reshape(pixels.shape[0], -1, 2, 3)
    return np.concatenate([pairs[..., 0], pairs[..., 0, 1:]], axis=-1).tobytes()


_ONE_BIT = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}
_YBR_422 = {"PhotometricInterpretation": "YBR_FULL_422"}
_PLANES = {"PlanarConfiguration": 1}


def _black_and_white(rows: int, columns: int) -> tuple[Pixels, ...]:
    return tuple(_quarter(n, rows, columns).astype("u1") for n in range(FRAMES))


def _floats(dtype: str) -> tuple[Pixels, ...]:
    return tuple(frame.astype(dtype) / 7 for frame in grey())


NATIVE = (
    Stored("Explicit, 16 bits", EXPLICIT, grey("u2", 16), encoding.native),
    Stored("Explicit, 12 bits in 16", EXPLICIT, grey(), encoding.native, _TWELVE),
    Stored("Explicit, signed 16 bits", EXPLICIT, grey("i2", 16), encoding.native),
    Stored("Explicit, 8 bits", EXPLICIT, grey("u1", 8), encoding.native),
    Stored("Explicit, 8 bits, frames of odd length", EXPLICIT, grey("u1", 8, 31, 39), encoding.native),
    Stored("Explicit, 32 bits", EXPLICIT, grey("u4", 32), encoding.native),
    Stored("Explicit, 1 bit", EXPLICIT, _black_and_white(ROWS, COLUMNS), _bits, _ONE_BIT),
    Stored("Explicit, 1 bit, frames that begin within a byte", EXPLICIT, _black_and_white(7, 9), _bits, _ONE_BIT),
    Stored("Implicit, 1 bit, frames that begin within a byte", IMPLICIT, _black_and_white(31, 33), _bits, _ONE_BIT),
    Stored("Explicit, RGB by pixel", EXPLICIT, colour(), encoding.native),
    Stored("Explicit, RGB by plane", EXPLICIT, colour(), _by_plane, _PLANES),
    Stored("Explicit, YBR_FULL", EXPLICIT, colour(), encoding.native, {"PhotometricInterpretation": "YBR_FULL"}),
    Stored("Explicit, YBR_FULL_422", EXPLICIT, colour(), _shared_chrominance, _YBR_422),
    Stored("Explicit, PALETTE COLOR", EXPLICIT, grey("u1", 8), encoding.native, palette()),
    Stored(
        "Explicit, Float Pixel Data", EXPLICIT, _floats("f4"), encoding.native, {}, 0, Layout(), "FloatPixelData", "OF"
    ),
    Stored(
        "Explicit, Double Float Pixel Data",
        EXPLICIT,
        _floats("f8"),
        encoding.native,
        {},
        0,
        Layout(),
        "DoubleFloatPixelData",
        "OD",
    ),
    Stored("Implicit, 16 bits", IMPLICIT, grey("u2", 16), encoding.native),
    Stored("Implicit, RGB by plane", IMPLICIT, colour(), _by_plane, _PLANES),
    Stored("Big Endian, 16 bits", BIG_ENDIAN, grey("u2", 16), _swapped),
    Stored("Big Endian, 32 bits", BIG_ENDIAN, grey("u4", 32), _swapped),
    Stored("Big Endian, 8 bits in OW", BIG_ENDIAN, grey("u1", 8), _swapped, {}, 0, Layout(), "PixelData", "OW"),
    Stored("Big Endian, RGB by pixel", BIG_ENDIAN, colour(), encoding.native),
    Stored("Deflated, 16 bits", DEFLATED, grey("u2", 16), encoding.native),
)


def _jpeg(**options: Any) -> Callable[[Pixels], bytes]:
    return lambda pixels: bytes(imagecodecs.jpeg8_encode(pixels, **options))


def _jpeg_2000(**options: Any) -> Callable[[Pixels], bytes]:
    return lambda pixels: bytes(imagecodecs.jpeg2k_encode(pixels, codecformat="J2K", **options))


def _htj2k(**options: Any) -> Callable[[Pixels], bytes]:
    return lambda pixels: bytes(imagecodecs.htj2k_encode(pixels, **options))


def _jpeg_xl(**options: Any) -> Callable[[Pixels], bytes]:
    return lambda pixels: bytes(imagecodecs.jpegxl_encode(pixels, **options))


def _near_lossless(pixels: Pixels) -> bytes:
    return bytes(imagecodecs.jpegls_encode(pixels, level=2))


def _recompressed(pixels: Pixels) -> bytes:
    return bytes(imagecodecs.jpegxl_encode_jpeg(_jpeg(level=95)(pixels)))


_RCT, _ICT = {"PhotometricInterpretation": "YBR_RCT"}, {"PhotometricInterpretation": "YBR_ICT"}
_LOSSLESS_JPEG = {"lossless": True, "bitspersample": 12}
ENCAPSULATED = (
    Stored("RLE, 16 bits", RLE, grey("u2", 16), encoding.rle),
    Stored("RLE, RGB by pixel", RLE, colour(), encoding.rle),
    Stored("RLE, RGB by plane", RLE, colour(), encoding.rle, _PLANES),
    Stored("RLE, PALETTE COLOR", RLE, grey("u1", 8), encoding.rle, palette()),
    Stored("JPEG Baseline, 8 bits", f"{COMPRESSED}.50", grey("u1", 8), _jpeg(level=95), {}, 16),
    Stored("JPEG Baseline, YBR_FULL_422", f"{COMPRESSED}.50", colour(), encoding.jpeg, _YBR_422, 60),
    Stored("JPEG Extended, 12 bits", f"{COMPRESSED}.51", grey(), _jpeg(level=95, bitspersample=12), _TWELVE, 160),
    Stored("JPEG Lossless, any predictor", f"{COMPRESSED}.57", grey(), _jpeg(predictor=6, **_LOSSLESS_JPEG), _TWELVE),
    Stored("JPEG Lossless, first predictor", f"{COMPRESSED}.70", grey(), _jpeg(predictor=1, **_LOSSLESS_JPEG), _TWELVE),
    Stored("JPEG-LS, 16 bits", f"{COMPRESSED}.80", grey("u2", 16), encoding.jpeg_ls),
    Stored("JPEG-LS, RGB", f"{COMPRESSED}.80", colour(), encoding.jpeg_ls),
    Stored("JPEG-LS, near lossless", f"{COMPRESSED}.81", grey(), _near_lossless, _TWELVE, 2),
    Stored("JPEG 2000, 12 bits", f"{COMPRESSED}.90", grey(), encoding.jpeg_2000, _TWELVE),
    Stored("JPEG 2000, YBR_RCT", f"{COMPRESSED}.90", colour(), encoding.jpeg_2000, _RCT),
    Stored("JPEG 2000, lossy, YBR_ICT", f"{COMPRESSED}.91", colour(), _jpeg_2000(level=45, reversible=False), _ICT, 24),
    Stored("HTJ2K, 16 bits", f"{COMPRESSED}.201", grey("u2", 16), encoding.high_throughput_jpeg_2000),
    Stored("HTJ2K, RPCL", f"{COMPRESSED}.202", grey("u2", 16), _htj2k(reversible=True, tlm=True)),
    Stored("HTJ2K, lossy, YBR_ICT", f"{COMPRESSED}.203", colour(), _htj2k(level=0.005, reversible=False), _ICT, 24),
    Stored("JPEG XL, 16 bits", f"{COMPRESSED}.110", grey("u2", 16), _jpeg_xl(lossless=True)),
    Stored("JPEG XL, recompressed JPEG", f"{COMPRESSED}.111", grey("u1", 8), _recompressed, {}, 16),
    Stored("JPEG XL, lossy, RGB", f"{COMPRESSED}.112", colour(), _jpeg_xl(distance=0.5), {}, 40),
)


def _laid_out(name: str, offset_table: Any, fragments: int, uid: str = f"{COMPRESSED}.80") -> Stored:
    encode = {RLE: encoding.rle, f"{COMPRESSED}.90": encoding.jpeg_2000}.get(uid, encoding.jpeg_ls)
    tags = _TWELVE if uid == f"{COMPRESSED}.90" else {}
    frames = grey() if tags else grey("u2", 16)
    return Stored(name, uid, frames, encode, tags, 0, Layout(offset_table, fragments))


LAID_OUT = (
    _laid_out("empty offset table", "empty", 1),
    _laid_out("wrong offset table", "wrong", 1),
    _laid_out("Extended Offset Table", "extended", 1),
    _laid_out("wrong Extended Offset Table", "extended and wrong", 1),
    _laid_out("3 fragments a frame", "basic", 3),
    _laid_out("3 fragments a frame, empty offset table", "empty", 3),
    _laid_out("3 fragments a frame, wrong offset table", "wrong", 3, f"{COMPRESSED}.90"),
    _laid_out("RLE, 2 fragments a frame", "basic", 2, RLE),
)

STORED = (*NATIVE, *ENCAPSULATED, *LAID_OUT)
BY_NAME = MappingProxyType({stored.name: stored for stored in STORED})


def _dummy(_: Pixels) -> bytes:
    return b"\0\0\1\xba" + bytes(60)


VIDEOS = (
    Stored("MPEG-2", f"{COMPRESSED}.100", grey("u1", 8), _dummy),
    Stored("MPEG-4", f"{COMPRESSED}.102", colour(), _dummy, {"PhotometricInterpretation": "YBR_PARTIAL_420"}),
    Stored("MPEG-4 for 3D", f"{COMPRESSED}.104", grey("u1", 8), _dummy),
    Stored("HEVC", f"{COMPRESSED}.107", grey("u1", 8), _dummy),
)
