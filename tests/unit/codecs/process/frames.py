"""Small synthetic frames in every transfer syntax that can be written here, with the pixels that went in."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
from framecache.dicom.transfer_syntax import Encoding, lookup
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import UID, HTJ2KLossless, RLELossless, generate_uid

ROWS, COLUMNS = 46, 60
BIG_ENDIAN = "1.2.840.10008.1.2.2"
Pixels = npt.NDArray[Any]
_COMPRESSED = "1.2.840.10008.1.2.4"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@dataclass(frozen=True)
class Frame:
    """One frame as it is read from its file, what its data set says of it, and the pixels that went in.

    `lossy` ones decode to something near them. Of `mislabelled` ones the data set names other colours than the
    stream holds, so that a decoder that believes it gives neither.
    """

    name: str
    transfer_syntax_uid: str
    stored: bytes
    pixels: Pixels
    photometric_interpretation: str
    bits_stored: int
    planar_configuration: int = 0
    lossy: bool = False
    mislabelled: bool = False
    bits_allocated: int = 0

    @property
    def samples_per_pixel(self) -> int:
        return 3 if self.pixels.ndim == 3 else 1

    def data_set(self, **more: object) -> Dataset:
        """The data set without its pixel data."""
        data_set = Dataset()
        data_set.SOPClassUID, data_set.SOPInstanceUID = (
            SECONDARY_CAPTURE,
            generate_uid(entropy_srcs=["instance", self.name]),
        )
        data_set.StudyInstanceUID = generate_uid(entropy_srcs=["study", self.name])
        data_set.SeriesInstanceUID = generate_uid(entropy_srcs=["series", self.name])
        data_set.PatientID, data_set.PatientName, data_set.StudyDate = "SYNTHETIC", "Synthetic^Frame", "20240102"
        data_set.StudyTime = data_set.AccessionNumber = data_set.PatientBirthDate = data_set.PatientSex = ""
        data_set.Modality, data_set.StudyID, data_set.SeriesNumber, data_set.InstanceNumber = "OT", "1", 1, 1
        data_set.SamplesPerPixel = self.samples_per_pixel
        data_set.PhotometricInterpretation = self.photometric_interpretation
        data_set.NumberOfFrames = 1
        if self.samples_per_pixel > 1:
            data_set.PlanarConfiguration = self.planar_configuration
        data_set.Rows, data_set.Columns = self.pixels.shape[:2]
        data_set.BitsAllocated = self.bits_allocated or 8 * self.pixels.itemsize
        data_set.BitsStored, data_set.HighBit = self.bits_stored, self.bits_stored - 1
        data_set.PixelRepresentation = int(self.pixels.dtype.kind == "i")
        if self.photometric_interpretation == "PALETTE COLOR":
            for name in ("Red", "Green", "Blue"):
                setattr(data_set, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
                setattr(data_set, f"{name}PaletteColorLookupTableData", bytes(range(256)) * 2)
        data_set.file_meta = FileMetaDataset()
        data_set.file_meta.TransferSyntaxUID = UID(self.transfer_syntax_uid)
        for keyword, value in more.items():
            setattr(data_set, keyword, value)
        return data_set

    def header(self, **more: object) -> bytes:
        """The file up to its pixel data element."""
        return _written(self.data_set(**more)) if more else self._header

    @cached_property
    def _header(self) -> bytes:
        """Kept, as tests ask for it thousands of times and pydicom takes 10 ms."""
        return _written(self.data_set())

    def file(self) -> bytes:
        """The whole DICOM file, of this one frame."""
        data_set = self.data_set()
        if lookup(self.transfer_syntax_uid).encoding is Encoding.ENCAPSULATED:
            data_set.PixelData = encapsulate([self.stored])
            data_set["PixelData"].VR = "OB"
        else:
            value = self.stored + b"\0" * (len(self.stored) % 2)
            vr = "OW" if data_set.BitsAllocated > 8 else "OB"
            # OW: the bytes are swapped in words of 16 bits (PS3.5 section 7.3), whatever the size of a sample.
            is_swapped = self.transfer_syntax_uid == BIG_ENDIAN and vr == "OW"
            data_set.PixelData = np.frombuffer(value, "u2").byteswap().tobytes() if is_swapped else value
            data_set["PixelData"].VR = vr
        return _written(data_set)


def _written(data_set: Dataset) -> bytes:
    uid, known = data_set.file_meta.TransferSyntaxUID, data_set.file_meta.TransferSyntaxUID
    if lookup(uid).media_type == "image/jxl":
        # pydicom does not write JPEG XL: a UID of the same length stands in for it.
        known = HTJ2KLossless
    data_set.file_meta.TransferSyntaxUID = known
    stream = io.BytesIO()
    dcmwrite(stream, data_set, enforce_file_format=True)
    return stream.getvalue().replace(known.encode(), uid.encode(), 1)


def grey(dtype: str = "u2", bits: int = 12, rows: int = ROWS, columns: int = COLUMNS) -> Pixels:
    """A ramp with some noise that uses the full range of `bits`."""
    y, x = np.mgrid[0:rows, 0:columns]
    ramp = (x + 2 * y) / (columns + 2 * rows - 3)
    noise = np.random.default_rng(1).uniform(-0.02, 0.02, (rows, columns))
    lowest = -(1 << bits - 1) if dtype.startswith("i") else 0
    pixels: Pixels = (lowest + np.clip(ramp + noise, 0, 1) * ((1 << bits) - 1)).astype(dtype)
    return pixels


def colour(rows: int = ROWS, columns: int = COLUMNS) -> Pixels:
    """Three smooth planes that differ, uint8."""
    y, x = np.mgrid[0:rows, 0:columns]
    planes = (128 + 100 * np.sin(x / 9), 128 + 100 * np.cos(y / 7), 20 + 2 * x + y)
    return np.dstack([plane.astype("u1") for plane in planes])


def _writer(codec: Callable[..., Any]) -> Callable[..., bytes]:
    return lambda pixels, *arguments, **more: bytes(codec(pixels, *arguments, **more))


def frames() -> Iterator[Frame]:
    """Every frame there is."""
    yield from native()
    yield from rle()
    yield from jpeg()
    yield from jpeg_lossless()
    yield from jpeg_ls()
    yield from jpeg_2000()
    yield from high_throughput()
    yield from jpeg_xl()


_GREYS = (("u1", 8), ("u2", 12), ("u2", 16), ("i2", 12), ("i2", 16))


def _greys(name: str, syntax: str, encode: Callable[[Pixels, int], bytes], **more: Any) -> Iterator[Frame]:
    for dtype, bits in _GREYS:
        pixels = grey(dtype, bits)
        label = f"{name} {'signed ' if dtype[0] == 'i' else ''}{bits} bits"
        yield Frame(label, syntax, encode(pixels, bits), pixels, "MONOCHROME2", bits, **more)


def native() -> Iterator[Frame]:
    """PS3.5 annex A.1 to A.3."""
    for name, uid in (("implicit", "1.2.840.10008.1.2"), ("explicit", "1.2.840.10008.1.2.1")):
        yield from _greys(name, uid, lambda pixels, _: pixels.tobytes())
    big = BIG_ENDIAN
    yield from _greys("big endian", big, lambda pixels, _: pixels.tobytes())
    rgb = colour()
    for name, uid in (("implicit", "1.2.840.10008.1.2"), ("explicit", "1.2.840.10008.1.2.1"), ("big endian", big)):
        yield Frame(f"{name} RGB by pixel", uid, rgb.tobytes(), rgb, "RGB", 8)
        planes = np.moveaxis(rgb, 2, 0).tobytes()
        yield Frame(f"{name} RGB by plane", uid, planes, rgb, "RGB", 8, planar_configuration=1)
        yield Frame(f"{name} palette", uid, grey("u1", 8).tobytes(), grey("u1", 8), "PALETTE COLOR", 8)
    wide = grey("u4", 32)
    yield Frame("explicit 32 bits", "1.2.840.10008.1.2.1", wide.tobytes(), wide, "MONOCHROME2", 32)
    yield Frame("big endian 32 bits", big, wide.tobytes(), wide, "MONOCHROME2", 32)


def rle() -> Iterator[Frame]:
    """PS3.5 annex G, by pydicom."""

    def encode(pixels: Pixels, bits: int) -> bytes:
        is_colour = pixels.ndim == 3
        return get_encoder(RLELossless).encode(
            pixels,
            rows=pixels.shape[0],
            columns=pixels.shape[1],
            samples_per_pixel=3 if is_colour else 1,
            photometric_interpretation="RGB" if is_colour else "MONOCHROME2",
            planar_configuration=0,
            bits_allocated=8 * pixels.itemsize,
            bits_stored=bits,
            pixel_representation=int(pixels.dtype.kind == "i"),
            number_of_frames=1,
            encoding_plugin="pydicom",
        )

    yield from _greys("RLE", RLELossless, encode)
    rgb = colour()
    for planar in (0, 1):
        yield Frame(f"RLE RGB planar {planar}", RLELossless, encode(rgb, 8), rgb, "RGB", 8, planar_configuration=planar)
    yield Frame("RLE YBR_FULL", RLELossless, encode(rgb, 8), rgb, "YBR_FULL", 8, planar_configuration=1)
    palette = grey("u1", 8)
    yield Frame("RLE palette", RLELossless, encode(palette, 8), palette, "PALETTE COLOR", 8)


def jpeg() -> Iterator[Frame]:
    """JPEG Baseline and Extended (PS3.5 section 8.2.1), by libjpeg-turbo."""
    encode, rgb = _writer(imagecodecs.jpeg8_encode), colour()
    baseline, extended = f"{_COMPRESSED}.50", f"{_COMPRESSED}.51"
    pixels = grey("u1", 8)
    yield Frame("JPEG 8 bits", baseline, encode(pixels, 90), pixels, "MONOCHROME2", 8, lossy=True)
    yield Frame("JPEG inverse", baseline, encode(pixels, 90), pixels, "MONOCHROME1", 8, lossy=True)
    for sampling in ("444", "422", "420"):
        stored = encode(rgb, 90, subsampling=sampling)
        photometric = "YBR_FULL" if sampling == "444" else "YBR_FULL_422"
        yield Frame(f"JPEG {photometric} {sampling}", baseline, stored, rgb, photometric, 8, lossy=True)
        if sampling == "422":
            # The JFIF marker (APP0) goes; nothing in the stream tells its colour any more.
            bare = stored[:2] + stored[4 + int.from_bytes(stored[4:6], "big") :]
            yield Frame("JPEG YBR_FULL_422 bare", baseline, bare, rgb, photometric, 8, lossy=True)
            yield Frame("JPEG YBR planar 1", baseline, stored, rgb, photometric, 8, 1, lossy=True)
            yield Frame("JPEG YBR, RGB said", baseline, stored, rgb, "RGB", 8, mislabelled=True)
    adobe = encode(rgb, 95, colorspace="RGB", outcolorspace="RGB")
    yield Frame("JPEG RGB with Adobe marker", baseline, adobe, rgb, "RGB", 8, lossy=True)
    bare = adobe[:2] + adobe[4 + int.from_bytes(adobe[4:6], "big") :]
    yield Frame("JPEG RGB bare", baseline, bare, rgb, "RGB", 8, lossy=True)
    yield Frame("JPEG RGB, YBR said", baseline, adobe, rgb, "YBR_FULL", 8, mislabelled=True)
    pixels = grey("u2", 12)
    yield Frame(
        "JPEG extended 12 bits", extended, encode(pixels, 95, bitspersample=12), pixels, "MONOCHROME2", 12, lossy=True
    )


def jpeg_lossless() -> Iterator[Frame]:
    """JPEG process 14, any predictor and predictor 1 (PS3.5 section 8.2.1)."""

    def encode(pixels: Pixels, bits: int, predictor: int = 1) -> bytes:
        unsigned = pixels.view(f"u{pixels.itemsize}") & ((1 << bits) - 1)
        return bytes(imagecodecs.jpeg8_encode(unsigned, lossless=True, predictor=predictor, bitspersample=bits))

    yield from _greys("JPEG lossless", f"{_COMPRESSED}.70", encode)
    yield from _greys("JPEG lossless predictor 6", f"{_COMPRESSED}.57", lambda p, bits: encode(p, bits, 6))
    rgb = colour()
    stored = bytes(imagecodecs.jpeg8_encode(rgb, lossless=True, colorspace="RGB", outcolorspace="RGB"))
    for planar in (0, 1):
        yield Frame(f"JPEG lossless RGB planar {planar}", f"{_COMPRESSED}.70", stored, rgb, "RGB", 8, planar)
    yield Frame("JPEG lossless YBR_FULL", f"{_COMPRESSED}.70", stored, rgb, "YBR_FULL", 8, mislabelled=True)
    palette = grey("u1", 8)
    yield Frame("JPEG lossless palette", f"{_COMPRESSED}.70", encode(palette, 8), palette, "PALETTE COLOR", 8)


def jpeg_ls() -> Iterator[Frame]:
    """JPEG-LS (PS3.5 section 8.2.3), by CharLS."""

    def encode(pixels: Pixels, bits: int, near: int = 0) -> bytes:
        unsigned = pixels.view(f"u{pixels.itemsize}") & ((1 << bits) - 1)
        return bytes(imagecodecs.jpegls_encode(unsigned.astype(unsigned.dtype), level=near))

    yield from _greys("JPEG-LS", f"{_COMPRESSED}.80", encode)
    rgb, pixels = colour(), grey("u2", 12)
    yield Frame("JPEG-LS near", f"{_COMPRESSED}.81", encode(pixels, 12, 2), pixels, "MONOCHROME2", 12, lossy=True)
    for planar in (0, 1):
        yield Frame(f"JPEG-LS RGB planar {planar}", f"{_COMPRESSED}.80", encode(rgb, 8), rgb, "RGB", 8, planar)


def jpeg_2000() -> Iterator[Frame]:
    """JPEG 2000 (PS3.5 section 8.2.4), by OpenJPEG."""
    encode, rgb, lossless = _writer(imagecodecs.jpeg2k_encode), colour(), f"{_COMPRESSED}.90"
    keep: dict[str, Any] = {"level": 0, "codecformat": "J2K", "reversible": True}
    yield from _greys("JPEG 2000", lossless, lambda p, bits: encode(p, bitspersample=bits, **keep))
    pixels = grey("i2", 12)
    unsigned = encode(pixels.view("u2") & 0xFFF, bitspersample=12, **keep)
    yield Frame("JPEG 2000 without its sign", lossless, unsigned, pixels, "MONOCHROME2", 12)
    pixels = grey("u1", 8)
    yield Frame("JPEG 2000 8 bits in 16", lossless, encode(pixels, **keep), pixels.astype("u2"), "MONOCHROME2", 8)
    yield Frame("JPEG 2000 YBR_FULL", lossless, encode(rgb, mct=False, **keep), rgb, "YBR_FULL", 8, mislabelled=True)
    yield Frame("JPEG 2000 RCT, YBR_FULL said", lossless, encode(rgb, **keep), rgb, "YBR_FULL", 8, mislabelled=True)
    yield Frame("JPEG 2000 RCT, RGB said", lossless, encode(rgb, **keep), rgb, "RGB", 8)
    yield Frame("JPEG 2000 no RCT, YBR_RCT said", lossless, encode(rgb, mct=False, **keep), rgb, "YBR_RCT", 8)
    yield Frame("JPEG 2000 YBR_RCT", lossless, encode(rgb, **keep), rgb, "YBR_RCT", 8)
    yield Frame("JPEG 2000 YBR_RCT planar 1", lossless, encode(rgb, **keep), rgb, "YBR_RCT", 8, 1)
    yield Frame("JPEG 2000 RGB", lossless, encode(rgb, mct=False, **keep), rgb, "RGB", 8)
    lossy = encode(rgb, level=40, codecformat="J2K", reversible=False)
    yield Frame("JPEG 2000 YBR_ICT", f"{_COMPRESSED}.91", lossy, rgb, "YBR_ICT", 8, lossy=True)
    pixels = grey("u2", 12)
    lossy = encode(pixels, level=50, codecformat="J2K", reversible=False, bitspersample=12)
    yield Frame("JPEG 2000 lossy 12 bits", f"{_COMPRESSED}.91", lossy, pixels, "MONOCHROME2", 12, lossy=True)


def high_throughput() -> Iterator[Frame]:
    """HTJ2K (PS3.5 section 8.2.14), by OpenJPH."""
    encode, rgb, lossless = _writer(imagecodecs.htj2k_encode), colour(), f"{_COMPRESSED}.201"
    yield from _greys("HTJ2K", lossless, lambda pixels, _: encode(pixels, reversible=True))
    yield Frame("HTJ2K YBR_RCT", lossless, encode(rgb, reversible=True), rgb, "YBR_RCT", 8)
    lossy = encode(rgb, level=0.005, reversible=False)
    yield Frame("HTJ2K YBR_ICT", f"{_COMPRESSED}.203", lossy, rgb, "YBR_ICT", 8, lossy=True)


def jpeg_xl() -> Iterator[Frame]:
    """JPEG XL (PS3.5 section 8.2.15), by libjxl."""
    encode, rgb = _writer(imagecodecs.jpegxl_encode), colour()
    for dtype, bits in (("u1", 8), ("u2", 12), ("u2", 16)):
        pixels = grey(dtype, bits)
        stored = encode(pixels, lossless=True, bitspersample=bits)
        yield Frame(f"JPEG XL {bits} bits", f"{_COMPRESSED}.110", stored, pixels, "MONOCHROME2", bits)
    yield Frame("JPEG XL RGB", f"{_COMPRESSED}.110", encode(rgb, lossless=True), rgb, "RGB", 8)
    yield Frame("JPEG XL lossy RGB", f"{_COMPRESSED}.112", encode(rgb, distance=0.5), rgb, "RGB", 8, lossy=True)
