"""DICOM JSON as the bytes of a file (PS3.10): what comes before the pixel data, and the pixel data element."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from framecache.dicom.transfer_syntax import Encoding, lookup
from framecache.errors import SourceError

if TYPE_CHECKING:
    from pydicom import Dataset

_PIXEL_TAGS = ("7FE00008", "7FE00009", "7FE00010")
# Offset tables are not rebuilt: each frame is one fragment, so that they are found without (PS3.5 section A.4).
_LEFT_OUT = frozenset({*_PIXEL_TAGS, "7FE00001", "7FE00002", "7FE00003"})
_UNDEFINED = 0xFFFFFFFF
_ITEM, _DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0\0\0\0\0"
_VRS = {"7FE00008": "OF", "7FE00009": "OD"}
ReadBulkData = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Part:
    """A run of a file: bytes that are known, or a frame by its index."""

    length: int
    content: bytes = b""
    frame_index: int | None = None


@dataclass(frozen=True, slots=True)
class Encoded:
    """A file up to its pixel data element, and what that is. An archive keeps nothing of what follows.

    `bits_per_frame` is there if frames begin within a byte.
    """

    header: bytes
    tag: str
    vr: str
    bits_per_frame: int = 0


def encode(metadata: Mapping[str, Any], transfer_syntax_uid: str, read_bulk_data: ReadBulkData) -> Encoded:
    """Raises SourceError where the metadata cannot be written."""
    tag = next((tag for tag in _PIXEL_TAGS if tag in metadata), "")
    before = {name: one for name, one in metadata.items() if name not in _LEFT_OUT}
    try:
        header = _file(_data_set(before, read_bulk_data), transfer_syntax_uid)
    except SourceError:
        raise
    except Exception as error:  # pydicom raises what it meets; its message may hold values
        raise SourceError(f"the metadata cannot be written as a file ({type(error).__name__})") from error
    is_native = lookup(transfer_syntax_uid).encoding is Encoding.NATIVE
    word = metadata.get(tag, {}).get("vr", "OW") if is_native else "OB"
    return Encoded(header, tag, _VRS.get(tag, word), _unaligned_bits(metadata) if is_native else 0)


def pixel_data(encoded: Encoded, transfer_syntax_uid: str, lengths: Sequence[int]) -> list[Part]:
    """The pixel data element, with frames one after the other, or each as a fragment of its own. Raises SourceError."""
    if lookup(transfer_syntax_uid).encoding is Encoding.NATIVE:
        total = sum(lengths)
        if total >= _UNDEFINED:
            raise SourceError("4 GiB of native pixel data have no room in one file")
        parts = [_known(_element(encoded, total + total % 2)), *_frames(lengths), _known(b"\0" * (total % 2))]
        return [part for part in parts if part.length]
    parts = [_known(_element(encoded, _UNDEFINED) + _ITEM + bytes(4))]
    for index, length in enumerate(lengths):
        parts += [_known(_ITEM + struct.pack("<I", length + length % 2)), Part(length, b"", index)]
        parts += [_known(b"\0")] if length % 2 else []
    return [*parts, _known(_DELIMITER)]


def whole_pixel_data(encoded: Encoded, content: bytes) -> list[Part]:
    """The pixel data element with this value."""
    padded = content + b"\0" * (len(content) % 2)
    return [_known(_element(encoded, len(padded))), _known(padded)]


def joined_bits(frames: Sequence[memoryview], bits: int) -> bytes:
    """Frames of single bits without a gap between them (PS3.5 section 8.1.1); an archive begins each with a byte."""
    import numpy as np  # noqa: PLC0415 - seldom needed

    unpacked = [np.unpackbits(np.frombuffer(frame, np.uint8), bitorder="little")[:bits] for frame in frames]
    return np.packbits(np.concatenate(unpacked), bitorder="little").tobytes()


def _unaligned_bits(metadata: Mapping[str, Any]) -> int:
    """Bits of a frame of single bits that does not end with a byte; 0 of others."""
    rows, columns, samples, bits = (
        int((metadata.get(tag, {}).get("Value") or [1])[0]) for tag in ("00280010", "00280011", "00280002", "00280100")
    )
    total = rows * columns * samples
    return total if bits == 1 and total % 8 else 0


def _frames(lengths: Sequence[int]) -> list[Part]:
    return [Part(length, b"", index) for index, length in enumerate(lengths)]


def _known(content: bytes) -> Part:
    return Part(len(content), content)


def _element(encoded: Encoded, length: int) -> bytes:
    group, element = int(encoded.tag[:4], 16), int(encoded.tag[4:], 16)
    return struct.pack("<HH2sHI", group, element, encoded.vr.encode(), 0, length)


def _data_set(metadata: Mapping[str, Any], read_bulk_data: ReadBulkData) -> Dataset:
    from pydicom import Dataset  # noqa: PLC0415 - numpy comes with it

    def value(_tag: str, _vr: str, uri: str) -> bytes:
        return read_bulk_data(uri)

    found = Dataset.from_json(dict(metadata), value)
    # JSON is in UTF-8 (PS3.18 section F.2), and so is what it becomes.
    if "SpecificCharacterSet" in found or not str(metadata).isascii():
        found.SpecificCharacterSet = "ISO_IR 192"
    return found


def _file(data_set: Dataset, transfer_syntax_uid: str) -> bytes:
    from pydicom import dcmwrite  # noqa: PLC0415
    from pydicom.dataset import FileMetaDataset  # noqa: PLC0415
    from pydicom.uid import UID  # noqa: PLC0415

    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    data_set.file_meta.MediaStorageSOPClassUID = data_set.get("SOPClassUID", "")
    data_set.file_meta.MediaStorageSOPInstanceUID = data_set.get("SOPInstanceUID", "")
    stream = io.BytesIO()
    dcmwrite(stream, data_set, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return stream.getvalue()
