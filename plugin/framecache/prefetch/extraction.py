"""Extracts the frames of one instance into the cache, the nearest first; or caches only where they lie."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from framecache.codecs.targets import HTJ2K_LOSSLESS_RPCL
from framecache.dicom import frame_index
from framecache.dicom.frame_source import FrameSource
from framecache.dicom.transfer_syntax import (
    Encoding,
    Representation,
    lookup,
    stored_representation,
)
from framecache.errors import HandOver
from framecache.instances.entry import Entry
from framecache.instances.frame_sources import FrameSources
from framecache.policy.rule import Mode
from framecache.prefetch.block_writer import BlockWriter, ExtractionResult
from framecache.prefetch.extraction_cost import ExtractionCost, KeptForm
from framecache.serving.representations import Codecs, Transcoded
from framecache.store.buffers import BufferPool
from framecache.store.store import Store

# Frames shorter than this share a block: a file for each slide tile would cost more than the tile.
_SMALL_FRAME = 256 << 10
_BLOCK_SIZE = 4 << 20


class Extractor:
    """Caches one form of one instance at a time."""

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
        self._sources, self._store, self._codecs = sources, store, codecs
        self._writer = BlockWriter(store, pool, codecs, may_evict=may_evict)

    def extract(
        self, entry: Entry, form: Transcoded, near: Callable[[], int], is_stopping: Callable[[], bool]
    ) -> ExtractionResult:
        """Cache all frames of `entry` in this form that are not cached yet, those nearest to frame `near()` first.

        `near` is asked before each block: who scrolls elsewhere meanwhile is followed there.
        Raises HandOver where there is nothing to cache, SourceError, StoreError, CodecError.
        """
        done, mode, started = ExtractionResult(), entry.treatment.mode, time.thread_time()
        kept: KeptForm = "stored" if form == self.forms(entry)[0] else "HTJ2K"
        if kept == "stored" and mode != "copy" and self._index_if_possible(entry, mode, done):
            kept = "index"
        elif entry.instance.file_size > self._store.limit:
            raise HandOver("the instance is larger than the cache")
        else:
            self._copy(entry, form, near, done, is_stopping)
        seconds = time.thread_time() - started + done.codec_seconds
        self._extraction_cost.note(kept, done.frames * entry.instance.frame_size, done.size, seconds)
        return done

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

    def _copy(
        self,
        entry: Entry,
        form: Transcoded,
        near: Callable[[], int],
        done: ExtractionResult,
        is_stopping: Callable[[], bool],
    ) -> None:
        with self._sources.open(entry, whole=True) as source:
            done.missing = source.number_of_frames - source.frames_present
            for numbers in _nearest_in_turn(list(_blocks(source, entry.instance.frame_size)), near):
                if is_stopping():
                    break
                if any((form.key, number) not in entry.blocks for number in numbers):
                    self._writer.write(entry, source, form, numbers, done)

    def forms(self, entry: Entry) -> list[Transcoded]:
        """What is sent as it is stored; then the small form, if a rule wants one.

        Raises HandOver where there is nothing to cache.
        """
        stored = stored_representation(entry.instance.transfer_syntax_uid)
        if stored is None:
            if lookup(entry.instance.transfer_syntax_uid).encoding is Encoding.VIDEO:
                raise HandOver("a video is one stream and has no frames")
            raise HandOver("the transfer syntax is not known")
        syntax = entry.instance.transfer_syntax_uid
        forms = [Transcoded.of(syntax, stored)]
        has_small_form = self._codecs is not None and entry.treatment.has_small_form
        return [*forms, Transcoded.of(syntax, Representation(HTJ2K_LOSSLESS_RPCL))] if has_small_form else forms


def _blocks(source: FrameSource, frame_size: int) -> Iterator[range]:
    """Frame numbers by block; `frame_size` is the bytes of a frame on average: the first one may be blank."""
    length = max(1, frame_size, source.frame_length(0))
    count = 1 if length >= _SMALL_FRAME else _BLOCK_SIZE // length
    for first in range(1, source.frames_present + 1, count):
        yield range(first, min(first + count, source.frames_present + 1))


def _nearest_in_turn(blocks: list[range], near: Callable[[], int]) -> Iterator[range]:
    """All blocks; what is left is ordered anew whenever `near` has moved."""
    position = None
    while blocks:
        if position != (position := near()):
            blocks = nearest_first(blocks, position)[::-1]
        yield blocks.pop()


def nearest_first(blocks: list[range], near: int) -> list[range]:
    """Blocks by their distance from frame `near`, those behind it before those in front: viewers scroll forward."""
    return sorted(blocks, key=lambda numbers: (min(abs(numbers[0] - near), abs(numbers[-1] - near)), -numbers[0]))
