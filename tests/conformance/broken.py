"""Instances whose pixel data is damaged, and which of their frames can still be had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tests.conformance.stored import BY_NAME, FRAMES, Pixels, Stored, grey

DAMAGED = 2  # the number of the damaged frame
ENCODED = (
    "RLE, 16 bits",
    "JPEG Baseline, 8 bits",
    "JPEG Lossless, first predictor",
    "JPEG-LS, 16 bits",
    "JPEG 2000, 12 bits",
    "HTJ2K, 16 bits",
    "JPEG XL, 16 bits",
)


@dataclass(frozen=True)
class Damage:
    """What happened to the encoded frame."""

    name: str
    apply: Callable[[bytes], bytes]


def _noise(frame: bytes) -> bytes:
    return np.random.default_rng(1).bytes(len(frame))


DAMAGES = (
    Damage("truncated in the middle", lambda frame: frame[: len(frame) // 2]),
    Damage("noise", _noise),
    Damage("only zeros", lambda frame: bytes(len(frame))),
    Damage("two bytes", lambda frame: frame[:2]),
    Damage("noise in its second half", lambda frame: frame[: len(frame) // 2] + _noise(frame)[len(frame) // 2 :]),
)


def damaged(name: str, damage: Damage) -> Stored:
    """The instance `name` with one damaged frame among good ones."""
    good = BY_NAME[name]
    encoded = dict(zip(map(_key, good.pixels), good.encoded, strict=True))
    encoded[_key(good.pixels[DAMAGED - 1])] = damage.apply(good.encoded[DAMAGED - 1])
    return replace(good, name=f"{name}: {damage.name}", encode=lambda pixels: encoded[_key(pixels)])


def of_another_size(name: str) -> Stored:
    """One frame is sound, but not of the size that the header says."""
    good = BY_NAME[name]
    other = (grey("u1", 8, 16, 20) if good.pixels[0].itemsize == 1 else grey("u2", 12, 16, 20))[0]
    wrong = good.pixels[DAMAGED - 1]
    return replace(
        good,
        name=f"{name}: of another size",
        encode=lambda pixels: good.encode(other if pixels is wrong else pixels),
    )


def _key(pixels: Pixels) -> bytes:
    return pixels.tobytes()


@dataclass(frozen=True)
class Incomplete:
    """An instance of which the first `present` frames are there: its last `cut` bytes are gone, or two frames."""

    name: str
    good: Stored
    present: int
    cut: int = 0

    @property
    def frames(self) -> int:
        """NumberOfFrames (0028,0008)."""
        return FRAMES if self.cut else FRAMES + 2

    @property
    def stored(self) -> Stored:
        tags = {**self.good.tags, "NumberOfFrames": self.frames}
        return replace(self.good, name=f"{self.good.name}: {self.name}", tags=tags)

    def file(self) -> bytes:
        content = self.stored.file()
        return content[: len(content) - self.cut]


def _incomplete(name: str, good: str, present: int, cut: int = 0) -> Incomplete:
    return Incomplete(name, BY_NAME[good], present, cut)


INCOMPLETE = (
    _incomplete("native frames, two missing", "Explicit, 12 bits in 16", FRAMES),
    _incomplete("native frames, truncated", "Explicit, 12 bits in 16", FRAMES - 1, 100),
    _incomplete("bits within bytes, two missing", "Explicit, 1 bit, frames that begin within a byte", FRAMES),
    _incomplete("Implicit VR, truncated", "Implicit, RGB by plane", FRAMES - 1, 1),
    _incomplete("JPEG-LS, two missing", "JPEG-LS, 16 bits", FRAMES),
    _incomplete("JPEG-LS without a table, two missing", "empty offset table", FRAMES),
    _incomplete("JPEG-LS with an Extended Offset Table, two missing", "Extended Offset Table", FRAMES),
    _incomplete("JPEG 2000, truncated", "JPEG 2000, 12 bits", FRAMES - 1, 50),
    _incomplete("RLE, two missing", "RLE, 16 bits", FRAMES),
    _incomplete("fragments without any table, frames missing", "3 fragments a frame, empty offset table", 0),
)
