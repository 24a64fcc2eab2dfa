"""Pixels of synthetic images: a breast with lesions that move through the slices, and a colour ultrasound.

Each lossless frame proves itself: its first row begins with its number and a checksum of all other rows, so a
test that is handed the wrong frame, or a damaged one, can tell.
"""

from __future__ import annotations

import zlib
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Pixels = npt.NDArray[np.uint16]
Colours = npt.NDArray[np.uint8]
Array = TypeVar("Array", Pixels, Colours)

BITS_STORED = 12
LARGEST = 2**BITS_STORED - 1
STAMP = 4  # pixels: the frame number, then the CRC-32 of the other rows in three parts of 11 bits


class Breast:
    """`frames` slices of `rows` × `columns` pixels, 12 bits each, of a breast at the left edge.

    The tissue is smooth and the noise small, so that it compresses about as well as a real image.
    """

    def __init__(self, frames: int, rows: int, columns: int, seed: int) -> None:
        self.frames, self.rows, self.columns = frames, rows, columns
        self._random = np.random.default_rng(seed)
        self._lesions = self._random.uniform((0.2, 0.1, 0.02, 0.0), (0.8, 0.5, 0.06, 1.0), (6, 4))

    def frame(self, frame_number: int) -> Pixels:
        """The slice `frame_number` (from 1), uint16 of shape (rows, columns)."""
        depth = (frame_number - 0.5) / self.frames
        # The same tissue slides by a pixel a slice: neighbours look alike, but no two are equal.
        pixels = np.roll(self._tissue, frame_number, axis=0)
        for y, x, radius, lesion_depth in self._lesions:
            self._add_lesion(
                pixels, y + 0.1 * (depth - 0.5), x, radius, 1000 * np.exp(-(((depth - lesion_depth) / 0.2) ** 2))
            )
        pixels[~self._inside] = 0
        pixels += np.roll(self._noise, 97 * frame_number)
        np.clip(pixels, 0, LARGEST, out=pixels)
        return stamp(burn_in(pixels.astype(np.uint16), f"frame {frame_number}"), frame_number)

    def _add_lesion(self, pixels: npt.NDArray[np.int16], y: float, x: float, radius: float, height: float) -> None:
        """Add a Gaussian bump; centre and radius are fractions of the rows and columns."""
        reach = 3 * radius * self.rows
        top, left = max(0, int(y * self.rows - reach)), max(0, int(x * self.columns - reach))
        part = pixels[top : int(y * self.rows + reach), left : int(x * self.columns + reach)]
        down = (np.arange(part.shape[0]) + top - y * self.rows) / (radius * self.rows)
        across = (np.arange(part.shape[1]) + left - x * self.columns) / (radius * self.rows)
        part += (height * np.exp(-(down**2))[:, None] * np.exp(-(across**2))).astype(np.int16)

    @cached_property
    def _inside(self) -> npt.NDArray[np.bool_]:
        y = np.linspace(-1.0, 1.0, self.rows)[:, None]
        x = np.linspace(0.0, 1.0, self.columns)
        inside: npt.NDArray[np.bool_] = (y / 0.9) ** 2 + (x / 0.75) ** 2 < 1.0
        return inside

    @cached_property
    def _tissue(self) -> npt.NDArray[np.int16]:
        y = np.linspace(0.0, 2 * np.pi, self.rows, endpoint=False)[:, None]
        x = np.linspace(0.0, 1.0, self.columns)
        folds = np.sin(3 * y + 9 * x) + np.sin(7 * y - 15 * x) + np.sin(11 * y + 4 * x)
        tissue: npt.NDArray[np.int16] = (1800 - 600 * x + 120 * folds).astype(np.int16)
        return tissue

    @cached_property
    def _noise(self) -> npt.NDArray[np.int16]:
        return self._random.normal(12.0, 6.0, (self.rows, self.columns)).astype(np.int16)


class Heart:
    """`frames` images of `rows` × `columns` pixels of a beating chamber with coloured flow, RGB."""

    def __init__(self, frames: int, rows: int, columns: int, seed: int) -> None:
        self.frames, self.rows, self.columns = frames, rows, columns
        self._speckle = np.random.default_rng(seed).integers(0, 60, (rows, columns, 1), np.uint8)

    def frame(self, frame_number: int) -> Colours:
        """The image `frame_number` (from 1), uint8 of shape (rows, columns, 3)."""
        beat = 0.25 + 0.1 * np.sin(2 * np.pi * frame_number / self.frames)
        y = np.linspace(-1.0, 1.0, self.rows)[:, None]
        x = np.linspace(-1.0, 1.0, self.columns)
        flow = np.exp(-((y / beat) ** 2) - (x / beat) ** 2)[..., None] * np.array([180, 40, 20])
        return burn_in((flow + np.roll(self._speckle, frame_number, axis=0)).astype(np.uint8), f"frame {frame_number}")


def burn_in(pixels: Array, text: str) -> Array:
    """Write `text` into the upper right corner, brightest value, about a twentieth of the rows high."""
    rows, columns = pixels.shape[:2]
    size = max(8, rows // 20)
    mask = Image.new("1", (columns, 2 * size))
    ImageDraw.Draw(mask).text((columns - size // 2, size // 2), text, 1, ImageFont.load_default(size), anchor="ra")
    pixels[: min(rows, 2 * size)][np.asarray(mask)[:rows]] = LARGEST if pixels.dtype == np.uint16 else 255
    return pixels


def stamp(pixels: Pixels, frame_number: int) -> Pixels:
    """Write the frame's number and the checksum of its other rows into the first pixels of the first row."""
    checksum = zlib.crc32(pixels[1:].tobytes())
    pixels[0, :STAMP] = [frame_number, checksum >> 22, checksum >> 11 & 0x7FF, checksum & 0x7FF]
    return pixels


def stamped_frame_number(pixels: Pixels) -> int:
    """The number (from 1) that the frame carries. Raises ValueError when the rest is not what was stamped."""
    frame_number, high, middle, low = (int(value) for value in pixels[0, :STAMP])
    if zlib.crc32(pixels[1:].tobytes()) != high << 22 | middle << 11 | low:
        raise ValueError(f"the frame says it is number {frame_number}, but its pixels are not those of that frame")
    return frame_number
