"""The file of an instance in another transfer syntax, up to its first frame (PS3.10 section 7, PS3.5 annex A)."""

from __future__ import annotations

import copy
import struct
import uuid
from io import BytesIO

from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.uid import UID

from framecache.codecs import targets
from framecache.codecs.process.errors import Undecodable, Unwritable
from framecache.codecs.process.headers import keeps_planes, photometric_interpretation
from framecache.codecs.process.native import with_swapped_words
from framecache.codecs.process.pixels import PixelDescription
from framecache.codecs.same_stream import is_same_stream
from framecache.dicom.transfer_syntax import (
    EXPLICIT_VR_BIG_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    Encoding,
    lookup,
)

_IMPLEMENTATION_CLASS_UID = UID("2.25.180826716826417113296103012374611208093")
_IMPLEMENTATION_VERSION = "FRAMECACHE"
_UNDEFINED_LENGTH, _LONGEST_VALUE = 0xFFFFFFFF, 0xFFFFFFFE
_PIXEL_DATA, _FLOAT, _DOUBLE = (0x7FE0, 0x0010), (0x7FE0, 0x0008), (0x7FE0, 0x0009)
_EMPTY_OFFSET_TABLE = struct.pack("<HHL", 0xFFFE, 0xE000, 0)
# Tables of the stored frames, and the pixel data itself, whose head the header may end with.
_ABOUT_FRAMES = (
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "FloatPixelData",
    "DoubleFloatPixelData",
    "PixelData",
)
_NAMESPACE = uuid.UUID("6d9f2b54-2d0c-4a86-9f0b-9b8d3a0d2c51")
_BYTE = 8  # bits


def file_header(
    data_set: Dataset, stored: PixelDescription, vr: str, target: str, length: int, ratio: float | None
) -> bytes:
    """All that stands before the first frame.

    `vr` is that of the stored pixel data, "" where it has none; `length` is that of all frames in bytes, where they are
    not compressed, and `ratio` how many times smaller a compressed one is than a native one. Raises Unwritable.
    """
    changed = _changed(data_set, stored, target)
    if target in targets.LOSSY_TARGETS and not is_same_stream(stored.transfer_syntax_uid, target):
        _derive(changed, target, ratio)
    return _written(changed, target) + _pixel_data_head(stored, vr, target, length)


def _written(data_set: Dataset, target: str) -> bytes:
    stream = BytesIO()
    encoding = {
        "implicit_vr": target == IMPLICIT_VR_LITTLE_ENDIAN,
        "little_endian": target != EXPLICIT_VR_BIG_ENDIAN,
    }
    try:
        dcmwrite(stream, data_set, **encoding, enforce_file_format=True)
    except Exception as error:  # pydicom raises what it meets; its message may hold values
        raise Unwritable(f"the data set cannot be written ({type(error).__name__})") from error
    return stream.getvalue()


def converted(elements: bytes, stored: str, target: str) -> bytes:
    """The elements behind the pixel data, in the encoding of another transfer syntax."""
    is_implicit, is_little_endian = stored == IMPLICIT_VR_LITTLE_ENDIAN, stored != EXPLICIT_VR_BIG_ENDIAN
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = target == IMPLICIT_VR_LITTLE_ENDIAN, True
    try:
        data_set = read_dataset(BytesIO(elements), is_implicit, is_little_endian)
        write_dataset(stream, data_set if is_little_endian else with_swapped_words(data_set))
    except Exception as error:
        raise Unwritable(f"the data set cannot be written ({type(error).__name__})") from error
    return stream.getvalue()


def whole_file(content: bytes, target: str) -> bytes:
    """A file that has no frames to be decoded or encoded, in another transfer syntax: a document, or native pixels.

    A document may say that it is in a compressed one: that is Explicit VR Little Endian (PS3.5 section A.4).
    Raises Undecodable, Unwritable.
    """
    try:
        data_set: Dataset = dcmread(BytesIO(content))
        stored = str(data_set.file_meta.TransferSyntaxUID)
        if (stored == EXPLICIT_VR_BIG_ENDIAN) != (target == EXPLICIT_VR_BIG_ENDIAN):
            file_meta, data_set = data_set.file_meta, with_swapped_words(data_set)
            data_set.file_meta = file_meta
        data_set.file_meta = _file_meta(data_set, target)
    except Exception as error:
        raise Undecodable(f"the file cannot be parsed ({type(error).__name__})") from error
    return _written(data_set, target)


def _changed(data_set: Dataset, stored: PixelDescription, target: str) -> Dataset:
    """A deep copy: the parsed header is used again, and a shallow one has the same elements."""
    is_big_endian = stored.transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN
    changed = with_swapped_words(data_set) if is_big_endian else copy.deepcopy(data_set)
    for keyword in _ABOUT_FRAMES:
        if keyword in changed:
            delattr(changed, keyword)
    changed.file_meta = _file_meta(changed, target)
    photometric = photometric_interpretation(stored, target)
    if photometric != stored.photometric_interpretation:
        changed.PhotometricInterpretation = photometric
    if stored.samples_per_pixel > 1 and not keeps_planes(stored, target):
        changed.PlanarConfiguration = 0
    return changed


def _file_meta(data_set: Dataset, target: str) -> FileMetaDataset:
    """PS3.10 section 7.1; who writes a file says so. An inflated one has lost the others."""
    meta = FileMetaDataset(data_set.file_meta)
    meta.TransferSyntaxUID = UID(target)
    for keyword in ("SOPClassUID", "SOPInstanceUID"):
        if keyword in data_set:
            setattr(meta, f"MediaStorage{keyword}", data_set.get(keyword))
    meta.ImplementationClassUID, meta.ImplementationVersionName = _IMPLEMENTATION_CLASS_UID, _IMPLEMENTATION_VERSION
    return meta


def _derive(changed: Dataset, target: str, ratio: float | None) -> None:
    """PS3.3 section C.7.6.1.1.5, and PS3.3 section C.12.4.1.1: what lost something is another instance.

    Its UID is always the same for the same source, so that who fetches it twice has it once.
    """
    source = f"{changed.SOPInstanceUID} {target}"
    changed.SOPInstanceUID = UID(f"2.25.{uuid.uuid5(_NAMESPACE, source).int}")
    changed.file_meta.MediaStorageSOPInstanceUID = changed.SOPInstanceUID
    changed.LossyImageCompression = "01"
    changed.LossyImageCompressionMethod = [*_values(changed, "LossyImageCompressionMethod"), "ISO_10918_1"]
    if ratio is not None:
        changed.LossyImageCompressionRatio = [*_values(changed, "LossyImageCompressionRatio"), f"{ratio:.4g}"]
    image_type = _values(changed, "ImageType")
    changed.ImageType = ["DERIVED", *(image_type[1:] or ["PRIMARY"])]


def _values(data_set: Dataset, keyword: str) -> list[str]:
    value = data_set.get(keyword)
    if not value:
        return []
    return [str(one) for one in value] if not isinstance(value, str | float) else [str(value)]


def _pixel_data_head(stored: PixelDescription, vr: str, target: str, length: int) -> bytes:
    """The element's tag, VR and length, and for fragments the offset table, which is empty."""
    if target not in targets.NATIVE_TARGETS:
        return struct.pack("<HH2sHL", *_PIXEL_DATA, b"OB", 0, _UNDEFINED_LENGTH) + _EMPTY_OFFSET_TABLE
    if length > _LONGEST_VALUE:
        raise Unwritable("native pixel data has 4 GiB at most")
    tag = _PIXEL_DATA if not stored.is_float else _DOUBLE if stored.bits_allocated == 64 else _FLOAT  # noqa: PLR2004
    if target == IMPLICIT_VR_LITTLE_ENDIAN:
        return struct.pack("<HHL", *tag, length)
    return struct.pack("<HH2sHL", *tag, _vr(stored, vr).encode(), 0, length)


def _vr(stored: PixelDescription, vr: str) -> str:
    """The stored one, or by PS3.5 section A.2 and A.1 that of what had none."""
    if stored.is_float:
        return "OD" if stored.bits_allocated == 64 else "OF"  # noqa: PLR2004
    is_native = lookup(stored.transfer_syntax_uid).encoding is Encoding.NATIVE
    if is_native and vr in ("OB", "OW"):
        return vr
    return "OW" if is_native or stored.bits_allocated > _BYTE else "OB"
