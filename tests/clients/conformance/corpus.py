"""What every client is asked about: three studies of two patients, in several encodings, and the pixels in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

EXPLICIT, IMPLICIT, JPEG_2000 = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.4.90"
CT, MR, US, PDF = (f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("2", "4", "3.1", "104.1"))
ROOT = "1.2.826.0.1.3680043.10.543.7"
ROWS, COLUMNS = 8, 12
Words = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Stored:
    """One instance: its attributes but for the pixels, its transfer syntax, and how many frames it has."""

    study: int
    series: int
    number: int
    sop_class: str
    syntax: str
    frames: int
    attributes: tuple[tuple[str, Any], ...]

    @property
    def uids(self) -> tuple[str, str, str]:
        """Those of study, series and instance."""
        return f"{ROOT}.{self.study}", f"{ROOT}.{self.study}.{self.series}", f"{self.series_uid}.{self.number}"

    @property
    def series_uid(self) -> str:
        return f"{ROOT}.{self.study}.{self.series}"

    def pixels(self, frame_number: int) -> Words:
        """The frame, of shape (ROWS, COLUMNS): a ramp from left to right, of which no other frame has an equal."""
        start = 1000 * self.study + 100 * self.series + 10 * self.number + frame_number
        return np.tile(np.arange(COLUMNS, dtype="<u2") * 16 + start, (ROWS, 1))

    @cached_property
    def data_set(self) -> Dataset:
        """As pydicom reads it."""
        data_set = Dataset()
        data_set.StudyInstanceUID, data_set.SeriesInstanceUID, data_set.SOPInstanceUID = self.uids
        data_set.SOPClassUID, data_set.InstanceNumber = self.sop_class, self.number
        for keyword, value in self.attributes:
            setattr(data_set, keyword, value)
        if self.frames:
            self._add_pixels(data_set)
        data_set.preamble = bytes(128)  # without it dicomweb-client sends what is no file of PS3.10
        data_set.file_meta = FileMetaDataset()
        data_set.file_meta.TransferSyntaxUID = UID(self.syntax)
        return data_set

    @cached_property
    def content(self) -> bytes:
        """The file."""
        stream = BytesIO()
        dcmwrite(stream, self.data_set, enforce_file_format=True)
        return stream.getvalue()

    def payload(self, frame_number: int) -> bytes:
        """The frame as it is stored."""
        pixels = self.pixels(frame_number)
        if self.syntax == JPEG_2000:
            return bytes(imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k", reversible=True))
        return pixels.tobytes()

    def _add_pixels(self, data_set: Dataset) -> None:
        data_set.Rows, data_set.Columns, data_set.SamplesPerPixel = ROWS, COLUMNS, 1
        data_set.BitsAllocated, data_set.BitsStored, data_set.HighBit = 16, 12, 11
        data_set.PixelRepresentation, data_set.PhotometricInterpretation = 0, "MONOCHROME2"
        data_set.RescaleSlope, data_set.RescaleIntercept = "1", "0"
        if self.frames > 1:
            data_set.NumberOfFrames = self.frames
        frames = [self.payload(number) for number in range(1, self.frames + 1)]
        data_set.PixelData = encapsulate(frames) if self.syntax == JPEG_2000 else b"".join(frames)
        data_set["PixelData"].VR = "OB" if self.syntax == JPEG_2000 else "OW"


EVA = (
    ("SpecificCharacterSet", "ISO_IR 192"),
    ("PatientName", "Müller^Eva"),
    ("PatientID", "P1"),
    ("PatientBirthDate", "19600704"),
    ("PatientSex", "F"),
)
JOHN = (("PatientName", "Smith^John"), ("PatientID", "P2"), ("PatientBirthDate", ""), ("PatientSex", "M"))
CHEST = (
    *EVA,
    ("StudyDate", "20200102"),
    ("StudyTime", "093000"),
    ("StudyID", "S1"),
    ("AccessionNumber", "A1"),
    ("ReferringPhysicianName", "House^Gregory"),
    ("StudyDescription", "CT Chest"),
)
HEAD = (
    *JOHN,
    ("StudyDate", "20210315"),
    ("StudyTime", "141500"),
    ("StudyID", "S2"),
    ("AccessionNumber", "A2"),
    ("ReferringPhysicianName", ""),
    ("StudyDescription", "MR Head"),
)
ABDOMEN = (
    *EVA,
    ("StudyDate", "20211201"),
    ("StudyTime", "080000"),
    ("StudyID", "S3"),
    ("AccessionNumber", ""),
    ("ReferringPhysicianName", "Wilson^James"),
)


def _request() -> list[Dataset]:
    item = Dataset()
    item.ScheduledProcedureStepID, item.RequestedProcedureID = "SPS7", "RP7"
    return [item]


LUNG = (*CHEST, ("Modality", "CT"), ("SeriesNumber", 1), ("SeriesDescription", "Lung"))
SLICES = tuple(
    Stored(
        1, 1, number, CT, EXPLICIT, 1, (*CHEST, ("Modality", "CT"), ("SeriesNumber", 1), ("SeriesDescription", "Lung"))
    )
    for number in (1, 2, 3)
)
LETTER = Stored(
    1,
    2,
    1,
    PDF,
    EXPLICIT,
    0,
    (
        *CHEST,
        ("Modality", "DOC"),
        ("SeriesNumber", 2),
        ("MIMETypeOfEncapsulatedDocument", "application/pdf"),
        ("EncapsulatedDocument", b"%PDF-1.4 " + bytes(range(256)) * 10),
    ),
)
VOLUME = Stored(
    2,
    1,
    1,
    MR,
    IMPLICIT,
    4,
    (
        *HEAD,
        ("Modality", "MR"),
        ("SeriesNumber", 7),
        ("PerformedProcedureStepStartDate", "20210315"),
        ("PerformedProcedureStepStartTime", "141000"),
        ("RequestAttributesSequence", _request()),
    ),
)
LOOP = Stored(3, 1, 1, US, JPEG_2000, 3, (*ABDOMEN, ("Modality", "US"), ("SeriesNumber", 1)))
CORPUS = (*SLICES, LETTER, VOLUME, LOOP)


def files() -> Iterator[tuple[str, bytes]]:
    """Names that say nothing, and the files."""
    for number, stored in enumerate(CORPUS):
        yield f"{number % 2}/{number:08X}", stored.content
