"""What is found when the answers to one request are compared: ours, in each mode, and the stock plugin's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np

from tests.conformance.client import Reply
from tests.conformance.shapes import BASELINE, JPEG
from tests.conformance.stored import COMPRESSED, EXPLICIT, IMPLICIT, Pixels
from tests.real_files.forms import ANY, INSTANCES, PICTURES, Form, frame_numbers
from tests.real_files.images import Image
from tests.real_files.payloads import NATIVE, Instance, payloads, picture_of, samples_of
from tests.real_files.truth import Truth

GREY_LEVELS = 2
# Decoders of JPEG round differently, and some smooth chrominance between pixels.
LOSS, MEAN_LOSS = 6, 3
LOSSY = (BASELINE, f"{COMPRESSED}.51")
ALL_JPEG = (*LOSSY, f"{COMPRESSED}.57", JPEG)


class Kind(Enum):
    """What ours and the stock plugin's answer are; the last two must never be."""

    REFUSED = "ours is an error, and the stock plugin answers"
    FAILED = "ours is an error, and the stock plugin does not answer or is not asked"
    UNAVAILABLE = "ours is 406, and the stock plugin does not answer or is not asked"
    ALONE = "ours answers, and the stock plugin does not"
    UNLIKE_STOCK = "both answer, and not the same"
    UNLIKE_PYDICOM = "ours is not what pydicom decodes"
    UNSTEADY = "ours differs from time to time"
    WRONG = "ours is not what was asked for"


@dataclass(frozen=True)
class Finding:
    """One difference."""

    image: Image
    form: Form
    kind: Kind
    said: str

    def __str__(self) -> str:
        return f"{self.image.name}, {self.form.name}: {self.kind.name} ({self.said})"


@dataclass(frozen=True)
class Answers:
    """To one request: `reference` is the stock plugin's, None where it is not asked."""

    image: Image
    form: Form
    first: Reply
    again: tuple[Reply, ...]
    reference: Reply | None

    def findings(self, truth: Truth) -> Iterator[Finding]:
        try:
            for kind, said in self._compared(truth):
                yield Finding(self.image, self.form, kind, said)
        except (ValueError, RuntimeError) as error:
            yield Finding(self.image, self.form, Kind.WRONG, f"unreadable: {error}")

    def _compared(self, truth: Truth) -> Iterator[tuple[Kind, str]]:
        if any(_content(reply) != _content(self.first) for reply in self.again):
            statuses = [reply.status for reply in (self.first, *self.again)]
            yield Kind.UNSTEADY, f"status {statuses}, first {self.first.headers.get('x-frame-cache')}"
        answered = self.reference is not None and self.reference.status == 200
        if 0 in [reply.status for reply in (self.first, self.reference) if reply is not None]:
            yield Kind.WRONG, "no answer"
            return
        if self.first.status != 200:
            yield self._error(answered=answered)
            return
        if self.reference is not None and not answered:
            yield Kind.ALONE, f"{self.reference.status}"
        if self.form in PICTURES:
            yield from self._picture(truth)
        elif self.form in INSTANCES:
            yield from self._instance(truth)
        else:
            yield from self._frames(truth)

    def _error(self, *, answered: bool) -> tuple[Kind, str]:
        if self.first.status == 307:
            return Kind.WRONG, f"handed over to {self.first.headers['location']}"
        kind = Kind.REFUSED if answered else Kind.UNAVAILABLE if self.first.status == 406 else Kind.FAILED
        return kind, f"{self.first.status} {self.first.body[:120]!r}"

    def _picture(self, truth: Truth) -> Iterator[tuple[Kind, str]]:
        picture = picture_of(self.first)
        if self.reference is not None and self.reference.status == 200:
            away = distance(picture, picture_of(self.reference))
            if away > GREY_LEVELS:
                yield Kind.UNLIKE_STOCK, f"{away} grey levels"
        colours = truth.colours(self.image, self.image.number_of_frames)
        if self.form.name == "rendered" and colours is not None:
            away = distance(picture, colours >> 8 * (colours.itemsize - 1))
            if away > self._tolerance:
                yield Kind.UNLIKE_PYDICOM, f"{away} grey levels"

    @property
    def _tolerance(self) -> int:
        return LOSS if self.image.transfer_syntax_uid in LOSSY else GREY_LEVELS if self.form in PICTURES else 0

    def _instance(self, truth: Truth) -> Iterator[tuple[Kind, str]]:
        [part] = payloads(self.first)
        if self.form.transfer_syntax_uid == ANY:
            if part.content != self.image.content:
                yield Kind.WRONG, "not the stored file"
            return
        instance = Instance(part.content)
        made = instance.as_image
        if made.transfer_syntax_uid != self.form.transfer_syntax_uid:
            yield Kind.WRONG, f"is {made.transfer_syntax_uid}"
            return
        for number in {1, self.image.number_of_frames}:
            yield from self._samples(instance.frame(number), made.transfer_syntax_uid, made, number, truth)

    def _frames(self, truth: Truth) -> Iterator[tuple[Kind, str]]:
        numbers, found = frame_numbers(self.form, self.image), payloads(self.first)
        stored = Instance(self.image.content)
        if len(found) != len(numbers):
            yield Kind.WRONG, f"{len(found)} parts instead of {len(numbers)}"
            return
        for number, part in zip(numbers, found, strict=True):
            if part.transfer_syntax_uid != self._wanted:
                yield Kind.WRONG, f"is {part.transfer_syntax_uid}"
            elif self._wanted == self.image.transfer_syntax_uid and self._wanted not in NATIVE:
                if part.content != stored.frame(number):
                    yield Kind.UNLIKE_PYDICOM, "not the stored frame"
            else:
                yield from self._samples(part.content, part.transfer_syntax_uid, self.image, number, truth)
        if self.reference is not None and self.reference.status == 200:
            for mine, its in zip(found, payloads(self.reference), strict=True):
                if mine.content != its.content:
                    yield from self._unlike(mine.content, its.content)

    @property
    def _wanted(self) -> str:
        """Native frames are Explicit VR Little Endian, whatever they are stored in."""
        stored, wanted = self.image.transfer_syntax_uid, self.form.transfer_syntax_uid
        if wanted == ANY:
            return stored if stored.startswith((f"{COMPRESSED}.", "1.2.840.10008.1.2.5")) else EXPLICIT
        return wanted

    def _samples(
        self, payload: bytes, transfer_syntax_uid: str, image: Image, number: int, truth: Truth
    ) -> Iterator[tuple[Kind, str]]:
        """`image` describes the payload; it is compared with the frame of what is stored."""
        in_colour = self._is_in_colour(transfer_syntax_uid)
        right = (truth.colours if in_colour else truth.samples)(self.image, number)
        if right is None:
            return
        samples = samples_of(payload, transfer_syntax_uid, image)
        away = distance(samples, right, self.image.bits_stored)
        if transfer_syntax_uid in LOSSY and transfer_syntax_uid != self.image.transfer_syntax_uid:
            if (mean := mean_distance(samples, right)) > MEAN_LOSS:
                yield Kind.UNLIKE_PYDICOM, f"frame {number}: {mean:.1f} in the mean"
        elif away > self._tolerance:
            yield Kind.UNLIKE_PYDICOM, f"frame {number}: {away}"

    def _is_in_colour(self, transfer_syntax_uid: str) -> bool:
        """Decoders of JPEG make RGB of YBR, and octets of a JPEG are that."""
        if self.image.photometric_interpretation == "PALETTE COLOR" or len(self.image.shape) == 2:
            return False
        from_jpeg = self.image.transfer_syntax_uid in ALL_JPEG and transfer_syntax_uid in (EXPLICIT, IMPLICIT)
        return from_jpeg or transfer_syntax_uid in LOSSY

    def _unlike(self, mine: bytes, its: bytes) -> Iterator[tuple[Kind, str]]:
        samples = [samples_of(content, self._wanted, self.image) for content in (mine, its)]
        away = distance(samples[0], samples[1], self.image.bits_stored)
        if self._wanted in LOSSY:
            if (mean := mean_distance(samples[0], samples[1])) > MEAN_LOSS:
                yield Kind.UNLIKE_STOCK, f"{mean:.1f} in the mean"
        elif away > (GREY_LEVELS if self.image.transfer_syntax_uid in LOSSY else 0):
            yield Kind.UNLIKE_STOCK, f"{away}"
        elif self._wanted == EXPLICIT and len(mine) != len(its):
            yield Kind.UNLIKE_STOCK, f"{len(mine)} bytes instead of {len(its)}"


def _content(reply: Reply) -> object:
    """All but what may differ from answer to answer: the boundary."""
    return reply.status, payloads(reply) if reply.status == 200 else b""


def distance(one: Pixels, other: Pixels, bits: int = 64) -> int:
    """The largest, in grey levels, of the lowest `bits` of each sample."""
    if np.array_equal(one, other):  # as most are, and found sooner
        return 0
    return int(np.abs(np.subtract(*_masked(one, other, bits))).max(initial=0))


def mean_distance(one: Pixels, other: Pixels) -> float:
    return float(np.abs(np.subtract(*_masked(one, other, 64))).mean())


def _masked(one: Pixels, other: Pixels, bits: int) -> tuple[Pixels, Pixels]:
    if one.shape != other.shape:
        raise ValueError(f"is of shape {one.shape} instead of {other.shape}")
    mask = (1 << min(bits, 32)) - 1
    first, second = (values.astype(np.int64) & mask for values in (one, other))
    return first, second
