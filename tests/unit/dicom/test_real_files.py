"""The files that pydicom tests itself with: each frame is pydicom's, byte for byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from framecache.dicom.byte_reader import MemoryReader
from framecache.dicom.data_set import read_transfer_syntax_uid
from framecache.dicom.deflated import readable
from framecache.dicom.pixel_data import locate_frames
from framecache.errors import BrokenPixelData, NoPixelData, UnreadableHeader
from framecache.shared_buffers import SharedBuffers
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames
from pydicom.pixels.utils import get_expected_length

FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
# No images, and what pydicom itself refuses.
NO_FRAMES = {
    "MR_truncated.dcm": BrokenPixelData,
    "meta_missing_tsyntax.dcm": UnreadableHeader,
    "badVR.dcm": BrokenPixelData,  # NumberOfFrames is "1A"
    "nested_priv_SQ.dcm": UnreadableHeader,  # has pixel data, and nothing that says of what size
}
_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
pytestmark = pytest.mark.filterwarnings("ignore")


def images() -> list[Path]:
    return [path for path in sorted(FOLDER.rglob("*")) if path.is_file() and _has_pixel_data(path)]


def _has_pixel_data(path: Path) -> bool:
    try:
        data_set = dcmread(path, defer_size=1024)
    except Exception:  # noqa: BLE001 - what pydicom cannot read is not compared with it
        return False
    return any(keyword in data_set for keyword in _KEYWORDS)


IMAGES = images()


def ours(path: Path) -> list[bytes]:
    reader = MemoryReader(path.read_bytes())
    syntax = read_transfer_syntax_uid(reader)
    with readable(reader, syntax, SharedBuffers(1 << 30), "file") as inflated:
        table, frames = locate_frames(inflated, syntax, None), []
        for index in range(table.number_of_frames):
            place = table.place(index, inflated)
            frame = bytearray(place.length)
            place.read_into(inflated, memoryview(frame))
            frames.append(bytes(frame))
    return frames


def theirs(data_set: Dataset) -> list[bytes]:
    number = int(data_set.get("NumberOfFrames") or 1)
    if data_set.file_meta.TransferSyntaxUID.is_encapsulated:
        return list(generate_frames(data_set.PixelData, number_of_frames=number))
    element = next(data_set[keyword] for keyword in _KEYWORDS if keyword in data_set)
    value = element.value
    if not data_set.file_meta.TransferSyntaxUID.is_little_endian:
        value = np.frombuffer(value, "u2" if element.VR == "OW" else "u1").byteswap().tobytes()
    size = get_expected_length(data_set) // number
    return [value[i * size : (i + 1) * size] for i in range(number)]


def test_there_are_many() -> None:
    assert len(IMAGES) > 80


@pytest.mark.parametrize("path", [p for p in IMAGES if p.name not in NO_FRAMES], ids=lambda p: p.name)
def test_the_frames_of_a_real_file_are_pydicom_s(path: Path) -> None:
    assert ours(path) == theirs(dcmread(path))


@pytest.mark.parametrize(("name", "error"), NO_FRAMES.items())
def test_files_without_whole_frames_are_errors(name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        ours(next(path for path in IMAGES if path.name == name))


@pytest.mark.parametrize(("big", "little"), [("SC_rgb_small_odd_big_endian.dcm", "SC_rgb_small_odd.dcm")])
def test_big_endian_files_have_the_pixels_of_their_little_endian_twins(big: str, little: str) -> None:
    assert ours(FOLDER / big) == ours(FOLDER / little)


def test_other_files_have_no_pixel_data() -> None:
    others = {"rtplan.dcm", "rtstruct.dcm", "reportsi.dcm", "test-SR.dcm", "waveform_ecg.dcm"}
    found = [path for path in FOLDER.rglob("*.dcm") if path.name in others]
    assert found
    for path in found:
        with pytest.raises((NoPixelData, UnreadableHeader)):
            ours(path)
