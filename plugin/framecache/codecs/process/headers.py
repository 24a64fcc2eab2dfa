"""The stored file's header: parsed once for the many frames that share it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace

from pydicom import DataElement, Dataset
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import UID

from framecache.codecs.process.errors import Undecodable
from framecache.codecs.process.pixels import PixelDescription
from framecache.dicom.byte_reader import MemoryReader
from framecache.dicom.data_set import FLOAT_PIXEL_DATA, read_transfer_syntax_uid, start_of_data_set, walker_of
from framecache.dicom.element_walker import KNOWN_VRS, UNDEFINED_LENGTH
from framecache.dicom.transfer_syntax import EXPLICIT_VR_BIG_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from framecache.errors import SourceError

_MOST_KEPT = 4
_SEQUENCE_DELIMITER = 8  # bytes (PS3.5 section 7.5)


class Headers:
    """Data sets by the bytes that they were parsed from; the least recently used ones go."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, tuple[Dataset, PixelDescription]] = OrderedDict()

    def parse(self, header: bytes) -> tuple[Dataset, PixelDescription]:
        """The data set and what it says of the pixels. Raises Undecodable."""
        parsed = self._kept.pop(header, None)
        if parsed is None:
            parsed = _parse(header)
        self._kept[header] = parsed
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
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
