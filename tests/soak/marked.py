"""Instances whose frames say themselves what they are: slot, version, frame number, and a checksum of the rest."""

from __future__ import annotations

import random
import struct
import threading
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from dev.pixel_data_writer import write_native
from dev.sample import Sample

SAMPLE = Sample(frames=8, rows=512, columns=512)
FRAME_LENGTH = SAMPLE.rows * SAMPLE.columns * 2
GONE = -1
_MARK = struct.Struct("<IIII")


def frame(slot: int, version: int, number: int) -> bytes:
    body = random.Random(f"{slot} {version} {number}").randbytes(1 << 12) * (FRAME_LENGTH >> 12)
    body = body[_MARK.size :]
    return _MARK.pack(slot, version, number, zlib.crc32(body, slot ^ version ^ number)) + body


def version_of(content: bytes, slot: int, number: int) -> int:
    """The version that a frame is of. Raises ValueError where it is not that frame of that slot, or not whole."""
    if len(content) != FRAME_LENGTH:
        raise ValueError(f"a frame of {len(content)} bytes")
    its_slot, version, its_number, checksum = _MARK.unpack_from(content)
    if (its_slot, its_number) != (slot, number):
        raise ValueError(f"frame {its_number} of slot {its_slot} instead of frame {number} of slot {slot}")
    if zlib.crc32(memoryview(content)[_MARK.size :], slot ^ version ^ number) != checksum:
        raise ValueError(f"frame {number} of slot {slot} is damaged")
    return int(version)


@dataclass
class Slot:
    """One instance, the states it went through (versions or GONE), and which of them a request may meet."""

    number: int
    folder: Path
    states: list[int] = field(default_factory=lambda: [GONE])
    committed: int = 0
    orthanc_id: str = ""
    changing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def sample(self) -> Sample:
        return replace(SAMPLE, seed=self.number)

    @property
    def path(self) -> str:
        one = self.sample
        return (
            f"/dicom-web/studies/{one.study_instance_uid}/series/{one.series_instance_uid}"
            f"/instances/{one.sop_instance_uid}"
        )

    def file(self, version: int) -> bytes:
        path = self.folder / f"slot-{self.number}.dcm"
        frames = (frame(self.number, version, number) for number in range(1, SAMPLE.frames + 1))
        write_native(path, self.sample.dataset(), frames, FRAME_LENGTH)
        return path.read_bytes()

    def begin(self, *states: int) -> None:
        """It is about to change: until `commit`, a request may meet any of these and what was before."""
        self.states.extend(states)

    def commit(self) -> None:
        self.committed = len(self.states) - 1

    def since(self, committed: int) -> set[int]:
        """What a request may have met that began when `committed` was the state."""
        return set(self.states[committed:])
