"""Writes frames of a source: each an object of its own, or all in one object with a table beside it."""

from __future__ import annotations

import hashlib
import threading
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
from framecache.tree.headers import Headers
from framecache.tree.layout import TRAILER, part_header
from framecache.tree.objects import Listed, Objects
from framecache.tree.record import StoredFrame
from framecache.tree.source import StoredInstance

LARGE = 12 << 20  # bytes: frames from this length on are streamed, one at a time
IN_FLIGHT = 24 << 20  # bytes of objects that are being written
# Of a table: where the frame begins in the object of all frames, its length, its xxh3-64, and where it begins in the
# stored file if it lies there in one run.
ROW = Struct("<QQQQ")
NOWHERE = 2**64 - 1
# An object that an earlier, interrupted run left is written anew before a collection may find it too old.
_OLD = timedelta(hours=6)


class Budget:
    """So many bytes at once; more than all of them only alone."""

    def __init__(self, most: int) -> None:
        self._most, self._taken, self._changed = most, 0, threading.Condition()

    def take(self, size: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._taken == 0 or self._taken + size <= self._most)
            self._taken += size

    def give_back(self, size: int) -> None:
        with self._changed:
            self._taken -= size
            self._changed.notify_all()


@dataclass(frozen=True, slots=True)
class Written:
    """Frames whose objects are being written: all that is pending has to be done before a record names them."""

    frames: tuple[StoredFrame, ...]
    pending: tuple[Future[None], ...]


class FrameWriter:
    """Objects are created only. One that is there with another content is left to the version that it is of: this one
    is noted as contested, and keeps its frame under its own checksum."""

    def __init__(self, objects: Objects, pool: Executor) -> None:
        self._objects, self._pool, self._budget = objects, pool, Budget(IN_FLIGHT)

    def write(self, instance: StoredInstance, *, is_first: bool) -> Written:
        """Each frame an object; below the instance's own path if it is the `is_first` version that is known of it.

        Raises SourceError, Unreachable.
        """
        frames: list[StoredFrame] = []
        pending: list[Future[None]] = []
        if not is_first:
            self._contest(instance.path)
        for number in range(1, instance.number_of_frames + 1):
            place = instance.place(number - 1)
            if place.length >= LARGE:
                frames.append(self._stream(instance, number, place, is_first=is_first))
                continue
            frame, body = _body(instance, place)
            frames.append(frame)
            pending.append(self._put(instance, number, body, is_first=is_first))
        return Written(tuple(frames), tuple(pending))

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
            headers = layout.frame_headers(instance.frames_transfer_syntax_uid)
            _, body = _body(instance, instance.place(number - 1))
            self._objects.replace(layout.version(sha256, number), body, headers)

    def write_bulk_data(self, instance: StoredInstance) -> tuple[Future[None], ...]:
        study = layout.file_name(instance.path.study_instance_uid)
        bodies = {
            layout.bulk_data(study, name): layout.bulk_data_body(value) for name, value in instance.bulk_data.items()
        }
        return tuple(
            self._submit(len(body), partial(self._mend, key, body, layout.BULK_DATA)) for key, body in bodies.items()
        )

    def _put(self, instance: StoredInstance, number: int, body: bytearray, *, is_first: bool) -> Future[None]:
        path, headers = instance.path, layout.frame_headers(instance.frames_transfer_syntax_uid)

        def put() -> None:
            if not (is_first and self._keep(layout.frame(path, number), body, headers)):
                if is_first:
                    self._contest(path)
                self._mend(layout.version(instance.origin.sha256, number), body, headers)

        return self._submit(len(body), put)

    def _submit(self, size: int, write: Callable[[], object]) -> Future[None]:
        self._budget.take(size)

        def run() -> None:
            try:
                write()
            finally:
                self._budget.give_back(size)

        return self._pool.submit(run)

    def _keep(self, key: str, body: bytes | bytearray, headers: Headers) -> bool:
        """Create it; whether it is there now with this content."""
        if self._objects.create(key, body, headers):
            return True
        if self._objects.read(key) != body:
            return False
        listed = self._objects.head(key)
        if listed is not None and _is_old(listed):
            self._objects.replace(key, body, headers)
        return True

    def _mend(self, key: str, body: bytes | bytearray, headers: Headers) -> None:
        """The same of an object that is named by its content: another content is a damaged one."""
        if not self._keep(key, body, headers):
            self._objects.replace(key, body, headers)

    def _contest(self, path: InstancePath) -> None:
        """Anew, though it is there: a collection takes old marks away, where it finds the right frames."""
        self._objects.replace(layout.contested(path), b"")

    def _stream(self, instance: StoredInstance, number: int, place: FramePlace, *, is_first: bool) -> StoredFrame:
        """S3 cannot create a large object only where there is none, but it can look before."""
        path, headers = instance.path, layout.frame_headers(instance.frames_transfer_syntax_uid)
        key, head = layout.frame(path, number), part_header(instance.frames_transfer_syntax_uid, place.length)
        checksum = xxhash.xxh3_64()

        def chunks() -> Iterator[bytes]:
            yield head
            for chunk in instance.chunks(place):
                checksum.update(chunk)
                yield chunk
            yield TRAILER

        if not is_first or self._objects.head(key) is not None:
            self._contest(path)
            key = layout.version(instance.origin.sha256, number)
        self._objects.replace_with_stream(key, chunks(), headers)
        return StoredFrame(place.length, checksum.hexdigest(), instance.runs(place))


def _is_old(listed: Listed) -> bool:
    return datetime.now(UTC) - listed.modified > _OLD


def _body(instance: StoredInstance, place: FramePlace) -> tuple[StoredFrame, bytearray]:
    """The frame's object, laid out at once: one read into its place."""
    head = part_header(instance.frames_transfer_syntax_uid, place.length)
    end = len(head) + place.length
    body = bytearray(end + len(TRAILER))
    body[: len(head)], body[end:] = head, TRAILER
    with memoryview(body) as view, view[len(head) : end] as target:
        instance.read_into(place, target)
        checksum = xxhash.xxh3_64_hexdigest(target)
    return StoredFrame(place.length, checksum, instance.runs(place)), body


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
