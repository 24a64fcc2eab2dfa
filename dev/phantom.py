"""Pixels of synthetic images: a breast with a mass and microcalcifications, and a colour ultrasound.

Each lossless frame proves itself: its first row begins with its number and a checksum of all other rows, so a
test that is handed the wrong frame, or a damaged one, can tell.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Pixels = npt.NDArray[np.uint16]
Colours = npt.NDArray[np.uint8]
Levels = npt.NDArray[np.float32]
Array = TypeVar("Array", Pixels, Colours)

BITS_STORED = 12
LARGEST = 2**BITS_STORED - 1
LAYERS = 4  # of tissue; slices lie between them
FINEST = 512  # pixels along an edge in which tissue is made
STAMP = 4  # pixels: the frame number, then the CRC-32 of the other rows in three parts of 11 bits


class Breast:
    """`frames` slices of `rows` × `columns` pixels, 12 bits each, of a breast at the left edge.

    Fat and gland, ligaments, a mass and microcalcifications, each in its own slices. The tissue is smooth and the noise
    small, so that it compresses about as well as a real image.
    """

    def __init__(self, frames: int, rows: int, columns: int, seed: int) -> None:
        self.frames, self.rows, self.columns = frames, rows, columns
        self._random = np.random.default_rng(seed)

    def frame(self, frame_number: int) -> Pixels:
        """The slice `frame_number` (from 1), uint16 of shape (rows, columns)."""
        depth = (frame_number - 0.5) / self.frames
        pixels = self._slice(depth)
        for finding in self._findings:
            finding.add_to(pixels, depth)
        pixels[~self._outline.inside] = 0
        pixels += np.roll(self._noise, 97 * frame_number)
        np.clip(pixels, 0, LARGEST, out=pixels)
        return stamp(burn_in(pixels.astype(np.uint16), f"L CC {frame_number}/{self.frames}"), frame_number)

    def _slice(self, depth: float) -> npt.NDArray[np.int16]:
        """The tissue between the two layers around `depth`."""
        above, share = divmod(depth * (LAYERS - 1), 1)
        upper, lower = self._layers[int(above)], self._layers[min(int(above) + 1, LAYERS - 1)]
        return upper + ((lower - upper) * np.float32(share)).astype(np.int16)

    @cached_property
    def _outline(self) -> Outline:
        return Outline(self.rows, self.columns)

    @cached_property
    def _layers(self) -> list[npt.NDArray[np.int16]]:
        outline, small = self._outline, Outline(min(self.rows, FINEST), min(self.columns, FINEST))
        return [outline.cover(Tissue(small, self._random).values()) for _ in range(LAYERS)]

    @cached_property
    def _findings(self) -> list[Finding]:
        mass = Finding(self._outline, (0.42, 0.34), 0.035, 0.45, 620)
        nodes = self._random.uniform((0.2, 0.1, 0.01, 0.1), (0.8, 0.45, 0.022, 0.9), (4, 4))
        cluster = self._random.normal((0.62, 0.27), 0.018, (14, 2))
        return [
            mass,
            *(Finding(self._outline, (y, x), radius, depth, 380) for y, x, radius, depth in nodes),
            *(Finding(self._outline, (y, x), 0.0012, 0.6, 1900) for y, x in cluster),
        ]

    @cached_property
    def _noise(self) -> npt.NDArray[np.int16]:
        return self._random.normal(12.0, 5.2, (self.rows, self.columns)).astype(np.int16)


class Outline:
    """Where the breast is: its distance from the skin decides how thick, and so how bright, it is."""

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns
        self.y = np.linspace(-1.0, 1.0, rows, dtype=np.float32)[:, None]
        self.x = np.linspace(0.0, 1.0, columns, dtype=np.float32)

    @cached_property
    def distance(self) -> Levels:
        """1 in the middle of the chest wall, 0 at the skin, negative outside."""
        sagging = self.y - 0.10 * self.x
        nipple = 0.035 * np.exp(-(np.abs(sagging / 0.055) ** 3))
        distance: Levels = 1 - np.abs(sagging / 0.92) ** 2.3 - np.abs(self.x / (0.74 + nipple)) ** 2.1
        return distance

    @cached_property
    def inside(self) -> npt.NDArray[np.bool_]:
        inside: npt.NDArray[np.bool_] = self.distance > 0
        return inside

    def cover(self, tissue: Levels) -> npt.NDArray[np.int16]:
        """Tissue of any size, enlarged to this one, thinner towards the skin, and the skin."""
        enlarged = Image.fromarray(tissue).resize((self.columns, self.rows), Image.Resampling.BICUBIC)
        covered: npt.NDArray[np.int16] = (self._thickness * np.asarray(enlarged) + self._skin).astype(np.int16)
        return covered

    @cached_property
    def _thickness(self) -> Levels:
        thickness: Levels = np.clip(self.distance / 0.4, 0, 1) ** 0.4
        return thickness

    @cached_property
    def _skin(self) -> Levels:
        skin: Levels = 330 * np.exp(-(((self.distance - 0.010) / 0.010) ** 2))
        return skin


class Tissue:
    """One layer of a breast. Nothing in it is finer than some pixels, so it is made small and enlarged."""

    def __init__(self, outline: Outline, random: np.random.Generator) -> None:
        self._outline, self._random = outline, random

    def values(self) -> Levels:
        """Fat everywhere, gland behind the nipple, and ligaments, which show in both."""
        lobes = self._texture(3.0)
        gland = 1 / (1 + np.exp(-(1.5 * lobes + 7.5 * self._gland_is() - 4.6)))
        ligaments = sum(np.exp(-((self._texture(4.2) / width) ** 2)) for width in (0.045, 0.035))
        values: Levels = 640 + 70 * self._texture(3.0) + (640 + 110 * lobes) * gland + (150 + 60 * gland) * ligaments
        return values.astype(np.float32)

    def _gland_is(self) -> Levels:
        """How likely gland is: a cone with its tip at the nipple."""
        y, x = self._outline.y - 0.06, self._outline.x
        likely: Levels = np.exp(-((y / (0.66 - 0.62 * x)) ** 2) - ((x - 0.33) / 0.27) ** 2)
        return likely

    def _texture(self, power: float) -> Levels:
        """Noise of all scales, mean 0 and deviation 1, whose spectrum falls with this power, as that of tissue does."""
        rows, columns = self._outline.rows, self._outline.columns
        frequency = np.hypot(np.fft.fftfreq(rows)[:, None] * rows, np.fft.rfftfreq(columns) * columns)
        spectrum = np.fft.rfft2(self._random.standard_normal((rows, columns)))
        noise = np.fft.irfft2(spectrum / np.maximum(frequency, 3) ** (power / 2), s=(rows, columns))
        texture: Levels = ((noise - noise.mean()) / noise.std()).astype(np.float32)
        return texture


@dataclass(frozen=True)
class Finding:
    """A round thing at `centre` (y, x) with `radius`, fractions of the rows and columns, brightest at `depth`."""

    outline: Outline
    centre: tuple[float, float]
    radius: float
    depth: float
    height: float

    def add_to(self, pixels: npt.NDArray[np.int16], depth: float) -> None:
        """Out of its slice it is faint."""
        rows, columns = self.outline.rows, self.outline.columns
        (y, x), radius = self.centre, max(1.0, self.radius * rows)
        top, left = max(0, int(y * rows - 3 * radius)), max(0, int(x * columns - 3 * radius))
        part = pixels[top : int(y * rows + 3 * radius) + 1, left : int(x * columns + 3 * radius) + 1]
        down = (np.arange(part.shape[0]) + top - y * rows) / radius
        across = (np.arange(part.shape[1]) + left - x * columns) / radius
        height = self.height * np.exp(-(((depth - self.depth) / 0.2) ** 2))
        part += (height * np.exp(-(np.abs(down) ** 3))[:, None] * np.exp(-(np.abs(across) ** 3))).astype(np.int16)


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
    """Write `text` into the upper right corner, brightest value, about a thirtieth of the rows high."""
    rows, columns = pixels.shape[:2]
    size = max(8, rows // 32)
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
