"""Synthetic multi-frame instances: `python -m dev.sample OUT.dcm`. Nothing in them was ever a patient's."""

from __future__ import annotations

import argparse
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID

from dev import data_set
from dev.console import exit_code, say
from dev.encoding import ENCODINGS, Frame
from dev.phantom import BITS_STORED, Breast, Heart
from dev.pixel_data_writer import OffsetTable, write_encapsulated, write_native

Kind = Literal["tomosynthesis", "mammogram", "ultrasound"]


@dataclass(frozen=True)
class Sample:
    """One instance to be written; equal samples make equal files.

    `seed` and `series_number` alone decide the UIDs (PS3.5 B.2, under 2.25): the same seed is the same study,
    and two samples that differ in their pixels only are the same instance to Orthanc.
    """

    kind: Kind = "tomosynthesis"
    frames: int = 16
    rows: int = 1280
    columns: int = 1024
    encoding: str = "explicit"
    offset_table: OffsetTable = "basic"
    fragments_per_frame: int = 1
    seed: int = 0
    series_number: int = 1

    @property
    def number_of_frames(self) -> int:
        return 1 if self.kind == "mammogram" else self.frames

    @property
    def study_instance_uid(self) -> str:
        return self._uid("study")

    @property
    def series_instance_uid(self) -> str:
        return self._uid(f"series {self.series_number}")

    @property
    def sop_instance_uid(self) -> str:
        return self._uid(f"instance {self.series_number}")

    @property
    def transfer_syntax_uid(self) -> UID:
        return ENCODINGS[self.encoding].transfer_syntax_uid

    def write(self, path: Path) -> Path:
        """Write the file, one frame at a time in memory, and return its path."""
        dataset = self.dataset()
        frames = map(ENCODINGS[self.encoding].encode, self.pixels())
        if self.transfer_syntax_uid.is_encapsulated:
            write_encapsulated(path, dataset, frames, self.offset_table, self.fragments_per_frame)
        else:
            bytes_per_pixel = dataset.SamplesPerPixel * dataset.BitsAllocated // 8
            write_native(path, dataset, frames, self.rows * self.columns * bytes_per_pixel)
        return path

    def pixels(self) -> Iterator[Frame]:
        """The frames in order, not encoded: (rows, columns) uint16, or uint8 if lossy; (rows, columns, 3) uint8 RGB."""
        phantom = (Heart if self.kind == "ultrasound" else Breast)(
            self.number_of_frames, self.rows, self.columns, self.seed
        )
        for frame_number in range(1, self.number_of_frames + 1):
            frame = phantom.frame(frame_number)
            yield frame if frame.itemsize * 8 == self._bits_allocated else (frame >> BITS_STORED - 8).astype(np.uint8)

    def dataset(self) -> Dataset:
        """The data set without its Pixel Data."""
        dataset = self._of_its_kind()
        bits_stored = min(self._bits_allocated, BITS_STORED)
        dataset.update(
            data_set.items(
                StudyInstanceUID=self.study_instance_uid,
                SeriesInstanceUID=self.series_instance_uid,
                SOPInstanceUID=self.sop_instance_uid,
                FrameOfReferenceUID=self._uid(f"frame of reference {self.series_number}"),
                SeriesNumber=self.series_number,
                InstanceNumber=1,
                Rows=self.rows,
                Columns=self.columns,
                BitsAllocated=self._bits_allocated,
                BitsStored=bits_stored,
                HighBit=bits_stored - 1,
                LossyImageCompression="01" if self._lossy else "00",
            )
        )
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = self.transfer_syntax_uid
        return dataset

    def _of_its_kind(self) -> Dataset:
        if self.kind == "mammogram":
            return data_set.mammogram()
        if self.kind == "tomosynthesis":
            return data_set.tomosynthesis(self.frames)
        return data_set.ultrasound(self.frames, "YBR_FULL_422" if self._lossy else "RGB")

    @property
    def _lossy(self) -> bool:
        return ENCODINGS[self.encoding].lossy

    @property
    def _bits_allocated(self) -> int:
        return 8 if self._lossy or self.kind == "ultrasound" else 16

    def _uid(self, name: str) -> str:
        return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'framecache {self.seed} {name}').int}"


def large(sample: Sample) -> Sample:
    """The same in the size of clinical practice: 641 MB when it is a native tomosynthesis."""
    return replace(sample, frames=69, rows=2457, columns=1890)


def main() -> None:
    options = vars(parser().parse_args())
    path, is_large = options.pop("path"), options.pop("large")
    sample = large(Sample(**options)) if is_large else Sample(**options)
    sample.write(path)
    say(f"{path}: {path.stat().st_size / 1e6:.1f} MB, study {sample.study_instance_uid}")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m dev.sample", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    made.add_argument("path", type=Path, metavar="OUT.dcm")
    made.add_argument("--kind", choices=get_args(Kind), default=Sample.kind, help="what is shown")
    made.add_argument("--large", action="store_true", help="69 frames of 2457 × 1890, 641 MB when native")
    made.add_argument("--encoding", choices=list(ENCODINGS), default=Sample.encoding, help="the transfer syntax")
    made.add_argument(
        "--offset-table", choices=get_args(OffsetTable), default=Sample.offset_table, help="if encapsulated"
    )
    for name, help_text in INTEGERS.items():
        made.add_argument("--" + name.replace("_", "-"), type=int, default=getattr(Sample, name), help=help_text)
    return made


INTEGERS = {
    "frames": "number of frames; a mammogram has one",
    "rows": "height in pixels",
    "columns": "width in pixels",
    "fragments_per_frame": "if encapsulated",
    "seed": "decides all UIDs and the picture",
    "series_number": "several series of one study",
}

if __name__ == "__main__":
    sys.exit(exit_code(main))
