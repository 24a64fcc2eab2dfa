"""Cutting the frames of one instance out and keeping them, the nearest first; or keeping only where they lie."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from framecache.codecs.targets import HTJ2K_LOSSLESS
from framecache.dicom import frame_index
from framecache.dicom.transfer_syntax import (
    Encoding,
    Representation,
    lookup,
    stored_representation,
)
from framecache.errors import FrameCacheError, HandOver
from framecache.instances.entry import Entry
from framecache.instances.frame_source import FrameSource, FrameSources, lie_open
from framecache.policy.rule import Mode
from framecache.prefetch.extraction_cost import ExtractionCost, KeptForm
from framecache.serving.form import Codecs, Transcoded
from framecache.store.buffers import BufferPool
from framecache.store.store import Store

# Frames shorter than this share a block: a file for each slide tile would cost more than the tile.
_SMALL_FRAME = 256 << 10
_BLOCK_SIZE = 4 << 20
_PATIENCE = 60.0


@dataclass(slots=True)
class ExtractionResult:
    """How much was kept: frames in all forms, and their bytes; and how many frames the stored file lacks.

    `codec_seconds` is how long the codecs' processes worked for it.
    """

    frames: int = 0
    size: int = 0
    missing: int = 0
    codec_seconds: float = 0.0


class Extractor:
    """Fills the store with one instance at a time."""

    def __init__(
        self,
        sources: FrameSources,
        store: Store,
        pool: BufferPool,
        codecs: Codecs | None,
        extraction_cost: ExtractionCost,
        *,
        may_evict: bool = True,
    ) -> None:
        """`may_evict` says whether others may be evicted for what is extracted."""
        self._extraction_cost, self._may_evict = extraction_cost, may_evict
        self._sources, self._store, self._pool, self._codecs = sources, store, pool, codecs

    def extract(
        self, entry: Entry, form: Transcoded, near: Callable[[], int], is_stopping: Callable[[], bool]
    ) -> ExtractionResult:
        """Keep all frames of `entry` in this form that are not kept yet, those nearest to frame `near()` first.

        `near` is asked before each block: who scrolls elsewhere meanwhile is followed there.
        Raises HandOver where there is nothing to keep, SourceError, StoreError, CodecError.
        """
        done, mode, started = ExtractionResult(), entry.treatment.mode, time.thread_time()
        kept: KeptForm = "stored" if form == self.forms(entry)[0] else "HTJ2K"
        if kept == "stored" and mode != "copy" and self._index_if_possible(entry, mode, done):
            kept = "index"
        elif entry.instance.file_size > self._store.limit:
            raise HandOver("the instance is larger than the cache")
        else:
            self._fill(entry, form, near, done, is_stopping)
        seconds = time.thread_time() - started + done.codec_seconds
        self._extraction_cost.note(kept, done.frames * entry.instance.frame_size, done.size, seconds)
        return done

    def is_indexed(self, entry: Entry) -> bool:
        """Whether the frames of `entry` stay in the stored file, and only their places are kept."""
        return entry.treatment.mode != "copy" and lie_open(entry)

    def _index_if_possible(self, entry: Entry, mode: Mode, done: ExtractionResult) -> bool:
        """False where the mode is "auto" and the frames are to be copied, because they are not sent as they lie."""
        try:
            self._index(entry, done)
        except HandOver:
            if mode == "index":
                raise
            return False
        return True

    def _index(self, entry: Entry, done: ExtractionResult) -> None:
        if entry.index is None:
            content, instance = self._sources.index(entry), entry.instance
            self._store.blocks.keep_index(instance, content, may_evict=self._may_evict)
            entry.index = frame_index.unpack(content, instance.attachment_uuid, instance.file_size)
            done.frames += entry.index.number_of_frames
            done.size += len(content)

    def _fill(
        self,
        entry: Entry,
        form: Transcoded,
        near: Callable[[], int],
        done: ExtractionResult,
        is_stopping: Callable[[], bool],
    ) -> None:
        with self._sources.open(entry, whole=True) as source:
            done.missing = source.number_of_frames - source.frames_present
            for numbers in _in_turn(list(_blocks(source, entry.instance.frame_size)), near):
                if is_stopping():
                    break
                if any((form.key, number) not in entry.blocks for number in numbers):
                    self._keep(entry, source, form, numbers, done)

    def forms(self, entry: Entry) -> list[Transcoded]:
        """What is sent as it is stored; then the small form, if a rule wants one.

        Raises HandOver where there is nothing to keep.
        """
        stored = stored_representation(entry.instance.transfer_syntax_uid)
        if stored is None:
            if lookup(entry.instance.transfer_syntax_uid).encoding is Encoding.VIDEO:
                raise HandOver("a video is one stream and has no frames")
            raise HandOver("the transfer syntax is not known")
        forms = [Transcoded(stored)]
        has_small_form = self._codecs is not None and entry.treatment.has_small_form
        return [*forms, Transcoded(Representation(HTJ2K_LOSSLESS))] if has_small_form else forms

    def _keep(
        self, entry: Entry, source: FrameSource, form: Transcoded, numbers: range, done: ExtractionResult
    ) -> None:
        as_stored = form.representation == stored_representation(entry.instance.transfer_syntax_uid)
        with ExitStack() as stack:
            frames = self._cut(source, numbers, stack) if as_stored else self._make(source, form, numbers, done)
            row = self._store.blocks.keep(entry.instance, form.key, frames, may_evict=self._may_evict)
        entry.add(row)
        done.frames += len(frames)
        done.size += row.size

    def _cut(self, source: FrameSource, numbers: Sequence[int], stack: ExitStack) -> dict[int, memoryview]:
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
                frame = self._cut(source, (number,), stack)[number]
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


def _blocks(source: FrameSource, frame_size: int) -> Iterator[range]:
    """Frame numbers by block; `frame_size` is the bytes of a frame on average: the first one may be blank."""
    length = max(1, frame_size, source.frame_length(0))
    count = 1 if length >= _SMALL_FRAME else _BLOCK_SIZE // length
    for first in range(1, source.frames_present + 1, count):
        yield range(first, min(first + count, source.frames_present + 1))


def _in_turn(blocks: list[range], near: Callable[[], int]) -> Iterator[range]:
    """All blocks; what is left is ordered anew whenever `near` has moved."""
    position = None
    while blocks:
        if position != (position := near()):
            blocks = nearest_first(blocks, position)[::-1]
        yield blocks.pop()


def nearest_first(blocks: list[range], near: int) -> list[range]:
    """Blocks by their distance from frame `near`, those behind it before those in front: viewers scroll forward."""
    return sorted(blocks, key=lambda numbers: (min(abs(numbers[0] - near), abs(numbers[-1] - near)), -numbers[0]))
