"""Writes blocks of extracted frames, and keeps entries true to what the store has."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from framecache.dicom.frame_source import FrameSource
from framecache.dicom.transfer_syntax import stored_representation
from framecache.errors import FrameCacheError, HandOver
from framecache.instances.entry import Entry
from framecache.serving.representations import Codecs, Transcoded
from framecache.store.block import Block
from framecache.store.buffers import BufferPool
from framecache.store.store import Store
from framecache.telemetry.metrics import Metrics


class Inventory:
    """Keeps entries true to the store: others may evict what is being extracted, and readers may find damage in it."""

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store, self._metrics = store, metrics

    def refresh(self, entry: Entry) -> None:
        """Update the blocks of `entry` from the store. Raises StoreError."""
        self._remove_broken(entry)
        entry.set_blocks(self._store.blocks.of(entry.instance))

    def is_whole(self, entry: Entry) -> bool:
        """Whether none of its blocks was evicted meanwhile; otherwise the rest is removed too. Raises StoreError."""
        broken = self._remove_broken(entry)
        present = {*self._store.blocks.of(entry.instance), *broken}
        if present.issuperset(list(entry.blocks.values())):
            return True
        self.drop(entry)
        return False

    def drop(self, entry: Entry) -> None:
        """Remove what was written, since there is no room for all of it. Raises StoreError."""
        self._store.versions.remove({entry.instance.orthanc_id: {entry.instance.attachment_uuid}}, "size")
        entry.set_blocks([])

    def _remove_broken(self, entry: Entry) -> Collection[Block]:
        """Remove the blocks that readers found broken, or each request would meet them again."""
        broken = entry.take_broken()
        if not broken:  # as nearly always: do not ask the store
            return broken.keys()
        for block in set(self._store.blocks.of(entry.instance)).intersection(broken):
            self._store.blocks.remove(block)
        # A block that a reader met while its frames were written anew has no row any more, and counts all the same.
        self._metrics.count("damaged_blocks", list(broken.values()).count("damaged"))
        return broken.keys()


_PATIENCE = 60.0


@dataclass(slots=True)
class ExtractionResult:
    """How much was cached: frames in all forms, and their bytes; and how many frames the stored file lacks.

    `codec_seconds` is how long the codecs' processes worked for it.
    """

    frames: int = 0
    size: int = 0
    missing: int = 0
    codec_seconds: float = 0.0


class BlockWriter:
    """Holds the frames of one block in memory at a time."""

    def __init__(self, store: Store, pool: BufferPool, codecs: Codecs | None, *, may_evict: bool) -> None:
        """`may_evict` says whether others may be evicted for what is written."""
        self._store, self._pool, self._codecs, self._may_evict = store, pool, codecs, may_evict

    def write(
        self, entry: Entry, source: FrameSource, form: Transcoded, numbers: range, done: ExtractionResult
    ) -> None:
        """Cache these frames in this form, and add them to `done`. Raises SourceError, StoreError, CodecError."""
        as_stored = form.representation == stored_representation(entry.instance.transfer_syntax_uid)
        with ExitStack() as stack:
            frames = self._read(source, numbers, stack) if as_stored else self._make(source, form, numbers, done)
            row = self._store.blocks.keep(entry.instance, form.key, frames, may_evict=self._may_evict)
        entry.add(row)
        done.frames += len(frames)
        done.size += row.size

    def _read(self, source: FrameSource, numbers: Sequence[int], stack: ExitStack) -> dict[int, memoryview]:
        lengths = {}
        for number in numbers:
            with _named(number):
                lengths[number] = source.frame_length(number - 1)
        buffer = stack.enter_context(self._pool.lease(sum(lengths.values()), _PATIENCE))
        frames, position = {}, 0
        for number, length in lengths.items():
            frames[number] = stack.enter_context(buffer[position : position + length])
            with _named(number):
                source.read_frame(number - 1, frames[number])
            position += length
        return frames

    def _make(
        self, source: FrameSource, form: Transcoded, numbers: Sequence[int], done: ExtractionResult
    ) -> dict[int, memoryview]:
        codecs = self._codecs
        if codecs is None:
            raise HandOver("there are no codecs")
        header, made = source.header(), {}
        for number in numbers:
            with ExitStack() as stack, _named(number):
                frame = self._read(source, (number,), stack)[number]
                started = time.monotonic()
                made[number] = memoryview(form.make(codecs, header, frame, number))
                done.codec_seconds += time.monotonic() - started
        return made


@contextmanager
def _named(frame_number: int) -> Iterator[None]:
    """What goes wrong here goes wrong with this frame."""
    try:
        yield
    except FrameCacheError as error:
        error.frames = (frame_number,)
        raise
