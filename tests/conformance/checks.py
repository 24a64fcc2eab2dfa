"""What has to be true of one answer of the table. Each check returns what is wrong, so that one test shows it all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from json import JSONDecodeError, loads
from types import MappingProxyType
from typing import Any

import imagecodecs
import numpy as np
from framecache.dicom.transfer_syntax import Encoding, lookup
from pydicom.pixels.decoders import rle

from tests.conformance.client import Client, Part, Reply, accepting, parts_of, single_part, with_parameter
from tests.conformance.shapes import (
    BASELINE,
    EXTENDED,
    HTJ2K,
    JPEG,
    JPEG_2000,
    JPEG_LS,
    NOT_ACCEPTABLE,
    SHAPES,
    Outcome,
    Shape,
)
from tests.conformance.stored import COMPRESSED, EXPLICIT, FRAMES, IMPLICIT, RLE, STORED, Pixels, Stored

LOSSY = frozenset({BASELINE, EXTENDED})
LOSSLESS = frozenset(
    {HTJ2K, RLE, JPEG, JPEG_LS, JPEG_2000, *(f"{COMPRESSED}.{number}" for number in (57, 81, 92, 203))}
)
VIDEO = "this instance is a video"


@dataclass(frozen=True)
class FrameList:
    """What is asked for of an instance, and the frames that come, in their order."""

    name: str
    text: str
    numbers: tuple[int, ...]

    @property
    def resource(self) -> str:
        return f"frames/{self.text}" if self.text else "frames"


ONE = FrameList("one frame", "2", (2,))
LIST = FrameList("a list, in its order, with a duplicate", "3,1,3", (3, 1, 3))
ALL = FrameList("all frames", "", tuple(range(1, FRAMES + 1)))
LISTS = (ONE, LIST, ALL)


Asked = Sequence[tuple[Shape, FrameList]]
ALL_PAIRS: Asked = tuple(product(SHAPES, LISTS))


def some_pairs(stored: Stored) -> Asked:
    """Each shape with one of the lists: over the instances of the table, each shape meets each list."""
    first = STORED.index(stored)
    return [(shape, LISTS[(first + position) % len(LISTS)]) for position, shape in enumerate(SHAPES)]


def complaints(client: Client, stored: Stored, asked: Asked = ALL_PAIRS) -> Iterator[str]:
    """About what one instance is asked for."""
    for shape, frame_list in asked:
        reply = ask(client, stored, shape, frame_list)
        for complaint in _complaints(reply, stored, expected(stored, shape, frame_list), frame_list):
            yield f"{stored.name}, {shape.name} ({shape.accept}), {frame_list.name}: {complaint}"


def ask(client: Client, stored: Stored, shape: Shape, frame_list: FrameList) -> Reply:
    path = with_parameter(f"{stored.path}/{frame_list.resource}", shape.parameter)
    return client.get(path, accepting(shape.accept))


def expected(stored: Stored, shape: Shape, frame_list: FrameList) -> Outcome:
    """Several frames do not fit into a single part."""
    outcome = shape.outcome(stored)
    if outcome.status == 200 and frame_list is not ONE and not outcome.multipart:
        outcome = shape.several or NOT_ACCEPTABLE
    forms = unwritable(stored)
    if outcome.transfer_syntax_uid in forms:
        outcome = shape.otherwise or NOT_ACCEPTABLE
    return NOT_ACCEPTABLE if outcome.transfer_syntax_uid in forms else outcome


def unwritable(stored: Stored) -> frozenset[str]:
    """The compressed forms that have no room for these pixels (PS3.5 section 8.2)."""
    allocated = int(stored.tags.get("BitsAllocated", 8 * stored.pixels[0].itemsize))
    if stored.keyword != "PixelData" or allocated == 1:
        return LOSSLESS | LOSSY
    if lookup(stored.transfer_syntax_uid).media_type == "image/jxl" and "YBR" in stored.photometric:
        return LOSSLESS | LOSSY
    if allocated == 32:
        return LOSSY | LOSSLESS - {RLE, HTJ2K, f"{COMPRESSED}.203"}
    depth = allocated, int(stored.tags.get("BitsStored", allocated))
    is_signed, is_indexed = stored.pixels[0].dtype.kind == "i", stored.photometric == "PALETTE COLOR"
    if is_signed or is_indexed or depth not in ((8, 8), (16, 12)):
        return LOSSY
    return frozenset({BASELINE}) if depth == (16, 12) else frozenset()


def _complaints(reply: Reply, stored: Stored, outcome: Outcome, frame_list: FrameList) -> Iterator[str]:
    if reply.status != outcome.status:
        yield f"{reply.status} instead of {outcome.status}: {reply.body[:150]!r}"
    elif reply.status == 200:
        yield from _about_frames(reply, stored, outcome, frame_list)
    else:
        yield from about_error(reply)


def about_error(reply: Reply) -> Iterator[str]:
    """Errors are JSON with the status and a message; 406 lists what there is (PS3.18 section 8.7.8)."""
    try:
        content: Mapping[str, Any] = loads(reply.body)
    except JSONDecodeError:
        yield f"no JSON: {reply.body[:100]!r}"
        return
    if content.get("HttpStatus") != reply.status or not content.get("Message"):
        yield f"not an error as others: {content}"
    if reply.status == 406 and not content.get("Available"):
        yield f"nothing is said to be available: {content}"


def _about_frames(reply: Reply, stored: Stored, outcome: Outcome, frame_list: FrameList) -> Iterator[str]:
    if outcome.multipart != reply.content_type.startswith("multipart/related"):
        yield f"comes as {reply.content_type}"
        return
    found = parts_of(reply) if outcome.multipart else [single_part(reply)]
    numbers = [int(part.number) for part in found] if outcome.multipart else list(frame_list.numbers)
    if numbers != list(frame_list.numbers):
        yield f"frames {numbers} instead of {frame_list.numbers}"
        return
    for part, number in zip(found, numbers, strict=True):
        yield from about_part(part, stored, outcome.transfer_syntax_uid, number)


def about_part(part: Part, stored: Stored, transfer_syntax_uid: str, number: int) -> Iterator[str]:
    """The bytes: as stored, exact pixels of what is lossless, near ones of what is not."""
    said = (part.media_type, part.transfer_syntax_uid)
    if said != (lookup(transfer_syntax_uid).media_type, transfer_syntax_uid):
        yield f"is {said}"
        return
    if transfer_syntax_uid == IMPLICIT:
        transfer_syntax_uid = EXPLICIT  # the pixels of both are the same bytes
    if stored.encoding is Encoding.ENCAPSULATED and transfer_syntax_uid == stored.transfer_syntax_uid:
        encoded = stored.encoded[number - 1]
        # The last byte may be the padding of an item (PS3.5 annex A.4).
        if part.payload[: len(encoded)] != encoded or len(part.payload) - len(encoded) > 1:
            yield f"frame {number} is not the stored one"
    elif transfer_syntax_uid == EXPLICIT:
        yield from _about_explicit(part.payload, stored, number)
    else:
        yield from _about_made(decoded(part.payload, stored, transfer_syntax_uid), stored, transfer_syntax_uid, number)


def _about_made(pixels: Pixels, stored: Stored, transfer_syntax_uid: str, number: int) -> Iterator[str]:
    """Exact, unless something was lost before or now; colours that are converted are compared in the codecs' tests."""
    wanted = _true_pixels(stored, number)
    is_exact = stored.tolerance == 0 and transfer_syntax_uid not in LOSSY and "YBR_FULL" not in stored.photometric
    if pixels.shape != wanted.shape:
        yield f"frame {number} decodes to {pixels.shape}"
    elif is_exact and not np.array_equal(pixels, wanted):
        yield f"frame {number} does not decode to what was stored"


def _about_explicit(payload: bytes, stored: Stored, number: int) -> Iterator[str]:
    wanted = stored.explicit(number)
    if len(payload) != len(wanted):
        yield f"frame {number} has {len(payload)} bytes, not {len(wanted)}"
    elif (distance := difference(payload, wanted, stored)) > stored.tolerance:
        yield f"frame {number} is up to {distance} grey levels away"
    elif identity(payload, stored) != number:
        yield f"frame {number} looks like frame {identity(payload, stored)}"


def difference(one: bytes, other: bytes, stored: Stored) -> float:
    """The largest, in grey levels."""
    if one == other:
        return 0
    dtype = stored.pixels[0].dtype.newbyteorder("<")
    values = (np.frombuffer(content, dtype).astype(float) for content in (one, other))
    return float(np.abs(np.subtract(*values)).max())


def identity(payload: bytes, stored: Stored) -> int:
    """The frame whose pixels are nearest."""
    dtype = stored.pixels[0].dtype.newbyteorder("<")
    values = np.frombuffer(payload, dtype if len(payload) % dtype.itemsize == 0 else "u1").astype(float)

    def distance(number: int) -> float:
        return float(np.abs(values - np.frombuffer(stored.explicit(number), values_type(payload, dtype))).mean())

    return min(range(1, len(stored.pixels) + 1), key=distance)


def values_type(payload: bytes, dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype if len(payload) % dtype.itemsize == 0 else np.dtype("u1")


def _true_pixels(stored: Stored, number: int) -> Pixels:
    """Bare bits, without a sign."""
    pixels = stored.pixels[number - 1]
    return pixels.view(f"u{pixels.itemsize}")


def decoded(payload: bytes, stored: Stored, transfer_syntax_uid: str) -> Pixels:
    """By another decoder than the plugin's where there is one: OpenJPEG for HTJ2K, pydicom for RLE."""
    if transfer_syntax_uid == RLE:
        return _run_lengths(payload, stored)
    decoder = _DECODERS[transfer_syntax_uid]
    if stored.pixels[0].itemsize > 2:
        decoder = imagecodecs.htj2k_decode  # OpenJPEG does not take samples of 32 bits
    pixels = np.asarray(decoder(payload))
    return pixels.view(f"u{pixels.itemsize}")


def _run_lengths(payload: bytes, stored: Stored) -> Pixels:
    pixels = stored.pixels[0]
    samples = 3 if pixels.ndim == 3 else 1
    decode: Any = rle._rle_decode_frame  # noqa: SLF001 - pydicom decodes a single frame nowhere else
    planes = decode(payload, *pixels.shape[:2], samples, 8 * pixels.itemsize)
    values = np.frombuffer(planes, f"<u{pixels.itemsize}").reshape(samples, *pixels.shape[:2])
    return np.moveaxis(values, 0, 2).reshape(pixels.shape)


_DECODERS: Mapping[str, Callable[[bytes], Any]] = MappingProxyType(
    {
        **{f"{COMPRESSED}.{number}": imagecodecs.jpeg2k_decode for number in (90, 92, 201, 202, 203)},
        **{f"{COMPRESSED}.{number}": imagecodecs.jpegls_decode for number in (80, 81)},
        **{f"{COMPRESSED}.{number}": imagecodecs.jpegsof3_decode for number in (57, 70)},
        **{f"{COMPRESSED}.{number}": imagecodecs.jpeg8_decode for number in (50, 51)},
    }
)
