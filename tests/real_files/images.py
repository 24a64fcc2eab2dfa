"""The images among the real files: each once, and as an instance of its own."""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass, field
from functools import cached_property

import pydicom
from pydicom import Dataset

from dev.real_files import FILES

# Slices of one series and pictures of one camera, alike but for their pixels: one of each is enough.
ALIKE = ("brain_00[4-9].dcm", "brain_0[12]?.dcm", "image[2-7].dcm")
# Four files have no study and no series, so that Orthanc would not take them.
STUDY, SERIES = "2.25.1201", "2.25.1202"
IDENTIFIERS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
LARGE = 1_500_000  # bytes of pixels


@dataclass(frozen=True)
class Image:
    """A file, as it is uploaded: where others have its SOP Instance UID, another one of the same length is in it."""

    name: str
    content: bytes = field(repr=False)

    @cached_property
    def header(self) -> Dataset:
        """All before the pixel data."""
        with warnings.catch_warnings(action="ignore"):
            header = pydicom.dcmread(io.BytesIO(self.content), stop_before_pixels=True)
            header.get("StudyInstanceUID")
        return header

    @property
    def path(self) -> str:
        """Below the DICOMweb root."""
        study, series, instance = (self.header[keyword].value for keyword in IDENTIFIERS)
        return f"studies/{study}/series/{series}/instances/{instance}"

    @property
    def transfer_syntax_uid(self) -> str:
        return str(self.header.file_meta.TransferSyntaxUID)

    @property
    def number_of_frames(self) -> int:
        text = str(self.header.get("NumberOfFrames") or 1)
        return int(text) if text.isdecimal() else 1

    @property
    def photometric_interpretation(self) -> str:
        return str(self.header.PhotometricInterpretation)

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, columns and, of colour, samples."""
        samples = int(self.header.SamplesPerPixel)
        return (int(self.header.Rows), int(self.header.Columns), *([samples] if samples > 1 else []))

    @property
    def bits_allocated(self) -> int:
        return int(self.header.BitsAllocated)

    @property
    def bits_stored(self) -> int:
        return int(self.header.BitsStored)

    @property
    def is_large(self) -> bool:
        rows, columns, *samples = self.shape
        return rows * columns * sum(samples or [1]) * self.bits_allocated // 8 * self.number_of_frames > LARGE


def images() -> list[Image]:
    """All of them, in the order of their names."""
    found: dict[bytes, Image] = {}
    taken: set[str] = set()
    for path in sorted(FILES.rglob("*")):
        if not path.is_file() or any(path.match(pattern) for pattern in ALIKE):
            continue
        content = path.read_bytes()
        digest = hashlib.sha256(content).digest()
        image = Image(path.relative_to(FILES).as_posix(), content)
        if digest not in found and "Rows" in image.header:
            found[digest] = _alone(image, taken)
    return list(found.values())


def _alone(image: Image, taken: set[str]) -> Image:
    """The image under an identifier that is not among those `taken`, to which it is added."""
    if not image.header.get("StudyInstanceUID"):
        image = Image(image.name, _with_a_series(image))
    uid = own = str(image.header.SOPInstanceUID)
    others = iter(range(9000, 10_000))
    while own in taken:
        own = f"{uid[:-4]}{next(others)}"
    taken.add(own)
    return image if own == uid else Image(image.name, image.content.replace(uid.encode(), own.encode()))


def _with_a_series(image: Image) -> bytes:
    data_set, stream = pydicom.dcmread(io.BytesIO(image.content)), io.BytesIO()
    data_set.StudyInstanceUID, data_set.SeriesInstanceUID = STUDY, SERIES
    data_set.save_as(stream)
    return stream.getvalue()
