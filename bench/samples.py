"""The data: synthetic, in the sizes of clinical practice. Files are made once and kept."""

from __future__ import annotations

import io
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from pydicom import dcmwrite

from bench.plain import Enhanced, Slice, Slide, SmallFrames, repeated
from dev.console import say
from dev.encoding import ENCODINGS
from dev.pixel_data_writer import write_encapsulated
from dev.sample import Sample, large


class Writable(Protocol):
    """One instance to be written; equal ones make equal files."""

    def write(self, path: Path) -> Path:
        """Write the file and return its path."""


@dataclass(frozen=True)
class Size:
    """How much is measured. The quick one has fewer frames, instances and seconds, and rows less.

    `rounds` are measured at most; none begins `round_seconds` after the first, as what takes long varies less.
    """

    name: str
    frames: int
    instances: int
    cine_frames: int
    tiles: int
    slices: int
    huge_frames: int
    many_instances: int
    load_seconds: int
    slow_load_seconds: int
    rounds: int
    round_seconds: int
    repeats: int
    slow_repeats: int
    small_files: int = 20_000
    indexed_instances: int = 1_000_000
    archived_series: int = 10_000
    archived_slices: int = 2000
    shared_pieces: int = 2000


FULL = Size("full", 69, 4, 200, 20_000, 1000, 220, 50, 5, 12, 5, 30, 5, 1)
# 30 native frames are 279 MB: Orthanc 1.13 forgets files of more than 256 MiB after each request.
QUICK = Size(
    "quick",
    30,
    2,
    40,
    2000,
    100,
    30,
    5,
    2,
    8,
    1,
    1,
    3,
    1,
    small_files=2000,
    indexed_instances=50_000,
    archived_series=500,
    archived_slices=200,
    shared_pieces=300,
)

DISTINCT_CINE_FRAMES = 10
FRAMES_OF_MANY = 20_000
ENHANCED_FRAMES, ENHANCED_INSTANCES = 500, 3


@dataclass(frozen=True)
class DataSet:
    """Instances of one kind. `title` is for the table."""

    name: str
    title: str
    instances: tuple[Writable, ...]

    def files(self, folder: Path) -> list[Path]:
        """The files in `folder`, made where they are not there yet."""
        name = f"{self.name}-{zlib.crc32(repr(self.instances).encode()):08x}"
        paths = {folder / f"{name}-{number}.dcm": one for number, one in enumerate(self.instances, 1)}
        missing = {path: one for path, one in paths.items() if not path.exists()}
        if missing:
            say(f"Generating {self.title} …")
            folder.mkdir(parents=True, exist_ok=True)
        for path, instance in missing.items():
            instance.write(path.with_suffix(".new")).rename(path)
        return list(paths)


@dataclass(frozen=True)
class Tomosynthesis:
    """The views of one study: only the first is encoded, the others have its pixel data and UIDs of their own."""

    sample: Sample
    folder: Path

    def write(self, path: Path) -> Path:
        if self.sample.series_number == 1:
            return self.sample.write(path)
        first = replace(self.sample, series_number=1)
        dcmwrite(path, self.sample.dataset(), enforce_file_format=True)
        with (
            self.folder.joinpath(f"{path.stem.rsplit('-', 1)[0]}-1.dcm").open("rb") as source,
            path.open("ab") as target,
        ):
            source.seek(_header_length(first))
            shutil.copyfileobj(source, target, 1 << 20)
        return path


def _header_length(sample: Sample) -> int:
    header = io.BytesIO()
    dcmwrite(header, sample.dataset(), enforce_file_format=True)
    return header.tell()


@dataclass(frozen=True)
class Cine:
    """A colour cine in RLE; ten different frames are repeated, as encoding RLE is slow in Python."""

    frames: int

    def write(self, path: Path) -> Path:
        sample = Sample("ultrasound", DISTINCT_CINE_FRAMES, 640, 800, "rle", seed=103)
        encoded = [ENCODINGS["rle"].encode(frame) for frame in sample.pixels()]
        dataset = replace(sample, frames=self.frames).dataset()
        write_encapsulated(path, dataset, repeated(encoded, self.frames), "basic", 1)
        return path


def data_sets(size: Size, folder: Path) -> dict[str, DataSet]:
    """All data sets by their names; `folder` is where their files are."""
    frames = size.frames
    native, encoded = (
        _views(size, folder, encoding, seed) for encoding, seed in (("explicit", 101), ("jpeg-2000", 102))
    )
    huge = replace(large(Sample(seed=105)), frames=size.huge_frames)
    mammogram = Sample("mammogram", rows=4096, columns=3328, seed=104)
    made = [
        DataSet("native", f"native tomosynthesis, {frames} × 9.3 MB", native),
        DataSet("jpeg-2000", f"JPEG 2000 tomosynthesis, {frames} × 2.8 MB", encoded),
        DataSet("cine", f"RLE colour cine, {size.cine_frames} × 1.5 MB", (Cine(size.cine_frames),)),
        DataSet("mammogram", "full-field mammogram, native, 27 MB", (mammogram,)),
        DataSet("tiles", f"whole-slide tiles, JPEG, {size.tiles:,} × 32 kB", (Slide(size.tiles),)),
        DataSet("huge", f"native tomosynthesis, {size.huge_frames} × 9.3 MB", (huge,)),
        DataSet("slices", f"{size.slices:,} CT slices of 0.5 MB", _numbered(partial(Slice, 106), size.slices)),
        DataSet(
            "archived",
            f"{size.archived_slices:,} CT slices of 0.5 MB",
            _numbered(partial(Slice, 110), size.archived_slices),
        ),
        DataSet(
            "enhanced",
            f"enhanced CT of {ENHANCED_FRAMES} frames, 0.3 MB of header",
            _numbered(partial(Enhanced, ENHANCED_FRAMES, 109), ENHANCED_INSTANCES),
        ),
        DataSet("thousand", "1,000 frames of 1 kB", (SmallFrames(1000, seed=107),)),
        DataSet(
            "many",
            f"{size.many_instances * FRAMES_OF_MANY:,} frames of 1 kB",
            _numbered(partial(SmallFrames, FRAMES_OF_MANY, 108), size.many_instances),
        ),
    ]
    return {one.name: one for one in made}


def _views(size: Size, folder: Path, encoding: str, seed: int) -> tuple[Writable, ...]:
    first = replace(large(Sample(encoding=encoding, seed=seed)), frames=size.frames)
    return tuple(Tomosynthesis(replace(first, series_number=number), folder) for number in range(1, size.instances + 1))


def _numbered(make: Callable[[int], Writable], number: int) -> tuple[Writable, ...]:
    return tuple(make(index) for index in range(1, number + 1))
