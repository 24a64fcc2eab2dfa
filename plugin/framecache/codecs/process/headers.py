"""The stored file's header: parsed once for the many frames that share it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pydicom import DataElement, Dataset
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import UID

from framecache.bounded_dict import BoundedDict
from framecache.codecs import targets
from framecache.codecs.process.errors import Undecodable
from framecache.codecs.process.pixels import PixelDescription
from framecache.codecs.same_stream import is_same_stream
from framecache.dicom.byte_reader import MemoryReader
from framecache.dicom.data_set import FLOAT_PIXEL_DATA, read_transfer_syntax_uid, start_of_data_set, walker_of
from framecache.dicom.element_walker import KNOWN_VRS, UNDEFINED_LENGTH
from framecache.dicom.transfer_syntax import EXPLICIT_VR_BIG_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, Encoding, lookup
from framecache.errors import SourceError

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


_MOST_KEPT = 4
_SEQUENCE_DELIMITER = 8  # bytes (PS3.5 section 7.5)


class Headers:
    """Data sets by the bytes that they were parsed from; the least recently used ones go."""

    def __init__(self) -> None:
        self._kept = BoundedDict[bytes, tuple[Dataset, PixelDescription]](_MOST_KEPT)

    def parse(self, header: bytes) -> tuple[Dataset, PixelDescription]:
        """The data set and what it says of the pixels. Raises Undecodable."""
        parsed = self._kept.pop(header, None)
        if parsed is None:
            parsed = _parse(header)
        self._kept[header] = parsed
        return parsed


def _parse(header: bytes) -> tuple[Dataset, PixelDescription]:
    """By the walk that found the frames, so that what it was lenient with is no obstacle here.

    `header` may go on with the head of Float or Double Float Pixel Data, whose tag tells what they are.
    """
    try:
        transfer_syntax_uid = read_transfer_syntax_uid(MemoryReader(header))
        elements: dict[BaseTag, DataElement | RawDataElement] = dict(_elements(header, transfer_syntax_uid))
    except SourceError as error:
        raise Undecodable(f"the header cannot be parsed: {error}") from error
    data_set = Dataset(elements)
    data_set.set_original_encoding(
        is_implicit_vr=transfer_syntax_uid == IMPLICIT_VR_LITTLE_ENDIAN,
        is_little_endian=transfer_syntax_uid != EXPLICIT_VR_BIG_ENDIAN,
    )
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    description = PixelDescription.from_data_set(data_set)
    return data_set, replace(description, is_float=not FLOAT_PIXEL_DATA.isdisjoint(elements))


def _elements(header: bytes, transfer_syntax_uid: str) -> Iterator[tuple[BaseTag, RawDataElement]]:
    """pydicom converts a value when it is asked for, and knows the VR of each tag where the file has none."""
    start = start_of_data_set(header)
    walker = walker_of(header, start, transfer_syntax_uid)
    is_little_endian = transfer_syntax_uid != EXPLICIT_VR_BIG_ENDIAN
    for element in walker.top_level(start):
        tag, vr = BaseTag(element.tag), element.vr.decode() if element.vr in KNOWN_VRS else None
        # A file that is written of these elements gives them a length: then no delimiter is behind the items.
        delimiter = _SEQUENCE_DELIMITER if element.length == UNDEFINED_LENGTH else 0
        value = header[element.offset : walker.end(element) - delimiter]
        yield tag, RawDataElement(tag, vr, len(value), value, element.offset, not element.vr, is_little_endian)
