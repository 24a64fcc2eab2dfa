"""Retrieve Frames (PS3.18 section 10.4.1.1.5): as stored, or made by a codec, by the plugin's own negotiation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from framecache.client.collection import StoredInstance
from framecache.client.retrieval.opening import Opener
from framecache.codecs.direct_codecs import DirectCodecs
from framecache.codecs.process.errors import Unwritable
from framecache.codecs.same_stream import kept_as
from framecache.codecs.targets import available_representations
from framecache.dicom.frame_source import LocatedFrames, read_frame
from framecache.dicom.identity import InstancePath
from framecache.dicom.transfer_syntax import Encoding, Representation, lookup, stored_representation
from framecache.dicomweb.negotiation import asks_as_stored, choose
from framecache.errors import BrokenPixelData, NotFound
from framecache.plurals import counted

DEFAULT_ACCEPT = 'multipart/related; type="*/*"'  # Explicit VR Little Endian (PS3.18 section 8.7.8)


@dataclass(frozen=True, slots=True)
class FramePayload:
    """A frame, and the transfer syntax that its bytes are in."""

    number: int
    transfer_syntax_uid: str
    content: bytes


class FrameRetrieval:
    """Retrieves frames of the instances that `opener` opens."""

    def __init__(self, opener: Opener, codecs: DirectCodecs) -> None:
        self._opener, self._codecs = opener, codecs

    def frames(self, path: InstancePath, numbers: Sequence[int], accept: str) -> Iterator[FramePayload]:
        """The frames in the order of `numbers`, the first of them made before this returns.

        Numbers count from 1. Raises NotAcceptable, CodecError, SourceError; NotFound past the last frame, too.
        """

        def begin(instance: StoredInstance) -> Iterator[FramePayload]:
            frames = self._frames(instance, numbers, accept)
            return _chained(next(frames), frames)

        return self._opener.with_instance(path, begin)

    def _frames(self, instance: StoredInstance, numbers: Sequence[int], accept: str) -> Iterator[FramePayload]:
        syntax = instance.transfer_syntax_uid
        available = _available(syntax, accept)
        form = choose(accept, available, several=len(numbers) > 1).representation
        stored = stored_representation(syntax)
        is_stored = stored is None or kept_as(stored.transfer_syntax_uid, form.transfer_syntax_uid) == (
            stored.transfer_syntax_uid
        )
        with self._opener.frames(instance, numbers, header=not is_stored) as source:
            check_exist(source, numbers)
            if is_stored:
                for number in numbers:
                    yield FramePayload(number, form.transfer_syntax_uid, source.frame_bytes(number - 1))
                return
            yield from self._made(instance, source, stored, numbers, accept, available)

    def _made(
        self,
        instance: StoredInstance,
        source: LocatedFrames,
        stored: Representation | None,
        numbers: Sequence[int],
        accept: str,
        available: list[Representation],
    ) -> Iterator[FramePayload]:
        """Frames by a codec; a form that has no room for the first is passed over for the next acceptable one."""
        header, remaining = source.header(), list(available)
        stored_uid = stored.transfer_syntax_uid if stored else ""
        for position, number in enumerate(numbers):
            while True:
                form = choose(accept, remaining, several=len(numbers) > 1).representation
                target = kept_as(stored_uid, form.transfer_syntax_uid)
                try:
                    content = self._opener.made(instance, target, number) or self._make(
                        source, header, number, target, is_stored=target == stored_uid
                    )
                    break
                except Unwritable:
                    if position:
                        raise
                    remaining = [one for one in remaining if kept_as(stored_uid, one.transfer_syntax_uid) != target]
            yield FramePayload(number, form.transfer_syntax_uid, content)

    def _make(self, source: LocatedFrames, header: bytes, number: int, target: str, *, is_stored: bool) -> bytes:
        if is_stored:
            return source.frame_bytes(number - 1)
        return self._codecs.transcode(header, read_frame(source, number), number, target)


def _available(syntax: str, accept: str) -> list[Representation]:
    """What is not known cannot be decoded, but be had as it is."""
    if lookup(syntax).encoding is Encoding.UNKNOWN and asks_as_stored(accept):
        return [Representation(syntax)]
    return available_representations(syntax, can_transcode=True)


def check_exist(source: LocatedFrames, numbers: Sequence[int]) -> None:
    """Raises NotFound past the last frame, BrokenPixelData where the file lacks one."""
    last = max(numbers)
    if last > source.number_of_frames:
        raise NotFound(f"there is no frame {last}: the instance has {counted(source.number_of_frames, 'frame')}")
    if last > source.frames_present:
        raise BrokenPixelData(f"frame {last} is missing: the stored file has the first {source.frames_present} only")


def _chained(first: FramePayload, rest: Iterator[FramePayload]) -> Iterator[FramePayload]:
    yield first
    yield from rest
