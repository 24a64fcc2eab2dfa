"""Files in another transfer syntax: their own header describes what is in them."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pydicom
import pytest
from framecache.codecs.process.colour import true_colour
from framecache.codecs.process.decoding import decode
from framecache.codecs.process.errors import Unwritable
from framecache.codecs.process.pixels import PixelDescription
from framecache.codecs.process.service import Service
from framecache.codecs.targets import (
    ALL_TARGETS,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    LOSSY_TARGETS,
    NATIVE_TARGETS,
    RLE,
)
from framecache.dicom.byte_reader import MemoryReader
from framecache.dicom.pixel_data import locate_frames
from pydicom import Dataset
from pydicom.sequence import Sequence

from tests.unit.codecs.process.frames import Frame, Pixels, frames

EXPLICIT, IMPLICIT, BIG_ENDIAN = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
FRAMES = list(frames())
GREY = next(frame for frame in FRAMES if frame.name == "RLE 12 bits")
MOST_BY_ROUNDING, MOST_BY_LOSS = 3, 40  # of 255


def header_of(frame: Frame, target: str, made: bytes = b"\0\0", **tags: object) -> bytes:
    head = {"file_header": target, "vr": "", "length": len(made), "ratio": 4.0}
    return Service(1 << 24).answer(head, frame.header(**tags), b"")


def transcoded(frame: Frame, target: str) -> bytes:
    """The whole file of this frame. Raises Unwritable."""
    made = Service(1 << 24).answer({"transcode": target, "frame_number": 1}, frame.header(), frame.stored)
    made += b"\0" * (len(made) % 2)
    header = header_of(frame, target, made)
    if target in NATIVE_TARGETS:
        return header + made
    item = b"\xfe\xff\x00\xe0" + len(made).to_bytes(4, "little")
    return header + item + made + b"\xfe\xff\xdd\xe0\0\0\0\0"


def shown(frame: bytes, data_set: Dataset) -> Pixels:
    """The stored bits of grey, or red, green and blue."""
    description = PixelDescription.from_data_set(data_set)
    decoded = decode(frame, description)
    if description.samples_per_pixel == 1:
        return decoded.pixels
    return true_colour(decoded.pixels, decoded.photometric_interpretation, description.bits_stored)


def shown_by(file: bytes, target: str) -> Pixels:
    """What the file shows to who knows nothing else."""
    data_set = pydicom.dcmread(io.BytesIO(file), stop_before_pixels=True)
    assert data_set.file_meta.TransferSyntaxUID == target
    reader = MemoryReader(file)
    place = locate_frames(reader, target, None).place(0, reader)
    frame = bytearray(place.length)
    place.read_into(reader, memoryview(frame))
    return shown(bytes(frame), data_set)


@pytest.mark.parametrize("frame", [f for f in FRAMES if not f.mislabelled], ids=lambda f: f.name)
def test_a_file_shows_what_the_stored_one_does(frame: Frame) -> None:
    stored = shown(frame.stored, frame.data_set())
    rounds = frame.photometric_interpretation.startswith("YBR_")
    made = 0
    for target in ALL_TARGETS:
        if target == frame.transfer_syntax_uid:
            continue
        try:
            file = transcoded(frame, target)
        except Unwritable:
            continue
        seen = shown_by(file, target)
        unequal = np.abs(seen.astype(np.int64) - stored.astype(np.int64)).max()
        most = MOST_BY_LOSS if target in LOSSY_TARGETS else MOST_BY_ROUNDING if rounds else 0
        assert unequal <= most << 8 * (seen.itemsize - 1) if target in LOSSY_TARGETS else unequal <= most, target
        made += 1
    assert made >= len(NATIVE_TARGETS) - 1


@pytest.mark.filterwarnings("ignore:The .* 'Photometric Interpretation' value")
@pytest.mark.parametrize(
    "frame", [f for f in FRAMES if f.samples_per_pixel == 3 and not f.mislabelled], ids=lambda f: f.name
)
@pytest.mark.parametrize("target", [EXPLICIT, JPEG_BASELINE, JPEG_2000_LOSSLESS, RLE])
def test_pydicom_shows_the_same_colours(frame: Frame, target: str) -> None:
    seen = pydicom.dcmread(io.BytesIO(transcoded(frame, target))).pixel_array
    unequal = np.abs(seen.astype(np.int64) - shown(frame.stored, frame.data_set()).astype(np.int64))
    assert unequal.max() <= MOST_BY_LOSS
    assert unequal.mean() <= 2


def test_what_lost_something_is_another_instance_and_says_so() -> None:
    """PS3.3 sections C.7.6.1.1.5 and C.12.1.1.9."""
    source = next(f for f in FRAMES if f.transfer_syntax_uid == EXPLICIT and f.bits_stored == 8)
    tags: dict[str, Any] = {"ImageType": ["ORIGINAL", "PRIMARY", "OTHER"], "LossyImageCompressionMethod": "ISO_15444_1"}
    header = header_of(source, JPEG_BASELINE, **tags)
    again = header_of(source, JPEG_BASELINE, **tags)
    made = pydicom.dcmread(io.BytesIO(header), stop_before_pixels=True)
    assert made.SOPInstanceUID != source.data_set().SOPInstanceUID
    assert made.file_meta.MediaStorageSOPInstanceUID == made.SOPInstanceUID
    assert made.SOPInstanceUID == pydicom.dcmread(io.BytesIO(again), stop_before_pixels=True).SOPInstanceUID
    assert (made.LossyImageCompression, made.LossyImageCompressionRatio) == ("01", 4)
    assert list(made.LossyImageCompressionMethod) == ["ISO_15444_1", "ISO_10918_1"]
    assert list(made.ImageType) == ["DERIVED", "PRIMARY", "OTHER"]


@pytest.mark.parametrize("target", [EXPLICIT, IMPLICIT, JPEG_2000_LOSSLESS])
def test_all_else_stays_as_it_was(target: str) -> None:
    """Sequences, private elements, texts of another character set, and what is no valid value."""
    item = Dataset()
    item.CodeMeaning = "Größe"
    tags = {
        "SpecificCharacterSet": "ISO_IR 100",
        "PatientName": "Müller^Jürgen",
        "ConceptNameCodeSequence": Sequence([item]),
    }
    data_set = GREY.data_set(**tags)
    block = data_set.private_block(0x0011, "SOMEBODY", create=True)
    block.add_new(1, "LO", "private")
    block.add_new(2, "OB", b"\1\2\3\4")
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, data_set, enforce_file_format=True)
    head = {"file_header": target, "vr": "", "length": 2, "ratio": None}
    made = pydicom.dcmread(io.BytesIO(Service(1 << 24).answer(head, stream.getvalue(), b"")), stop_before_pixels=True)
    made.remove_private_tags() if target == IMPLICIT else None
    data_set.remove_private_tags() if target == IMPLICIT else None
    assert made == data_set
    assert made.file_meta.MediaStorageSOPInstanceUID == data_set.SOPInstanceUID


@pytest.mark.parametrize("target", [EXPLICIT, IMPLICIT, RLE])
def test_words_of_big_endian_are_swapped_wherever_they_are(target: str) -> None:
    """pydicom converts numbers, and leaves the bytes of OW as they are: palettes and overlays would be wrong."""
    item = Dataset()
    item.ShutterPresentationValue = 300
    item.add_new(0x00281201, "OW", b"\0\1\0\2")
    tags: dict[str, Any] = {"SmallestImagePixelValue": 513, "ReferencedImageSequence": Sequence([item])}
    data_set = replace(GREY, transfer_syntax_uid=BIG_ENDIAN).data_set(**tags)
    data_set.add_new(0x60003000, "OW", b"\0\1\0\2")
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, data_set, enforce_file_format=True)
    head = {"file_header": target, "vr": "OW", "length": 2, "ratio": None}
    content = stream.getvalue() + b"\x7f\xe0\x00\x10OW\0\0\0\0\0\x02"
    made = pydicom.dcmread(io.BytesIO(Service(1 << 24).answer(head, content, b"")), stop_before_pixels=True)
    assert made[0x60003000].value == b"\1\0\2\0"
    assert made.SmallestImagePixelValue == 513
    assert made.ReferencedImageSequence[0].RedPaletteColorLookupTableData == b"\1\0\2\0"
    assert made.ReferencedImageSequence[0].ShutterPresentationValue == 300


def test_native_pixel_data_has_four_gibibytes_at_most() -> None:
    head = {"file_header": EXPLICIT, "vr": "OW", "length": 1 << 32, "ratio": None}
    with pytest.raises(Unwritable, match="4 GiB"):
        Service(1 << 24).answer(head, GREY.header(), b"")


@pytest.mark.parametrize("stored", [IMPLICIT, BIG_ENDIAN, EXPLICIT])
@pytest.mark.parametrize("target", [IMPLICIT, EXPLICIT])
def test_elements_behind_the_pixel_data_are_written_anew(stored: str, target: str) -> None:
    behind = Dataset()
    behind.add_new(0x7FE10010, "LO", "SOMEBODY")
    behind.add_new(0x7FE11001, "UN", b"\1\2\3\4")
    frame = replace(GREY, transfer_syntax_uid=stored)
    written = _elements(behind, stored)
    assert Service(1 << 24).answer({"elements": target}, frame.header(), written) == _elements(behind, target)


def _elements(data_set: Dataset, syntax: str) -> bytes:
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, data_set, implicit_vr=syntax == IMPLICIT, little_endian=syntax != BIG_ENDIAN)
    return stream.getvalue()


@pytest.mark.parametrize("frame", FRAMES, ids=lambda f: f.name)
def test_a_file_says_nothing_of_one_that_was_made_before_it(frame: Frame) -> None:
    """A helper has the parsed header still: a lossless file had the UID of the lossy one that was made before."""
    service, parsed = Service(1 << 24), frame.header(PlanarConfiguration=1)

    def made(service: Service, target: str) -> bytes:
        try:
            return service.answer({"file_header": target, "vr": "", "length": 2, "ratio": 4.0}, parsed, b"")
        except Unwritable:
            return b""

    for target in (*LOSSY_TARGETS, *ALL_TARGETS, *LOSSY_TARGETS):
        assert made(service, target) == made(Service(1 << 24), target)
