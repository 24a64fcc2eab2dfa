"""Finds the frames of an instance, in one form: in the cache, in the stored file, or by a codec."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from framecache.codecs.process.errors import CodecUnavailable, Unwritable
from framecache.dicom.frame_source import FrameSource, read_frame
from framecache.dicom.frame_table import FrameTable
from framecache.dicom.transfer_syntax import stored_representation
from framecache.errors import BrokenPixelData, FrameCacheError, NotFound
from framecache.instances.entry import Entry
from framecache.instances.frame_sources import FrameSources
from framecache.plurals import counted
from framecache.serving.frame_location import FrameLocation, MadeFrame, StoredFrame, is_stored, known_location
from framecache.serving.representations import Codecs, Form
from framecache.serving.resources import Resources
from framecache.single_flight import SharedReads, SingleFlight
from framecache.telemetry.metrics import MissCause

_PATIENCE = 60.0


class FormUnavailable(FrameCacheError):
    """The frames cannot be had in this form, but may be in others; the cause says why."""

    def __init__(self, form: Form, why: FrameCacheError) -> None:
        super().__init__(str(why))
        self.form, self.why = form, why


class Keeping(Protocol):
    """Who writes down what was made."""

    def keep(self, entry: Entry, form: str, frame_number: int, content: bytes) -> None:
        """Keep one frame in the form of that key. Returns at once."""


class Frames:
    """The frames of all instances. Several who want the same one at once wait for the first."""

    def __init__(self, sources: FrameSources, codecs: Codecs | None, keeping: Keeping) -> None:
        self._sources, self._codecs, self._keeping = sources, codecs, keeping
        self._flights: SingleFlight[bytes] = SingleFlight(_PATIENCE)
        self._reads = SharedReads(_PATIENCE)

    @property
    def can_transcode(self) -> bool:
        """Whether there are codecs."""
        return self._codecs is not None

    def source(self, entry: Entry, resources: Resources) -> FrameSource:
        """The stored frames. Raises HandOver, SourceError."""
        return resources.open(self._sources.open(entry))

    def stored(self, entry: Entry, source: FrameSource, number: int) -> FrameLocation:
        """A frame as it is stored. Raises SourceError."""
        share = partial(self._reads.read_into, (entry.instance.attachment_uuid, number))
        return StoredFrame(
            number, source.frame_length(number - 1), partial(share, read=self._reader(entry, source, number))
        )

    def _reader(self, entry: Entry, source: FrameSource, number: int) -> Callable[[memoryview], None]:
        """Reads the frame; one that does not lie on a disk here is also cached: it was dear."""
        read = partial(source.read_frame, number - 1)
        stored = stored_representation(entry.instance.transfer_syntax_uid)
        if entry.stored_path is not None or stored is None:
            return read

        def read_and_keep(target: memoryview) -> None:
            read(target)
            self._keeping.keep(entry, stored.transfer_syntax_uid, number, bytes(target))

        return read_and_keep

    def make(self, entry: Entry, source: FrameSource, form: Form, number: int) -> FrameLocation:
        """A frame in a form that is not stored. Raises FormUnavailable, CodecError, SourceError."""
        key = entry.instance.attachment_uuid, form.key, number
        try:
            return MadeFrame(number, self._flights.join(key, lambda: self._make(entry, source, form, number)))
        except (Unwritable, CodecUnavailable) as error:
            raise FormUnavailable(form, error) from error

    def _make(self, entry: Entry, source: FrameSource, form: Form, number: int) -> bytes:
        if self._codecs is None:
            raise CodecUnavailable('there are no helper processes: "CodecProcesses" is 0')
        made = self._sources.made(entry, form.key, number)
        if made is None:
            made = form.make(self._codecs, source.header(), read_frame(source, number), number)
        self._keeping.keep(entry, form.key, number, made)
        return made


class OpenFrames:
    """The frames of one entry, in one form, during one answer. The stored file is opened when a frame needs it."""

    __slots__ = ("_entry", "_form", "_frames", "_resources", "_source")

    def __init__(self, frames: Frames, entry: Entry, form: Form, resources: Resources) -> None:
        self._frames, self._entry, self._form, self._resources = frames, entry, form, resources
        self._source: FrameSource | None = None

    def all_numbers(self) -> Sequence[int]:
        """The numbers of all frames. Raises SourceError."""
        table = self._entry.index or self._opened()
        return range(1, table.number_of_frames + 1)

    def check_exist(self, numbers: Sequence[int]) -> None:
        """Before an answer begins that would break off. Raises NotFound past the end."""
        for number in numbers:
            if (self._form.key, number) not in self._entry.blocks:
                _check_exists(self._entry.index or self._opened(), number)

    def locate(self, number: int) -> FrameLocation:
        """Where frame `number` lies. Raises NotFound past the end, BrokenPixelData, FormUnavailable, SourceError…"""
        return known_location(self._entry, self._form.key, number) or self._unknown(number)

    def why_missed(self, location: FrameLocation, queue: MissCause) -> MissCause:
        """Why a frame did not come from the cache; `queue` says where nothing of it was in the cache."""
        if location.is_made:
            return "other_form"
        return self._entry.lost.get((self._form.key, location.number), queue)

    def _unknown(self, number: int) -> FrameLocation:
        source = self._opened()
        _check_exists(source, number)
        _check_present(source, number)
        if is_stored(self._entry, self._form.key):
            return self._frames.stored(self._entry, source, number)
        return self._frames.make(self._entry, source, self._form, number)

    def _opened(self) -> FrameSource:
        if self._source is None:
            self._source = self._frames.source(self._entry, self._resources)
        return self._source


def _check_exists(source: FrameSource | FrameTable, number: int) -> None:
    if number > source.number_of_frames:
        raise NotFound(f"there is no frame {number}: the instance has {counted(source.number_of_frames, 'frame')}")


def _check_present(source: FrameSource, number: int) -> None:
    if number > source.frames_present:
        raise BrokenPixelData(f"frame {number} is missing: the stored file has the first {source.frames_present} only")
