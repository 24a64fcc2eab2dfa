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
    Damage("cut in the middle", lambda frame: frame[: len(frame) // 2]),
    Damage("noise", _noise),
    Damage("nothing but zeros", lambda frame: bytes(len(frame))),
    Damage("two bytes", lambda frame: frame[:2]),
    Damage("its second half is noise", lambda frame: frame[: len(frame) // 2] + _noise(frame)[len(frame) // 2 :]),
)

# The arithmetic decoder of JPEG 2000 makes pixels of any bits, and its streams have no checksum.
GONE_UNNOTICED = frozenset({"JPEG 2000, 12 bits: its second half is noise"})


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


def with_frames_missing(name: str) -> Stored:
    """The header says that there are two frames more than there are."""
    good = BY_NAME[name]
    return replace(good, name=f"{name}: two frames missing", tags={**good.tags, "NumberOfFrames": FRAMES + 2})
