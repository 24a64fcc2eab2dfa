"""The generated instances are what they say they are: readable, deterministic, each frame its own proof."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames, parse_basic_offsets

from dev.encoding import ENCODINGS
from dev.phantom import Breast, Pixels, stamped_frame_number
from dev.pixel_data_writer import OffsetTable
from dev.sample import Sample

SMALL = Sample(frames=3, rows=64, columns=48)
LOSSLESS = [name for name, encoding in ENCODINGS.items() if not encoding.lossy]
DECODERS = {"jpeg-ls": imagecodecs.jpegls_decode, "htj2k": imagecodecs.htj2k_decode}


def read(sample: Sample, folder: Path) -> Dataset:
    return dcmread(sample.write(folder / "sample.dcm"))


def frames_of(dataset: Dataset, encoding: str) -> list[Pixels]:
    """The decoded frames; pydicom has no decoder for some of the syntaxes."""
    if decode := DECODERS.get(encoding):
        return [decode(frame) for frame in generate_frames(dataset.PixelData, number_of_frames=dataset.NumberOfFrames)]
    return list(dataset.pixel_array)


@pytest.mark.parametrize("encoding", LOSSLESS)
def test_each_frame_carries_its_own_number_and_checksum(encoding: str, tmp_path: Path) -> None:
    dataset = read(replace(SMALL, encoding=encoding), tmp_path)

    assert dataset.file_meta.TransferSyntaxUID == ENCODINGS[encoding].transfer_syntax_uid
    assert [stamped_frame_number(frame) for frame in frames_of(dataset, encoding)] == [1, 2, 3]


def test_a_changed_pixel_is_noticed() -> None:
    frame = Breast(frames=3, rows=64, columns=48, seed=0).frame(1)
    frame[30, 20] ^= 1

    with pytest.raises(ValueError, match="number 1"):
        stamped_frame_number(frame)


@pytest.mark.parametrize("encoding", ["explicit", "jpeg", "rle"])
def test_a_colour_cine_is_read_back(encoding: str, tmp_path: Path) -> None:
    sample = replace(SMALL, kind="ultrasound", encoding=encoding)

    dataset = read(sample, tmp_path)

    assert dataset.PhotometricInterpretation == ("YBR_FULL_422" if encoding == "jpeg" else "RGB")
    assert dataset.pixel_array.shape == (3, 64, 48, 3)
    if encoding != "jpeg":
        assert np.array_equal(dataset.pixel_array, list(sample.pixels()))


def test_a_lossy_tomosynthesis_has_8_bits_and_says_so(tmp_path: Path) -> None:
    dataset = read(replace(SMALL, encoding="jpeg"), tmp_path)

    assert (dataset.BitsAllocated, dataset.BitsStored, dataset.LossyImageCompression) == (8, 8, "01")
    assert dataset.pixel_array.shape == (3, 64, 48)


def test_a_mammogram_is_one_frame(tmp_path: Path) -> None:
    assert read(replace(SMALL, kind="mammogram"), tmp_path).pixel_array.shape == (64, 48)


@pytest.mark.parametrize("encoding", ["explicit", "implicit", "jpeg"])
def test_native_and_encapsulated_lengths_are_even(encoding: str, tmp_path: Path) -> None:
    odd = replace(SMALL, kind="ultrasound", frames=3, rows=31, columns=33, encoding=encoding)

    assert len(read(odd, tmp_path).PixelData) % 2 == 0
    assert read(odd, tmp_path).pixel_array.shape == (3, 31, 33, 3)


@pytest.mark.parametrize("fragments", [1, 2, 3])
@pytest.mark.parametrize("offset_table", ["basic", "none"])
def test_basic_offset_table_points_at_the_frames_or_is_empty(
    offset_table: OffsetTable, fragments: int, tmp_path: Path
) -> None:
    sample = replace(SMALL, encoding="jpeg-2000", offset_table=offset_table, fragments_per_frame=fragments)
    dataset = read(sample, tmp_path)

    offsets = parse_basic_offsets(dataset.PixelData)

    frames = list(generate_frames(dataset.PixelData, number_of_frames=3))
    assert [stamped_frame_number(imagecodecs.jpeg2k_decode(frame)) for frame in frames] == [1, 2, 3]
    first = 8 + 4 * len(offsets)
    assert all(dataset.PixelData[first + offset :].startswith(b"\xfe\xff\x00\xe0") for offset in offsets)
    assert len(offsets) == (3 if offset_table == "basic" else 0)


def test_extended_offset_table_points_at_the_frames(tmp_path: Path) -> None:
    sample = replace(SMALL, encoding="jpeg-2000", offset_table="extended")
    dataset = read(sample, tmp_path)
    stored = BytesIO(dataset.PixelData)

    for number, (offset, length) in enumerate(
        zip(*(np.frombuffer(dataset[name].value, "<u8") for name in TABLES), strict=True), start=1
    ):
        stored.seek(8 + 8 + int(offset))
        assert stamped_frame_number(imagecodecs.jpeg2k_decode(stored.read(int(length)))) == number


TABLES = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")


def test_the_same_seed_makes_the_same_file_and_another_seed_another_study(tmp_path: Path) -> None:
    def digest(sample: Sample) -> str:
        return hashlib.sha256(sample.write(tmp_path / "sample.dcm").read_bytes()).hexdigest()

    assert digest(SMALL) == digest(SMALL)
    assert replace(SMALL, seed=1).study_instance_uid != SMALL.study_instance_uid
    assert replace(SMALL, series_number=2).study_instance_uid == SMALL.study_instance_uid
    assert replace(SMALL, series_number=2).sop_instance_uid != SMALL.sop_instance_uid


def test_frames_have_positions_a_viewer_can_sort_by(tmp_path: Path) -> None:
    groups = read(SMALL, tmp_path).PerFrameFunctionalGroupsSequence

    positions = [float(group.PlanePositionSequence[0].ImagePositionPatient[0]) for group in groups]

    assert positions == sorted(set(positions))
    assert len(positions) == 3
