"""What is in an answer, and the samples that are in that, by other decoders than the plugin's where there are any."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import imagecodecs
import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.decoders import rle

from tests.conformance.client import Reply
from tests.conformance.shapes import BASELINE, JPEG, JPEG_LS
from tests.conformance.stored import COMPRESSED, DEFLATED, EXPLICIT, IMPLICIT, RLE, Pixels
from tests.real_files.images import Image

NATIVE = (EXPLICIT, IMPLICIT, DEFLATED)
_JPEG_LS = (JPEG_LS, f"{COMPRESSED}.81")
_JPEG, _LOSSLESS_JPEG = (BASELINE, f"{COMPRESSED}.51"), (f"{COMPRESSED}.57", JPEG)
_HTJ2K = tuple(f"{COMPRESSED}.{number}" for number in (201, 202, 203))


@dataclass(frozen=True)
class Payload:
    """A part of an answer, or all of it."""

    transfer_syntax_uid: str
    content: bytes = field(repr=False)


def payloads(reply: Reply) -> list[Payload]:
    """The parts of a multipart body, of ours or the stock plugin's; or the body. Raises ValueError where it is cut."""
    found = re.search(r'boundary="?([^\s;"]+)', reply.content_type)
    return list(_parts(reply.body, b"--" + found[1].encode())) if found else [Payload("", reply.body)]


def _parts(body: bytes, delimiter: bytes) -> Iterator[Payload]:
    position = body.index(delimiter)
    while not body.startswith(delimiter + b"--", position):
        end = body.index(b"\r\n\r\n", position)
        head = body[position:end].decode("latin-1")
        uid, length = re.search(r"transfer-syntax=([0-9.]+)", head), re.search(r"(?i)content-length: (\d+)", head)
        position = end + 4 + int(length[1]) if length else body.index(b"\r\n" + delimiter, end)
        yield Payload(uid[1] if uid else "", body[end + 4 : position])
        position = body.index(delimiter, position)


def samples_of(payload: bytes, transfer_syntax_uid: str, image: Image) -> Pixels:
    """A frame of `image` as an array, of rows × columns or rows × columns × 3. Raises whatever a decoder raises."""
    if transfer_syntax_uid in NATIVE:
        return _native(payload, image)
    if transfer_syntax_uid == RLE:
        return _run_lengths(payload, image)
    pixels = np.asarray(_decoder(transfer_syntax_uid, image)(payload))
    # Where no colour transform ties the components together, OpenJPH gives one after the other.
    by_plane = transfer_syntax_uid in _HTJ2K and image.photometric_interpretation.startswith("YBR_FULL")
    return np.moveaxis(pixels, 0, 2) if by_plane else pixels


def _decoder(transfer_syntax_uid: str, image: Image) -> Callable[[bytes], Any]:
    # Not every JPEG of RGB says so itself.
    space = "RGB" if image.photometric_interpretation == "RGB" else None
    decoders: Mapping[tuple[str, ...], Callable[[bytes], Any]] = {
        _JPEG: partial(imagecodecs.jpeg_decode, colorspace=space),
        _LOSSLESS_JPEG: imagecodecs.ljpeg_decode,
        _JPEG_LS: imagecodecs.jpegls_decode,
        _HTJ2K: imagecodecs.htj2k_decode,  # OpenJPEG does not take samples of 32 bits
    }
    found = [decoder for uids, decoder in decoders.items() if transfer_syntax_uid in uids]
    return found[0] if found else imagecodecs.jpeg2k_decode


def _native(payload: bytes, image: Image) -> Pixels:
    rows, columns, *samples = image.shape
    if image.bits_allocated == 1:
        bits = np.frombuffer(payload, np.uint8)
        return np.unpackbits(bits, bitorder="little")[: rows * columns].reshape(image.shape)
    values = np.frombuffer(payload, f"<u{image.bits_allocated // 8}")
    if image.photometric_interpretation == "YBR_FULL_422" and values.size == 2 * rows * columns:
        # Two pixels share their chrominance (PS3.3 section C.7.6.3.1.2).
        lumas, chromas = values.reshape(-1, 4)[:, :2], values.reshape(-1, 4)[:, 2:]
        return np.dstack([lumas.reshape(rows, columns), np.repeat(chromas, 2, axis=0).reshape(rows, columns, 2)])
    if samples and image.header.get("PlanarConfiguration") == 1:
        return np.moveaxis(values.reshape(*samples, rows, columns), 0, 2)
    return values.reshape(image.shape)


def _run_lengths(payload: bytes, image: Image) -> Pixels:
    rows, columns, *samples = image.shape
    decode: Any = rle._rle_decode_frame  # noqa: SLF001 - pydicom decodes a single frame nowhere else
    planes = decode(payload, rows, columns, sum(samples or [1]), image.bits_allocated)
    values = np.frombuffer(planes, f"<u{image.bits_allocated // 8}").reshape(-1, rows, columns)
    return np.moveaxis(values, 0, 2).reshape(image.shape)


def picture_of(reply: Reply) -> Pixels:
    decoder = imagecodecs.png_decode if reply.content_type == "image/png" else imagecodecs.jpeg_decode
    return np.asarray(decoder(reply.body))


@dataclass(frozen=True)
class Instance:
    """A whole file that was answered."""

    content: bytes = field(repr=False)

    @cached_property
    def _data_set(self) -> Dataset:
        with warnings.catch_warnings(action="ignore"):
            data_set = pydicom.dcmread(io.BytesIO(self.content))
            data_set.PixelData  # noqa: B018 - it is converted at the first look at it
        return data_set

    @cached_property
    def as_image(self) -> Image:
        return Image("", self.content)

    def frame(self, frame_number: int) -> bytes:
        image, pixel_data = self.as_image, self._data_set.PixelData
        if image.transfer_syntax_uid not in NATIVE:
            return get_frame(pixel_data, frame_number - 1, number_of_frames=image.number_of_frames)
        rows, columns, *samples = image.shape
        shared = image.photometric_interpretation == "YBR_FULL_422"
        bits = rows * columns * (2 if shared else sum(samples or [1])) * image.bits_allocated
        first = (frame_number - 1) * bits
        if first % 8:
            raise ValueError("the frame begins within a byte")
        return bytes(pixel_data[first // 8 : (first + bits + 7) // 8])
