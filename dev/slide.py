"""A synthetic whole slide: three levels of tiles, as VL Whole Slide Microscopy Images (PS3.3 A.32.8), TILED_FULL."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, VLWholeSlideMicroscopyImageStorage

from dev import data_set
from dev.data_set import code, items
from dev.encoding import ENCODINGS
from dev.pixel_data_writer import write_encapsulated, write_native

TILE = 256  # pixels
LEVELS = 3
_FINEST_SPACING = 0.0005  # mm: 20 x
# What the pixels of a frame are called in each encoding (PS3.5 section 8.2).
_PHOTOMETRIC = {"jpeg": "YBR_FULL_422", "jpeg-2000": "YBR_RCT", "htj2k": "YBR_RCT"}

_RIM = 0.55  # of a nucleus, in a field that is 1 in its middle

Tile = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Level:
    """One level of a slide of `tiles` × `tiles` tiles at its finest; `level` 0 is the finest, each next half as wide.

    `seed` decides the UIDs: the levels of one seed and encoding are one series.
    """

    encoding: str = "jpeg"
    level: int = 0
    tiles: int = 8
    seed: int = 0

    @property
    def edge(self) -> int:
        """Columns and rows of the total pixel matrix."""
        return self.tiles * TILE >> self.level

    @property
    def number_of_frames(self) -> int:
        return (self.tiles >> self.level) ** 2

    @property
    def study_instance_uid(self) -> str:
        return self._uid("study")

    @property
    def series_instance_uid(self) -> str:
        return self._uid(f"series {self.encoding}")

    @property
    def sop_instance_uid(self) -> str:
        return self._uid(f"instance {self.encoding} {self.level}")

    @property
    def transfer_syntax_uid(self) -> UID:
        return ENCODINGS[self.encoding].transfer_syntax_uid

    def write(self, path: Path) -> Path:
        """Write the file and return its path."""
        frames = map(ENCODINGS[self.encoding].encode, self.pixels())
        if self.transfer_syntax_uid.is_encapsulated:
            write_encapsulated(path, self.dataset(), frames, "basic", 1)
        else:
            write_native(path, self.dataset(), frames, TILE * TILE * 3)
        return path

    def pixels(self) -> Iterator[Tile]:
        """The tiles in the order of TILED_FULL, row by row: uint8 of shape (256, 256, 3), RGB."""
        for row in range(self.tiles >> self.level):
            for column in range(self.tiles >> self.level):
                yield self._tile(row, column)

    def _tile(self, row: int, column: int) -> Tile:
        """Stained nuclei on a pale ground; the same tissue at each level, as its places are those of the finest."""
        scale = 1 << self.level
        y = (row * TILE + np.arange(TILE))[:, None] * scale
        x = (column * TILE + np.arange(TILE)) * scale
        nuclei = np.sin(x / 37.0) * np.sin(y / 41.0) > _RIM
        fibres = 0.5 + 0.5 * np.sin((x + 2 * y) / 190.0)
        ground = np.stack([235 - 20 * fibres, 190 - 50 * fibres, 215 - 20 * fibres], axis=-1)
        return np.where(nuclei[..., None], np.array([95, 55, 130]), ground).astype(np.uint8)

    def dataset(self) -> Dataset:
        """The data set without its Pixel Data."""
        spacing = _FINEST_SPACING * (1 << self.level)
        dataset = data_set.common("SM", VLWholeSlideMicroscopyImageStorage, f"Slide, {self.encoding}")
        dataset.update(_slide(spacing, self.edge))
        dataset.update(
            items(
                StudyInstanceUID=self.study_instance_uid,
                SeriesInstanceUID=self.series_instance_uid,
                SOPInstanceUID=self.sop_instance_uid,
                FrameOfReferenceUID=self._uid(f"frame of reference {self.encoding}"),
                ContainerIdentifier=f"SYNTHETIC {self.encoding}",
                PyramidUID=self._uid(f"pyramid {self.encoding}"),
                SeriesNumber=1 + list(ENCODINGS).index(self.encoding),
                InstanceNumber=1 + self.level,
                ImageType=["ORIGINAL" if self.level == 0 else "DERIVED", "PRIMARY", "VOLUME", "NONE"],
                NumberOfFrames=self.number_of_frames,
                PhotometricInterpretation=_PHOTOMETRIC.get(self.encoding, "RGB"),
                LossyImageCompression="01" if ENCODINGS[self.encoding].lossy else "00",
            )
        )
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = self.transfer_syntax_uid
        return dataset

    def _uid(self, name: str) -> str:
        return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'framecache slide {self.seed} {name}').int}"


def slide(encoding: str = "jpeg", tiles: int = 8, seed: int = 0) -> list[Level]:
    """The levels of a slide, the finest first."""
    return [Level(encoding, level, tiles, seed) for level in range(LEVELS)]


def _slide(spacing: float, edge: int) -> Dataset:
    """What the levels share (PS3.3 C.8.12.4); `spacing` is that of the pixels in mm."""
    width = edge * spacing
    return items(
        Rows=TILE,
        Columns=TILE,
        SamplesPerPixel=3,
        PlanarConfiguration=0,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        DimensionOrganizationType="TILED_FULL",
        TotalPixelMatrixColumns=edge,
        TotalPixelMatrixRows=edge,
        TotalPixelMatrixFocalPlanes=1,
        NumberOfOpticalPaths=1,
        TotalPixelMatrixOriginSequence=[items(XOffsetInSlideCoordinateSystem=0.0, YOffsetInSlideCoordinateSystem=0.0)],
        ImageOrientationSlide=[0, -1, 0, -1, 0, 0],
        ImagedVolumeWidth=width,
        ImagedVolumeHeight=width,
        ImagedVolumeDepth=1.0,
        FocusMethod="AUTO",
        ExtendedDepthOfField="NO",
        SpecimenLabelInImage="NO",
        VolumetricProperties="VOLUME",
        ContainerTypeCodeSequence=code("433466003", "SCT", "Microscope slide"),
        AcquisitionContextSequence=[],
        OpticalPathSequence=[
            items(
                OpticalPathIdentifier="1",
                IlluminationTypeCodeSequence=code("111744", "DCM", "Brightfield illumination"),
                IlluminationColorCodeSequence=code("414298005", "SCT", "Full Spectrum"),
            )
        ],
        SpecimenDescriptionSequence=[items(SpecimenIdentifier="SYNTHETIC", SpecimenUID="2.25.1")],
        SharedFunctionalGroupsSequence=[
            items(
                PixelMeasuresSequence=[items(PixelSpacing=[spacing, spacing], SliceThickness=1.0)],
                WholeSlideMicroscopyImageFrameTypeSequence=[items(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])],
                OpticalPathIdentificationSequence=[items(OpticalPathIdentifier="1")],
            )
        ],
    )
