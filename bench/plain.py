"""Synthetic instances that the demo has no use for: CT slices, slide tiles, and very many small frames."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    VLWholeSlideMicroscopyImageStorage,
)

from dev import data_set
from dev.encoding import jpeg
from dev.phantom import Heart
from dev.pixel_data_writer import write_encapsulated, write_native

TILE = 256  # pixels
DISTINCT_TILES = 64
SLICE = 512  # pixels
SMALL = 32  # pixels


@dataclass(frozen=True)
class SmallFile:
    """One of very many files of one small image."""

    study: int
    series: int
    number: int

    def write(self, path: Path) -> Path:
        dataset = data_set.common("CT", CTImageStorage, "Small files")
        dataset.update(
            data_set.items(
                StudyInstanceUID=f"2.25.{self.study}1",
                SeriesInstanceUID=f"2.25.{self.study}1.{self.series}",
                SOPInstanceUID=f"2.25.{self.study}1.{self.series}.{self.number}",
                PatientID=f"P{self.study}",
                SeriesNumber=self.series,
                InstanceNumber=self.number,
                Rows=SMALL,
                Columns=SMALL,
                BitsAllocated=16,
                BitsStored=12,
                HighBit=11,
                RescaleSlope="1",
                RescaleIntercept="-1024",
                PixelData=bytes(2 * SMALL * SMALL),
            )
        )
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dcmwrite(path, dataset, enforce_file_format=True)
        return path


@dataclass(frozen=True)
class Slide:
    """A whole-slide image (PS3.3 A.32.8) of JPEG tiles of about 32 kB; 64 different tiles are repeated."""

    frames: int
    seed: int = 0
    series_number: int = 1

    def write(self, path: Path) -> Path:
        dataset = _of(self, "SM", VLWholeSlideMicroscopyImageStorage, JPEGBaseline8Bit, 8, TILE)
        edge = TILE * int(np.ceil(np.sqrt(self.frames)))
        dataset.update(
            data_set.items(
                ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
                DimensionOrganizationType="TILED_FULL",
                TotalPixelMatrixColumns=edge,
                TotalPixelMatrixRows=edge,
                SamplesPerPixel=3,
                PlanarConfiguration=0,
                PhotometricInterpretation="YBR_FULL_422",
            )
        )
        phantom = Heart(DISTINCT_TILES, TILE, TILE, self.seed)
        tiles = [jpeg(phantom.frame(number)) for number in range(1, DISTINCT_TILES + 1)]
        write_encapsulated(path, dataset, repeated(tiles, self.frames), "basic", 1)
        return path


@dataclass(frozen=True)
class Slice:
    """A single CT slice (PS3.3 A.3), native."""

    seed: int
    series_number: int = 1
    frames: int = 1

    def write(self, path: Path) -> Path:
        dataset = _of(self, "CT", CTImageStorage, ExplicitVRLittleEndian, 16, SLICE)
        dataset.update(data_set.items(InstanceNumber=self.series_number))
        pixels = np.random.default_rng(self.series_number).integers(0, 4096, (SLICE, SLICE), np.uint16)
        write_native(path, dataset, [pixels.tobytes()], pixels.nbytes)
        return path


@dataclass(frozen=True)
class SmallFrames:
    """A secondary capture (PS3.3 A.8.3) of very many frames of 1 kB, native."""

    frames: int
    seed: int = 0
    series_number: int = 1

    def write(self, path: Path) -> Path:
        kind = MultiFrameGrayscaleByteSecondaryCaptureImageStorage
        dataset = _of(self, "OT", kind, ExplicitVRLittleEndian, 8, SMALL)
        frame = bytes(range(256)) * (SMALL * SMALL // 256)
        write_native(path, dataset, repeated([frame], self.frames), len(frame))
        return path


@dataclass(frozen=True)
class Enhanced:
    """An enhanced CT (PS3.3 A.38) of small frames, whose header says where and how each one was taken."""

    frames: int
    seed: int = 0
    series_number: int = 1

    def write(self, path: Path) -> Path:
        dataset = _of(self, "CT", EnhancedCTImageStorage, ExplicitVRLittleEndian, 16, SMALL)
        dataset.update(
            data_set.items(
                SeriesInstanceUID=_uid(f"enhanced {self.seed} series {self.series_number}"),
                ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
                PerFrameFunctionalGroupsSequence=[_frame_groups(number) for number in range(1, self.frames + 1)],
            )
        )
        frame = bytes(range(256)) * (SMALL * SMALL * 2 // 256)
        write_native(path, dataset, repeated([frame], self.frames), len(frame))
        return path


def _frame_groups(number: int) -> Dataset:
    """PS3.3 C.7.6.16.2, C.8.15.3: about 700 bytes for each frame."""
    items, time = data_set.items, f"{data_set.DATE}{data_set.TIME}.{number:06}"
    return items(
        FrameContentSequence=[
            items(
                FrameAcquisitionNumber=number,
                FrameReferenceDateTime=time,
                FrameAcquisitionDateTime=time,
                FrameAcquisitionDuration=250.0,
                DimensionIndexValues=[1, number],
                StackID="1",
                InStackPositionNumber=number,
            )
        ],
        PlanePositionSequence=[items(ImagePositionPatient=[-170.5, -170.5, -1.25 * number])],
        PlaneOrientationSequence=[items(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        PixelMeasuresSequence=[items(PixelSpacing=[0.7, 0.7], SliceThickness=1.25)],
        FrameVOILUTSequence=[items(WindowCenter=40, WindowWidth=400)],
        PixelValueTransformationSequence=[items(RescaleIntercept=-1024, RescaleSlope=1, RescaleType="HU")],
        CTExposureSequence=[items(ExposureTimeInms=500.0, XRayTubeCurrentInmA=220.0, CTDIvol=9.5)],
        CTXRayDetailsSequence=[items(KVP=120, FocalSpots=1.2, FilterType="FLAT")],
    )


Plain = Slide | Slice | SmallFrames | Enhanced


def repeated(frames: Iterable[bytes], number: int) -> Iterator[bytes]:
    """So many frames, the given ones over and over."""
    return itertools.islice(itertools.cycle(frames), number)


def _of(sample: Plain, modality: str, sop_class_uid: UID, transfer_syntax_uid: UID, bits: int, edge: int) -> Dataset:
    dataset = data_set.common(modality, sop_class_uid, "Benchmark")
    dataset.update(
        data_set.items(
            StudyInstanceUID=_uid(f"{modality} {sample.seed} study"),
            SeriesInstanceUID=_uid(f"{modality} {sample.seed} series"),
            SOPInstanceUID=_uid(f"{modality} {sample.seed} instance {sample.series_number}"),
            SeriesNumber=1,
            InstanceNumber=sample.series_number,
            NumberOfFrames=sample.frames,
            Rows=edge,
            Columns=edge,
            BitsAllocated=bits,
            BitsStored=bits,
            HighBit=bits - 1,
        )
    )
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = transfer_syntax_uid
    return dataset


def _uid(name: str) -> str:
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'framecache benchmark {name}').int}"
