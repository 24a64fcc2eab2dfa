"""One small file of each kind that decoders meet: every transfer syntax, and what ended Orthanc in one of them."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from tests.unit.codecs.process.frames import Frame, frames
from tests.unit.dicom_files import BIG_ENDIAN, DEFLATED, EXPLICIT, IMPLICIT, encapsulated, encoded, image, native

RT_DOSE, SEGMENTATION = "1.2.840.10008.5.1.4.1.1.481.2", "1.2.840.10008.5.1.4.1.1.66.4"
REPORT, VIDEO, RETIRED_JPEG = "1.2.840.10008.5.1.4.1.1.88.11", "1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.53"
_OF_CODECS = (
    "implicit 12 bits",
    "explicit 8 bits",
    "explicit signed 16 bits",
    "explicit RGB by plane",
    "explicit palette",
    "big endian 12 bits",
    "explicit 32 bits",
    "RLE 12 bits",
    "RLE RGB planar 1",
    "JPEG inverse",
    "JPEG YBR_FULL_422 420",
    "JPEG extended 12 bits",
    "JPEG lossless 16 bits",
    "JPEG lossless predictor 6 12 bits",
    "JPEG-LS 12 bits",
    "JPEG-LS near",
    "JPEG-LS RGB planar 0",
    "JPEG 2000 16 bits",
    "JPEG 2000 YBR_RCT",
    "JPEG 2000 YBR_ICT",
    "HTJ2K 12 bits",
    "JPEG XL RGB",
)
_GREY_16 = np.arange(64, dtype="<u2") * 60
_IMAGE = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "SamplesPerPixel", "PhotometricInterpretation")


@dataclass(frozen=True)
class Kind:
    """A file, and where DICOMweb has it."""

    name: str
    content: bytes

    @property
    def paths(self) -> tuple[str, str, str]:
        """The paths of the study, the series and the instance."""
        data_set = pydicom.dcmread(BytesIO(self.content), stop_before_pixels=True)
        study = f"/dicom-web/studies/{data_set.StudyInstanceUID}"
        series = f"{study}/series/{data_set.SeriesInstanceUID}"
        return study, series, f"{series}/instances/{data_set.SOPInstanceUID}"


def kinds() -> list[Kind]:
    """All of them, each a study of its own."""
    known = {frame.name: frame for frame in frames()}
    plain = {name: known[name].file() for name in _OF_CODECS}
    odd = {name: _apart(content, number) for number, (name, content) in enumerate(_odd(known).items(), 1)}
    return [Kind(name, content) for name, content in {**plain, **odd}.items()]


def _odd(known: Mapping[str, Frame]) -> dict[str, bytes]:
    grey, ybr, j2k = known["JPEG 8 bits"], known["JPEG YBR_FULL_422 422"], known["JPEG 2000 12 bits"]
    return {
        "JPEG with a rescale": _with(grey, RescaleSlope="2", RescaleIntercept="-1024"),
        "JPEG 2000 with a rescale": _with(j2k, RescaleSlope="2", RescaleIntercept="-1024"),
        "JPEG 2000 of three frames": _of_frames(j2k, 3),
        "JPEG of three frames": _of_frames(ybr, 3),
        "retired JPEG": _with(replace(grey, transfer_syntax_uid=RETIRED_JPEG)),
        "3 by 3": native(bytes(range(9)), Rows=3, Columns=3, NumberOfFrames=1),
        "3 by 3 of Big Endian RGB": native(
            bytes(range(27)), BIG_ENDIAN, Rows=3, Columns=3, NumberOfFrames=1, SamplesPerPixel=3,
            PhotometricInterpretation="RGB", PlanarConfiguration=0,
        ),
        "inverse single frame": native(bytes(range(24)), NumberOfFrames=1, PhotometricInterpretation="MONOCHROME1"),
        "overlays in the high bits": _of_16_bits((_GREY_16 | 0xF000).tobytes(), 12),
        "dose": _dose(),
        "deflated": native(bytes(72), DEFLATED),
        "implicit single frame": native(bytes(24), IMPLICIT, NumberOfFrames=1),
        "chrominance of pairs": native(
            bytes(range(48)), NumberOfFrames=1, SamplesPerPixel=3, PhotometricInterpretation="YBR_FULL_422",
            PlanarConfiguration=0,
        ),
        "segmentation": _segmentation(),
        "floating point": _floating_point(),
        "video": encapsulated([b"", b"\0\0\0\x18ftypmp42" + bytes(500)], VIDEO, NumberOfFrames=10),
        "report": _report(),
    }  # fmt: skip


def _with(frame: Frame, **tags: object) -> bytes:
    data_set = pydicom.dcmread(BytesIO(frame.file()))
    for keyword, value in tags.items():
        setattr(data_set, keyword, value)
    return _written(data_set)


def _of_frames(frame: Frame, count: int) -> bytes:
    data_set = pydicom.dcmread(BytesIO(frame.file()))
    data_set.NumberOfFrames = count
    data_set.PixelData = pydicom.encaps.encapsulate([frame.stored] * count)
    return _written(data_set)


def _of_16_bits(pixels: bytes, bits: int) -> bytes:
    return native(
        pixels, Rows=8, Columns=8, NumberOfFrames=1, BitsAllocated=16, BitsStored=bits, HighBit=bits - 1
    )  # fmt: skip


def _dose() -> bytes:
    tags = {"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31, "DoseGridScaling": "0.001", "DoseUnits": "GY"}
    data_set = image(SOPClassUID=RT_DOSE, Modality="RTDOSE", **tags)
    data_set.PixelData = struct.pack("<72L", *range(72))
    data_set["PixelData"].VR = "OW"
    return encoded(data_set)


def _segmentation() -> bytes:
    """Single bits, a shared functional group, and no orientation in it."""
    measures = Dataset()
    measures.PixelSpacing, measures.SliceThickness = [1, 1], 1
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([measures])
    tags = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "SegmentationType": "BINARY", "Modality": "SEG"}
    data_set = image(SOPClassUID=SEGMENTATION, SharedFunctionalGroupsSequence=Sequence([shared]), **tags)
    data_set.PixelData = bytes(range(10))
    data_set["PixelData"].VR = "OB"
    return encoded(data_set)


def _floating_point() -> bytes:
    data_set = image(BitsAllocated=32, NumberOfFrames=1)
    data_set.FloatPixelData = struct.pack("<24f", *range(24))
    return encoded(data_set)


def _report() -> bytes:
    data_set = image(SOPClassUID=REPORT, Modality="SR")
    for keyword in (*_IMAGE, "PixelRepresentation", "NumberOfFrames"):
        delattr(data_set, keyword)
    return encoded(data_set)


def _apart(content: bytes, number: int) -> bytes:
    """The same in a study of its own."""
    data_set = pydicom.dcmread(BytesIO(content))
    data_set.StudyInstanceUID, data_set.SeriesInstanceUID = f"1.2.826.0.{number}", f"1.2.826.0.{number}.1"
    data_set.SOPInstanceUID = f"1.2.826.0.{number}.1.1"
    return _written(data_set)


def _written(data_set: Dataset) -> bytes:
    data_set.file_meta.MediaStorageSOPInstanceUID = UID(data_set.SOPInstanceUID)
    stream = BytesIO()
    pydicom.dcmwrite(stream, data_set, enforce_file_format=True)
    return stream.getvalue()


__all__ = ["EXPLICIT", "IMPLICIT", "Kind", "kinds"]
