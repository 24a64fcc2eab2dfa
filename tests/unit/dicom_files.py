"""DICOM files in memory, written by pydicom, for the readers under test."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from io import BytesIO
from typing import Any

from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, SecondaryCaptureImageStorage

EXPLICIT, IMPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
DEFLATED, JPEG_2000, JPEG_LS = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.80"
STUDY, SERIES, INSTANCE = "1.2.3", "1.2.3.4", "1.2.3.4.5"
END_OF_SEQUENCE = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def image(**tags: Any) -> Dataset:
    """A small greyscale image's data set, without its pixel data; `tags` are set last."""
    dataset = Dataset()
    defaults = {
        "SOPClassUID": SecondaryCaptureImageStorage,
        "SOPInstanceUID": INSTANCE,
        "StudyInstanceUID": STUDY,
        "SeriesInstanceUID": SERIES,
        "PatientName": "Synthetic",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": 4,
        "Columns": 6,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        "NumberOfFrames": 3,
    }
    for name, value in {**defaults, **tags}.items():
        setattr(dataset, name, value)
    return dataset


def encoded(dataset: Dataset, transfer_syntax_uid: str = EXPLICIT) -> bytes:
    """`dataset` as a DICOM file."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    stream = BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    return stream.getvalue()


def native(pixels: bytes, transfer_syntax_uid: str = EXPLICIT, **tags: Any) -> bytes:
    """A file with native pixel data, padded to even length."""
    dataset = image(**tags)
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset["PixelData"].VR = "OW" if dataset.BitsAllocated > 8 else "OB"
    return encoded(dataset, transfer_syntax_uid)


def encapsulated(items: Sequence[bytes], transfer_syntax_uid: str = JPEG_2000, **tags: Any) -> bytes:
    """A file whose pixel data has exactly these items, the first of which is the offset table, and a delimiter."""
    return header_before_items(transfer_syntax_uid, **tags) + as_items(items) + END_OF_SEQUENCE


def header_before_items(transfer_syntax_uid: str = JPEG_2000, **tags: Any) -> bytes:
    """A file up to where the first item of encapsulated pixel data begins."""
    dataset = image(**tags)
    return encoded(dataset, transfer_syntax_uid) + struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)


def as_items(items: Sequence[bytes]) -> bytes:
    """Items as PS3.5 section A.4 has them; odd ones are written as they are."""
    return b"".join(struct.pack("<HHL", 0xFFFE, 0xE000, len(item)) + item for item in items)


def offset_table(fragments_of_frames: Sequence[Sequence[bytes]]) -> list[int]:
    """Where each frame's first item begins, counted from the first item behind the table."""
    offsets, position = [], 0
    for fragments in fragments_of_frames:
        offsets.append(position)
        position += sum(8 + len(fragment) for fragment in fragments)
    return offsets
