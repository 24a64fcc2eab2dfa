"""Writes frames of a source: each an object of its own, or all in one object with a table beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from struct import Struct

import xxhash

from framecache.dicom.frame_table import FramePlace
from framecache.dicom.identity import InstancePath
from framecache.dicom.transfer_syntax import lookup
from framecache.tree import layout
from framecache.tree.buffers import Buffers
from framecache.tree.headers import Headers
from framecache.tree.layout import TRAILER, part_header
from framecache.tree.objects import Listed, Objects
from framecache.tree.record import StoredFrame
from framecache.tree.source import StoredInstance

LARGE = 40 << 20  # bytes: frames from this length on are streamed
IN_FLIGHT = 32 << 20  # bytes of objects that are being written
# Of a table: where the frame begins in the object of all frames, its length, its xxh3-64, and where it begins in the
# stored file if it lies there in one run.
ROW = Struct("<QQQQ")
NOWHERE = 2**64 - 1
# An object that an earlier, interrupted run left is written anew before a collection may find it too old.
_OLD = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Written:
    """Objects that are being written: frames, then others. All has to be done before a record names them.

    `is_at_place` if the frames were to lie below the instance's own path.
    """

    frames: tuple[Future[StoredFrame], ...] = ()
    others: tuple[Future[None], ...] = ()
    is_at_place: bool = False

    def result(self) -> tuple[StoredFrame, ...]:
        """The frames. Raises SourceError, Unreachable, whatever went wrong."""
        for other in self.others:
            other.result()
        return tuple(frame.result() for frame in self.frames)


class FrameWriter:
    """Objects are created only. One that is there with another content is left to the version that it is of: this one
    is noted as contested, and keeps its frame under its own checksum."""

    def __init__(self, objects: Objects, pool: Executor) -> None:
        self._objects, self._pool = objects, pool
        self._buffers = Buffers(IN_FLIGHT, reuse=objects.is_folder)

    def write(self, instance: StoredInstance, *, is_first: bool) -> Written:
        """Each frame an object; below the instance's own path if it is the `is_first` version that is known of it.

        Stores create an object only where there is none if they get it at once. Frames that are too large for that
        have no place of their own from the start: whoever derives the study puts them there. Raises SourceError,
        Unreachable.
        """
        places = [instance.place(index) for index in range(instance.number_of_frames)]
        is_at_place = is_first and all(place.length < LARGE for place in places)
        if not is_at_place:
            self.contest(instance.path)
        put = self._put_at_place if is_at_place else self._put
        return Written(
            tuple(put(instance, number, place) for number, place in enumerate(places, 1)), is_at_place=is_at_place
        )

    def write_together(self, instance: StoredInstance) -> None:
        """All frames in one object, and their table. Nothing is done if they are there."""
        sha256 = instance.origin.sha256
        table = layout.version(sha256, "table")
        listed = self._objects.head(table)
        if listed is not None and not _is_old(listed):
            return
        rows = bytearray()
        self._objects.replace_with_stream(layout.version(sha256, "all"), _all_frames(instance, rows))
        self._objects.replace(table, rows)

    def write_video(self, instance: StoredInstance, stream: FramePlace) -> None:
        """The stream as bulk data of the study. It is read twice: first for its name."""
        sha256 = hashlib.sha256()
        for chunk in instance.chunks(stream):
            sha256.update(chunk)
        media_type = lookup(instance.transfer_syntax_uid).media_type
        name = layout.video_name(sha256.hexdigest(), media_type)
        instance.refer_to_video(name)
        key = layout.bulk_data(layout.file_name(instance.path.study_instance_uid), name)
        listed = self._objects.head(key)
        if listed is None or listed.size != stream.length or _is_old(listed):
            self._objects.replace_with_stream(key, instance.chunks(stream), Headers(media_type))

    def rewrite(self, instance: StoredInstance, *, together: bool) -> None:
        """Write all objects of a version over what is there: under its checksum, and bulk data in its study."""
        sha256, video = instance.origin.sha256, instance.video
        for future in self.write_bulk_data(instance):
            future.result()
        if video is not None:
            self.write_video(instance, video)
        if together:
            self._objects.delete([layout.version(sha256, "table")])
            self.write_together(instance)
            return
        for number in range(1, instance.number_of_frames + 1):
            self._rewrite(instance, number, instance.place(number - 1))

    def _rewrite(self, instance: StoredInstance, number: int, place: FramePlace) -> None:
        if place.length >= LARGE:
            self._stream(instance, number, place)
            return
        key = layout.version(instance.origin.sha256, number)
        self._submit(instance, place, partial(self._objects.replace, key)).result()

    def write_bulk_data(self, instance: StoredInstance) -> tuple[Future[None], ...]:
        study = layout.file_name(instance.path.study_instance_uid)
        bodies = {
            layout.bulk_data(study, name): layout.bulk_data_body(value) for name, value in instance.bulk_data.items()
        }
        return tuple(self._pool.submit(self._mend, key, body, layout.BULK_DATA) for key, body in bodies.items())

    def _put_at_place(self, instance: StoredInstance, number: int, place: FramePlace) -> Future[StoredFrame]:
        key = layout.frame(instance.path, number)

        def put(body: memoryview, headers: Headers) -> None:
            if not self._keep(key, body, headers):
                self.contest(instance.path)
                self._mend(layout.version(instance.origin.sha256, number), body, headers)

        return self._submit(instance, place, put)

    def _put(self, instance: StoredInstance, number: int, place: FramePlace) -> Future[StoredFrame]:
        if place.length >= LARGE:
            future = self._pool.submit(self._stream, instance, number, place)
            instance.read_by(future)
            return future

        def put(body: memoryview, headers: Headers) -> None:
            self._mend(layout.version(instance.origin.sha256, number), body, headers)

        return self._submit(instance, place, put)

    def _submit(
        self, instance: StoredInstance, place: FramePlace, put: Callable[[memoryview, Headers], None]
    ) -> Future[StoredFrame]:
        """Read the frame and write its object, beside others; not more of them at once than there is memory for."""
        head = part_header(instance.frames_transfer_syntax_uid, place.length)
        body = self._buffers.take(len(head) + place.length + len(TRAILER))

        def run() -> StoredFrame:
            frame = _lay_out(instance, place, head, body)
            put(body, layout.frame_headers(instance.frames_transfer_syntax_uid))
            return frame

        future = self._pool.submit(run)
        instance.read_by(future)
        future.add_done_callback(lambda _: self._buffers.give_back(body))
        return future

    def _keep(self, key: str, body: bytes | memoryview, headers: Headers) -> bool:
        """Create it; whether it is there now with this content."""
        if self._objects.create(key, body, headers):
            return True
        if self._objects.read(key) != body:
            return False
        listed = self._objects.head(key)
        if listed is not None and _is_old(listed):
            self._objects.replace(key, body, headers)
        return True

    def _mend(self, key: str, body: bytes | memoryview, headers: Headers) -> None:
        """The same of an object that is named by its content: another content is a damaged one."""
        if not self._keep(key, body, headers):
            self._objects.replace(key, body, headers)

    def contest(self, path: InstancePath) -> None:
        """Note that several versions were written. Anew, though it is noted: a collection takes old marks away, where
        it finds the right frames."""
        self._objects.replace(layout.contested(path), b"")

    def _stream(self, instance: StoredInstance, number: int, place: FramePlace) -> StoredFrame:
        """Under the checksum of the version: whoever writes the same object writes the same content."""
        headers = layout.frame_headers(instance.frames_transfer_syntax_uid)
        checksum = xxhash.xxh3_64()

        def chunks() -> Iterator[bytes]:
            yield part_header(instance.frames_transfer_syntax_uid, place.length)
            for chunk in instance.chunks(place):
                checksum.update(chunk)
                yield chunk
            yield TRAILER

        self._objects.replace_with_stream(layout.version(instance.origin.sha256, number), chunks(), headers)
        return StoredFrame(place.length, checksum.hexdigest(), instance.runs(place))


def _is_old(listed: Listed) -> bool:
    return datetime.now(UTC) - listed.modified > _OLD


def _lay_out(instance: StoredInstance, place: FramePlace, head: bytes, body: memoryview) -> StoredFrame:
    """Fill the frame's object: one read into its place."""
    end = len(head) + place.length
    body[: len(head)], body[end:] = head, TRAILER
    with body[len(head) : end] as target:
        instance.read_into(place, target)
        checksum = xxhash.xxh3_64_hexdigest(target)
    return StoredFrame(place.length, checksum, instance.runs(place))


def _all_frames(instance: StoredInstance, rows: bytearray) -> Iterator[bytes]:
    offset = 0
    for index in range(instance.number_of_frames):
        place = instance.place(index)
        checksum = xxhash.xxh3_64()
        for chunk in instance.chunks(place):
            checksum.update(chunk)
            yield chunk
        runs = instance.runs(place)
        rows += ROW.pack(offset, place.length, checksum.intdigest(), runs[0].offset if len(runs) == 1 else NOWHERE)
        offset += place.length
