"""Files in another transfer syntax, from each encoding that a data set has, read again by pydicom."""

from __future__ import annotations

import struct
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from framecache.codecs.direct_codecs import DirectCodecs
from framecache.codecs.process.errors import Unwritable
from framecache.codecs.transcoded_file import TranscodedFile
from framecache.errors import BrokenPixelData, NoPixelData
from framecache.instances.entry import Entry
from framecache.orthanc.instance import Instance
from framecache.serving.file_transcoder import FileTranscoder
from pydicom import Dataset

from tests.unit.dicom_files import (
    BIG_ENDIAN,
    DEFLATED,
    END_OF_SEQUENCE,
    EXPLICIT,
    IMPLICIT,
    JPEG_2000,
    encapsulated,
    encoded,
    image,
    native,
)
from tests.unit.fakes import FakeApi, find_answer, sources

RLE = "1.2.840.10008.1.2.5"
WORDS = np.arange(72, dtype="<u2") * 900
WORD_TAGS: dict[str, Any] = {"BitsAllocated": 16, "BitsStored": 16, "HighBit": 15}
BEHIND = Dataset()
BEHIND.add_new(0x7FE10010, "LO", "SOMEBODY")
BEHIND.add_new(0x7FE11001, "OB", b"\1\2\3\4")
SOURCES = [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED]


class Opened:
    """One stored file, opened in another transfer syntax."""

    def __init__(self, folder: Path, content: bytes, syntax: str) -> None:
        self._api, self._content = FakeApi(folder), content
        self._api.store(content, syntax=syntax)
        answer = find_answer(syntax=syntax, stored_size=len(content), file_size=len(content), offset=None)
        self._entry = Entry(Instance.from_find(answer), str(self._api.path_of(answer)), 0)

    def file(self, target: str) -> tuple[TranscodedFile, bytes]:
        with ExitStack() as stack:
            file = FileTranscoder(sources(self._api), DirectCodecs()).open(self._entry, target, stack)
            return file, b"".join(map(bytes, file.chunks(memoryview(bytearray(64)))))

    def read(self, target: str) -> Dataset:
        file, content = self.file(target)
        assert file.length in (None, len(content))
        assert file.head.count(struct.pack("<HH", 0x7FE0, 0x0010)) <= 1
        return pydicom.dcmread(BytesIO(content))


def words(syntax: str) -> bytes:
    pixels = WORDS.byteswap() if syntax == BIG_ENDIAN else WORDS
    return native(pixels.tobytes(), syntax, **WORD_TAGS)


@pytest.mark.parametrize("target", [EXPLICIT, IMPLICIT, RLE])
@pytest.mark.parametrize("stored", SOURCES)
def test_pixels_are_the_same_in_every_encoding(tmp_path: Path, stored: str, target: str) -> None:
    made = Opened(tmp_path, words(stored), stored).read(target)
    assert made.file_meta.TransferSyntaxUID == target
    assert np.array_equal(made.pixel_array.ravel(), WORDS)
    assert (made.PatientName, made.SOPInstanceUID) == ("Synthetic", image().SOPInstanceUID)


@pytest.mark.parametrize("target", [EXPLICIT, IMPLICIT])
def test_single_bits_stay_packed(tmp_path: Path, target: str) -> None:
    """Frames of 24 bits less one pixel do not begin on a byte."""
    tags: dict[str, Any] = {"Columns": 5, "BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}
    made = Opened(tmp_path, native(bytes(range(1, 9)), **tags), EXPLICIT).read(target)
    assert made.PixelData == bytes(range(1, 9))


def test_an_odd_number_of_decoded_bytes_is_padded(tmp_path: Path) -> None:
    tags: dict[str, Any] = {"Rows": 3, "Columns": 3, "NumberOfFrames": 3}
    frames = [
        DirectCodecs().transcode(native(bytes(range(27)), **tags), bytes(range(k, k + 9)), 1, RLE) for k in range(3)
    ]
    made = Opened(tmp_path, encapsulated([b"", *frames], RLE, **tags), RLE).read(EXPLICIT)
    assert made.PixelData == b"".join(bytes(range(k, k + 9)) for k in range(3)) + b"\0"


def test_single_precision_stays_what_it_is(tmp_path: Path) -> None:
    data_set = image(BitsAllocated=32, NumberOfFrames=1)
    data_set.FloatPixelData = struct.pack("<24f", *range(24))
    for stored, target in ((EXPLICIT, IMPLICIT), (IMPLICIT, EXPLICIT)):
        made = Opened(tmp_path, encoded(data_set, stored), stored).read(target)
        assert made.FloatPixelData == data_set.FloatPixelData


@pytest.mark.parametrize("target", [EXPLICIT, IMPLICIT, RLE])
@pytest.mark.parametrize("stored", SOURCES)
def test_what_stands_behind_the_pixel_data_stays(tmp_path: Path, stored: str, target: str) -> None:
    data_set = pydicom.dcmread(BytesIO(words(stored)))
    data_set.update(BEHIND)
    made = Opened(tmp_path, encoded(data_set, stored), stored).read(target)
    assert made[0x7FE10010].value in ("SOMEBODY", b"SOMEBODY")
    assert made[0x7FE11001].value == b"\1\2\3\4"


def test_what_stands_behind_fragments_stays(tmp_path: Path) -> None:
    frame = DirectCodecs().transcode(native(bytes(24), NumberOfFrames=1), bytes(24), 1, RLE)
    behind = BytesIO()
    pydicom.dcmwrite(behind, BEHIND, implicit_vr=False, little_endian=True)
    content = encapsulated([b"", frame], RLE, NumberOfFrames=1) + behind.getvalue()
    for target in (EXPLICIT, IMPLICIT, "1.2.840.10008.1.2.4.80"):
        _, made = Opened(tmp_path, content, RLE).file(target)
        assert b"\1\2\3\4" in made[-20:]
    assert pydicom.dcmread(BytesIO(made))[0x7FE11001].value == b"\1\2\3\4"


def test_each_compressed_frame_is_a_fragment_behind_an_empty_offset_table(tmp_path: Path) -> None:
    _, made = Opened(tmp_path, native(bytes(72)), EXPLICIT).file(RLE)
    frames = list(pydicom.encaps.generate_frames(pydicom.dcmread(BytesIO(made)).PixelData, number_of_frames=3))
    assert len(frames) == 3
    assert made.endswith(END_OF_SEQUENCE)


def test_tables_of_the_stored_frames_are_left_out(tmp_path: Path) -> None:
    frame = DirectCodecs().transcode(native(bytes(24)), bytes(24), 1, RLE)
    tags = {"ExtendedOffsetTable": struct.pack("<3Q", *(k * (8 + len(frame)) for k in range(3)))}
    tags["ExtendedOffsetTableLengths"] = struct.pack("<3Q", *[len(frame)] * 3)
    made = Opened(tmp_path, encapsulated([b"", *[frame] * 3], RLE, **tags), RLE).read(EXPLICIT)
    assert "ExtendedOffsetTable" not in made
    assert made.PixelData == bytes(72)


@pytest.mark.parametrize(
    ("content", "stored", "error"),
    [
        (native(bytes(71)[:48]), EXPLICIT, BrokenPixelData),
        (words(EXPLICIT)[:-1], EXPLICIT, BrokenPixelData),
        (encapsulated([b"", b"ab"], JPEG_2000), JPEG_2000, BrokenPixelData),
        (encoded(image()), EXPLICIT, NoPixelData),
    ],
)
def test_what_is_not_all_there_is_refused_before_it_begins(
    tmp_path: Path, content: bytes, stored: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        Opened(tmp_path, content, stored).file(IMPLICIT)


def test_frames_that_the_target_has_no_room_for_are_refused_before_it_begins(tmp_path: Path) -> None:
    tags: dict[str, Any] = {"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}
    with pytest.raises(Unwritable):
        Opened(tmp_path, native(bytes(288), **tags), EXPLICIT).file(JPEG_2000)
