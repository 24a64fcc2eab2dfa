"""Lays the frames of an answer out, and reads them into their places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from framecache.codecs.process.errors import Undecodable
from framecache.dicomweb.multipart import Multipart
from framecache.errors import BrokenPixelData
from framecache.instances.entry import Entry
from framecache.serving.answer import Answer, Reporter
from framecache.serving.frame_location import DamagedFrame, FailedFrame, FrameLocation
from framecache.serving.frames import Frames, OpenFrames
from framecache.serving.representations import Form
from framecache.serving.resources import Resources
from framecache.store.buffers import BufferPool
from framecache.telemetry.metrics import MissCause


class MissQueue(Protocol):
    """Queues instances of which a viewer had to wait for a frame."""

    def queue_missed(self, entry: Entry, frame_number: int) -> MissCause:
        """Cache the instance, the frames nearest to this one first. Returns why it was not cached."""


@dataclass(frozen=True, slots=True)
class Limits:
    """From how many frames, and from how many bytes on, an answer is sent frame by frame."""

    longest_list: int
    longest_body: int


@dataclass(slots=True)
class Delivery:
    """A request of which all is decided: what is sent of which instance, and in which shape.

    No `numbers` are all frames. Without `multipart` one frame is sent alone; else frame n is said to be found at
    `location`, n and `suffix`.
    """

    entry: Entry
    form: Form
    numbers: Sequence[int]
    multipart: Multipart | None
    location: str
    suffix: str
    entity_tag: str
    started: float

    @property
    def content_type(self) -> str:
        """The media type of the body."""
        return self.multipart.content_type if self.multipart else self.form.content_type

    @property
    def closing(self) -> bytes:
        """What stands behind the last frame."""
        return self.multipart.closing if self.multipart else b""

    def header(self, found: FrameLocation, *, first: bool) -> bytes:
        """What stands before a frame."""
        if self.multipart is None:
            return b""
        location = f"{self.location}{found.number}{self.suffix}"
        part_type = found.media_type if isinstance(found, FailedFrame) else ""
        return self.multipart.header(location, found.length, first=first, part_type=part_type)


class Assembly:
    """Makes answers of deliveries."""

    def __init__(self, frames: Frames, pool: BufferPool, queue: MissQueue, reporter: Reporter, limits: Limits) -> None:
        self._frames, self._pool, self._queue = frames, pool, queue
        self._reporter, self._limits = reporter, limits

    def answer(self, delivery: Delivery) -> Answer:
        """The answer, which holds what it needs until it is closed.

        Raises NotFound past the last frame, FormUnavailable, DamagedFrame, CodecError, SourceError, Overloaded;
        HandOver.
        """
        resources = Resources(self._pool)
        try:
            answer = self._answer(
                delivery, OpenFrames(self._frames, delivery.entry, delivery.form, resources), resources
            )
        except BaseException:
            resources.close()
            raise
        answer.close = resources.close
        return answer

    def _answer(self, delivery: Delivery, frames: OpenFrames, resources: Resources) -> Answer:
        numbers = delivery.numbers or frames.all_numbers()
        found = self._locate(frames, numbers)
        if len(found) < len(numbers):
            headers = self._streamed(delivery, frames, numbers, found[0])
            return Answer(200, delivery.content_type, headers, self._chunks(delivery, frames, numbers, resources))
        body = _assembled(delivery, frames, found, resources)
        headers = self._reporter.served(delivery.entity_tag, self._missed(delivery, frames, found), delivery.started)
        if len(found) > 1 and any(isinstance(one, FailedFrame) for one in found):
            del headers["ETag"]
        return Answer(200, delivery.content_type, headers, body)

    def _locate(self, frames: OpenFrames, numbers: Sequence[int]) -> list[FrameLocation]:
        """Where frames lie; fewer as soon as they are too long: what was made of a frame lies in memory already."""
        if len(numbers) == 1:  # however long, it is sent whole
            return [frames.locate(numbers[0])]
        found = [_found(frames, numbers[0])]
        length = found[0].length * len(numbers)  # the first may be blank, and say nothing of the others
        for number in numbers[1:]:
            if length > self._limits.longest_body or len(numbers) > self._limits.longest_list:
                break
            found.append(_found(frames, number))
            length += max(0, found[-1].length - found[0].length)
        return found[:1] if length > self._limits.longest_body else _not_all_failed(found)

    def _streamed(
        self, delivery: Delivery, frames: OpenFrames, numbers: Sequence[int], first: FrameLocation
    ) -> dict[str, str]:
        """The headers of an answer that is sent frame by frame: a body that is too long to hold has no length."""
        frames.check_exist(numbers)
        return self._reporter.served(delivery.entity_tag, self._missed(delivery, frames, [first]), delivery.started)

    def _chunks(
        self, delivery: Delivery, frames: OpenFrames, numbers: Sequence[int], resources: Resources
    ) -> Iterator[memoryview]:
        for index, number in enumerate(numbers):
            found = _found(frames, number)
            header = delivery.header(found, first=index == 0)
            chunk = resources.memory(len(header) + found.length)
            found, _ = _write_part(frames, found, header, chunk, 0)
            yield chunk
            if not found.is_hit:
                self._queue.queue_missed(delivery.entry, number)
        yield memoryview(delivery.closing)

    def _missed(self, delivery: Delivery, frames: OpenFrames, found: Sequence[FrameLocation]) -> MissCause | None:
        """Why the first frame that did not come from the cache did not; None if all came."""
        for one in found:
            if not one.is_hit:
                cause = self._queue.queue_missed(delivery.entry, one.number)
                return frames.why_missed(one, cause)
        return None


def _found(frames: OpenFrames, number: int) -> FrameLocation:
    """One frame of several: a broken one is told in its place, and does not keep the others from being sent."""
    try:
        return frames.locate(number)
    except (BrokenPixelData, Undecodable) as error:
        return FailedFrame(number, error)


def _not_all_failed(found: list[FrameLocation]) -> list[FrameLocation]:
    if isinstance(found[0], FailedFrame) and all(isinstance(one, FailedFrame) for one in found):
        raise found[0].error
    return found


def _assembled(delivery: Delivery, frames: OpenFrames, found: list[FrameLocation], resources: Resources) -> memoryview:
    """The whole body. In `found`, what turned out to be damaged is replaced by where it was found instead."""
    headers: list[bytes] = []
    closing = delivery.closing
    length = len(closing)
    for one in found:
        header = delivery.header(one, first=not headers)
        headers.append(header)
        length += len(header) + one.length
    body, position = resources.memory(length), 0
    for index, header in enumerate(headers):
        found[index], position = _write_part(frames, found[index], header, body, position)
    body[position:] = closing
    return body


def _write_part(
    frames: OpenFrames, found: FrameLocation, header: bytes, body: memoryview, position: int
) -> tuple[FrameLocation, int]:
    """Write a part into `body` from `position` on; return where its frame came from, and the position behind it."""
    begin = position + len(header)
    end = begin + found.length
    body[position:begin] = header
    with body[begin:end] as target:
        return _read(frames, found, target), end


def _read(frames: OpenFrames, found: FrameLocation, target: memoryview) -> FrameLocation:
    """Fill `target` and return where the frame came from: a damaged one is dropped, and then found elsewhere."""
    try:
        found.read_into(target)
    except DamagedFrame:
        other = frames.locate(found.number)
        if other.length != len(target):
            raise
        other.read_into(target)
        return other
    return found
